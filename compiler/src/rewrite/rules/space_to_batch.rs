//! Dilated convolutions that were written as plain ones over phases: the SpaceToBatch – Conv –
//! BatchToSpace idiom that TensorFlow and Keras export for dilated layers.
//!
//! A phase is every `d`-th row and column. The idiom moves phases into the batch by reshape, transpose and
//! reshape, convolves, and moves them back. The movements on either side are told by their *atoms*: every
//! axis of the moved value is a list of pieces of the source's axes, whatever the order of reshapes and
//! transposes that made it, and whether channels come first or last. Padding before and the cut behind are
//! left to the rules for slices and padding.

use super::super::terms::{Class, Terms};
use super::{Rule, Tag};
use dlc_ir::{Convolution, Op};
use dlc_types::{Dim, Shape};

/// Movements that one side of the idiom may have.
const STEPS: usize = 6;
const LEADING: usize = 2;
const ONE: Dim = Dim::Fixed(1);

/// Part of a source axis: `size` coordinates at a distance of `stride`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Atom {
    axis: usize,
    stride: Dim,
    size: Dim,
}

/// For every axis of a value the atoms that it runs through, the slowest first; those of size 1 are left
/// out.
type AxisMap = Vec<Vec<Atom>>;

fn identity(shape: &Shape) -> AxisMap {
    let whole = |(axis, &size): (usize, &Dim)| {
        if size == ONE { Vec::new() } else { vec![Atom { axis, stride: ONE, size }] }
    };
    shape.dims().iter().enumerate().map(whole).collect()
}

/// `whole / part`, if that is an extent.
fn divide(whole: Dim, part: Dim) -> Option<Dim> {
    match (whole, part) {
        (Dim::Fixed(a), Dim::Fixed(b)) if b > 0 && a % b == 0 => Some(Dim::Fixed(a / b)),
        (Dim::Batch(a), Dim::Batch(b)) if b > 0 && a % b == 0 => Some(Dim::Fixed(a / b)),
        (Dim::Batch(a), Dim::Fixed(b)) if b > 0 && a % b == 0 => Some(Dim::Batch(a / b)),
        _ => None,
    }
}

/// The map of a value after a reshape.
fn reshaped(map: &AxisMap, shape: &Shape) -> Option<AxisMap> {
    let mut atoms = map.iter().flatten().copied().rev().collect::<Vec<Atom>>();
    let mut result = AxisMap::new();
    for &dim in shape.dims() {
        let (mut need, mut axis) = (dim, Vec::new());
        while need != ONE {
            let atom = atoms.pop()?;
            if let Some(left) = divide(need, atom.size) {
                axis.push(atom);
                need = left;
                continue;
            }
            let inner = divide(atom.size, need)?;
            axis.push(Atom { stride: atom.stride.times(inner)?, size: need, ..atom });
            atoms.push(Atom { size: inner, ..atom });
            need = ONE;
        }
        result.push(axis);
    }
    atoms.is_empty().then_some(result)
}

/// The value that reshapes and transposes led from to this class, as far back as `stop` says, with the map.
fn moved_from(terms: &Terms, class: Class, stop: impl Fn(Class) -> bool) -> Option<(Class, AxisMap)> {
    let mut steps: Vec<(Op, Shape)> = Vec::new();
    let mut current = class;
    while steps.len() < STEPS && (steps.is_empty() || !stop(current)) {
        let step = terms.find(current, |op, operands| {
            matches!(op, Op::Reshape | Op::Transpose { .. }).then(|| (op.clone(), operands[0]))
        });
        let Some((op, source)) = step else { break };
        steps.push((op, terms.shape(current).clone()));
        current = source;
    }
    let mut map = identity(terms.shape(current));
    for (op, shape) in steps.into_iter().rev() {
        map = match op {
            Op::Transpose { permutation } => permutation.iter().map(|&axis| map[axis].clone()).collect(),
            _ => reshaped(&map, &shape)?,
        };
    }
    Some((current, map))
}

