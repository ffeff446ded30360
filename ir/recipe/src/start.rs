//! Weights that a run begins with instead of random ones.

use crate::Renaming;
use dlc_types::Span;

/// A file of weights, and how its names and layouts become the model's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Start {
    /// The file, as the text names it.
    pub path: String,
    /// Rules that names go through, each in the order of the list.
    pub names: Vec<Renaming>,
    /// Patterns of the model's values that begin anew, whatever the file holds.
    pub skip: Vec<String>,
    /// How matrices of dense layers lie; `None` where the file's names and shapes shall tell.
    pub layout: Option<WeightLayout>,
    /// Where the text says so.
    pub span: Option<Span>,
}

/// How a file holds the matrix of a dense layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightLayout {
    /// `[inputs, units]`, as checkpoints of dlc.
    Dlc,
    /// `[units, inputs]`.
    PyTorch,
}

impl WeightLayout {
    /// All layouts by their names in the language.
    pub const NAMES: [(&'static str, WeightLayout); 2] =
        [("dlc", WeightLayout::Dlc), ("pytorch", WeightLayout::PyTorch)];

    /// The layout of that name.
    pub fn from_name(name: &str) -> Option<WeightLayout> {
        WeightLayout::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, layout)| layout)
    }
}
