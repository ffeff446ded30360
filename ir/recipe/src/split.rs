//! How samples are divided.

/// Shares of the parts. Sources with splits of their own keep them; the share then must be 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Split {
    /// Share of the samples for validation.
    pub validation: f64,
    /// Share of the samples for the test.
    pub test: f64,
    /// Whether every class keeps its share in every split.
    pub stratified: bool,
    /// Seed of the division when it is not to follow the run's.
    pub seed: Option<u64>,
    /// Cross-validation: what the test leaves is cut into parts, one of which is for validation.
    pub fold: Option<Fold>,
}

/// One part of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    /// How many parts there are.
    pub of: usize,
    /// Which one is for validation, from 0.
    pub number: usize,
}

impl Split {
    /// The same division with the `number`-th of `of` parts for validation in the place of a share. All
    /// numbers give the same parts, so that every sample is for validation once.
    #[must_use]
    pub fn fold(self, of: usize, number: usize) -> Split {
        Split { validation: 0.0, fold: Some(Fold { of, number }), ..self }
    }
}

/// What the classes count in the loss.
#[derive(Clone, Debug, PartialEq)]
pub enum ClassWeights {
    /// So that all classes of the training split count alike: `samples / (classes * samples of the class)`.
    Balanced,
    /// One per class.
    Given(Vec<f64>),
}

/// Name of the state that holds the weights of balanced classes, which the trainer sets.
pub const CLASS_WEIGHTS: &str = "data.class_weights";
