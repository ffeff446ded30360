//! The recipe: the `data` and `train` sections of a model file, typed and checked.
//!
//! A frontend writes it, the trainer reads it. It holds what happens around the compiled step: where
//! samples come from, how they become tensors, how many epochs run. What happens inside the step
//! (optimiser, schedule) is `dlc_ir::Training`. Files are named as the model's author wrote them;
//! whoever opens them resolves them against the folder of the model's file.

mod metric;

pub use metric::{Average, Measure, Metric};

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

/// Where samples come from. Paths are relative to the model's file.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A table with a header. The first field is made of the feature columns in the order of the file,
    /// the second of the target column.
    Csv {
        /// Path of the file.
        path: String,
        /// Name of the target column.
        target: String,
        /// Feature columns; `None` for all but the target and the dropped ones.
        features: Option<Vec<String>>,
        /// Columns to leave out.
        drop: Vec<String>,
    },
    /// CIFAR-10's binary files in a folder: `data_batch_1.bin` … `data_batch_5.bin`, `test_batch.bin`.
    /// Fields: image in 0..=1, label.
    Cifar10 {
        /// Path of the folder, or of a folder that holds `cifar-10-batches-bin`.
        path: String,
    },
    /// `train/CLASS/*.jpg|png`, `test/CLASS/*`, or `CLASS/*` alone. Classes are numbered in the order of
    /// their names. Fields: image in 0..=1, label.
    ImageFolder {
        /// Path of the folder.
        path: String,
    },
    /// Random tensors for a model without data: inputs standard normal, integer targets uniform below
    /// `classes`, float targets standard normal.
    Synthetic {
        /// Number of samples.
        samples: usize,
        /// Bound of integer targets.
        classes: usize,
    },
}

/// A step that turns raw values of one field into what the model is fed.
#[derive(Clone, Debug, PartialEq)]
pub enum Transform {
    /// `(x - mean) / std`, per channel of an image (or one value for all).
    Normalize {
        /// Mean per channel.
        mean: Vec<f64>,
        /// Deviation per channel.
        std: Vec<f64>,
    },
    /// `x / divisor`.
    Scale {
        /// The divisor.
        divisor: f64,
    },
    /// To 0..=1 by the least and greatest value of each feature in the training split.
    MinMax,
    /// To mean 0 and deviation 1 by each feature's statistics in the training split.
    Standardize,
    /// Resize an image to height and width (bilinear).
    Resize {
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
    },
}

/// A random change of a training sample.
#[derive(Clone, Debug, PartialEq)]
pub enum Augment {
    /// Pads with zeros on all sides and cuts out a random piece of `size`.
    RandomCrop {
        /// Height and width of the result.
        size: (usize, usize),
        /// Pixels of padding on each side.
        padding: usize,
    },
    /// Mirrors left and right with this probability.
    RandomFlip {
        /// The probability.
        probability: f64,
    },
}

/// How samples are divided. Sources with a test split of their own keep it; `test` then must be 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    /// Share of the samples for validation.
    pub validation: f64,
    /// Share of the samples for the test.
    pub test: f64,
    /// Whether every class keeps its share in every split.
    pub stratified: bool,
    /// Seed of the division when it is not to follow the run's.
    pub seed: Option<u64>,
}
