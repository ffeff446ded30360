//! Choices between nearly equal numbers: both are right.
//!
//! An integer result may name either of two equal maxima. Comparisons that kernels make on the way are
//! the run's own choices too, but they are not stored: a value that agrees with one way of deciding a
//! comparison of nearly equal numbers agrees.

use super::TOLERANCE;
use super::local::{evaluate_one, operand_value};
use super::measure::{coordinates, norm};
use super::stored::Memory;
use crate::Result;
use dlc_interp::{Data, Tensor, Values};
use dlc_ir::{Binary, NodeId, Op, Unary, Window};
use std::collections::BTreeSet;

/// Numbers whose difference is below this share of their tensor's root mean square are nearly equal.
const TIE: f64 = 1e-6;

/// Comparisons of nearly equal numbers that are tried both ways, at most.
const TIES: usize = 6;

/// Whether both choices of an op at one element are as good.
pub(crate) fn is_tie(op: &Op, operands: &[Tensor], dims: &[usize], place: usize, chosen: (f64, f64)) -> bool {
    let Some(x) = operands.first().filter(|x| x.dtype.is_float()) else { return false };
    let values = x.to_f64();
    let at = |choice: f64| -> Option<f64> {
        let element = match op {
            Op::ArgReduce { axis, .. } => argument(&x.dims, *axis, place, choice),
            Op::WindowArgMax { window } => window_element(window, &x.dims, dims, place, choice),
            _ => None,
        };
        values.get(element?).copied()
    };
    match op {
        Op::ArgReduce { .. } | Op::WindowArgMax { .. } => match (at(chosen.0), at(chosen.1)) {
            (Some(a), Some(b)) => (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()),
            _ => false,
        },
        Op::Compare(_) => operands.get(1).is_some_and(|y| nearly_equal(&values, &y.to_f64(), place)),
        _ => false,
    }
}

/// What an integer was rounded from, where it is clamped and converted behind its rounding.
pub(crate) fn before_rounding(memory: &Memory<'_>, known: &Values, id: NodeId) -> Result<Option<Vec<f64>>> {
    let function = &memory.lowered.function;
    let mut at = id;
    loop {
        let node = &function.nodes[at];
        let is_bound = |id: NodeId| matches!(function.nodes[id].op, Op::Broadcast { .. } | Op::Constant(_));
        let next = match (&node.op, node.operands.as_slice()) {
            (Op::Unary(Unary::Round), &[x]) => return Ok(Some(operand_value(memory, known, x)?.to_f64())),
            (Op::Cast(_) | Op::Unary(Unary::Relu), &[x]) => x,
            (Op::Binary(Binary::Min | Binary::Max), &[x, bound]) if is_bound(bound) => x,
            (Op::Binary(Binary::Min | Binary::Max), &[bound, x]) if is_bound(bound) => x,
            _ => return Ok(None),
        };
        at = next;
    }
}

/// Whether both integers are as good for a number that lies nearly halfway between them.
pub(crate) fn is_rounding_tie(sources: &[f64], place: usize, chosen: (f64, f64)) -> bool {
    let Some(&x) = sources.get(place) else { return false };
    let scale = (norm(sources) / (sources.len().max(1) as f64).sqrt()).max(x.abs());
    (chosen.0 - chosen.1).abs() == 1.0 && (x - x.floor() - 0.5).abs() <= 4.0 * TIE * scale
}

fn nearly_equal(a: &[f64], b: &[f64], place: usize) -> bool {
    let scale = (norm(a) + norm(b)) / (a.len().max(1) as f64).sqrt();
    matches!((a.get(place), b.get(place)), (Some(x), Some(y)) if (x - y).abs() <= TIE * scale)
}

/// The element of an arg-reduction's operand that a choice names.
fn argument(dims: &[usize], axis: usize, place: usize, choice: f64) -> Option<usize> {
    let inner: usize = dims.get(axis + 1..)?.iter().product();
    let length = *dims.get(axis)?;
    if !(choice >= 0.0 && choice < length as f64) {
        return None;
    }
    Some((place / inner.max(1) * length + choice as usize) * inner + place % inner.max(1))
}

