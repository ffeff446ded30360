//! What a region knows of the world outside, and what stands for it in the graph.

use crate::{Array, Element};
use dlc_ir::Function;
use dlc_types::Dim;

/// A value outside of the region.
#[derive(Clone, Debug)]
pub enum AtHand {
    /// A tensor.
    Tensor {
        /// Element type.
        element: Element,
        /// Extents.
        dims: Vec<Dim>,
        /// Its elements, if they are at hand.
        array: Option<Array>,
        /// Whether it is the same in every run: an initializer.
        fixed: bool,
    },
    /// A sequence, an optional or a map: the host's.
    Other,
}

/// What the region may ask of its caller.
pub trait Hand {
    /// The value of that name outside of the region; `None` where there is none (yet).
    fn value(&self, name: &str) -> Option<AtHand>;

    /// Whether a value that is the same in every run becomes a constant whatever its size, and no parameter.
    fn is_constant(&self, _name: &str) -> bool {
        false
    }

    /// Evaluates a small function without inputs for a batch; its only output. `None` where that cannot be done.
    fn evaluate(&self, function: &Function, batch: usize) -> Option<Array>;

    /// The function with the gradient of its loss with respect to each of these parameters or inputs as an output
    /// of its name.
    ///
    /// # Errors
    /// Why that cannot be done.
    fn differentiate(&self, _function: &Function, _parameters: &[String]) -> Result<Function, String> {
        Err("derivatives in a graph".to_owned())
    }
}

/// How a value from outside stands in the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafKind {
    /// As an input.
    Input,
    /// As a parameter.
    Parameter,
    /// As a state: a running statistic of batch-norm.
    State,
}

/// An integer that is known, or known but for the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// A number.
    Number(i64),
    /// So many times the batch.
    Batch(usize),
}

/// What a region is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// One stage of a run: values are those of the file.
    Stage,
    /// A model's inference: parameters and states may change later.
    Inference,
    /// A model's training step: batch-norm takes the statistics of the batch.
    Training,
}
