//! Arithmetic, comparisons and logic of integers and bools. Numbers are exact here; the type that they are written to cuts them.

use crate::attribute::Given;
use crate::call::{Call, unknown_choice};
use crate::error::{Result, invalid};

/// How an operator computes an element.
#[derive(Clone, Copy)]
pub(super) enum WholeNumbers {
    /// From one operand.
    One(fn(i128) -> i128),
    /// From two; from more, one after the other.
    Two(fn(&Call<'_>, i128, i128) -> Result<i128>),
}

/// The function of an elementwise operator; none where it has no integer form, or one that is not done here.
pub(super) fn whole_numbers(name: &str) -> Option<WholeNumbers> {
    use WholeNumbers::{One, Two};
    Some(match name {
        "Abs" => One(i128::abs),
        "Neg" => One(|value| -value),
        "Sign" => One(i128::signum),
        "Not" => One(|value| i128::from(value == 0)),
        "BitwiseNot" => One(|value| !value),
        "Relu" => One(|value| value.max(0)),
        // Only the low bits of sums and products are kept in the end.
        "Add" | "Sum" => Two(|_, left, right| Ok(left.wrapping_add(right))),
        "Sub" => Two(|_, left, right| Ok(left.wrapping_sub(right))),
        "Mul" => Two(|_, left, right| Ok(left.wrapping_mul(right))),
        "Div" => Two(|_, left, right| left.checked_div(right).ok_or_else(by_zero)),
        "Mod" => Two(modulo),
        "Max" => Two(|_, left, right| Ok(left.max(right))),
        "Min" => Two(|_, left, right| Ok(left.min(right))),
        "Less" => Two(|_, left, right| Ok(i128::from(left < right))),
        "LessOrEqual" => Two(|_, left, right| Ok(i128::from(left <= right))),
        "Greater" => Two(|_, left, right| Ok(i128::from(left > right))),
        "GreaterOrEqual" => Two(|_, left, right| Ok(i128::from(left >= right))),
        "And" | "BitwiseAnd" => Two(|_, left, right| Ok(left & right)),
        "Or" | "BitwiseOr" => Two(|_, left, right| Ok(left | right)),
        "Xor" | "BitwiseXor" => Two(|_, left, right| Ok(left ^ right)),
        "BitShift" => Two(shift),
        _ => return None,
    })
}

fn by_zero() -> crate::error::HostError {
    invalid("an integer is divided by zero")
}

/// The remainder, with the divisor's sign, or with the dividend's where `fmod` is set.
fn modulo(call: &Call<'_>, left: i128, right: i128) -> Result<i128> {
    let rest = left.checked_rem(right).ok_or_else(by_zero)?;
    let crosses = rest != 0 && (rest < 0) != (right < 0);
    Ok(if crosses && !call.flag("fmod", false)? { rest + right } else { rest })
}

fn shift(call: &Call<'_>, left: i128, right: i128) -> Result<i128> {
    let by = u32::try_from(right).ok().filter(|&by| by < 64);
    match (call.string("direction")?.map(String::as_str), by) {
        (Some("LEFT"), by) => Ok(by.map_or(0, |by| left << by)),
        // Shifted by all bits or more, the sign is left.
        (Some("RIGHT"), by) => Ok(left >> by.unwrap_or(127)),
        (other, _) => Err(unknown_choice("direction", other.unwrap_or_default())),
    }
}
