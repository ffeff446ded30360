//! The recipe: the `data` and `train` sections of a model file, typed and checked.
//!
//! A frontend writes it, the trainer reads it. It holds what happens around the compiled step: where
//! samples come from, how they become tensors, how many epochs run. What happens inside the step
//! (optimiser, schedule) is `dlc_ir::Training`. Files are named as the model's author wrote them;
//! whoever opens them resolves them against the folder of the model's file.

mod metric;
mod pattern;
mod scaling;
mod source;
mod split;
mod start;
mod steps;

pub use metric::{Average, Measure, Metric};
pub use pattern::{Renaming, fits};
pub use scaling::{SCALING, Scaling, ScalingPlan, Statistics, scaling_states};
pub use source::{Arrays, Duplicates, IdxFiles, Missing, Source, Table, WordRules};
pub use split::{CLASS_WEIGHTS, ClassWeights, Fold, Split};
pub use start::{Start, WeightLayout};
pub use steps::{Augment, Surround, Transform};

use dlc_types::{Span, TensorType};

/// Everything around the compiled step.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Name of the model that is trained.
    pub model: String,
    /// Where samples come from.
    pub data: Data,
    /// Epochs of the whole run.
    pub epochs: usize,
    /// Seed of initial values, splits, shuffling, augmentation and dropout, unless the command line
    /// gives one.
    pub seed: u64,
    /// Weights that the run begins with; `None` for random ones alone.
    pub start: Option<Start>,
    /// Which metric decides what the best checkpoint is; `None` for the validation loss.
    pub monitor: Option<String>,
    /// The metrics, in the order of the text.
    pub metrics: Vec<Metric>,
    /// When a run ends before its last epoch.
    pub early_stop: Option<EarlyStop>,
    /// When the learning rate falls because the watched value stands still.
    pub plateau: Option<Plateau>,
}

/// The rule by which a run ends when it gets no better; it then keeps its best weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EarlyStop {
    /// Epochs without a better value after which the run ends; at least 1.
    pub patience: usize,
    /// By how much a value must differ from the best one to be better.
    pub min_delta: f64,
}

/// The learning rate is lowered when the value that decides about the best checkpoint has not become better
/// for some epochs. PyTorch's ReduceLROnPlateau, with its relative threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plateau {
    /// What the rate is multiplied with.
    pub factor: f64,
    /// Epochs without a better value that are let pass.
    pub patience: usize,
    /// Share of the best value that a better one must differ by.
    pub threshold: f64,
    /// Epochs after a change in which nothing is counted.
    pub cooldown: usize,
    /// Least share of the schedule's rate.
    pub least: f64,
}

/// The `data` section.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// Its name.
    pub name: String,
    /// What is read.
    pub source: Source,
    /// Where the source is written in the model's text.
    pub source_span: Option<Span>,
    /// The fields that the source is bound to, in order: `-> (image, label)`.
    pub fields: Vec<Field>,
    /// Steps applied to every split, in order.
    pub transform: Vec<(String, Transform)>,
    /// Steps applied to training samples only, before `transform`, in order.
    pub augment: Vec<(String, Augment)>,
    /// How samples are divided.
    pub split: Split,
    /// What classes count in the loss, for losses that ask.
    pub class_weights: Option<ClassWeights>,
    /// Samples per training step.
    pub batch: usize,
    /// Whether training samples are put into a new order every epoch.
    pub shuffle: bool,
}

/// One tensor that a sample consists of.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Name of the model's input or target that it feeds.
    pub name: String,
    /// Type with the leading batch axis, as the model declares it.
    pub ty: TensorType,
}
