//! Dilated convolutions that were written as plain ones over phases: the SpaceToBatch – Conv –
//! BatchToSpace idiom that TensorFlow and Keras export for dilated layers.
//!
//! A phase is every `d`-th row and column. The idiom moves phases into the batch by reshapes and transposes,
//! convolves, perhaps adds a bias, normalises and activates, and moves them back. The movements on either side
//! are told by [`super::axis_map`], so it does not matter whether channels come first or last, or whether an
//! axis of size 1 was put in to make two dimensions of one. Padding before and the cut behind are left to the
//! rules for slices and padding.

use super::super::terms::{Class, Terms};
use super::axis_map::{Atom, AxisMap, ONE, identity, moved_from};
use super::{Rule, Tag};
use dlc_ir::{Convolution, Op};
use dlc_types::{Dim, Shape};
use std::cell::Cell;

const LEADING: usize = 2;
/// Elementwise functions between the convolution and the way back.
const FUNCTIONS: usize = 6;
/// Classes that one search for a layer looks at, over all ways.
const VISITS: usize = 64;

/// How the input of the convolution is made of phases of a source.
struct Phases {
    /// Source axes in the order batch, channels, spatial; none for an axis of size 1.
    axes: Vec<Option<usize>>,
    /// Number of phases per spatial axis.
    factors: Vec<usize>,
    /// What the batch axis of the convolution consists of: a spatial axis's phases, or the true batch.
    batch: Vec<(Option<usize>, Dim)>,
}

fn phases(map: &AxisMap, source: &Shape) -> Option<Phases> {
    let spatial = map.len().checked_sub(LEADING)?;
    let channels = match map[1][..] {
        [] => None,
        [atom] if atom.stride == ONE && atom.size == source[atom.axis] => Some(atom.axis),
        _ => return None,
    };
    let mut axes = vec![None, channels];
    let mut factors = vec![1; spatial];
    for axis in 0..spatial {
        let of = match map[LEADING + axis][..] {
            [] => None,
            [atom] if atom.stride.times(atom.size) == Some(source[atom.axis]) => {
                factors[axis] = atom.stride.fixed()?;
                Some(atom.axis)
            }
            _ => return None,
        };
        axes.push(of);
    }
    let mut batch = Vec::new();
    for atom in &map[0] {
        let of = axes[LEADING..].iter().position(|&axis| axis == Some(atom.axis));
        match of {
            Some(axis) if atom.stride == ONE && atom.size == Dim::Fixed(factors[axis]) => {}
            None if axes[0].is_none() && atom.stride == ONE && atom.size == source[atom.axis] => {
                axes[0] = Some(atom.axis);
            }
            _ => return None,
        }
        batch.push((of, atom.size));
    }
    let used: Vec<usize> = axes.iter().flatten().copied().collect();
    let once = used.iter().enumerate().all(|(place, axis)| !used[..place].contains(axis));
    let complete = (0..source.rank()).all(|axis| used.contains(&axis) || source[axis] == ONE);
    let split = factors
        .iter()
        .enumerate()
        .all(|(axis, &factor)| factor == 1 || batch.iter().any(|&(of, _)| of == Some(axis)));
    let any = factors.iter().any(|&factor| factor > 1);
    (once && complete && split && any).then_some(Phases { axes, factors, batch })
}

/// What every axis of the undone value runs through, over the axes of the convolution's result.
fn undone(phases: &Phases, result: &Shape) -> Option<AxisMap> {
    let mut stride = ONE;
    let mut places = Vec::new();
    for &(of, size) in phases.batch.iter().rev() {
        places.push((of, Atom { axis: 0, stride, size }));
        stride = stride.times(size)?;
    }
    let place =
        |wanted: Option<usize>| places.iter().filter(move |(of, _)| *of == wanted).map(|&(_, atom)| atom);
    let whole = identity(result);
    let mut map = vec![place(None).collect(), whole[1].clone()];
    for axis in 0..phases.factors.len() {
        map.push(whole[LEADING + axis].iter().copied().chain(place(Some(axis))).collect());
    }
    Some(map)
}

/// The value with those axes in that order: axes of size 1 stand where there is none, as far as there are any.
fn arranged(terms: &mut Terms, x: Class, axes: &[Option<usize>], shape: Shape) -> Option<Class> {
    let mut single = (0..terms.rank(x)).filter(|&axis| !axes.contains(&Some(axis))).collect::<Vec<_>>();
    single.reverse();
    let mut order: Vec<usize> = axes.iter().filter_map(|axis| axis.or_else(|| single.pop())).collect();
    order.extend(single.into_iter().rev());
    let x = terms.transpose(x, &order)?;
    terms.reshape(x, shape)
}

