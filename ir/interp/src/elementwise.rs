//! Elementwise ops.

use crate::{Data, InterpError, Result, Tensor, integer};
use dlc_ir::{Binary, Comparison, Unary};

fn wrong_class(name: &str) -> InterpError {
    InterpError::Unverified { op: name.to_owned(), rule: "has operands of a class that the op knows" }
}

pub(crate) fn unary(function: Unary, x: &Tensor) -> Result<Data> {
    match &x.data {
        Data::Float(values) => {
            let function = float_unary(function).ok_or_else(|| wrong_class(function.name()))?;
            Ok(Data::Float(values.iter().map(|&value| function(value)).collect()))
        }
        Data::Int(values) => {
            let function: fn(i64) -> i64 = match function {
                Unary::Negate => i64::wrapping_neg,
                Unary::Abs | Unary::Relu if x.dtype.is_unsigned() => |value| value,
                Unary::Sign if x.dtype.is_unsigned() => |value| i64::from(value != 0),
                Unary::Abs => i64::wrapping_abs,
                Unary::Sign => i64::signum,
                Unary::Relu => |value| value.max(0),
                Unary::Not => |value| !value,
                _ => return Err(wrong_class(function.name())),
            };
            Ok(Data::Int(values.iter().map(|&value| function(value)).collect()))
        }
        Data::Bool(values) if function == Unary::Not => {
            Ok(Data::Bool(values.iter().map(|&value| !value).collect()))
        }
        Data::Bool(_) => Err(wrong_class(function.name())),
    }
}

fn float_unary(function: Unary) -> Option<fn(f64) -> f64> {
    Some(match function {
        Unary::Negate => |x| -x,
        Unary::Abs => f64::abs,
        Unary::Sign => |x| if x.is_nan() || x == 0.0 { x } else { x.signum() },
        Unary::Exp => f64::exp,
        Unary::Log => f64::ln,
        Unary::LogOnePlus => f64::ln_1p,
        Unary::Sqrt => f64::sqrt,
        Unary::ReciprocalSqrt => |x| 1.0 / x.sqrt(),
        Unary::Tanh => f64::tanh,
        Unary::Sigmoid => |x| 1.0 / (1.0 + (-x).exp()),
        Unary::Erf => erf,
        Unary::Relu => |x| if x.is_nan() || x > 0.0 { x } else { 0.0 },
        Unary::Floor => f64::floor,
        Unary::Ceil => f64::ceil,
        Unary::Round => f64::round_ties_even,
        Unary::Cos => f64::cos,
        Unary::Sin => f64::sin,
        Unary::Tan => f64::tan,
        Unary::Asin => f64::asin,
        Unary::Acos => f64::acos,
        Unary::Atan => f64::atan,
        Unary::Sinh => f64::sinh,
        Unary::Cosh => f64::cosh,
        Unary::Asinh => f64::asinh,
        Unary::Acosh => f64::acosh,
        Unary::Atanh => f64::atanh,
        Unary::Not => return None,
    })
}

/// The error function by its series of positive terms (Abramowitz, Stegun, 7.1.6):
/// `erf x = 2/sqrt(pi) * exp(-x^2) * sum over n of 2^n x^(2n+1) / (1 * 3 * ... * (2n+1))`.
fn erf(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    // 1 - erf(6) is below half the distance of doubles at 1.
    if x.abs() >= 6.0 {
        return x.signum();
    }
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term.abs() > f64::EPSILON * 1e-3 * sum.abs() {
        odd += 2.0;
        term *= 2.0 * x * x / odd;
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

pub(crate) fn binary(function: Binary, a: &Tensor, b: &Tensor) -> Result<Data> {
    match (&a.data, &b.data) {
        (Data::Float(a), Data::Float(b)) => {
            let function = float_binary(function).ok_or_else(|| wrong_class(function.name()))?;
            Ok(Data::Float(a.iter().zip(b).map(|(&a, &b)| function(a, b)).collect()))
        }
        (Data::Int(left), Data::Int(right)) => {
            let pairs = left.iter().zip(right);
            Ok(Data::Int(
                pairs.map(|(&left, &right)| integer::binary(function, a.dtype, left, right)).collect(),
            ))
        }
        (Data::Bool(a), Data::Bool(b)) => {
            let function: fn(bool, bool) -> bool = match function {
                Binary::And => |a, b| a && b,
                Binary::Or => |a, b| a || b,
                Binary::Xor => |a, b| a != b,
                _ => return Err(wrong_class(function.name())),
            };
            Ok(Data::Bool(a.iter().zip(b).map(|(&a, &b)| function(a, b)).collect()))
        }
        _ => Err(wrong_class(function.name())),
    }
}

fn float_binary(function: Binary) -> Option<fn(f64, f64) -> f64> {
    Some(match function {
        Binary::Add => |a, b| a + b,
        Binary::Subtract => |a, b| a - b,
        Binary::Multiply => |a, b| a * b,
        Binary::Divide => |a, b| a / b,
        Binary::Max => larger,
        Binary::Min => smaller,
        Binary::Power => f64::powf,
        Binary::Remainder => |a, b| a % b,
        Binary::And | Binary::Or | Binary::Xor | Binary::ShiftLeft | Binary::ShiftRight => return None,
    })
}

/// The larger; NaN if either is NaN, unlike [`f64::max`].
pub(crate) fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

/// The smaller; NaN if either is NaN, unlike [`f64::min`].
pub(crate) fn smaller(a: f64, b: f64) -> f64 {
    if a.is_nan() || a < b { a } else { b }
}

pub(crate) fn compare(comparison: Comparison, a: &Tensor, b: &Tensor) -> Result<Data> {
    Ok(Data::Bool(match (&a.data, &b.data) {
        (Data::Float(a), Data::Float(b)) => compare_all(comparison, a, b),
        (Data::Int(left), Data::Int(right)) => {
            let [left, right] = [left, right].map(|values| integer::ordered(a.dtype, values));
            compare_all(comparison, &left, &right)
        }
        (Data::Bool(a), Data::Bool(b)) => compare_all(comparison, a, b),
        _ => return Err(wrong_class(comparison.name())),
    }))
}

fn compare_all<T: PartialOrd>(comparison: Comparison, a: &[T], b: &[T]) -> Vec<bool> {
    let holds: fn(&T, &T) -> bool = match comparison {
        Comparison::Equal => |a, b| a == b,
        Comparison::NotEqual => |a, b| a != b,
        Comparison::Less => |a, b| a < b,
        Comparison::LessEqual => |a, b| a <= b,
        Comparison::Greater => |a, b| a > b,
        Comparison::GreaterEqual => |a, b| a >= b,
    };
    a.iter().zip(b).map(|(a, b)| holds(a, b)).collect()
}

pub(crate) fn select(condition: &Tensor, a: &Tensor, b: &Tensor) -> Result<Data> {
    let Data::Bool(condition) = &condition.data else { return Err(wrong_class("select")) };
    Ok(match (&a.data, &b.data) {
        (Data::Float(a), Data::Float(b)) => Data::Float(choose(condition, a, b)),
        (Data::Int(a), Data::Int(b)) => Data::Int(choose(condition, a, b)),
        (Data::Bool(a), Data::Bool(b)) => Data::Bool(choose(condition, a, b)),
        _ => return Err(wrong_class("select")),
    })
}

fn choose<T: Copy>(condition: &[bool], a: &[T], b: &[T]) -> Vec<T> {
    condition.iter().zip(a.iter().zip(b)).map(|(&holds, (&a, &b))| if holds { a } else { b }).collect()
}
