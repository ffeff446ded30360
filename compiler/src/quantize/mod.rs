//! Products with weights in integers of eight bits.
//!
//! A *layer* here is a convolution or contraction of a computed value with one that is made of parameters alone,
//! with the scales and shifts per channel that follow it (a bias, a batch-norm with its running statistics). In
//! integers it is
//!
//! ```text
//! q = clamp(round(x / s))                 u8 where x is not negative, else i8; zero is zero
//! y = f32(sum of q · w) · (s · t) + b     w: i8, the sum: i32, t and b: one number per channel of the output
//! ```
//!
//! with `w[c] = round(W[c] / m[c])`, where `m[c]` is the largest weight of a channel over 127. A factor that follows
//! scales whole channels, so it changes no integer: `t` is `m` times the factor, `b` is the shift. Everything else
//! stays in `f32`. The new tensors of a layer are parameters of the quantised model ([`Names`]); what nothing reads
//! any more is gone from it.
//!
//! The way: [`survey`] finds the layers of `predict`; [`constants`] is a function that tells the values of their
//! weights, factors and shifts, [`inputs`] one that tells what they read; [`encode`] makes integers of weights;
//! [`quantized`] builds the model that a [`Plan`] asks for, and [`errors`] one that holds both side by side. What a
//! range is to be, and whether the result is good enough, is left to the caller.

mod build;
mod channels;
mod computations;
mod layers;
mod observe;
mod sign;
mod weights;

pub use build::quantized;
pub use layers::{Layer, Survey, Unquantized, survey};
pub use observe::{ErrorSums, constants, errors, inputs};
pub use weights::{Encoded, WEIGHT_LEVEL, encode};

use dlc_ir::InferError;
use dlc_types::DType;
use std::collections::BTreeMap;
use thiserror::Error;

/// The layers that are computed with integers, by name, with the type of their inputs: `u8` or `i8`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan(pub BTreeMap<String, DType>);

/// Names of a layer's tensors in the quantised model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// `i8`, of the shape of the weights.
    pub weight: String,
    /// `f32`, of the channels' shape: the step of a channel's weights times the factor that follows.
    pub scale: String,
    /// `f32`, of the channels' shape: the shift that follows.
    pub bias: String,
    /// `f32` without axes: the step of the input.
    pub input: String,
}

/// Why a model cannot be quantised as asked.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum QuantizeError {
    /// A plan names what the model does not have.
    #[error("the model `{model}` has no layer `{layer}` that can be computed with integers")]
    NoLayer {
        /// Name of the model.
        model: String,
        /// Name of the layer.
        layer: String,
    },
    /// A node of the result cannot be.
    #[error("the quantised function does not fit: {0}; this is a bug in dlc")]
    Build(#[from] InferError),
}

/// Least and greatest integer of an input's type.
///
/// `-128` is used although it has no positive counterpart, as ONNX's QuantizeLinear does.
pub const fn input_range(dtype: DType) -> (f64, f64) {
    match dtype {
        DType::U8 => (0.0, 255.0),
        _ => (-128.0, 127.0),
    }
}
