//! From the kernel IR to Cranelift IR, for every target that Cranelift has: 128-bit vectors where they fit,
//! scalars elsewhere.
//!
//! The caller owns the Cranelift module, declares functions with [`kernel_signature`] and
//! [`entry_signature`], and hands the built functions over for compilation with an ISA made from [`flags`].
//!
//! Invariants:
//!
//! - code traps on no input and calls nothing but the barrier;
//! - the order of every sum depends on extents and tiles alone, so that results do not depend on threads;
//! - loads and stores promise no more than an element's alignment, and never that operands differ;
//! - multiply-adds round once where the target has such an instruction (see `contraction`), and twice,
//!   in the same order, elsewhere.
//!
//! Wider vectors are another code generator's work; choosing kernels and tiles is lowering's
//! ([`preferred_tile`] is this generator's advice).

mod address;
mod cast;
mod census;
mod contraction;
mod emitter;
mod entry;
mod error;
mod float;
mod form;
mod index;
mod integer;
mod kernel;
mod lanes;
mod nest;
mod random;
mod repeated;
mod repetition;
mod scalar_op;
mod sequence;
mod settings;
mod statement;
mod stored;

pub use contraction::preferred_tile;
pub use entry::{build_entry, entry_signature};
pub use error::ClifError;
pub use kernel::{build_kernel, kernel_signature};
pub use settings::{flags, object_flags};
