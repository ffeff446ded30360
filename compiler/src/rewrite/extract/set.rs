//! Sets of small numbers as bits: the classes that a choice needs.

/// A set of small numbers.
#[derive(Clone)]
pub(super) struct Set {
    words: Vec<u64>,
}

impl Set {
    pub(super) fn new(count: usize) -> Set {
        Set { words: vec![0; count.div_ceil(64)] }
    }

    pub(super) fn add(&mut self, item: usize) {
        self.words[item / 64] |= 1 << (item % 64);
    }

    pub(super) fn contains(&self, item: usize) -> bool {
        self.words[item / 64] >> (item % 64) & 1 == 1
    }

    pub(super) fn add_all(&mut self, other: &Set) {
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
    }

    /// Sum of the values of all items but one.
    pub(super) fn sum(&self, values: &[f64], without: usize) -> f64 {
        let mut total = 0.0;
        for (index, &word) in self.words.iter().enumerate() {
            let mut bits = word;
            while bits != 0 {
                let item = index * 64 + bits.trailing_zeros() as usize;
                if item != without {
                    total += values[item];
                }
                bits &= bits - 1;
            }
        }
        total
    }
}
