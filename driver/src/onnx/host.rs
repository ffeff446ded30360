//! The seam to what the host computes: strings, sequences, exotic element types, results whose shape only
//! data tell.

use super::value::Value;
use dlc_onnx::Node;

/// Why the host did not do a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HostFault {
    /// It knows no such operator.
    Unknown,
    /// It knows the operator, but not this case.
    #[allow(dead_code, reason = "the operators of the host crate give it")]
    NotDone(String),
    /// The model is wrong.
    #[allow(dead_code, reason = "the operators of the host crate give it")]
    Invalid(String),
}

/// Whether the host knows the operator.
pub(super) fn knows(_node: &Node) -> bool {
    false
}

/// Computes one node. An input is `None` where it is left out.
pub(super) fn evaluate(_node: &Node, _inputs: &[Option<&Value>]) -> Result<Vec<Value>, HostFault> {
    Err(HostFault::Unknown)
}
