//! The tensor graph: pure dataflow over typed tensors, the form in which models are built, checked,
//! differentiated and rewritten.
//!
//! A [`Function`] is a list of nodes in which every operand stands before its user; nothing is updated
//! in place, so a training step is a function from (inputs, parameters, states) to (loss, metrics, new
//! parameters, new states). A [`Model`] bundles the functions that a frontend writes with the
//! declarations of parameters and states that they share.
//!
//! A new op is written in four places, and the compiler names each that is missing: its definition and
//! shape rule here ([`op`], [`infer`]), the oracle in `dlc-interp`, its derivative and its lowering in
//! `dlc-compiler`. How values lie in memory, and what is fused with what, is left to lowering.

pub mod builder;
pub mod dot;
pub mod function;
pub mod infer;
pub mod literal;
pub mod model;
pub mod op;
pub mod text;
pub mod training;
pub mod verify;

pub use builder::Builder;
pub use function::{Function, Node, NodeId, Origin, Output, OutputRole, Type};
pub use infer::InferError;
pub use literal::Literal;
pub use model::{Declaration, Initializer, Model, Parameter, State};
pub use op::{
    ArgReduction, Binary, Comparison, Contraction, Convolution, Effort, Op, Reduction, ScatterKind, Unary,
    Window, WindowKind,
};
pub use training::{Average, Clip, Clock, Group, Optimizer, Schedule, Time, Training, Warmup};
