//! What a caller may choose about a run beyond the recipe.

use crate::Engine;
use dlc_runtime::{Checkpoint, HostTensor, Identity, RuntimeError};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// The learning rate at a step (from 0) of a run of so many steps, so many of them an epoch.
#[derive(Clone)]
pub struct RateAt(pub Arc<dyn Fn(usize, usize, usize) -> f64 + Send + Sync>);

impl fmt::Debug for RateAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RateAt")
    }
}

/// First values that come with a model, by the name of their parameter or state.
#[derive(Clone)]
pub struct InitialTensors(
    /// The value, in the plain order; `None` for what the seed tells.
    #[allow(clippy::type_complexity, reason = "the one place where it is written")]
    pub Arc<dyn Fn(&str) -> Result<Option<HostTensor>, RuntimeError> + Send + Sync>,
);

impl InitialTensors {
    /// Sets first values: those of the seed, then those that come with the model.
    pub fn begin(&self, engine: &mut dyn Engine, seed: u64) -> Result<(), RuntimeError> {
        engine.initialize(seed)?;
        self.fill(engine)
    }

    /// Sets the values that come with the model.
    pub fn fill(&self, engine: &mut dyn Engine) -> Result<(), RuntimeError> {
        let names: Vec<String> =
            engine.interface().tensors.iter().map(|tensor| tensor.name.clone()).collect();
        for name in names {
            if let Some(value) = (self.0)(&name)? {
                engine.set_tensor(&name, &value)?;
            }
        }
        Ok(())
    }
}

impl Default for InitialTensors {
    fn default() -> Self {
        InitialTensors(Arc::new(|_| Ok(None)))
    }
}

impl fmt::Debug for InitialTensors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InitialTensors")
    }
}

/// What an [`Inspected`] tensor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InspectedKind {
    /// The value of a layer.
    Activation,
    /// The gradient of a parameter.
    Gradient,
}

/// A tensor inside a training step.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspected {
    /// What it is.
    pub kind: InspectedKind,
    /// The layer's or parameter's path.
    pub name: String,
    /// Its elements.
    pub values: Vec<f32>,
}

/// Looks into one training step: from parameters and states, a batch's size and its inputs by name to the values
/// of layers in the order of their computation, then the gradients in the order of the parameters. It changes
/// nothing.
#[derive(Clone)]
pub struct Inspector(
    #[allow(clippy::type_complexity, reason = "the one place where it is written")]
    /// The function.
    pub  Arc<
        dyn Fn(&Checkpoint, usize, &[(&str, &[u8])]) -> Result<Vec<Inspected>, RuntimeError> + Send + Sync,
    >,
);

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inspector")
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
    /// Folder for everything that a run leaves; made if absent. An evaluation writes pictures there, if it is not
    /// empty.
    pub out: PathBuf,
    /// Checkpoint to go on from.
    pub resume: Option<PathBuf>,
    /// End after this many epochs of the run are done, counted from its beginning.
    pub stop_after: Option<usize>,
    /// Replaces the source's file or folder.
    pub data: Option<PathBuf>,
    /// Number of classes the model tells apart; labels beyond are errors.
    pub classes: Option<usize>,
    /// First values that come with the model.
    pub initial: InitialTensors,
    /// Kept in every checkpoint beside the tensors: what a command needs to know of the run that the model's file
    /// does not say.
    pub note: Option<String>,
    /// The model that checkpoints are of.
    pub identity: Option<Identity>,
    /// The learning rate, for reports.
    pub rate_at: Option<RateAt>,
    /// Looks into steps: where a number came from that is not finite, and statistics.
    pub inspector: Option<Inspector>,
    /// Whether statistics of activations, gradients and parameters are written every epoch.
    pub statistics: bool,
    /// Keep a checkpoint of every so many epochs, beside the last and the best.
    pub keep_every: Option<usize>,
    /// Renew the last checkpoint every so many steps inside an epoch, too.
    pub save_steps: Option<usize>,
}
