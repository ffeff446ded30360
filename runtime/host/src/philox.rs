//! The generator of all random operators: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw, SC'11), a pure function of key and
//! counter, so that element `i` of a draw depends on seed and `i` alone.

const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];

/// Four random words.
fn block(mut key: [u32; 2], mut counter: [u32; 4]) -> [u32; 4] {
    for _ in 0..10 {
        let first = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let second = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        counter = [
            (second >> 32) as u32 ^ counter[1] ^ key[0],
            second as u32,
            (first >> 32) as u32 ^ counter[3] ^ key[1],
            first as u32,
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// Draws for one node.
#[derive(Clone, Copy)]
pub(crate) struct Draws {
    key: [u32; 2],
}

impl Draws {
    /// The key is the bits of the `seed` attribute.
    pub(crate) fn new(seed: f32) -> Draws {
        Draws { key: [seed.to_bits(), 0] }
    }

    fn pair(self, index: usize) -> (f64, f64) {
        let words = block(self.key, [index as u32, (index as u64 >> 32) as u32, 0, 0]);
        let unit = |high: u32, low: u32| {
            let bits = (u64::from(high) << 32 | u64::from(low)) >> 11;
            bits as f64 / (1u64 << 53) as f64
        };
        (unit(words[0], words[1]), unit(words[2], words[3]))
    }

    /// A number in `0..1`, all 53 bits random.
    pub(crate) fn uniform(self, index: usize) -> f64 {
        self.pair(index).0
    }

    /// A number of mean 0 and deviation 1, by the method of Box and Muller.
    pub(crate) fn normal(self, index: usize) -> f64 {
        let (first, second) = self.pair(index);
        (-2.0 * (1.0 - first).ln()).sqrt() * (2.0 * std::f64::consts::PI * second).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_vectors() {
        assert_eq!(block([0; 2], [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let ones = u32::MAX;
        assert_eq!(block([ones; 2], [ones; 4]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    }

    #[test]
    fn moments() {
        let draws = Draws::new(7.0);
        let count = 20_000;
        let normal: Vec<f64> = (0..count).map(|index| draws.normal(index)).collect();
        let mean = normal.iter().sum::<f64>() / f64::from(count as u32);
        let square = normal.iter().map(|value| value * value).sum::<f64>() / f64::from(count as u32);
        assert!(mean.abs() < 0.03 && (square - 1.0).abs() < 0.05, "{mean} {square}");
    }
}
