//! What reshapes and transposes do to axes, told by *atoms*: every axis of a moved value runs through pieces of
//! the source's axes, whatever the order of the movements that made it.

use super::super::terms::{Class, Terms};
use dlc_ir::Op;
use dlc_types::{Dim, Shape};

/// Movements on one way.
const STEPS: usize = 7;
/// Classes that one search looks at, over all ways.
const VISITS: usize = 48;
/// An axis without extent.
pub(super) const ONE: Dim = Dim::Fixed(1);

/// Part of a source axis: `size` coordinates at a distance of `stride`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Atom {
    pub(super) axis: usize,
    pub(super) stride: Dim,
    pub(super) size: Dim,
}

/// For every axis of a value the atoms that it runs through, the slowest first; those of size 1 are left
/// out.
pub(super) type AxisMap = Vec<Vec<Atom>>;

/// The map of a value that was not moved.
pub(super) fn identity(shape: &Shape) -> AxisMap {
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

/// The map of a value that these movements, the last first, made of a source.
fn map_of(source: &Shape, steps: &[(Op, Shape)]) -> Option<AxisMap> {
    let mut map = identity(source);
    for (op, shape) in steps.iter().rev() {
        map = match op {
            Op::Transpose { permutation } => permutation.iter().map(|&axis| map[axis].clone()).collect(),
            _ => reshaped(&map, shape)?,
        };
    }
    Some(map)
}

/// The first answer that `question` gives to a class which reshapes and transposes led from to this one, with
/// the map between them; the nearest are asked first.
pub(super) fn moved_from<T>(
    terms: &Terms,
    class: Class,
    question: &dyn Fn(Class, AxisMap) -> Option<T>,
) -> Option<T> {
    let mut left = VISITS;
    search(terms, class, &mut Vec::new(), &mut left, question)
}

fn search<T>(
    terms: &Terms,
    class: Class,
    steps: &mut Vec<(Op, Shape)>,
    left: &mut usize,
    question: &dyn Fn(Class, AxisMap) -> Option<T>,
) -> Option<T> {
    *left = left.checked_sub(1)?;
    if !steps.is_empty()
        && let Some(map) = map_of(terms.shape(class), steps)
        && let Some(answer) = question(class, map)
    {
        return Some(answer);
    }
    if steps.len() == STEPS {
        return None;
    }
    for (op, source) in terms.movements_of(class) {
        steps.push((op, terms.shape(class).clone()));
        let answer = search(terms, source, steps, left, question);
        steps.pop();
        if answer.is_some() {
            return answer;
        }
    }
    None
}
