//! What can go wrong in lowering.

use thiserror::Error;

/// A function that cannot be lowered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LowerError {
    /// A combination that no kernel exists for yet.
    #[error("{origin}: {what} is not supported by the compiler yet")]
    Unsupported {
        /// The layer.
        origin: String,
        /// The case.
        what: String,
    },
    /// More memory than addresses can tell.
    #[error("{0} has more elements than can be addressed; a smaller batch may fit")]
    TooLarge(String),
    /// An invariant of the compiler does not hold.
    #[error("lowering broke an invariant, which is a bug in dlc: {0}")]
    Internal(String),
}