fn dilated(convolution: &Convolution, factors: &[usize]) -> Option<Convolution> {
    let plain = |values: &[usize]| values.iter().all(|&value| value == 1);
    if !plain(&convolution.strides) || !plain(&convolution.input_dilation) {
        return None;
    }
    let mut result = convolution.clone();
    for (axis, &factor) in factors.iter().enumerate() {
        let zeros = i64::try_from(factor).ok()?;
        let (low, high) = convolution.padding[axis];
        result.kernel_dilation[axis] = convolution.kernel_dilation[axis].checked_mul(factor)?;
        result.padding[axis] = (low.checked_mul(zeros)?, high.checked_mul(zeros)?);
    }
    Some(result)
}

/// A convolution and what is done to each element of its result.
struct Layer {
    result: Class,
    input: Class,
    kernel: Class,
    convolution: Convolution,
    /// Functions, the last first, with the value per channel that a function of two operands takes and the
    /// side on which it stands.
    functions: Vec<(Op, Option<(Class, usize)>)>,
}

/// The layer that a class is the result of.
fn layer_of(terms: &Terms, class: Class, depth: usize, left: &Cell<usize>) -> Option<Layer> {
    left.set(left.get().checked_sub(1)?);
    let convolution = terms.find(class, |op, operands| match op {
        Op::Convolve(convolution) => Some((operands[0], operands[1], convolution.clone())),
        _ => None,
    });
    if let Some((input, kernel, convolution)) = convolution {
        return Some(Layer { result: class, input, kernel, convolution, functions: Vec::new() });
    }
    let depth = depth.checked_sub(1)?;
    let (mut layer, function) = terms.find(class, |op, operands| match (op, operands) {
        (Op::Unary(_), &[x]) => Some((layer_of(terms, x, depth, left)?, (op.clone(), None))),
        (Op::Binary(_), &[a, b]) => [(a, b, 1), (b, a, 0)].into_iter().find_map(|(x, other, side)| {
            let (value, axes) = terms.broadcast_of(other)?;
            let per_channel = axes.is_empty() || axes == [1];
            let layer = if per_channel { layer_of(terms, x, depth, left) } else { None };
            Some((layer?, (op.clone(), Some((value, side)))))
        }),
        _ => None,
    })?;
    layer.functions.insert(0, function);
    Some(layer)
}

/// The functions of a layer on another result of the convolution.
fn applied(terms: &mut Terms, layer: &Layer, mut y: Class) -> Option<Class> {
    for (op, other) in layer.functions.iter().rev() {
        y = match *other {
            None => terms.add(op.clone(), &[y])?,
            Some((value, side)) => {
                let axes: &[usize] = if terms.rank(value) == 0 { &[] } else { &[1] };
                let wide = terms.broadcast(value, terms.shape(y).clone(), axes)?;
                terms.add(op.clone(), &if side == 1 { [y, wide] } else { [wide, y] })?
            }
        };
    }
    Some(y)
}

pub(super) const RULES: &[Rule] = &[Rule {
    name: "space_to_batch",
    tag: Tag::Exact,
    law: "batch_to_space(convolve(space_to_batch(x, d), w)) = convolve(x, w) with kernel dilation times d",
    ops: &["reshape", "transpose"],
    apply: |terms, _, _, class| {
        let left = Cell::new(VISITS);
        let (layer, back, source, phases, undone) = moved_from(terms, class, &|at, back| {
            let layer = layer_of(terms, at, FUNCTIONS, &left)?;
            let (source, phases) = moved_from(terms, layer.input, &|source, map| {
                Some((source, phases(&map, terms.shape(source))?))
            })?;
            let undone = undone(&phases, terms.shape(layer.result))?;
            let fits = |axis: &Vec<Atom>| axis.is_empty() || undone.contains(axis);
            back.iter().all(fits).then_some((layer, back, source, phases, undone))
        })?;
        let wide = dilated(&layer.convolution, &phases.factors)?;
        let dims = phases.axes.iter().map(|axis| axis.map_or(ONE, |axis| terms.shape(source)[axis]));
        let shape = Shape(dims.collect());
        let x = arranged(terms, source, &phases.axes, shape)?;
        let y = terms.add(Op::Convolve(wide), &[x, layer.kernel])?;
        let y = applied(terms, &layer, y)?;
        // Axis i of the value is the order[i]-th of batch, channels, spatial.
        let place = |axis: &Vec<Atom>| undone.iter().position(|other| !axis.is_empty() && other == axis);
        let order: Vec<Option<usize>> = back.iter().map(place).collect();
        let y = arranged(terms, y, &order, terms.shape(class).clone())?;
        (terms.ty(y) == terms.ty(class)).then_some(y)
    },
}];
