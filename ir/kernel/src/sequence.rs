//! Sequences: launches that are done part of the batch by part, so that what one writes is still in a near cache
//! when the next one reads it.
//!
//! A part is some images, or a strip of each of them, and depends on shapes alone. Kernels of a sequence see the
//! images of a part as their whole batch and begin with operands at the part's own elements
//! ([`Part::start`]).

use dlc_types::define_index;

define_index!(
    /// A sequence of a program.
    SequenceId,
    "s"
);

/// Launches that stand next to one another and are done for each part in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Images of a part, at most; one where there are several strips.
    pub images: usize,
    /// Parts that the same images make: strips along the second axis of the kernels' spaces.
    pub strips: usize,
    /// Who does what.
    pub turns: Turns,
}

/// Who does the launches of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turns {
    /// All threads share every launch, and meet before each.
    Together,
    /// A thread does all launches of as many neighbouring parts, a run, and meets nobody. Threads take
    /// neighbouring runs: thread `t` of `T` those from `t * runs / T` on.
    Alone {
        /// Parts of a run.
        parts: usize,
    },
}

/// One launch's place in a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The sequence.
    pub sequence: SequenceId,
    /// For every operand, where parts have their elements.
    pub steps: Vec<Steps>,
}

/// Elements by which an operand of one part lies behind that of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// From one image to the next.
    pub image: usize,
    /// From one strip to the next.
    pub strip: usize,
    /// From one run to the next.
    pub run: usize,
}

/// One part of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its first image.
    pub first: usize,
    /// How many images.
    pub count: usize,
    /// Number of the strip.
    pub strip: usize,
    /// Number of the run.
    pub run: usize,
}

impl Sequence {
    /// Parts of a batch.
    pub fn parts(&self, batch: usize) -> usize {
        batch.div_ceil(self.images.max(1)).saturating_mul(self.strips)
    }

    /// Whether every thread has parts of its own.
    pub fn is_alone(&self) -> bool {
        self.turns != Turns::Together
    }

    /// Runs of a batch.
    pub fn runs(&self, batch: usize) -> usize {
        match self.turns {
            Turns::Together => 1,
            Turns::Alone { parts } => self.parts(batch).div_ceil(parts.max(1)),
        }
    }

    /// A part of a batch by its number.
    pub fn piece(&self, number: usize, batch: usize) -> Piece {
        let strips = self.strips.max(1);
        let first = (number / strips).saturating_mul(self.images);
        let run = match self.turns {
            Turns::Together => 0,
            Turns::Alone { parts } => number / parts.max(1),
        };
        Piece { first, count: batch.saturating_sub(first).min(self.images), strip: number % strips, run }
    }

    /// Parts of a batch among which is one that reaches furthest, and one of every number of images.
    pub fn outer_pieces(&self, batch: usize) -> Vec<Piece> {
        let parts = self.parts(batch);
        let mut numbers: Vec<usize> = (0..parts.min(self.strips)).collect();
        numbers.extend(parts.saturating_sub(2 * self.strips)..parts);
        numbers.sort_unstable();
        numbers.dedup();
        numbers.into_iter().map(|number| self.piece(number, batch)).collect()
    }
}

impl Part {
    /// Element at which an operand begins.
    pub fn start(&self, operand: usize, piece: Piece) -> usize {
        let steps = self.steps.get(operand).copied().unwrap_or_default();
        let along = [(steps.image, piece.first), (steps.strip, piece.strip), (steps.run, piece.run)];
        along.into_iter().fold(0, |sum: usize, (step, count)| sum.saturating_add(step.saturating_mul(count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_has_what_is_left() {
        let sequence = Sequence { images: 3, strips: 1, turns: Turns::Alone { parts: 2 } };
        let pieces: Vec<Piece> = (0..sequence.parts(7)).map(|number| sequence.piece(number, 7)).collect();
        let found: Vec<(usize, usize, usize)> =
            pieces.iter().map(|piece| (piece.first, piece.count, piece.run)).collect();
        assert_eq!(found, [(0, 3, 0), (3, 3, 0), (6, 1, 1)]);
        assert_eq!(sequence.parts(0), 0);
    }

    #[test]
    fn strips_divide_images() {
        let sequence = Sequence { images: 1, strips: 4, turns: Turns::Alone { parts: 1 } };
        assert_eq!(sequence.parts(3), 12);
        assert_eq!(sequence.piece(6, 3), Piece { first: 1, count: 1, strip: 2, run: 6 });
        let part = Part {
            sequence: dlc_types::index::EntityIndex::from_usize(0),
            steps: vec![Steps { image: 100, strip: 7, run: 0 }],
        };
        assert_eq!(part.start(0, sequence.piece(6, 3)), 114);
    }
}
