//! What atomics and reductions make of two values.

use crate::program::Combine;
use crate::value::float::Style;

/// The new value from the old one and the operands, of 4 or 8 bytes. `ftz` is for sums of singles.
pub(super) fn combine(how: Combine, bytes: usize, ftz: bool, old: u64, b: u64, c: u64) -> u64 {
    // Against the sign bit, signed order is unsigned order.
    let order = |signed: bool, value: u64| match signed {
        true => value ^ 1 << (bytes * 8 - 1),
        false => value,
    };
    let value = match how {
        Combine::Add => old.wrapping_add(b),
        Combine::AddSingle => {
            let style = Style { ftz, sat: false };
            style.result(style.source(old) + style.source(b))
        }
        Combine::Least { signed } if order(signed, b) < order(signed, old) => b,
        Combine::Most { signed } if order(signed, b) > order(signed, old) => b,
        Combine::Least { .. } | Combine::Most { .. } => old,
        Combine::And => old & b,
        Combine::Or => old | b,
        Combine::Xor => old ^ b,
        Combine::Exchange => b,
        Combine::CompareAndSwap if old == b => c,
        Combine::CompareAndSwap => old,
    };
    value & (u64::MAX >> (64 - bytes * 8))
}
