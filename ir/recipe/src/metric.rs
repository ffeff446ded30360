//! What is reported beside the loss, and how the numbers that a function gives become it.

/// One metric of the `train` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, which is that of the function's output, too.
    pub name: String,
    /// How it is made.
    pub measure: Measure,
}

/// How the outputs of single batches become a metric of all samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// A scalar that is a mean over the batch: the mean over all samples.
    Mean,
    /// `[2]`: how many decisions are right, and how many count. The one over the other.
    Share,
    /// `[k…]`: means of squared errors per output. The mean over outputs of their roots.
    RootMeanSquare,
    /// `[4, k…]`: per output the mean of squared errors, an origin near the targets, the mean of their distances
    /// from it, and the mean of squared distances from that mean. One less the share of the target's variance that is left, the
    /// mean over outputs.
    RSquared,
    /// `[classes, classes]`: how many samples of the class (row) were taken for the class (column).
    Confusion,
    /// The same; of those taken for a class, the share that belongs to it.
    Precision(Average),
    /// The same; of those that belong to a class, the share that was found.
    Recall(Average),
    /// The same; the harmonic mean of precision and recall.
    F1(Average),
    /// The same; what belongs to a class and was taken for it, over what is either.
    IntersectionOverUnion(Average),
    /// `[N, classes + 1]` or `[N, 2]`: scores and the class. The area under the receiver operating
    /// characteristic; of several classes each against the rest, their mean.
    AreaUnderCurve,
    /// The same; the area under the steps of precision over recall.
    AveragePrecision,
}

impl Measure {
    /// Whether it needs all samples at once, so that only whole evaluations have it.
    pub fn needs_scores(self) -> bool {
        matches!(self, Measure::AreaUnderCurve | Measure::AveragePrecision)
    }
}

/// How the values of single classes become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// The value of class 1, of two.
    Binary,
    /// The mean over the classes that occur as labels or decisions.
    Macro,
    /// The value of all decisions together.
    Micro,
    /// The mean over classes, weighted by the samples that belong to each.
    Weighted,
    /// No mean: one value per class.
    PerClass,
}
