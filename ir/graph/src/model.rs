//! Models: what a frontend hands over.

use crate::{Function, Training};
use dlc_types::{Span, TensorType};

/// A named tensor of a model's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// Name.
    pub name: String,
    /// Element type and shape.
    pub ty: TensorType,
}

/// How a tensor gets its first value. Fans are those of the layer that owns the tensor: the number of
/// input (output) values that one output (input) value depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initializer {
    /// Every element has this value.
    Constant(f64),
    /// Uniform in `low..high`.
    Uniform {
        /// Lower bound, included.
        low: f64,
        /// Upper bound, excluded.
        high: f64,
    },
    /// Normal, by the Box-Muller transform of two uniform draws.
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation.
        deviation: f64,
    },
    /// Normal about zero, of which values beyond `limit` deviations are not drawn.
    TruncatedNormal {
        /// Standard deviation before truncation.
        deviation: f64,
        /// Greatest magnitude, in deviations; above 0.
        limit: f64,
    },
    /// Rows or columns (the fewer) of the tensor as a matrix, first axis against all others, are orthogonal
    /// and of length `gain`; for tensors of rank 2 or more.
    Orthogonal {
        /// Length.
        gain: f64,
    },
    /// Zero, until the model's owner sets the value that came with the model.
    Given,
}

/// A trainable tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Path such as `stage0.block1.conv1.weight`; unique in the model.
    pub name: String,
    /// Element type and fixed shape.
    pub ty: TensorType,
    /// First value.
    pub initializer: Initializer,
    /// False for a frozen parameter: no gradient is computed and no update is made.
    pub trainable: bool,
    /// Where it was declared.
    pub span: Option<Span>,
}

/// A tensor that lives between calls and is not trained by gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Path such as `stem_bn.mean`; unique in the model.
    pub name: String,
    /// Element type and fixed shape.
    pub ty: TensorType,
    /// First value; constants only for integer types.
    pub initializer: Initializer,
}

/// A model as a frontend hands it over. All functions share the parameters and states.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// Tensors fed at inference.
    pub inputs: Vec<Declaration>,
    /// Tensors fed in training and evaluation beside the inputs: labels, targets.
    pub targets: Vec<Declaration>,
    /// Trainable tensors, in order of declaration.
    pub parameters: Vec<Parameter>,
    /// Other tensors that live between calls.
    pub states: Vec<State>,
    /// (inputs) -> outputs, in inference mode.
    pub predict: Function,
    /// (inputs, targets) -> loss and metrics, in inference mode; absent without a train section.
    pub evaluate: Option<Function>,
    /// (inputs, targets) -> loss, metrics and new states, in training mode, not yet differentiated.
    pub forward: Option<Function>,
    /// How the step updates parameters; absent without a train section.
    pub training: Option<Training>,
}
