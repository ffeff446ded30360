//! Products of words of small integers, added to an `i32`: `dp4a` for four bytes, two multiply-adds for two `i16`.

use crate::emitter::Emitter;
use crate::register::{Class, Value};
use dlc_kernel::{Contraction, Kernel};
use dlc_types::DType;

/// What a contraction multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Factors {
    Floats,
    /// Bytes, with their signs as they are multiplied, and whether the rows' bits are turned for it.
    Bytes {
        lanes_signed: bool,
        rows_signed: bool,
        turns: bool,
    },
    Halves,
}

impl Factors {
    /// Of a verified kernel.
    pub(crate) fn of(kernel: &Kernel, contraction: &Contraction) -> Factors {
        let dtype = |operand: usize| kernel.operands.get(operand).map_or(DType::F32, |operand| operand.dtype);
        let turns = contraction.turns_rows;
        match (dtype(0), dtype(1)) {
            (lanes @ (DType::I8 | DType::U8), rows) => Factors::Bytes {
                lanes_signed: lanes == DType::I8,
                rows_signed: (rows == DType::I8) != turns,
                turns,
            },
            (DType::I16, _) => Factors::Halves,
            _ => Factors::Floats,
        }
    }
}

impl Emitter<'_> {
    /// A word of the rows with the highest bits turned, where they are.
    pub(super) fn turned(&mut self, factors: Factors, rows: Value) -> Value {
        match factors {
            Factors::Bytes { turns: true, .. } => {
                self.ins(Class::Word, "xor.b32", &[rows, Value::Integer(0x8080_8080)])
            }
            _ => rows,
        }
    }

    /// Adds the product of two words, the rows' turned already, to a register.
    pub(super) fn add_words(&mut self, factors: Factors, rows: Value, lanes: Value, sum: Value) {
        match factors {
            Factors::Bytes { lanes_signed, rows_signed, .. } => {
                let kind = |signed: bool| if signed { "s32" } else { "u32" };
                let name = format!("dp4a.{}.{}", kind(rows_signed), kind(lanes_signed));
                self.assign(sum, &name, &[rows, lanes, sum]);
            }
            Factors::Halves | Factors::Floats => {
                for part in [0, 16] {
                    let args = |word| [word, Value::Integer(part), Value::Integer(16)];
                    let a = self.ins(Class::Word, "bfe.s32", &args(rows));
                    let b = self.ins(Class::Word, "bfe.s32", &args(lanes));
                    self.assign(sum, "mad.lo.s32", &[a, b, sum]);
                }
            }
        }
    }
}
