//! From the graph of a model to machine code: differentiation, step functions, rewriting, lowering.

pub mod autodiff;
pub mod composite;
pub mod step;