/// The element of a window's operand that a tap number names.
fn window_element(
    window: &Window,
    operand: &[usize],
    result: &[usize],
    place: usize,
    choice: f64,
) -> Option<usize> {
    if choice < 0.0 {
        return None;
    }
    let taps = coordinates(&window.sizes, choice as usize);
    let corner = coordinates(result, place);
    let mut element = 0;
    for axis in 0..operand.len() {
        let reach = corner[axis] * window.strides[axis] + taps[axis] * window.dilations[axis];
        let at = reach.checked_sub(window.padding[axis].0).filter(|&at| at < operand[axis])?;
        element = element * operand[axis] + at;
    }
    Some(element)
}

/// What is known, with comparisons of nearly equal numbers decided in every other way.
pub(crate) fn other_choices(
    memory: &Memory<'_>,
    known: &Values,
    between: &BTreeSet<NodeId>,
) -> Result<Vec<Values>> {
    let function = &memory.lowered.function;
    let mut ties: Vec<(NodeId, usize)> = Vec::new();
    let mut masks = Values::new();
    for &id in between {
        let node = &function.nodes[id];
        if !matches!(node.op, Op::Compare(_)) || !function.tensor_type(node.operands[0]).dtype.is_float() {
            continue;
        }
        let a = operand_value(memory, known, node.operands[0])?.to_f64();
        let b = operand_value(memory, known, node.operands[1])?.to_f64();
        let scale = (norm(&a) + norm(&b)) / (a.len().max(1) as f64).sqrt();
        let near =
            (0..a.len()).filter(|&place| (a[place] - b[place]).abs() <= TIE * scale && a[place] != b[place]);
        let near: Vec<usize> = near.take(TIES + 1).collect();
        if !near.is_empty() {
            masks.insert(id, vec![evaluate_one(memory, known, id)?]);
            ties.extend(near.into_iter().map(|place| (id, place)));
        }
    }
    if ties.is_empty() || ties.len() > TIES {
        return Ok(Vec::new());
    }
    let choices = (1u32..1 << ties.len()).map(|choice| {
        let mut changed = known.clone();
        changed.extend(masks.clone());
        for (number, (id, place)) in ties.iter().enumerate() {
            let mask = changed.get_mut(id).and_then(|tensors| tensors.first_mut());
            if let Some(Tensor { data: Data::Bool(mask), .. }) = mask {
                mask[*place] ^= choice >> number & 1 == 1;
            }
        }
        changed
    });
    Ok(choices.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn halves_may_be_rounded_to_either_side() {
        let x = [2.500_001, 2.51, -0.5];
        assert!(is_rounding_tie(&x, 0, (2.0, 3.0)) && is_rounding_tie(&x, 2, (0.0, -1.0)));
        assert!(!is_rounding_tie(&x, 1, (2.0, 3.0)) && !is_rounding_tie(&x, 0, (2.0, 4.0)));
    }

    #[test]
    fn equal_maxima_are_ties_and_others_are_not() {
        let x = Tensor::from_f32(&[2, 3], &[1.0, 1.0, 0.0, 5.0, 4.0, 5.0]).unwrap();
        let op = Op::ArgReduce { kind: dlc_ir::ArgReduction::Max, axis: 1 };
        let tie = |place, a, b| is_tie(&op, std::slice::from_ref(&x), &[2], place, (a, b));
        assert!(tie(0, 1.0, 0.0) && tie(1, 2.0, 0.0));
        assert!(!tie(0, 2.0, 0.0) && !tie(1, 1.0, 0.0) && !tie(1, 3.0, 0.0) && !tie(1, -1.0, 0.0));
    }

    #[test]
    fn taps_name_elements_of_the_padded_operand() {
        let window = Window {
            sizes: vec![1, 2, 2],
            strides: vec![1, 2, 2],
            dilations: vec![1, 1, 1],
            padding: vec![(0, 0), (1, 1), (1, 1)],
        };
        // Window (0, 1, 1) of a result [2, 2, 2] begins at row 1, column 1 of a 2x2 operand.
        assert_eq!(window_element(&window, &[2, 2, 2], &[2, 2, 2], 3, 0.0), Some(3));
        assert_eq!(window_element(&window, &[2, 2, 2], &[2, 2, 2], 0, 3.0), Some(0));
        assert_eq!(window_element(&window, &[2, 2, 2], &[2, 2, 2], 0, 0.0), None);
        assert_eq!(window_element(&window, &[2, 2, 2], &[2, 2, 2], 7, 0.0), Some(7));
    }
}
