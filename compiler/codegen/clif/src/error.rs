//! What can go wrong while a kernel is turned into Cranelift IR.

use cranelift_codegen::settings::SetError;
use dlc_types::DType;

/// Why no code was made. None of these is the fault of a model's text: lowering asks only for what is
/// supported, so that each of them ends as "not supported" or as a bug in dlc.
#[derive(Debug, thiserror::Error)]
pub enum ClifError {
    /// The element type has no machine form here.
    #[error("the Cranelift back end does not compute with {0} yet")]
    UnsupportedType(DType),
    /// The operation has no machine form for the element type.
    #[error("the Cranelift back end has no `{op}` on {dtype} yet")]
    UnsupportedOp {
        /// The operation's name in texts.
        op: String,
        /// The element type.
        dtype: DType,
    },
    /// A Cranelift setting was refused.
    #[error("Cranelift refuses a setting: {0}")]
    Setting(#[from] SetError),
    /// The kernel breaks an invariant of the kernel IR; a bug in dlc.
    #[error("kernel `{kernel}` is malformed (a bug in dlc): {reason}")]
    Malformed {
        /// The kernel's name.
        kernel: String,
        /// Which invariant.
        reason: String,
    },
}
