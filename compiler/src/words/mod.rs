//! Which contractions and convolutions of integers are computed in words of 32 bits, four bytes or two `i16` at
//! a time ([`dlc_kernel::contraction`]).
//!
//! The graph says `i32` on both sides; what counts is which numbers can be there ([`range`]). Both factors of a
//! product that are known to fit into bytes are multiplied as bytes, if the machine multiplies bytes; those that
//! fit into 16 bits as `i16`, which every machine does. Zero points, wherever they come from, are part of
//! the numbers. Sums are those of `i32`, which wrap; no form has an intermediate result that saturates.
//!
//! Where there is no such form but `f32` holds every partial sum exactly, floats compute the same
//! ([`is_exact_in_floats`]): depthwise convolutions are fast in no other way.

mod range;

use crate::lower::{Threads, phases_of};
use dlc_ir::{Contraction, Convolution, Function, NodeId, Op};
use dlc_types::{DType, Shape};
use range::Range;

/// How a contraction or convolution is computed in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// Which operand is packed and read in vectors: 1, or 0 where the other one has no axis of its own.
    pub(crate) packed: usize,
    /// Axis of the packed operand that runs in lanes.
    pub(crate) columns: usize,
    /// The summed axis, of the packed operand and of the other, that words lie along.
    pub(crate) summed: (usize, usize),
    /// Type of the packed operand's parts.
    pub(crate) packed_type: DType,
    /// Type of the other one's parts.
    pub(crate) other_type: DType,
    /// Whether the other one's bytes are read with the highest bit turned.
    pub(crate) turns: bool,
}

impl Form {
    /// Parts of a word.
    pub(crate) fn parts(&self) -> usize {
        4 / self.packed_type.size()
    }
}

/// Where words lie: what the shapes decide.
struct Places {
    packed: usize,
    columns: usize,
    summed: (usize, usize),
    /// Length of the summed axis that a word must not reach across, if it must not.
    undivided: Option<usize>,
    /// Whether every sum takes every product, so that one number per column makes up for turned bits.
    whole: bool,
}

/// The form of a node that multiplies integers; nothing where it has none. `bytes` says whether the machine
/// multiplies bytes.
pub(crate) fn form(function: &Function, id: NodeId, bytes: bool) -> Option<Form> {
    let node = &function.nodes[id];
    if !matches!(node.op, Op::Contract(_) | Op::Convolve(_)) || function.tensor_type(id).dtype != DType::I32 {
        return None;
    }
    let [left, right] = node.operands[..] else { return None };
    let shapes = [left, right].map(|operand| &function.tensor_type(operand).shape);
    let places = match &node.op {
        Op::Contract(contraction) => of_contraction(contraction, shapes)?,
        Op::Convolve(convolution) => of_convolution(function, id, convolution, shapes)?,
        _ => return None,
    };
    let (packed, other) = if places.packed == 1 { (right, left) } else { (left, right) };
    let ranges = [packed, other].map(|operand| range::of(function, operand));
    let [Some(packed_range), Some(other_range)] = ranges else { return None };
    let fits = |parts: usize| places.undivided.is_none_or(|length| length.is_multiple_of(parts));
    let (packed_type, other_type, turns) = match bytes_of(packed_range, other_range) {
        Some((packed, other, turns)) if bytes && fits(4) && (places.whole || !turns) => {
            (packed, other, turns)
        }
        _ if fits(2) && packed_range.fits(DType::I16) && other_range.fits(DType::I16) => {
            (DType::I16, DType::I16, false)
        }
        _ => return None,
    };
    let Places { packed, columns, summed, .. } = places;
    Some(Form { packed, columns, summed, packed_type, other_type, turns })
}

/// Types of bytes for both factors, of different signs if there are such; else the other's bits are turned.
fn bytes_of(packed: Range, other: Range) -> Option<(DType, DType, bool)> {
    let pairs = [(DType::I8, DType::U8, false), (DType::U8, DType::I8, false)];
    let same = [(DType::I8, DType::I8, true), (DType::U8, DType::U8, true)];
    pairs.into_iter().chain(same).find(|&(first, second, _)| packed.fits(first) && other.fits(second))
}

