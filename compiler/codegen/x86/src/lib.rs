//! From contraction kernels and plain loop kernels of the kernel IR to AVX-512 or AVX2+FMA machine code for x86-64.
//!
//! [`build_kernel`] makes the whole function of one kernel, emitted for its exact extents and strides:
//! `(batch: i64, begin: i64, end: i64, a pointer per operand)` in the System V AMD64 convention on every
//! operating system. Its bytes are position independent with constants behind the code, call nothing,
//! write no callee-saved register, and end in `vzeroupper; ret`.
//!
//! From the outside in: `points` walks the parallel space, `space` starts a point of a contraction, `nest`
//! is the outer loops and the tiles (`grouping` decides which loops are where), `microkernel` one register
//! tile (`products` what its steps multiply) and `reduction` its steps; `tile` chooses tiles. `epilogue` plans what follows the sums of a tile
//! (in the order of `steps`), `column` emits it, `sums` begins sums over a point's elements.
//! What is planned once and asked everywhere is in `plan`. Loop kernels go another way, from `loops` inwards.
//!
//! Invariants:
//!
//! - the order of every sum depends on extents and [`Level`] alone, never on how points are divided;
//! - no element outside of what the kernel names is read or written: tails of lanes are masked;
//! - only instructions of the declared level are used.
//!
//! Every kernel may be refused with `None`: the portable code generator has a form for all of them.

mod access;
mod arithmetic;
mod choice;
mod code;
mod column;
mod constants;
mod elementary;
mod elements;
mod epilogue;
mod error;
mod folds;
mod formula;
mod frame;
mod grouping;
mod guards;
mod indices;
mod jam;
mod level;
mod listing;
mod loops;
mod meaning;
mod microkernel;
mod narrow;
mod nest;
mod nests;
mod operations;
mod places;
mod plan;
mod points;
mod prefetch;
mod primitives;
mod products;
mod reduction;
mod registers;
mod resolve;
mod schedule;
mod shuffles;
mod space;
mod steps;
mod sums;
mod tile;
mod worth;

pub use choice::{Choice, candidates, shape};
pub use error::X86Error;
pub use level::{Level, Machine};
pub use listing::disassemble;

use dlc_kernel::{Body, Kernel, LoopBody};
use loops::Stop;

/// The machine code of a kernel's function, or `None` where the kernel has no wide form here.
///
/// # Errors
///
/// [`X86Error`] where the assembler refuses an instruction or the kernel is malformed; both are bugs in
/// dlc.
pub fn build_kernel(kernel: &Kernel, machine: impl Into<Machine>) -> Result<Option<Vec<u8>>, X86Error> {
    build_kernel_by(kernel, machine, None)
}

/// The machine code of a kernel's function as [`build_kernel`] makes it, but for what a choice says about a
/// contraction. The results have the same bits; a choice that would change them is not followed.
///
/// # Errors
///
/// As [`build_kernel`].
pub fn build_kernel_by(
    kernel: &Kernel,
    machine: impl Into<Machine>,
    choice: Option<&Choice>,
) -> Result<Option<Vec<u8>>, X86Error> {
    let machine = machine.into();
    let contraction = match &kernel.body {
        Body::Contraction(contraction) => contraction,
        Body::Loop(body) => return build_loops(kernel, body, machine.level),
    };
    if !plan::has_wide_form(kernel, contraction, machine) {
        return Ok(None);
    }
    match choice::planned(kernel, contraction, machine, choice).and_then(plan::Emitter::function) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(X86Error::TooFar) => Ok(None),
        Err(error) => Err(error),
    }
}

fn build_loops(kernel: &Kernel, body: &LoopBody, level: Level) -> Result<Option<Vec<u8>>, X86Error> {
    if !loops::may_have_wide_form(kernel, body) {
        return Ok(None);
    }
    match loops::function(kernel, body, level) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Stop::Unsupported) => Ok(None),
        Err(Stop::Error(error)) => Err(error),
    }
}
