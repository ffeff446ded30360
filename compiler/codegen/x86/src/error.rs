//! What can go wrong while machine code is made.

use iced_x86::IcedError;

/// Why no code was made; each of them is a bug in dlc.
#[derive(Debug, thiserror::Error)]
pub enum X86Error {
    /// The assembler refused an instruction.
    #[error("the assembler refuses an instruction (a bug in dlc): {0}")]
    Assemble(#[from] IcedError),
    /// An element lies further from its pointer than an instruction can express, or an epilogue needs what
    /// there is not; the kernel then has no wide form, and [`crate::build_kernel`] says so instead of failing.
    #[error("an operand's elements lie too far apart")]
    TooFar,
    /// The kernel breaks an invariant of the kernel IR.
    #[error("kernel `{kernel}` is malformed (a bug in dlc): {reason}")]
    Malformed {
        /// The kernel's name.
        kernel: String,
        /// Which invariant.
        reason: &'static str,
    },
}
