//! Arithmetic on integers of every type, held as `i64`: the value of the smaller types, the bits of `u64`.
//!
//! Results are those of the type before it wraps: [`crate::Tensor::new`] wraps.

use dlc_ir::Binary;
use dlc_types::DType;

/// Numbers in the order of a type's values.
pub(crate) fn ordered(dtype: DType, values: &[i64]) -> Vec<i64> {
    values.iter().map(|&value| key(dtype, value)).collect()
}

/// A number that is in the order of a type's values.
fn key(dtype: DType, value: i64) -> i64 {
    if dtype == DType::U64 { value ^ i64::MIN } else { value }
}

/// The larger.
pub(crate) fn larger(dtype: DType) -> fn(i64, i64) -> i64 {
    if dtype == DType::U64 { |a, b| a.cast_unsigned().max(b.cast_unsigned()).cast_signed() } else { Ord::max }
}

/// The smaller.
pub(crate) fn smaller(dtype: DType) -> fn(i64, i64) -> i64 {
    if dtype == DType::U64 { |a, b| a.cast_unsigned().min(b.cast_unsigned()).cast_signed() } else { Ord::min }
}

pub(crate) fn binary(function: Binary, dtype: DType, a: i64, b: i64) -> i64 {
    let wide = dtype == DType::U64;
    let bits = 8 * dtype.size() as u64;
    match function {
        Binary::Add => a.wrapping_add(b),
        Binary::Subtract => a.wrapping_sub(b),
        Binary::Multiply => a.wrapping_mul(b),
        Binary::Divide | Binary::Remainder if b == 0 => 0,
        Binary::Divide if wide => (a.cast_unsigned() / b.cast_unsigned()).cast_signed(),
        Binary::Divide => a.wrapping_div(b),
        Binary::Remainder if wide => (a.cast_unsigned() % b.cast_unsigned()).cast_signed(),
        Binary::Remainder => a.wrapping_rem(b),
        Binary::Max => larger(dtype)(a, b),
        Binary::Min => smaller(dtype)(a, b),
        Binary::Power => power(dtype, a, b),
        Binary::And => a & b,
        Binary::Or => a | b,
        Binary::Xor => a ^ b,
        Binary::ShiftLeft if b.cast_unsigned() >= bits => 0,
        Binary::ShiftLeft => a << b,
        Binary::ShiftRight if b.cast_unsigned() >= bits => {
            if a < 0 && !wide {
                -1
            } else {
                0
            }
        }
        Binary::ShiftRight if wide => (a.cast_unsigned() >> b).cast_signed(),
        Binary::ShiftRight => a >> b,
    }
}

/// By squares; a negative power is the reciprocal of the power, truncated.
fn power(dtype: DType, base: i64, exponent: i64) -> i64 {
    if exponent < 0 && !dtype.is_unsigned() {
        return match base {
            1 => 1,
            -1 if exponent & 1 == 0 => 1,
            -1 => -1,
            _ => 0,
        };
    }
    let (mut result, mut square, mut rest) = (1_i64, base, exponent.cast_unsigned());
    while rest > 0 {
        if rest & 1 == 1 {
            result = result.wrapping_mul(square);
        }
        square = square.wrapping_mul(square);
        rest >>= 1;
    }
    result
}
