//! Whether a kernel stores every element of an operand as it should.

use super::{StoreCounts, store_counts};
use crate::Kernel;
use thiserror::Error;

/// What is asked of the elements of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Every element is stored exactly once.
    ExactlyOnce,
    /// No element is stored twice; padding is not stored.
    AtMostOnce,
    /// An element may be stored several times, by one point of the parallel space.
    OneOwner,
}

/// Stores that do not cover an operand as they should.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "each variant's message says what it is")]
pub enum CoverageError {
    #[error("element {element} of an operand of {elements} is stored")]
    Outside { element: i128, elements: usize },
    #[error("element {0} is never stored")]
    Never(usize),
    #[error("element {element} is stored {count} times")]
    Repeated { element: usize, count: u32 },
    #[error("element {0} is stored by several points of the space")]
    Shared(usize),
    #[error("the kernel is too large to count its stores")]
    TooLarge,
}

/// Checks what a verified kernel stores to one operand of `elements` elements. Elements that are never
/// stored are no error where data decides the place of a store.
///
/// # Errors
///
/// The first element that is not stored as asked.
pub fn check_coverage(
    kernel: &Kernel,
    operand: usize,
    elements: usize,
    batch: usize,
    coverage: Coverage,
) -> Result<(), CoverageError> {
    let StoreCounts { counts, shared, unknown } = store_counts(kernel, operand, elements, batch)?;
    if let Some(&element) = shared.first() {
        return Err(CoverageError::Shared(element));
    }
    for (element, &count) in counts.iter().enumerate() {
        if count > 1 && coverage != Coverage::OneOwner {
            return Err(CoverageError::Repeated { element, count });
        }
        if count == 0 && unknown == 0 && coverage == Coverage::ExactlyOnce {
            return Err(CoverageError::Never(element));
        }
    }
    Ok(())
}
