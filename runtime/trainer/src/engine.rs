//! What the trainer needs of whoever computes: a compiled session or the interpreter.

use dlc_runtime::abi::Interface;
use dlc_runtime::{Checkpoint, HostTensor, LoadPolicy, RuntimeError, Samples, Session};

/// State that schedules read: the number of steps of the whole run.
const TOTAL_STEPS: &str = "train.total_steps";

/// An instance of a model that can be trained, evaluated and saved.
pub trait Engine {
    /// The functions with their ports, and the parameters and states.
    fn interface(&self) -> &Interface;
    /// Sets initial values by seed; every state begins anew.
    fn initialize(&mut self, seed: u64) -> Result<(), RuntimeError>;
    /// Replaces a parameter or state by a tensor of the same type and shape, in the plain order.
    fn set_tensor(&mut self, name: &str, value: &HostTensor) -> Result<(), RuntimeError>;
    /// Tells schedules how many steps the run will have.
    fn set_total_steps(&mut self, steps: usize) -> Result<(), RuntimeError>;
    /// One step of the function `train`. `report` gets the loss, then the metrics in the order of the
    /// function's ports.
    fn train_step(&mut self, batch: usize, inputs: &[&[u8]], report: &mut [f32]) -> Result<(), RuntimeError>;
    /// A step of a caller that knows the samples of the next one already, which an engine with memory of its own takes
    /// over while it computes.
    fn train_step_ahead(
        &mut self,
        step: Samples<'_>,
        _next: Option<Samples<'_>>,
        report: &mut [f32],
    ) -> Result<(), RuntimeError> {
        self.train_step(step.batch, step.inputs, report)
    }
    /// Loss and metrics by the function `evaluate`, in the order of its ports.
    fn evaluate(&mut self, batch: usize, inputs: &[&[u8]], report: &mut [f32]) -> Result<(), RuntimeError>;
    /// The outputs of the function `predict`: one buffer per port of role `Output`.
    fn predict(
        &mut self,
        batch: usize,
        inputs: &[&[u8]],
        outputs: &mut [&mut [u8]],
    ) -> Result<(), RuntimeError>;
    /// All parameters and states.
    fn checkpoint(&self) -> Result<Checkpoint, RuntimeError>;
    /// Takes parameters and states from a checkpoint, or changes nothing.
    fn restore(&mut self, checkpoint: &Checkpoint, policy: LoadPolicy) -> Result<(), RuntimeError>;
}

impl Engine for Session {
    fn interface(&self) -> &Interface {
        self.program().interface()
    }

    fn initialize(&mut self, seed: u64) -> Result<(), RuntimeError> {
        Session::initialize(self, seed)
    }

    fn set_tensor(&mut self, name: &str, value: &HostTensor) -> Result<(), RuntimeError> {
        Session::set_tensor(self, name, value)
    }

    fn set_total_steps(&mut self, steps: usize) -> Result<(), RuntimeError> {
        if !self.program().interface().tensors.iter().any(|tensor| tensor.name == TOTAL_STEPS) {
            return Ok(());
        }
        self.set_scalar_i64(TOTAL_STEPS, i64::try_from(steps).unwrap_or(i64::MAX))
    }

    fn train_step(&mut self, batch: usize, inputs: &[&[u8]], report: &mut [f32]) -> Result<(), RuntimeError> {
        Session::train_step(self, batch, inputs, report)
    }

    fn train_step_ahead(
        &mut self,
        step: Samples<'_>,
        next: Option<Samples<'_>>,
        report: &mut [f32],
    ) -> Result<(), RuntimeError> {
        Session::train_step_ahead(self, step, next, report)
    }

    fn evaluate(&mut self, batch: usize, inputs: &[&[u8]], report: &mut [f32]) -> Result<(), RuntimeError> {
        Session::evaluate(self, batch, inputs, report)
    }

    fn predict(
        &mut self,
        batch: usize,
        inputs: &[&[u8]],
        outputs: &mut [&mut [u8]],
    ) -> Result<(), RuntimeError> {
        Session::predict(self, batch, inputs, outputs)
    }

    fn checkpoint(&self) -> Result<Checkpoint, RuntimeError> {
        Session::checkpoint(self)
    }

    fn restore(&mut self, checkpoint: &Checkpoint, policy: LoadPolicy) -> Result<(), RuntimeError> {
        Session::restore(self, checkpoint, policy)
    }
}
