//! Comparison of two functions on the interpreter.

use dlc_interp::{Data, Tensor, evaluate};
use dlc_ir::{Function, Op};
use dlc_types::random::Stream;
use dlc_types::{DType, TensorType};

/// What the elements of inputs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Elements {
    /// Normal numbers around zero.
    Normal,
    /// Zeros, and small integers of both signs.
    Zeros,
    /// NaN, infinity of both signs, zeros and numbers.
    Special,
}

fn element(draws: &mut Stream, elements: Elements) -> f64 {
    let number = f64::from(draws.unit()) * 4.0 - 2.0;
    match (elements, draws.below(4)) {
        (Elements::Zeros, 0 | 1) => 0.0,
        (Elements::Zeros, _) => number.round(),
        (Elements::Special, 0) => [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0][draws.below(4) as usize],
        _ => f64::from(number as f32),
    }
}

/// Parameters and states are finite: that much of a model is taken for granted.
fn tensor(op: &Op, ty: &TensorType, batch: usize, seed: u64, elements: Elements) -> Tensor {
    let (name, fed) = match op {
        Op::Input { name } => (name, true),
        Op::Parameter { name } | Op::State { name } => (name, false),
        _ => panic!("{op} is no external"),
    };
    let salt =
        name.bytes().fold(u64::from(fed), |sum, byte| sum.wrapping_mul(131).wrapping_add(u64::from(byte)));
    let mut draws = Stream::new(seed ^ salt, 5, 0);
    let elements = if fed { elements } else { Elements::Normal };
    let dims = ty.shape.at(batch);
    let count: usize = dims.iter().product();
    let data = match ty.dtype {
        DType::Bool => Data::Bool((0..count).map(|_| draws.below(2) == 1).collect()),
        dtype if dtype.is_float() => Data::Float((0..count).map(|_| element(&mut draws, elements)).collect()),
        _ => Data::Int((0..count).map(|_| i64::from(draws.below(9)) - 4).collect()),
    };
    Tensor::new(ty.dtype, &dims, data).unwrap()
}

fn outputs(function: &Function, batch: usize, seed: u64, elements: Elements) -> Vec<Tensor> {
    let types: std::collections::BTreeMap<String, TensorType> = function
        .externals()
        .map(|(id, _)| (function.nodes[id].op.to_string(), function.tensor_type(id).clone()))
        .collect();
    evaluate(function, batch, &|op| Some(tensor(op, &types[&op.to_string()], batch, seed, elements))).unwrap()
}

/// Whether both functions compute the same, up to the rounding of constants to `f32`.
pub(crate) fn agree(
    before: &Function,
    after: &Function,
    batch: usize,
    seed: u64,
    elements: Elements,
) -> Result<(), String> {
    let (one, other) = (outputs(before, batch, seed, elements), outputs(after, batch, seed, elements));
    for (position, (a, b)) in one.iter().zip(&other).enumerate() {
        if (a.dtype, &a.dims) != (b.dtype, &b.dims) {
            return Err(format!("output {position} is {}, not {}", b.type_text(), a.type_text()));
        }
        let (Data::Float(a), Data::Float(b)) = (&a.data, &b.data) else {
            if a.data == b.data {
                continue;
            }
            return Err(format!("output {position}: {:?} and {:?}", a.data, b.data));
        };
        let largest = a.iter().filter(|x| x.is_finite()).fold(1.0_f64, |largest, x| largest.max(x.abs()));
        for (index, (&x, &y)) in a.iter().zip(b).enumerate() {
            let close = x == y || x.is_nan() && y.is_nan() || (x - y).abs() <= 1e-5 * largest;
            if !close {
                return Err(format!("output {position}, element {index}: {x} and {y}"));
            }
        }
    }
    Ok(())
}
