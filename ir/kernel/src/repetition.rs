//! Repetitions: launches that are done over and over, as the steps of a scan are.
//!
//! The launches of a repetition stand next to one another, and a round does all of them in order. Every operand lies
//! somewhere else in every round, by its [`Stride`]: a slice of a stacked buffer, or the next slot of a carry.
//! A repetition may stand within another; of the launches of the inner one, starts of both add up.

use crate::{Launch, Program};
use dlc_types::define_index;
use std::ops::Range;

define_index!(
    /// A repetition of a program.
    RepetitionId,
    "r"
);

/// Launches that are done over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repetition {
    /// How often; at least once.
    pub times: usize,
}

/// One launch's place in a repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// The repetition.
    pub repetition: RepetitionId,
    /// For every operand, where rounds have their elements.
    pub strides: Vec<Stride>,
}

/// The element at which an operand begins in round `r`: `first + step * (r mod period)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stride {
    /// In the first round.
    pub first: usize,
    /// From one round to the next.
    pub step: i64,
    /// Rounds until places come again, at least one.
    pub period: usize,
}

impl Stride {
    /// The same place in all rounds.
    pub const STILL: Stride = Stride { first: 0, step: 0, period: 1 };

    /// Whether all rounds of so many have one place.
    pub fn is_still(&self, times: usize) -> bool {
        self.step == 0 || self.period.min(times) <= 1
    }

    /// The least and the greatest start in so many rounds.
    pub fn reach(&self, times: usize) -> (i128, i128) {
        let last = self.period.min(times).saturating_sub(1) as i128;
        let first = self.first as i128;
        let end = first + last * i128::from(self.step);
        (first.min(end), first.max(end))
    }
}

impl Program {
    /// How often a launch is done.
    pub fn rounds(&self, launch: &Launch) -> u64 {
        let times = |round: &Round| self.repetitions.get(round.repetition).map_or(1, |found| found.times);
        launch.rounds.iter().fold(1, |product: u64, round| product.saturating_mul(times(round) as u64))
    }

    /// The least and the greatest start of an operand of a launch over all rounds.
    pub fn reach(&self, launch: &Launch, operand: usize) -> (i128, i128) {
        launch.rounds.iter().fold((0, 0), |(low, high), round| {
            let times = self.repetitions.get(round.repetition).map_or(1, |found| found.times);
            let stride = round.strides.get(operand).copied().unwrap_or(Stride::STILL);
            let (least, greatest) = stride.reach(times);
            (low + least, high + greatest)
        })
    }

    /// Neighbouring launches that are in one repetition, or in none, at a depth: repetitions that launches stand in
    /// are counted from the outermost.
    pub fn blocks(&self, launches: Range<usize>, depth: usize) -> Vec<(Option<RepetitionId>, Range<usize>)> {
        let mut blocks: Vec<(Option<RepetitionId>, Range<usize>)> = Vec::new();
        for position in launches {
            let here = self.launches[position].rounds.get(depth).map(|round| round.repetition);
            match blocks.last_mut() {
                Some((repetition, range)) if *repetition == here => range.end = position + 1,
                _ => blocks.push((here, position..position + 1)),
            }
        }
        blocks
    }

    /// Launches by position in the order in which they are done, two rounds of every repetition.
    pub fn two_rounds(&self) -> Vec<usize> {
        let mut order = Vec::new();
        self.walk(0..self.launches.len(), 0, &mut order);
        order
    }

    fn walk(&self, launches: Range<usize>, depth: usize, order: &mut Vec<usize>) {
        for (repetition, range) in self.blocks(launches, depth) {
            match repetition {
                None => order.extend(range),
                Some(_) => (0..2).for_each(|_| self.walk(range.clone(), depth + 1, order)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_come_again() {
        let read = Stride { first: 0, step: 8, period: 2 };
        let write = Stride { first: 8, step: -8, period: 2 };
        assert_eq!((read.reach(5), write.reach(5)), ((0, 8), (0, 8)));
        assert_eq!(write.reach(1), (8, 8));
        assert!(read.is_still(1) && !read.is_still(2) && Stride::STILL.is_still(9));
        assert_eq!(Stride { first: 40, step: -8, period: 6 }.reach(6), (0, 40));
    }
}
