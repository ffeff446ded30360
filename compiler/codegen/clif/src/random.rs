//! Philox 4x32-10 (`dlc_types::random`) in 64-bit integer operations.

use crate::emitter::Emitter;
use cranelift_codegen::ir::{InstBuilder, Value, types};

const MULTIPLIER: [i64; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [i64; 2] = [0x9E37_79B9, 0xBB67_AE85];
const WORD: i64 = 0xFFFF_FFFF;

impl Emitter<'_, '_> {
    /// `unit(random_bits(seed, stream, step, index))` of one element.
    pub(crate) fn random(&mut self, stream: u32, seed: Value, step: Value, index: Value) -> Value {
        // Words are kept in the low halves of 64-bit registers, upper halves zero.
        let low_word = |emitter: &mut Self, value| emitter.builder.ins().band_imm_s(value, WORD);
        let mut key = [low_word(self, seed), self.builder.ins().ushr_imm_s(seed, 32)];
        let step = self.builder.ins().uextend(types::I64, step);
        let stream = self.int(i64::from(stream));
        let mut counter = [low_word(self, index), self.builder.ins().ushr_imm_s(index, 32), stream, step];
        let multipliers = MULTIPLIER.map(|multiplier| self.int(multiplier));
        for round in 0..10 {
            if round > 0 {
                for (word, weyl) in key.iter_mut().zip(WEYL) {
                    let sum = self.builder.ins().iadd_imm_s(*word, weyl);
                    *word = self.builder.ins().band_imm_s(sum, WORD);
                }
            }
            let product0 = self.builder.ins().imul(counter[0], multipliers[0]);
            let product1 = self.builder.ins().imul(counter[2], multipliers[1]);
            let high1 = self.builder.ins().ushr_imm_s(product1, 32);
            let mixed1 = self.builder.ins().bxor(high1, counter[1]);
            let high0 = self.builder.ins().ushr_imm_s(product0, 32);
            let mixed0 = self.builder.ins().bxor(high0, counter[3]);
            counter = [
                self.builder.ins().bxor(mixed1, key[0]),
                low_word(self, product1),
                self.builder.ins().bxor(mixed0, key[1]),
                low_word(self, product0),
            ];
        }
        let upper = self.builder.ins().ushr_imm_s(counter[0], 8);
        let number = self.builder.ins().fcvt_from_sint(types::F32, upper);
        let unit = self.builder.ins().f32const(1.0_f32 / 16_777_216.0);
        self.builder.ins().fmul(number, unit)
    }
}
