//! What can go wrong in an evaluation.

use dlc_ir::NodeId;
use dlc_types::DType;
use thiserror::Error;

/// Why a function could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InterpError {
    /// Nobody fed this input, parameter or state.
    #[error("{kind} \"{name}\" is not fed")]
    MissingExternal {
        /// `input`, `parameter` or `state`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// What was fed has another type.
    #[error("{name} needs {expected}, not {found}")]
    FedMismatch {
        /// What was fed: a kind with a name, or a node.
        name: String,
        /// Type for this batch.
        expected: String,
        /// Type that was fed.
        found: String,
    },
    /// A tensor's elements do not fit its shape or element type.
    #[error("a tensor of {dtype}{dims:?} cannot hold {count} {class} elements")]
    MalformedTensor {
        /// Element type.
        dtype: DType,
        /// Extents.
        dims: Vec<usize>,
        /// Number of elements at hand.
        count: usize,
        /// Their class.
        class: &'static str,
    },
    /// A tensor would have more elements than can be addressed.
    #[error("node {node} has more elements at batch {batch} than memory can hold")]
    TooLarge {
        /// The node.
        node: NodeId,
        /// The batch.
        batch: usize,
    },
    /// An index op has nothing to choose from at this batch.
    #[error("{op} has no element to choose from at this batch")]
    NothingToChoose {
        /// The op.
        op: &'static str,
    },
    /// The function breaks a rule that the verifier checks.
    #[error("{op}: {rule}; this is a bug in dlc")]
    Unverified {
        /// The op.
        op: String,
        /// The rule.
        rule: &'static str,
    },
}
