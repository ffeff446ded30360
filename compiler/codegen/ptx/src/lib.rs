//! From the kernel IR to PTX text for NVIDIA GPUs, with what it takes to launch each kernel.
//!
//! A loop kernel is laid on *teams* of threads (`team`), a contraction on tiles (`contraction`). The caller gets
//! one module of text and a [`dlc_abi::DeviceKernel`] per kernel; loading, memory and the order of launches are the
//! runtime's.
//!
//! Invariants:
//!
//! - kernels are verified before they come here;
//! - every operation rounds as the kernel IR says, multiply-adds are fused only where it asks for one, and no mode
//!   flushes subnormals; [`Math::Tf32`] and [`Math::Bf16`] change that for the factors of contractions alone;
//! - the order of every sum depends on extents alone, so that two runs give the same bits; nothing is added by
//!   atomic operations;
//! - a guarded load touches memory only where its guard holds;
//! - accesses of several elements lie at multiples of their size: by what a launcher promises of operands
//!   ([`Source::alignments`]) and by the coefficients of indices (`alignment`), never by a test at run time;
//! - indices take 32 bits where they suffice for the greatest batch.
//!
//! Choosing kernels and layouts is lowering's work.

mod alignment;
mod cast;
mod combine;
mod contraction;
mod emitter;
mod error;
mod float;
mod hazards;
mod index;
mod integer;
mod kernel;
mod loops;
mod memory;
mod module;
mod neighbours;
mod random;
mod ranges;
mod register;
mod repeated;
mod scalar;
mod statement;
mod stored;
mod team;
mod vector;

pub use alignment::alignments;
pub use error::PtxError;
pub use module::{Architecture, Math, Module, Options, Source, emit_module};
