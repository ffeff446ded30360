//! Products of words of small integers, added to an `i32`: `dp4a` for four bytes, two multiply-adds for two `i16`.

use crate::emitter::Emitter;
use crate::register::{Class, Value};
use dlc_kernel::Parts;

impl Emitter<'_> {
    /// A word of the rows with the highest bits turned, where they are.
    pub(super) fn turned(&mut self, parts: Parts, rows: Value) -> Value {
        match parts {
            Parts::Bytes { turns: true, .. } => {
                self.ins(Class::Word, "xor.b32", &[rows, Value::Integer(0x8080_8080)])
            }
            _ => rows,
        }
    }

    /// Adds the product of two words, the rows' turned already, to a register.
    pub(super) fn add_words(&mut self, parts: Parts, rows: Value, lanes: Value, sum: Value) {
        match parts {
            Parts::Bytes { lanes_signed, rows_signed, .. } => {
                let kind = |signed: bool| if signed { "s32" } else { "u32" };
                let name = format!("dp4a.{}.{}", kind(rows_signed), kind(lanes_signed));
                self.assign(sum, &name, &[rows, lanes, sum]);
            }
            Parts::Halves | Parts::Float => {
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
