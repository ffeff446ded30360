//! Reductions, over empty sets, too: a sum of nothing is 0, a product 1, a maximum the least value of the type, a mean NaN.

use crate::call::{Call, Outcome, one};
use crate::element::Element;
use crate::error::{Result, invalid};
use crate::index::{Walk, axes, count, strides};
use crate::number::Number;
use crate::operator::{Operator, onnx};
use crate::tensor::{Tensor, reserve};
use std::ops::Add;

pub(super) const ROWS: &[Operator] = &[
    onnx("ReduceSum", 1, reduce),
    onnx("ReduceMax", 1, reduce),
    onnx("ReduceMin", 1, reduce),
    onnx("ReduceProd", 1, reduce),
    onnx("ReduceMean", 1, reduce),
    onnx("ReduceL1", 1, reduce),
    onnx("ReduceL2", 1, reduce),
    onnx("ReduceSumSquare", 1, reduce),
    onnx("ReduceLogSum", 1, reduce),
    onnx("ReduceLogSumExp", 1, reduce),
];

fn reduce(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let rank = data.dims().len();
    let given = call.integers(1, "axes")?.filter(|given| !given.is_empty());
    let gone = match given {
        Some(given) => axes(&given, rank)?,
        None if call.flag("noop_with_empty_axes", false)? => Vec::new(),
        None => (0..rank).collect(),
    };
    let (mut kept, mut left) = (data.dims().to_vec(), Vec::new());
    for (axis, dim) in kept.iter_mut().enumerate() {
        if gone.contains(&axis) {
            *dim = 1;
        } else {
            left.push(*dim);
        }
    }
    let mut sets: Vec<Vec<Number>> = reserve(count(&kept)?, &kept)?;
    sets.resize(count(&kept)?, Vec::new());
    let mut steps = strides(&kept);
    gone.iter().for_each(|&axis| steps[axis] = 0);
    for (set, number) in Walk::new(data.dims(), &steps, 0)?.zip(data.numbers()?) {
        sets[set].push(number);
    }
    let results: Result<Vec<Number>> =
        sets.iter().map(|set| reduced(call.op_type, data.element(), set)).collect();
    let dims = if call.flag("keepdims", true)? { kept } else { left };
    one(Tensor::of_numbers(data.element(), dims, results?)?)
}

fn reduced(name: &str, element: Element, set: &[Number]) -> Result<Number> {
    let range = element.integer_range();
    if let (Some((least, greatest)), "ReduceSum" | "ReduceProd" | "ReduceMax" | "ReduceMin") = (range, name) {
        let whole = set.iter().filter_map(|number| match number {
            Number::Integer(value) => Some(*value),
            Number::Float(_) => None,
        });
        return Ok(Number::Integer(match name {
            "ReduceSum" => whole.fold(0, i128::wrapping_add),
            "ReduceProd" => whole.fold(1, i128::wrapping_mul),
            "ReduceMax" => whole.max().unwrap_or(least),
            _ => whole.min().unwrap_or(greatest),
        }));
    }
    let values = || set.iter().map(|number| number.float());
    // The library's sum of no floats is minus zero.
    let sum = values().fold(0.0, f64::add);
    let squares = values().map(|value| value * value).fold(0.0, f64::add);
    let nan = values().any(f64::is_nan);
    let greatest = values().fold(f64::NEG_INFINITY, f64::max);
    let result = match name {
        "ReduceSum" => sum,
        "ReduceProd" => values().product(),
        "ReduceMax" | "ReduceMin" if nan => f64::NAN,
        "ReduceMax" => greatest,
        "ReduceMin" => values().fold(f64::INFINITY, f64::min),
        "ReduceMean" => sum / set.len() as f64,
        "ReduceL1" => values().map(f64::abs).fold(0.0, f64::add),
        "ReduceL2" => squares.sqrt(),
        "ReduceSumSquare" => squares,
        "ReduceLogSum" => sum.ln(),
        "ReduceLogSumExp" if !greatest.is_finite() && !nan => greatest,
        "ReduceLogSumExp" => values().map(|value| (value - greatest).exp()).sum::<f64>().ln() + greatest,
        other => return Err(invalid(format!("a bug in dlc: {other} is no reduction"))),
    };
    Ok(Number::Float(result))
}
