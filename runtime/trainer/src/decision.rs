//! What a model's first output says of a sample.
//!
//! The output is numbers; what they mean stands in the model's loss, which the trainer does not see. Whoever compiled
//! the model hands it a [`Decide`].

use std::fmt;
use std::sync::Arc;

/// What was decided of one sample.
#[derive(Clone, Debug, PartialEq)]
pub enum Decided {
    /// One class.
    Class {
        /// Its number.
        class: usize,
        /// The probability of every class.
        probabilities: Vec<f64>,
    },
    /// A class for every pixel.
    Map(LabelMap),
    /// Nothing: the numbers are the prediction.
    Values,
}

/// A class number for every pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelMap {
    /// Height and width.
    pub size: (usize, usize),
    /// Number of classes that there are, at most 256.
    pub classes: usize,
    /// The classes, row by row.
    pub pixels: Vec<u8>,
}

impl LabelMap {
    /// The share of the pixels that each class has.
    pub fn shares(&self) -> Vec<f64> {
        let count = |class: usize| self.pixels.iter().filter(|&&pixel| usize::from(pixel) == class).count();
        let all = self.pixels.len().max(1) as f64;
        (0..self.classes).map(|class| count(class) as f64 / all).collect()
    }
}

/// From the values of the first output for one sample to what they say.
pub type Decision = dyn Fn(&[f64]) -> Decided + Send + Sync;

/// The decision of one model.
#[derive(Clone)]
pub struct Decide(pub Arc<Decision>);

impl Default for Decide {
    fn default() -> Self {
        Decide(Arc::new(|_| Decided::Values))
    }
}

impl fmt::Debug for Decide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decide")
    }
}
