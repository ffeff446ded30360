//! Conversions between element types: from register to register, then to what is left of the value in a narrow
//! type.

use crate::PtxError;
use crate::emitter::Emitter;
use crate::register::{Class, Value};
use dlc_types::DType;

/// The name that PTX has for a type that is computed with.
pub(crate) fn kind(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "pred",
        DType::F32 => "f32",
        DType::F64 => "f64",
        DType::I64 => "s64",
        DType::U64 => "u64",
        DType::U32 => "u32",
        _ => "s32",
    }
}

impl Emitter<'_> {
    /// The value as one of another type.
    pub(crate) fn cast(&mut self, from: DType, to: DType, a: Value) -> Value {
        if from == to {
            return a;
        }
        let value = self.computed_cast(from.computed_in(), to.computed_in(), a);
        self.brought_to(to, value, from.is_float())
    }

    fn computed_cast(&mut self, from: DType, to: DType, a: Value) -> Value {
        let class = Class::of(to);
        let name = |rounding: &str| format!("cvt{rounding}.{}.{}", kind(to), kind(from));
        match (from, to) {
            _ if from == to => a,
            (DType::Bool, _) => {
                let [one, zero] = [1.0, 0.0].map(|number| self.number(to, number));
                self.ins(class, &format!("selp.{}", kind(to)), &[one, zero, a])
            }
            (_, DType::Bool) => {
                let zero = self.number(from, 0.0);
                let unequal = if from.is_float() { "neu" } else { "ne" };
                self.ins(class, &format!("setp.{unequal}.{}", kind(from)), &[a, zero])
            }
            (DType::F32, DType::F64) => self.ins(class, &name(""), &[a]),
            _ if from.is_float() && to.is_float() => self.ins(class, &name(".rn"), &[a]),
            _ if from.is_float() => {
                let number = self.ins(class, &name(".rzi"), &[a]);
                if from == DType::F32 && to.size() == 4 {
                    return number;
                }
                // Only here the machine's own conversion of NaN is not 0.
                let ordered = self.ins(Class::Predicate, &format!("setp.num.{}", kind(from)), &[a, a]);
                self.ins(class, &format!("selp.{}", kind(to)), &[number, Value::Integer(0), ordered])
            }
            _ if to.is_float() => self.ins(class, &name(".rn"), &[a]),
            _ if from.size() == to.size() => a,
            _ => self.ins(class, &name(""), &[a]),
        }
    }

    /// The bits of a value as another of the same size; of narrow ones those that memory would hold.
    pub(crate) fn bitcast(&mut self, from: DType, to: DType, a: Value) -> Result<Value, PtxError> {
        if !to.is_narrow() {
            let name = if to.size() == 8 { "mov.b64" } else { "mov.b32" };
            return Ok(if Class::of(from) == Class::of(to) {
                a
            } else {
                self.ins(Class::of(to), name, &[a])
            });
        }
        let bits = if from.is_float() { self.encoded(from, a) } else { a };
        Ok(if to.is_float() { self.decoded(to, bits) } else { self.brought_to(to, bits, false) })
    }
}
