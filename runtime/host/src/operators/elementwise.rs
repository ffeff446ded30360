//! Elementwise operators: those of any element type (`Where`, `Equal`), and the shape and type of all others where a
//! result has no element. Results with elements of those others are what kernels are for, and refused, but for integers and
//! bools, which dims and conditions are made of.

use crate::attribute::Given;
use crate::call::{Call, Outcome, one, same_element};
use crate::element::Element;
use crate::error::{Result, invalid, unsupported};
use crate::index::{Walk, axis, broadcast, broadcast_strides};
use crate::number::Number;
use crate::operator::{Operator, onnx};
use crate::operators::whole_numbers::{WholeNumbers, whole_numbers};
use crate::tensor::{Data, Tensor};

pub(super) const ROWS: &[Operator] = &[onnx("Where", 9, choose), onnx("Equal", 1, equal)];

macro_rules! empty {
    ($($name:literal)*) => { &[$(onnx($name, 1, empty)),*] };
}

/// Computed without elements alone.
pub(super) const EMPTY_ROWS: &[Operator] = empty! {
    "Abs" "Acos" "Acosh" "Add" "And" "ArgMax" "ArgMin" "Asin" "Asinh" "Atan" "Atanh" "BitShift" "BitwiseAnd"
    "BitwiseNot" "BitwiseOr" "BitwiseXor" "Ceil" "Celu" "Clip" "Cos" "Cosh" "CumProd" "CumSum" "Div" "Dropout" "Elu" "Erf"
    "Exp" "Floor" "Gelu" "Greater" "GreaterOrEqual" "HardSigmoid" "HardSwish" "Hardmax" "IsInf" "IsNaN" "LeakyRelu"
    "Less" "LessOrEqual" "Log" "LogSoftmax" "Max" "Mean" "Min" "Mish" "Mod" "Mul" "Neg" "Not" "Or" "PRelu" "Pow"
    "Reciprocal" "Relu" "Round" "Selu" "Shrink" "Sigmoid" "Sign" "Sin" "Sinh" "Softmax" "Softplus" "Softsign" "Sqrt"
    "Sub" "Sum" "Swish" "Tan" "Tanh" "ThresholdedRelu" "Trilu" "Xor"
};

fn choose(call: &Call<'_>) -> Outcome {
    let (condition, yes, no) = (call.input(0)?, call.input(1)?, call.input(2)?);
    same_element(yes, no)?;
    let dims = broadcast(&broadcast(condition.dims(), yes.dims())?, no.dims())?;
    let asked = condition.view(dims.clone(), &broadcast_strides(condition.dims(), &dims)?, 0)?;
    let mut chosen = yes.view(dims.clone(), &broadcast_strides(yes.dims(), &dims)?, 0)?;
    let steps = broadcast_strides(no.dims(), &dims)?;
    for (to, (from, &asked)) in Walk::new(&dims, &steps, 0)?.zip(asked.bytes()?).enumerate() {
        if asked == 0 {
            chosen.put(to, no, from)?;
        }
    }
    one(chosen)
}

fn equal(call: &Call<'_>) -> Outcome {
    let (left, right) = (call.input(0)?, call.input(1)?);
    same_element(left, right)?;
    let dims = broadcast(left.dims(), right.dims())?;
    let wide = |tensor: &Tensor| tensor.view(dims.clone(), &broadcast_strides(tensor.dims(), &dims)?, 0);
    let (left, right) = (wide(left)?, wide(right)?);
    let equal: Vec<bool> = match (left.data(), right.data()) {
        (Data::Strings(left), Data::Strings(right)) => left.iter().zip(right).map(|(a, b)| a == b).collect(),
        // NaN is unlike itself, zero like minus zero.
        _ => left.numbers()?.into_iter().zip(right.numbers()?).map(|(a, b)| a == b).collect(),
    };
    one(Tensor::of_bools(dims, equal)?)
}

fn empty(call: &Call<'_>) -> Outcome {
    let first = call.input(0)?;
    let (element, dims) = match call.op_type {
        "ArgMax" | "ArgMin" => (Element::I64, without_axis(call, first)?),
        "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" => (Element::Bool, all_dims(call)?),
        "IsInf" | "IsNaN" => (Element::Bool, first.dims().to_vec()),
        "Clip" | "CumProd" | "CumSum" | "Dropout" | "Trilu" => (first.element(), first.dims().to_vec()),
        _ => (first.element(), all_dims(call)?),
    };
    if !dims.contains(&0) {
        return match whole_numbers(call.op_type) {
            Some(operator) => computed(call, operator, element, dims),
            None => Err(unsupported(format!("it with elements (dims {dims:?})"))),
        };
    }
    let mut values = one(Tensor::zeros(element, dims.clone())?)?;
    if call.op_type == "Dropout" {
        values.push(Tensor::zeros(Element::Bool, dims)?.into());
    }
    Ok(values)
}

/// A result with elements: one operand, or several from left to right.
fn computed(call: &Call<'_>, operator: WholeNumbers, element: Element, dims: Vec<usize>) -> Outcome {
    let inputs = call.all_inputs()?;
    let mut operands = Vec::with_capacity(inputs.len());
    for input in &inputs {
        same_element(inputs[0], input)?;
        if input.element().integer_range().is_none() {
            return Err(unsupported(format!("it with elements of {}", input.element())));
        }
        operands.push(input.view(dims.clone(), &broadcast_strides(input.dims(), &dims)?, 0)?.numbers()?);
    }
    let whole = |number: Number| match number {
        Number::Integer(value) => value,
        Number::Float(_) => 0,
    };
    let result = |place: usize| -> Result<Number> {
        let mut values = operands.iter().map(|operand| whole(operand[place]));
        let first = values.next().unwrap_or(0);
        Ok(Number::Integer(match operator {
            WholeNumbers::One(function) => function(first),
            WholeNumbers::Two(function) => {
                values.try_fold(first, |left, right| function(call, left, right))?
            }
        }))
    };
    let results = (0..crate::index::count(&dims)?).map(result).collect::<Result<Vec<Number>>>()?;
    one(Tensor::of_numbers(element, dims, results)?)
}

fn all_dims(call: &Call<'_>) -> Result<Vec<usize>> {
    let inputs = call.all_inputs()?;
    inputs.iter().try_fold(Vec::new(), |dims, input| broadcast(&dims, input.dims()))
}

fn without_axis(call: &Call<'_>, data: &Tensor) -> Result<Vec<usize>> {
    let mut dims = data.dims().to_vec();
    let at = axis(call.int("axis")?.copied().unwrap_or(0), dims.len())?;
    if dims[at] == 0 {
        return Err(invalid("an empty axis has no greatest or least element"));
    }
    dims[at] = 1;
    if !call.flag("keepdims", true)? {
        dims.remove(at);
    }
    Ok(dims)
}
