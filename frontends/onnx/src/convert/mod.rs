//! Nodes to graph nodes.
//!
//! A [`Region`] is one graph function under construction. Its caller asks it to convert node after node, in
//! order, and finishes it with the names of the values that are wanted. What stands outside of the region is
//! known through a [`Hand`]: types of values, and the values themselves where they are at hand. A conversion
//! that does not succeed tells why by a [`Stop`], and the region is as before.
//!
//! # How to add an operator
//!
//! 1. Put a function `fn name(context: &mut Context<'_, '_>) -> Result<(), Stop>` into the file of its family
//!    (one file per family; its doc tells the operators' history), or into a new file that is named below.
//! 2. Name it in the file's `OPERATORS` table: [`Operator::new`]`("Name", first opset, function)`.
//!    A new file's table goes into `FAMILIES` in `registry.rs`.
//! 3. If older opsets had another form, add a step to `upgrade/table.rs`. Converters see the newest form only.
//!
//! A converter reads inputs as graph values ([`Context::input`], [`Context::optional`]) or, where it must know
//! numbers to choose shapes, as values ([`Context::need_ints`], [`Context::need`]); reads attributes
//! ([`Context::int_or`], [`Context::floats`], …); builds with [`Context::builder`]; and sets its results
//! ([`Context::set_output`], or [`Context::set_known`] for what is known without computing). Axes that count
//! from the end go through [`Context::axis`], broadcasting through [`Context::broadcast_all`] and
//! [`Context::broadcast_to`].
//!
//! ```ignore
//! fn reciprocal(context: &mut Context<'_, '_>) -> Result<(), Stop> {
//!     let x = context.input(0)?;
//!     let one = context.builder().splat_like(x, 1.0)?;
//!     let result = context.builder().div(one, x)?;
//!     context.set_output(0, result)
//! }
//! ```
//!
//! What ends a conversion: an [`dlc_ir::InferError`] of the builder means that shapes or types
//! contradict each other, a fault of the model, and comes through `?`. What this version cannot do is
//! `Err(context.not_done("…"))`. What the host should do (types that the graph does not know, results whose
//! shape depends on data) is `Err(Stop::Host)`; inputs of exotic types (float8, int4, strings, complex, sequences)
//! become that by themselves. Tensors without elements need no care: the graph has extents of 0, and the caller
//! evaluates such regions by the oracle. Extents may be multiples of the batch: use `Dim`s where that is
//! easy, and [`Context::dims`] (which wants numbers) where it is not.

mod attributes;
mod body;
mod broadcast;
mod cone;
mod context;
mod finish;
mod hand;
mod inner;
mod known;
mod region;
pub mod registry;

mod activation;
mod arithmetic;
mod attention;
mod bits;
mod branch;
mod comparison;
mod conversion;
mod dropout;
mod elementary;
mod gradient;
mod indexing;
mod iteration;
mod loss;
mod movement;
mod optimizer;
mod pieces;
mod quantization;
mod quantized;
mod recurrent;
mod reduction;
mod scatter;
mod shape;
mod softmax;
mod sorting;

mod batch_normalization;
mod blocks;
mod constant;
mod convolution;
mod deformable;
mod determinant;
mod einsum;
mod fourier;
mod grid;
mod normalization;
mod padding;
mod pooling;
mod product;
mod region_align;
mod resample;
mod resize;
mod sampling;
mod sequence_order;
mod sliding;
mod triangle;
mod unpooling;
mod window_function;

pub use context::Context;
pub use finish::Whole;
pub use hand::{AtHand, Hand, LeafKind, Measure, Purpose};
pub use region::Region;
pub use registry::{Operator, find, operators};

use dlc_ir::InferError;

/// Why a node was not converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The value of that name must be known, and is not yet.
    NeedsValue(String),
    /// The value of that name is not there yet: the node that computes it was not converted.
    Waiting(String),
    /// The host should do it.
    Host,
    /// No such operator is known.
    UnknownOperator,
    /// The operator is known, but not this case of it.
    NotDone(String),
    /// The model is wrong.
    Invalid(String),
}

impl From<InferError> for Stop {
    fn from(error: InferError) -> Stop {
        Stop::Invalid(error.message)
    }
}
