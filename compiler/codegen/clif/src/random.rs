//! Philox 4x32-10 (`dlc_types::random`) in 32-bit words and 64-bit products.

use crate::emitter::Emitter;
use crate::float::{bits_as, repeated};
use cranelift_codegen::ir::{InstBuilder, Value, types};
use dlc_types::DType;

const MULTIPLIER: [i64; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [i64; 2] = [0x9E37_79B9, 0xBB67_AE85];

impl Emitter<'_, '_> {
    /// `unit(random_bits(seed, stream, step, index))` of one element.
    pub(crate) fn random(&mut self, stream: u32, seed: Value, step: Value, index: Value) -> Value {
        let mut key = self.words(seed);
        let [low, high] = self.words(index);
        let stream = self.builder.ins().iconst(types::I32, i64::from(stream));
        let mut counter = [low, high, stream, step];
        for round in 0..10 {
            if round > 0 {
                for (word, weyl) in key.iter_mut().zip(WEYL) {
                    let weyl = self.builder.ins().iconst(types::I32, weyl);
                    *word = self.builder.ins().iadd(*word, weyl);
                }
            }
            let [low0, high0] = self.multiplied(counter[0], MULTIPLIER[0]);
            let [low1, high1] = self.multiplied(counter[2], MULTIPLIER[1]);
            let mixed0 = self.builder.ins().bxor(counter[3], key[1]);
            let mixed1 = self.builder.ins().bxor(counter[1], key[0]);
            counter =
                [self.builder.ins().bxor(high1, mixed1), low1, self.builder.ins().bxor(high0, mixed0), low0];
        }
        let upper = self.builder.ins().ushr_imm_u(counter[0], 8);
        let number = self.builder.ins().fcvt_from_sint(types::F32, upper);
        let unit = self.builder.ins().f32const(1.0_f32 / 16_777_216.0);
        self.builder.ins().fmul(number, unit)
    }

    /// The low and the high word.
    fn words(&mut self, value: Value) -> [Value; 2] {
        let high = self.builder.ins().ushr_imm_u(value, 32);
        [self.builder.ins().ireduce(types::I32, value), self.builder.ins().ireduce(types::I32, high)]
    }

    /// The words of a word times a constant.
    fn multiplied(&mut self, word: Value, multiplier: i64) -> [Value; 2] {
        let word = self.builder.ins().uextend(types::I64, word);
        let multiplier = self.int(multiplier);
        let product = self.builder.ins().imul(word, multiplier);
        self.words(product)
    }

    /// The same for four elements at once, of one seed and step.
    pub(crate) fn random_vector(&mut self, stream: u32, seed: Value, step: Value, index: &[Value]) -> Value {
        let ty = types::I32X4;
        let mut keys = self.words(seed);
        let words: Vec<[Value; 2]> = index.iter().map(|&index| self.words(index)).collect();
        let low: Vec<Value> = words.iter().map(|words| words[0]).collect();
        let high: Vec<Value> = words.iter().map(|words| words[1]).collect();
        let low = self.pack(DType::I32, ty, &low);
        let high = self.pack(DType::I32, ty, &high);
        let stream = repeated(self.builder, ty, &stream.to_le_bytes());
        let step = self.builder.ins().splat(ty, step);
        let mut counter = [low, high, stream, step];
        for round in 0..10 {
            if round > 0 {
                for (word, weyl) in keys.iter_mut().zip(WEYL) {
                    let weyl = self.builder.ins().iconst(types::I32, weyl);
                    *word = self.builder.ins().iadd(*word, weyl);
                }
            }
            let [key0, key1] = keys.map(|key| self.builder.ins().splat(ty, key));
            let [low0, high0] = self.vector_product(counter[0], MULTIPLIER[0]);
            let [low1, high1] = self.vector_product(counter[2], MULTIPLIER[1]);
            let mixed0 = self.builder.ins().bxor(counter[3], key1);
            let mixed1 = self.builder.ins().bxor(counter[1], key0);
            counter =
                [self.builder.ins().bxor(high1, mixed1), low1, self.builder.ins().bxor(high0, mixed0), low0];
        }
        let upper = self.builder.ins().ushr_imm_u(counter[0], 8);
        let number = self.builder.ins().fcvt_from_sint(types::F32X4, upper);
        let unit = repeated(self.builder, types::F32X4, &(1.0_f32 / 16_777_216.0).to_le_bytes());
        self.builder.ins().fmul(number, unit)
    }

    /// The words of four words times a constant.
    fn vector_product(&mut self, word: Value, multiplier: i64) -> [Value; 2] {
        let multiplier = repeated(self.builder, types::I32X4, &(multiplier as u32).to_le_bytes());
        let front_word = self.builder.ins().uwiden_low(word);
        let front_multiplier = self.builder.ins().uwiden_low(multiplier);
        let front = self.builder.ins().imul(front_word, front_multiplier);
        let back_word = self.builder.ins().uwiden_high(word);
        let back_multiplier = self.builder.ins().uwiden_high(multiplier);
        let back = self.builder.ins().imul(back_word, back_multiplier);
        let [front, back] = [front, back].map(|product| bits_as(self.builder, types::I8X16, product));
        [0_u8, 4].map(|first| {
            let bytes: Vec<u8> =
                (0..4).flat_map(|word| (0..4).map(move |byte| first + word * 8 + byte)).collect();
            let mask = self.builder.func.dfg.immediates.push(bytes.into());
            let picked = self.builder.ins().shuffle(front, back, mask);
            bits_as(self.builder, types::I32X4, picked)
        })
    }
}
