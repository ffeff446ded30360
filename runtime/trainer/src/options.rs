//! What a caller may choose about a run beyond the recipe.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// The learning rate at a step (from 0) of a run of so many steps.
#[derive(Clone)]
pub struct RateAt(pub Arc<dyn Fn(usize, usize) -> f64 + Send + Sync>);

impl fmt::Debug for RateAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RateAt")
    }
}

/// Choices of one run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Epochs of the whole run; `None` for the checkpoint's when resuming, else the recipe's.
    pub epochs: Option<usize>,
    /// Seed; `None` for the checkpoint's when there is one, else the recipe's.
    pub seed: Option<u64>,
    /// Threads for decoding pictures; zero counts as one. The engine has its own.
    pub threads: usize,
    /// Folder for checkpoints and `metrics.csv`; made if absent.
    pub out: PathBuf,
    /// Checkpoint to go on from.
    pub resume: Option<PathBuf>,
    /// End after this many epochs of the run are done, counted from its beginning.
    pub stop_after: Option<usize>,
    /// Replaces the source's file or folder.
    pub data: Option<PathBuf>,
    /// Number of classes the model tells apart; labels beyond are errors.
    pub classes: Option<usize>,
    /// The learning rate, for reports.
    pub rate_at: Option<RateAt>,
}
