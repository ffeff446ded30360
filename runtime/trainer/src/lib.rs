//! Everything around the compiled training step: reading data, making batches, epochs, metrics,
//! checkpoints.
//!
//! The trainer reads a [`dlc_recipe::Recipe`] and drives an [`Engine`] (a compiled session, or the
//! interpreter). It computes nothing that belongs to the model. Every random choice (split, order,
//! augmentation) is a pure function of the run's seed, the epoch and the sample, so a run gives the
//! same weights for any number of threads, and one that was stopped goes on bit for bit.

pub mod augment;
pub mod checkpoint;
mod class_weights;
pub mod dataset;
mod decision;
mod divergence;
mod encoding;
mod engine;
mod error;
mod evaluate;
mod examine;
mod field;
mod fitted;
mod gallery;
mod label_map;
mod loader;
mod metrics;
mod monitor;
pub mod numpy;
mod options;
mod page;
mod pictures;
mod plateau;
mod predict;
mod prediction_files;
mod prepare;
mod probe;
mod rate_finder;
mod record;
mod report;
pub mod split;
mod statistics;
mod table;
mod tensorboard;
mod train;

pub use checkpoint::{Progress, SavedRun, read_checkpoint};
pub use dataset::table::{Purpose, TableContent, TableFault, TargetKind, Targets, parse_table};
pub use dataset::{Column, Dataset};
pub use decision::{Decide, Decided, Decision, LabelMap};
pub use encoding::Encoding;
pub use engine::Engine;
pub use error::TrainError;
pub use evaluate::{EvalReport, evaluate, restore};
pub use examine::Examination;
pub use fitted::Fitted;
pub use loader::{Batch, Pass, each_batch};
pub use metrics::{Confusion, Curve, Evaluated, Ranking};
pub use monitor::is_falling;
pub use monitor::less_is_better;
pub use options::{InitialTensors, Inspected, InspectedKind, Inspector, RateAt, RunOptions};
pub use plateau::Standstill;
pub use predict::{Prediction, Predictions, predict};
pub use prepare::{Preparation, PreparedData};
pub use probe::Probe;
pub use rate_finder::{RatePoint, RateReport, find_rate};
pub use report::{Best, EpochReport, Measures, Observer, Outcome, Silent, StepReport, TrainReport};
pub use train::train;

/// Results of this crate.
pub(crate) type Result<T> = std::result::Result<T, TrainError>;