/// How the input of the convolution is made of phases of a source.
struct Phases {
    /// Source axes in the order batch, channels, spatial.
    axes: Vec<usize>,
    /// Number of phases per spatial axis.
    factors: Vec<usize>,
    /// What the batch axis of the convolution consists of: a spatial axis's phases, or the true batch.
    batch: Vec<(Option<usize>, Dim)>,
}

fn phases(map: &AxisMap, source: &Shape) -> Option<Phases> {
    let spatial = map.len().checked_sub(LEADING)?;
    if source.rank() != map.len() {
        return None;
    }
    let whole = |atoms: &[Atom]| match atoms {
        [atom] if atom.stride == ONE && atom.size == source[atom.axis] => Some(atom.axis),
        _ => None,
    };
    let mut axes = vec![usize::MAX, whole(&map[1])?];
    let mut factors = vec![1; spatial];
    for axis in 0..spatial {
        let [atom] = map[LEADING + axis][..] else { return None };
        factors[axis] = atom.stride.fixed()?;
        if atom.stride.times(atom.size) != Some(source[atom.axis]) {
            return None;
        }
        axes.push(atom.axis);
    }
    let mut batch = Vec::new();
    for &atom in &map[0] {
        let of = axes[LEADING..].iter().position(|&axis| axis == atom.axis);
        match of {
            Some(axis) if atom.stride == ONE && atom.size == Dim::Fixed(factors[axis]) => {}
            None if axes[0] == usize::MAX && whole(&[atom]).is_some() => axes[0] = atom.axis,
            _ => return None,
        }
        batch.push((of, atom.size));
    }
    // A batch of one leaves no atom behind.
    if axes[0] == usize::MAX {
        axes[0] = (0..source.rank()).find(|axis| !axes.contains(axis) && source[*axis] == ONE)?;
    }
    let mut sorted = axes.clone();
    sorted.sort_unstable();
    let complete = sorted.iter().copied().eq(0..source.rank());
    let split = factors
        .iter()
        .enumerate()
        .all(|(axis, &factor)| factor == 1 || batch.iter().any(|&(of, _)| of == Some(axis)));
    (complete && split && factors.iter().any(|&factor| factor > 1)).then_some(Phases { axes, factors, batch })
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

fn convolution_of(terms: &Terms, class: Class) -> Option<(Class, Class, Convolution)> {
    terms.find(class, |op, operands| match op {
        Op::Convolve(convolution) => Some((operands[0], operands[1], convolution.clone())),
        _ => None,
    })
}

pub(super) const RULES: &[Rule] = &[Rule {
    name: "space_to_batch",
    tag: Tag::Exact,
    law: "batch_to_space(convolve(space_to_batch(x, d), w)) = convolve(x, w) with kernel dilation times d",
    ops: &["reshape", "transpose"],
    apply: |terms, _, _, class| {
        let (result, back) = moved_from(terms, class, |at| convolution_of(terms, at).is_some())?;
        let (input, kernel, convolution) = convolution_of(terms, result)?;
        let (source, map) = moved_from(terms, input, |_| false)?;
        let phases = phases(&map, terms.shape(source))?;
        let undone = undone(&phases, terms.shape(result))?;
        // Axis i of the value is the order[i]-th of batch, channels, spatial.
        let mut order = Vec::new();
        for axis in &back {
            let found = (0..undone.len()).find(|at| !order.contains(at) && undone[*at] == *axis);
            order.push(found?);
        }
        let wide = dilated(&convolution, &phases.factors)?;
        let x = terms.transpose(source, &phases.axes)?;
        let y = terms.add(Op::Convolve(wide), &[x, kernel])?;
        let y = terms.transpose(y, &order)?;
        (terms.ty(y) == terms.ty(class)).then_some(y)
    },
}];
