//! What a term costs to compute, in nanoseconds of a nominal machine: the larger picture of a roofline.
//!
//! Arithmetic costs its operations over the machine's peak; operands and results of contractions,
//! convolutions and reductions lie in memory and cost their bytes over its bandwidth, and a kernel of
//! their own costs a start. Elementwise ops and movements will be fused into a neighbour: they cost their
//! arithmetic and next to nothing besides. The numbers are of one order for any machine with vectors; only
//! their ratios matter.
//!
//! A function that may overflow for finite operands costs more than it takes, so that a stable form is
//! chosen where rules know one: the exponential of what is not bounded, the logarithm of what may have
//! underflowed.
//!
//! The cost of a term does not depend on what the class is used for, so a value that two users share is
//! counted once by whoever adds the costs up (see [`super::extract`]).

use super::facts::Facts;
use super::term::Term;
use dlc_ir::{Binary, Convolution, Effort, Op, Type, Unary};
use dlc_types::TensorType;

/// Size of the batch that costs are estimated for.
const BATCH: usize = 32;
/// Operations of contractions per nanosecond.
const PEAK: f64 = 150.0;
/// Simple elementwise operations per nanosecond.
const LANES: f64 = 16.0;
/// Bytes per nanosecond to and from memory.
const BANDWIDTH: f64 = 20.0;
/// Start of a kernel of its own.
const KERNEL: f64 = 500.0;
/// Presence of an op in a fused loop.
const FUSED: f64 = 2.0;
/// What an element costs that is only found at another place.
const ADDRESS: f64 = 0.002;

/// What a function costs besides where finite operands may overflow or lose all digits in it, and what every
/// element adds: enough for a maximum and a shift by it.
const RISK: f64 = 400.0;
const RISK_OF_ELEMENT: f64 = 0.5;
/// Largest argument whose exponential is a finite `f32`.
const LARGEST_EXPONENT: f64 = 88.0;

/// The cost of a term without that of its operands.
pub(super) fn cost(term: &Term, facts: &[&Facts]) -> f64 {
    let Some(result) = term.ty.tensor() else { return KERNEL };
    let operands: Vec<&Type> = facts.iter().map(|facts| &*facts.ty).collect();
    let operand = |index: usize| operands.get(index).copied().and_then(Type::tensor);
    let count = elements(result);
    let memory = || {
        let operands = operands.iter().filter_map(|ty| ty.tensor());
        (bytes(result) + operands.map(bytes).sum::<f64>()) / BANDWIDTH
    };
    match &*term.op {
        _ if term.leaf.is_some() => 0.0,
        Op::Input { .. } | Op::Parameter { .. } | Op::State { .. } => 0.0,
        Op::Constant(_) | Op::Extent(_) => 0.1,
        Op::Iota { .. } => FUSED,
        Op::Random { .. } => FUSED + count * 20.0 / LANES,
        Op::Unary(function) => {
            let risk = facts.first().is_some_and(|x| loses_digits(*function, x));
            let risk = if risk { RISK + count * RISK_OF_ELEMENT } else { 0.0 };
            FUSED + count * unary(*function) / LANES + risk
        }
        Op::Binary(function) => FUSED + count * binary(*function) / LANES,
        Op::Compare(_) | Op::Select | Op::Cast(_) | Op::Bitcast(_) => FUSED + count / LANES,
        Op::Broadcast { .. } => 0.2 + count * ADDRESS * 0.1,
        Op::Reshape => 1.0 + count * ADDRESS,
        // What is cut apart is written whole before, and its parts are read by other kernels.
        Op::Slice { .. } => 1.0 + bytes(result) / BANDWIDTH,
        Op::Transpose { .. } | Op::Reverse { .. } => 1.0 + count * ADDRESS * 2.0,
        Op::Pad { .. } | Op::Dilate { .. } => FUSED + bytes(result) / BANDWIDTH,
        Op::Concat { .. } => KERNEL * 0.5 + 2.0 * bytes(result) / BANDWIDTH,
        Op::Reduce { .. } | Op::ArgReduce { .. } => {
            let input = operand(0);
            KERNEL * 0.5 + input.map_or(0.0, |ty| elements(ty) / LANES + 0.5 * bytes(ty) / BANDWIDTH)
        }
        Op::Cumulative { .. } => KERNEL + memory() + count,
        Op::ArgSort { axis, .. } => {
            let length = operand(0).map_or(1.0, |ty| ty.shape[*axis].at(BATCH) as f64);
            2.0 * KERNEL + memory() + count * length / LANES
        }
        Op::Contract(contraction) => {
            let reduced = contraction
                .contract
                .iter()
                .map(|&(left, _)| operand(0).map_or(1.0, |ty| ty.shape[left].at(BATCH) as f64));
            KERNEL + 2.0 * count * reduced.product::<f64>() / PEAK + memory()
        }
        Op::Convolve(convolution) => {
            KERNEL
                + operand(1).map_or(0.0, |kernel| convolution_operations(convolution, kernel, count)) / PEAK
                + memory()
        }
        Op::ReduceWindow { window, .. } | Op::WindowArgMax { window } => {
            KERNEL + count * window.sizes.iter().product::<usize>() as f64 / LANES + memory()
        }
        Op::WindowScatter { window } => {
            KERNEL + 2.0 * count * window.sizes.iter().product::<usize>() as f64 / LANES + memory()
        }
        Op::Gather { .. } | Op::GatherAlong { .. } | Op::Scatter { .. } => KERNEL + 2.0 * memory(),
        Op::BatchNorm { .. } | Op::Softmax { .. } | Op::LogSoftmax { .. } | Op::Project(_) => {
            KERNEL + memory() * 3.0
        }
    }
}

/// Whether the function overflows for finite operands, or gives infinity for what has only become zero by
/// rounding: forms that avoid this are preferred at some price.
fn loses_digits(function: Unary, x: &Facts) -> bool {
    match function {
        Unary::Exp => !x.shifted && x.range.1 > LARGEST_EXPONENT,
        Unary::Log => x.range.0 == 0.0 && x.range.1 <= 1.0,
        _ => false,
    }
}

/// Multiplications and additions; a zero that input dilation puts between neighbours takes no part.
fn convolution_operations(convolution: &Convolution, kernel: &TensorType, results: f64) -> f64 {
    let taps: f64 = kernel.shape.dims().iter().skip(1).map(|dim| dim.at(BATCH) as f64).product();
    let skipped: usize = convolution.input_dilation.iter().product();
    2.0 * results * taps / skipped.max(1) as f64
}

fn elements(ty: &TensorType) -> f64 {
    ty.shape.dims().iter().map(|dim| dim.at(BATCH) as f64).product()
}

fn bytes(ty: &TensorType) -> f64 {
    elements(ty) * ty.dtype.size() as f64
}

fn unary(function: Unary) -> f64 {
    match function.effort() {
        Effort::Instruction => 1.0,
        Effort::Root => 6.0,
        Effort::Polynomial => 14.0,
        Effort::Formula => 30.0,
    }
}

fn binary(function: Binary) -> f64 {
    match function {
        Binary::Divide => 4.0,
        Binary::Power | Binary::Remainder => 25.0,
        _ => 1.0,
    }
}
