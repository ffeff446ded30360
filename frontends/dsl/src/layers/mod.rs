//! The layers and tensor functions: a table of signatures, one file per family.
//!
//! A layer turns arguments into nodes of the graph. Shapes are checked here first, so that the user
//! reads about layers; the graph's own rules are the second net.

mod activation;
mod attention;
mod convolution;
mod dense;
mod embedding;
mod function;
pub(crate) mod initializer;
mod normalization;
mod pooling;
mod reduction;
mod resampling;
mod reshaping;
mod statistics;
mod transposed;
pub(crate) mod window;

use crate::elaborate::Elaborator;
use crate::elaborate::arguments::{Arguments, Parameter};
use crate::report::Eval;
use crate::value::Value;

/// What makes the nodes: arguments and the layer's path.
pub(crate) type Apply = fn(&mut Elaborator<'_>, &Arguments, &str) -> Eval<Value>;

/// One entry of the table.
#[derive(Debug)]
pub(crate) struct LayerSpec {
    pub(crate) name: &'static str,
    /// Names in the order of unnamed arguments, and whether each must be given.
    pub(crate) parameters: &'static [Parameter<'static>],
    /// Whether more unnamed arguments are welcome.
    pub(crate) rest: bool,
    /// Whether it owns parameters or states and needs a path.
    pub(crate) owns: bool,
    pub(crate) apply: Apply,
}

impl LayerSpec {
    /// A layer without parameters of its own.
    pub(crate) const fn new(
        name: &'static str,
        parameters: &'static [Parameter<'static>],
        apply: Apply,
    ) -> LayerSpec {
        LayerSpec { name, parameters, rest: false, owns: false, apply }
    }

    /// The same, owning parameters.
    pub(crate) const fn owning(self) -> LayerSpec {
        LayerSpec { owns: true, ..self }
    }

    /// The same, with any number of unnamed arguments.
    pub(crate) const fn with_rest(self) -> LayerSpec {
        LayerSpec { rest: true, ..self }
    }
}

/// All layers and functions.
pub(crate) fn all() -> impl Iterator<Item = &'static LayerSpec> {
    dense::SPECS
        .iter()
        .chain(convolution::SPECS)
        .chain(transposed::SPECS)
        .chain(pooling::SPECS)
        .chain(resampling::SPECS)
        .chain(normalization::SPECS)
        .chain(statistics::SPECS)
        .chain(embedding::SPECS)
        .chain(attention::SPECS)
        .chain(activation::SPECS)
        .chain(reshaping::SPECS)
        .chain(reduction::SPECS)
        .chain(function::SPECS)
        .chain(initializer::SPECS)
}
