//! What `dlc bench`, `dlc profile` and the table of the tuning have in common: a function to time, and how it is
//! compiled and called.

use crate::engine::default_threads;
use crate::{CompileChoices, DriverError, Loaded, Machine, Result};
use dlc_compiler::{CompileOptions, FunctionKind};

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BenchTarget {
    /// One training step.
    Train,
    /// One inference.
    Run,
}

impl BenchTarget {
    /// The function's name.
    pub(crate) fn function(self) -> &'static str {
        match self {
            BenchTarget::Train => "train",
            BenchTarget::Run => "predict",
        }
    }
}

/// What a user may choose about a function that is timed.
#[derive(Clone, Debug)]
pub struct TimedOptions {
    /// What is timed.
    pub target: BenchTarget,
    /// Samples; `None` for the recipe's batch, or 1 without one.
    pub batch: Option<usize>,
    /// Threads; `None` for as many as the machine runs at once.
    pub threads: Option<usize>,
    /// Seed of weights and inputs.
    pub seed: u64,
    /// Where the compiled code runs.
    pub machine: Machine,
    /// How the model is compiled.
    pub choices: CompileChoices,
}

impl TimedOptions {
    /// A function with all else at its default.
    pub fn new(target: BenchTarget) -> TimedOptions {
        let choices = CompileChoices::default();
        TimedOptions { target, batch: None, threads: None, seed: 0, machine: Machine::default(), choices }
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads.unwrap_or_else(default_threads)
    }

    /// How `command` compiles the function, behind the one that initialises.
    ///
    /// # Errors
    /// A training step of a model without a train section, a batch of 0.
    pub(crate) fn compile_options(&self, loaded: &Loaded, command: &str) -> Result<CompileOptions> {
        let kind = match self.target {
            BenchTarget::Train => {
                loaded.recipe(&format!("{command} train"))?;
                FunctionKind::Train
            }
            BenchTarget::Run => FunctionKind::Predict,
        };
        let batch = self.batch.or(loaded.recipe.as_ref().map(|recipe| recipe.data.batch)).unwrap_or(1);
        if batch == 0 {
            return Err(DriverError::User("the batch must be at least 1".to_owned()));
        }
        let functions = vec![FunctionKind::Initialize, kind];
        Ok(CompileOptions { functions, ..self.choices.options_for(batch, self.machine)? })
    }
}
