//! Counter-based random numbers: Philox 4x32-10.
//!
//! Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
//!
//! A draw is a pure function of (seed, stream, counter), so every thread, the interpreter and the
//! compiled code get the same numbers without sharing a state. The compiled form of the same function
//! is built from integer operations in the kernel IR; this one serves the interpreter, the shuffling of
//! data and augmentation.

const MULTIPLIER: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Ten rounds of Philox 4x32 on one counter block.
pub fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        let product0 = u64::from(MULTIPLIER[0]) * u64::from(counter[0]);
        let product1 = u64::from(MULTIPLIER[1]) * u64::from(counter[2]);
        counter = [
            (product1 >> 32) as u32 ^ counter[1] ^ key[0],
            product1 as u32,
            (product0 >> 32) as u32 ^ counter[3] ^ key[1],
            product0 as u32,
        ];
    }
    counter
}

/// The 32 random bits of element `index` in stream `(stream, step)` under `seed`: word 0 of the block
/// whose counter is `(index, stream, step)` and whose key is the seed.
pub fn random_bits(seed: u64, stream: u32, step: u32, index: u64) -> u32 {
    philox4x32([index as u32, (index >> 32) as u32, stream, step], [seed as u32, (seed >> 32) as u32])[0]
}

/// A number in `[0, 1)` from the upper 24 bits: every result is a multiple of 2^-24, exact in `f32`.
pub fn unit_from_bits(bits: u32) -> f32 {
    (bits >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// A sequence of draws for code that runs on the host: shuffling, splits, augmentation.
#[derive(Clone, Debug)]
pub struct Stream {
    seed: u64,
    stream: u32,
    step: u32,
    next: u64,
}

impl Stream {
    /// The draws of stream `(stream, step)` under `seed`, from the first.
    pub fn new(seed: u64, stream: u32, step: u32) -> Stream {
        Stream { seed, stream, step, next: 0 }
    }

    /// The next 32 bits.
    pub fn bits(&mut self) -> u32 {
        self.next += 1;
        random_bits(self.seed, self.stream, self.step, self.next - 1)
    }

    /// The next number in `[0, 1)`.
    pub fn unit(&mut self) -> f32 {
        unit_from_bits(self.bits())
    }

    /// The next integer in `0..bound`, by the multiply-shift method; 0 for a bound of 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.bits()) * u64::from(bound)) >> 32) as u32
    }

    /// Puts the items into random order (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let bound = u32::try_from(last + 1).unwrap_or(u32::MAX);
            items.swap(last, self.below(bound) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers published with the authors' Random123 library.
    #[test]
    fn philox_known_answers() {
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox4x32([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox4x32([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }
}