fn of_contraction(contraction: &Contraction, shapes: [&Shape; 2]) -> Option<Places> {
    let axis = |side: usize, pair: &(usize, usize)| if side == 0 { pair.0 } else { pair.1 };
    let last_free = |side: usize| {
        let bound = |axis_: usize| {
            contraction.batch.iter().chain(&contraction.contract).any(|pair| axis(side, pair) == axis_)
        };
        (0..shapes[side].rank()).rev().find(|&axis| !bound(axis))
    };
    let (packed, columns) = [1, 0].into_iter().find_map(|side| Some((side, last_free(side)?)))?;
    let last = contraction.contract.last()?;
    let summed = (axis(packed, last), axis(1 - packed, last));
    let fixed = |axis: usize| shapes[packed][axis].fixed().is_some_and(|length| length > 0);
    let all_fixed = contraction.contract.iter().all(|pair| fixed(axis(packed, pair)));
    (all_fixed && fixed(columns)).then_some(Places { packed, columns, summed, undivided: None, whole: true })
}

fn of_convolution(
    function: &Function,
    id: NodeId,
    convolution: &Convolution,
    [input, kernel]: [&Shape; 2],
) -> Option<Places> {
    let fixed = kernel.dims().iter().all(|dim| dim.fixed().is_some_and(|length| length > 0));
    // Phases and bands take some of the taps each; where threads are many there are no bands, and no words that care.
    let phases = phases_of(function, id, convolution, Threads::Few)?;
    let taps = |axis: usize| kernel[axis + 2].fixed();
    let whole =
        (0..phases.len()).all(|axis| phases[axis].iter().all(|phase| taps(axis) == Some(phase.taps.len())));
    let undivided = kernel[1].fixed().filter(|_| convolution.groups > 1);
    let places = Places { packed: 1, columns: 0, summed: (1, 1), undivided, whole };
    (fixed && input[1].fixed().is_some()).then_some(places)
}

/// Whether floats of 32 bits compute a contraction or convolution of integers exactly: no partial sum, in any order,
/// leaves the integers that they hold.
pub(crate) fn is_exact_in_floats(function: &Function, id: NodeId) -> bool {
    const EXACT: i128 = 1 << 24;
    let node = &function.nodes[id];
    let [left, right] = node.operands[..] else { return false };
    let lengths = |operand: NodeId, axes: &mut dyn Iterator<Item = usize>| {
        let shape = &function.tensor_type(operand).shape;
        axes.map(|axis| shape[axis].fixed())
            .try_fold(1_i128, |product, length| product.checked_mul(length? as i128))
    };
    let products = match &node.op {
        Op::Contract(contraction) => lengths(left, &mut contraction.contract.iter().map(|pair| pair.0)),
        // Ungrouped ones may be computed by tiles, which are not exact.
        Op::Convolve(convolution) if convolution.groups > 1 => {
            lengths(right, &mut (1..function.tensor_type(right).shape.rank()))
        }
        _ => None,
    };
    let (Some(products), Some(left), Some(right)) =
        (products, range::of(function, left), range::of(function, right))
    else {
        return false;
    };
    let greatest = left.magnitude().checked_mul(right.magnitude());
    greatest.and_then(|greatest| greatest.checked_mul(products)).is_some_and(|sum| sum <= EXACT)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use dlc_ir::Builder;
    use dlc_types::{Dim, TensorType};

    fn product(left: (DType, &str), right: (DType, &str), zero: f64) -> (Function, NodeId) {
        let mut b = Builder::new("f");
        let dims = [vec![Dim::N, Dim::Fixed(6)], vec![Dim::Fixed(6), Dim::Fixed(5)]];
        let mut wide = Vec::new();
        for ((dtype, name), dims) in [left, right].into_iter().zip(dims) {
            let x = b.input(name, TensorType::new(dtype, Shape(dims)));
            wide.push(b.cast(x.unwrap(), DType::I32).unwrap());
        }
        let zero = b.splat_like(wide[0], zero).unwrap();
        let x = b.sub(wide[0], zero).unwrap();
        let y = b.matmul(x, wide[1]).unwrap();
        (b.finish(), y)
    }

    #[test]
    fn signs_and_zero_points_choose_the_parts() {
        use DType::{I8, I16, U8};
        let types = |left, right, zero| {
            let (f, y) = product((left, "a"), (right, "b"), zero);
            form(&f, y, true).map(|form| (form.packed_type, form.other_type, form.turns))
        };
        assert_eq!(types(U8, I8, 0.0), Some((I8, U8, false)));
        assert_eq!(types(I8, U8, 0.0), Some((U8, I8, false)));
        assert_eq!(types(I8, I8, 0.0), Some((I8, I8, true)));
        assert_eq!(types(U8, I8, 128.0), Some((I8, I8, true)));
        assert_eq!(types(U8, I8, 3.0), Some((I16, I16, false)));
        assert_eq!(types(DType::I32, I8, 0.0), None);
        let (f, y) = product((U8, "a"), (I8, "b"), 0.0);
        assert_eq!(form(&f, y, false).unwrap().packed_type, I16);
        assert!(is_exact_in_floats(&f, y));
    }
}
