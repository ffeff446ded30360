//! What can go wrong while kernels are turned into PTX.

use dlc_types::DType;

/// Why no text was made. None of these is the fault of a model's text: lowering asks only for what is
/// supported, so that each of them ends as "not supported" or as a bug in dlc.
#[derive(Debug, thiserror::Error)]
pub enum PtxError {
    /// The element type has no form here.
    #[error("the PTX back end does not compute with {0} yet")]
    UnsupportedType(DType),
    /// The operation has no form for the element type.
    #[error("the PTX back end has no `{op}` on {dtype} yet")]
    UnsupportedOp {
        /// The operation's name in texts.
        op: String,
        /// The element type.
        dtype: DType,
    },
    /// More than any device takes.
    #[error("{name} has {needed} {what}; the PTX back end has room for {most}")]
    Limit {
        /// The kernel, or the module.
        name: String,
        /// What there is too much of.
        what: &'static str,
        /// How much of it.
        needed: usize,
        /// How much there may be.
        most: usize,
    },
    /// The kernel breaks an invariant of the kernel IR; a bug in dlc.
    #[error("kernel `{kernel}` is malformed (a bug in dlc): {reason}")]
    Malformed {
        /// The kernel's name.
        kernel: String,
        /// Which invariant.
        reason: String,
    },
}
