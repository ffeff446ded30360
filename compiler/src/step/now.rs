//! The place of a step in its run: how many updates are done, how many there will be.
//!
//! Where gradients are gathered over `K` steps, every `K`-th step *updates*: it alone changes parameters and
//! the slots of the rule, and schedules count updates. The others keep what was, by a `select` in the kernel
//! that would write the update.

use super::state;
use dlc_ir::training::{EPOCH_STEPS, STEP, TOTAL_STEPS};
use dlc_ir::{Binary, Builder, Comparison, InferError, NodeId, Training};
use dlc_types::{DType, TensorType};

/// Scalars of a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// Steps done, `i32`.
    pub(super) step: NodeId,
    /// Updates done, `f32`.
    pub(super) updates: NodeId,
    /// Updates of the whole run, `f32`.
    pub(super) total: NodeId,
    /// Steps of an epoch, `i32`, at least 1; absent where nothing is counted in epochs.
    pub(super) epoch_steps: Option<NodeId>,
    /// Updates of an epoch, `f32`.
    pub(super) epoch_updates: Option<NodeId>,
    /// Whether this step updates, `bool`; absent where each does.
    pub(super) active: Option<NodeId>,
}

impl Now {
    pub(super) fn new(b: &mut Builder, training: &Training) -> Result<Now, InferError> {
        let scalar = TensorType::scalar(DType::I32);
        let step = state(b, STEP, scalar.clone())?;
        let total = state(b, TOTAL_STEPS, scalar.clone())?;
        let epoch_steps = if training.counts_epochs() {
            let steps = state(b, EPOCH_STEPS, scalar)?;
            let one = b.scalar(DType::I32, 1.0)?;
            Some(b.binary(Binary::Max, steps, one)?)
        } else {
            None
        };
        let gathered = f64::from(training.accumulate.max(1));
        let (mut updates, mut all, mut active) = (step, total, None);
        if gathered > 1.0 {
            let count = b.scalar(DType::I32, gathered)?;
            updates = b.div(step, count)?;
            all = b.div(total, count)?;
            let place = b.binary(Binary::Remainder, step, count)?;
            let last = b.scalar(DType::I32, gathered - 1.0)?;
            active = Some(b.compare(Comparison::Equal, place, last)?);
        }
        let updates = b.cast(updates, DType::F32)?;
        let total = b.cast(all, DType::F32)?;
        let epoch_updates = match epoch_steps {
            Some(steps) => {
                let steps = b.cast(steps, DType::F32)?;
                Some(if gathered > 1.0 { b.scale(steps, 1.0 / gathered)? } else { steps })
            }
            None => None,
        };
        Ok(Now { step, updates, total, epoch_steps, epoch_updates, active })
    }

    /// The new value where this step updates, else the old one.
    pub(super) fn chosen(&self, b: &mut Builder, new: NodeId, old: NodeId) -> Result<NodeId, InferError> {
        match self.active {
            None => Ok(new),
            Some(active) => {
                let active = b.broadcast_scalar(active, b.shape(new).clone())?;
                b.select(active, new, old)
            }
        }
    }
}
