//! The operators, one file per family. A family is its functions and its rows of the table.

mod boxes;
mod conversion;
mod elementwise;
mod fourier;
mod gathering;
mod generation;
mod layout;
mod learning;
mod linear;
mod picture;
mod quantization;
mod random;
mod reduction;
mod replication;
mod scattering;
mod selection;
mod sequence;
mod signal;
mod slicing;
mod spectrum;
mod text;
mod tf_idf;
mod unique;
mod whole_numbers;

use crate::operator::Operator;

/// All families, in the order of the table.
pub(crate) const FAMILIES: &[&[Operator]] = &[
    conversion::ROWS,
    quantization::ROWS,
    layout::ROWS,
    slicing::ROWS,
    replication::ROWS,
    gathering::ROWS,
    scattering::ROWS,
    generation::ROWS,
    elementwise::ROWS,
    elementwise::EMPTY_ROWS,
    reduction::ROWS,
    linear::ROWS,
    selection::ROWS,
    unique::ROWS,
    boxes::ROWS,
    text::ROWS,
    tf_idf::ROWS,
    sequence::ROWS,
    random::ROWS,
    picture::ROWS,
    signal::ROWS,
    spectrum::ROWS,
    learning::labels::ROWS,
    learning::features::ROWS,
    learning::models::ROWS,
    learning::ensemble::ROWS,
    learning::older_ensemble::ROWS,
];
