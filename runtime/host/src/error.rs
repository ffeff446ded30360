//! What can go wrong here; every message is one line.

/// Why a value could not be computed, read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// No operator of this name and domain is in the table.
    #[error("the host has no operator {operator}")]
    UnknownOperator {
        /// Name with domain.
        operator: String,
    },
    /// The operator is known, this use of it is not implemented.
    #[error("{what} is not supported")]
    NotSupported {
        /// The case.
        what: String,
    },
    /// Inputs or attributes do not fit the operator.
    #[error("{what}")]
    Invalid {
        /// What does not fit.
        what: String,
    },
    /// A tensor would have more elements than [`crate::MAX_ELEMENTS`], or than memory holds.
    #[error("a tensor of dims {dims:?} is too large")]
    TooLarge {
        /// The dims asked for.
        dims: Vec<usize>,
    },
    /// Bytes are no message of the kind that they should be.
    #[error("malformed {message}: {what}")]
    Malformed {
        /// The kind of message.
        message: &'static str,
        /// The fault.
        what: String,
    },
    /// An error of an operator.
    #[error("{operator}: {cause}")]
    In {
        /// The operator's name.
        operator: String,
        /// What went wrong in it.
        cause: Box<HostError>,
    },
}

impl HostError {
    /// Whether the case is right but not implemented.
    pub fn is_unsupported(&self) -> bool {
        match self {
            HostError::UnknownOperator { .. } | HostError::NotSupported { .. } => true,
            HostError::In { cause, .. } => cause.is_unsupported(),
            _ => false,
        }
    }
}

/// The short form of all results here.
pub(crate) type Result<T> = std::result::Result<T, HostError>;

/// An error about inputs or attributes.
pub(crate) fn invalid(what: impl Into<String>) -> HostError {
    HostError::Invalid { what: what.into() }
}

/// An error about a case that is not implemented.
pub(crate) fn unsupported(what: impl Into<String>) -> HostError {
    HostError::NotSupported { what: what.into() }
}
