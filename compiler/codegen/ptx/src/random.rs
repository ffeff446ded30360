//! Philox 4x32-10 (`dlc_types::random`) in 32-bit words.

use crate::emitter::Emitter;
use crate::register::{Class, Value};

const MULTIPLIER: [i64; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [i64; 2] = [0x9E37_79B9, 0xBB67_AE85];

impl Emitter<'_> {
    /// `unit(random_bits(seed, stream, step, index))` of one element.
    pub(crate) fn random(&mut self, stream: u32, seed: Value, step: Value, index: Value) -> Value {
        let mut key = self.words(seed);
        let [low, high] = self.words(index);
        let mut counter = [low, high, Value::Integer(i64::from(stream)), step];
        for round in 0..10 {
            if round > 0 {
                for (word, weyl) in key.iter_mut().zip(WEYL) {
                    *word = self.ins(Class::Word, "add.u32", &[*word, Value::Integer(weyl)]);
                }
            }
            let [low0, high0] = self.multiplied(counter[0], MULTIPLIER[0]);
            let [low1, high1] = self.multiplied(counter[2], MULTIPLIER[1]);
            let mixed0 = self.ins(Class::Word, "xor.b32", &[counter[3], key[1]]);
            let mixed1 = self.ins(Class::Word, "xor.b32", &[counter[1], key[0]]);
            let first = self.ins(Class::Word, "xor.b32", &[high1, mixed1]);
            let third = self.ins(Class::Word, "xor.b32", &[high0, mixed0]);
            counter = [first, low1, third, low0];
        }
        let upper = self.ins(Class::Word, "shr.u32", &[counter[0], Value::Integer(8)]);
        let number = self.ins(Class::Single, "cvt.rn.f32.u32", &[upper]);
        let unit = Value::Single((1.0_f32 / 16_777_216.0).to_bits());
        self.ins(Class::Single, "mul.rn.f32", &[number, unit])
    }

    /// The low and the high word of 64 bits.
    pub(crate) fn words(&mut self, value: Value) -> [Value; 2] {
        if let Value::Integer(number) = value {
            return [number as u32, (number >> 32) as u32].map(|word| Value::Integer(i64::from(word)));
        }
        let [low, high] = [self.fresh(Class::Word), self.fresh(Class::Word)];
        self.put(format!("mov.b64 {{{low}, {high}}}, {value};"));
        [low, high]
    }

    /// The words of a word times a constant.
    fn multiplied(&mut self, word: Value, multiplier: i64) -> [Value; 2] {
        let args = [word, Value::Integer(multiplier)];
        [self.ins(Class::Word, "mul.lo.u32", &args), self.ins(Class::Word, "mul.hi.u32", &args)]
    }
}
