//! Products of words of small integers: four bytes or two `i16` of each factor, added to an `i32`.
//!
//! The trees of instructions are those that Cranelift makes one of where the machine has it: `vpdpbusd` (VNNI) and
//! `usdot` of bytes, `pmaddwd` of halves. Elsewhere they are right as they stand: a product of bytes fits into 16 bits, and
//! nothing saturates. Scalars take the parts out by shifts; the same parts of both factors meet whatever the order
//! of bytes.

use crate::ClifError;
use crate::emitter::Emitter;
use crate::float::{bits_as, repeated};
use cranelift_codegen::ir::{InstBuilder, Value, types};
use dlc_kernel::Parts;

impl Emitter<'_, '_> {
    /// The highest bit of every byte, where rows are turned.
    pub(super) fn highest_bits(&mut self, parts: Parts, vector: bool) -> Option<Value> {
        match parts {
            Parts::Bytes { turns: true, .. } if vector => {
                Some(repeated(self.builder, types::I32X4, &[0x80; 4]))
            }
            Parts::Bytes { turns: true, .. } => Some(self.builder.ins().iconst(types::I32, 0x8080_8080)),
            _ => None,
        }
    }

    /// `sum + rows * lanes` of words, in vectors or scalars.
    pub(super) fn add_words(
        &mut self,
        parts: Parts,
        rows: Value,
        lanes: Value,
        sum: Value,
    ) -> Result<Value, ClifError> {
        let vector = self.builder.func.dfg.value_type(sum).is_vector();
        match parts {
            Parts::Bytes { lanes_signed, rows_signed, .. } if vector => {
                Ok(self.add_bytes([(lanes, lanes_signed), (rows, rows_signed)], sum))
            }
            Parts::Halves if vector => Ok(self.add_halves(rows, lanes, sum)),
            Parts::Bytes { lanes_signed, rows_signed, .. } => {
                Ok(self.add_parts(8, [(lanes, lanes_signed), (rows, rows_signed)], sum))
            }
            Parts::Halves => Ok(self.add_parts(16, [(lanes, true), (rows, true)], sum)),
            Parts::Float => Err(self.malformed("floats are no words")),
        }
    }

    fn add_bytes(&mut self, factors: [(Value, bool); 2], sum: Value) -> Value {
        let [first, second] = factors;
        // The signed factor first, as x86-64's rule has it; the other way round as aarch64's has it.
        let swap = first.1 != second.1 && (second.1 != self.target.unsigned_first);
        let [(a, a_signed), (b, b_signed)] = if swap { [second, first] } else { [first, second] };
        let [a, b] = [a, b].map(|factor| bits_as(self.builder, types::I8X16, factor));
        let (a_low, a_high) = self.halves_of(a, a_signed);
        let (b_low, b_high) = self.halves_of(b, b_signed);
        let low = self.builder.ins().imul(a_low, b_low);
        let high = self.builder.ins().imul(a_high, b_high);
        // Products of unsigned bytes need all 16 bits.
        let signed = a_signed || b_signed;
        let pairs = [low, high].map(|products| {
            let (low, high) = self.halves_of(products, signed);
            self.builder.ins().iadd_pairwise(low, high)
        });
        let words = self.builder.ins().iadd_pairwise(pairs[0], pairs[1]);
        self.builder.ins().iadd(words, sum)
    }

    fn halves_of(&mut self, vector: Value, signed: bool) -> (Value, Value) {
        match signed {
            true => (self.builder.ins().swiden_low(vector), self.builder.ins().swiden_high(vector)),
            false => (self.builder.ins().uwiden_low(vector), self.builder.ins().uwiden_high(vector)),
        }
    }

    fn add_halves(&mut self, a: Value, b: Value, sum: Value) -> Value {
        let [a, b] = [a, b].map(|factor| bits_as(self.builder, types::I16X8, factor));
        let (a_low, a_high) = self.halves_of(a, true);
        let (b_low, b_high) = self.halves_of(b, true);
        let low = self.builder.ins().imul(a_low, b_low);
        let high = self.builder.ins().imul(a_high, b_high);
        let words = self.builder.ins().iadd_pairwise(low, high);
        self.builder.ins().iadd(words, sum)
    }

    /// Parts of so many bits, one by one.
    fn add_parts(&mut self, bits: i64, factors: [(Value, bool); 2], mut sum: Value) -> Value {
        for part in 0..32 / bits {
            let [a, b] = factors.map(|(word, signed)| {
                let upper = self.builder.ins().ishl_imm_s(word, 32 - bits * (part + 1));
                match signed {
                    true => self.builder.ins().sshr_imm_s(upper, 32 - bits),
                    false => self.builder.ins().ushr_imm_u(upper, 32 - bits),
                }
            });
            let product = self.builder.ins().imul(a, b);
            sum = self.builder.ins().iadd(sum, product);
        }
        sum
    }
}
