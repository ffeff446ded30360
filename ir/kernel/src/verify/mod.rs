//! The verifier of the kernel IR: what every kernel and program keeps to, so that a code generator need
//! not ask.
//!
//! [`verify_kernel`], on statements (of loop bodies and of epilogues):
//!
//! - Each [`Var`](crate::Var) and [`IndexVar`](crate::IndexVar) is assigned once in a kernel and used only
//!   after that, in the same block or in one nested there.
//! - A [`ScalarOp`](crate::ScalarOp) has as many operands as it takes, of the types it takes, and the
//!   result type that follows; `Integer` gives an integer type that holds the number.
//! - Loads are from operands that the kernel reads, stores to ones that it writes; a stored value has the
//!   operand's type.
//! - Every [`Affine`](crate::Affine) is canonical: terms sorted, no zero coefficient, no repetition.
//! - Divisors and numbers of chunks are at least 1; a clamped value is `i32` or `i64`.
//! - No lanes loop stands inside another. Bounds of loops inside a lanes loop do not depend on its
//!   variable, nor on values computed inside it. A store inside a lanes loop goes to an index that depends
//!   on its variable, unless the loop runs at most once.
//! - `initial`, `current`, `next` and `result` of a carry have its type; `initial` is visible outside of
//!   the loop and `next` is defined in its body. In a lanes loop a carry has a `combine`, of a number type;
//!   `next` is `combine(current, x)` or `combine(x, current)`, and that is the only use of `current`. In
//!   other loops there is no `combine`.
//! - A loop body has as many coordinates as the kernel's space has extents.
//!
//! On contractions:
//!
//! - Exactly one `Lanes` and one `Rows` dimension; the rows operand has stride 0 along the lanes.
//! - At least three operands; 0, 1 and 2 have one float type; 0 and 1 are read; 2 is written unless there
//!   is an epilogue, and read where sums accumulate.
//! - The kernel's space is [`Contraction::space`](crate::Contraction::space).
//! - Strides of reduced dimensions in the result are 0. Without an epilogue, those of all others are not,
//!   but for extents of at most 1.
//! - A split has at least one chunk and an alignment of at least 1; `Parallel` dimensions are not split;
//!   the stride between results is 0 for kept dimensions and not 0 for reduced ones in several chunks.
//! - At least one tap; a tile of at least one vector and one row.
//! - An epilogue has one coordinate for each dimension, uses none of reduced ones, and has no loops. Beside
//!   it there is no `ReduceOuter` dimension and no split of a reduced one.
//!
//! [`verify_program`]: every kernel is right, kernel names are unique, launches name kernels and buffers
//! that exist, with one buffer for each operand, of its type.
//!
//! [`verify_bounds`] proves on top of this that no access leaves its buffer. Places and barriers are
//! checked in [`crate::check`].

mod bounds;
mod carries;
mod contraction;
mod fault;
pub(crate) mod interval;
mod statements;
mod types;

pub use bounds::verify_bounds;
pub use fault::{Fault, VerifyError};

use crate::{Body, Kernel, Program};
use fault::kernel_place;
use std::collections::BTreeSet;

/// Checks the rules of a kernel.
///
/// # Errors
///
/// The first rule that the kernel breaks.
pub fn verify_kernel(kernel: &Kernel) -> Result<(), VerifyError> {
    match &kernel.body {
        Body::Loop(body) => statements::verify_loop_body(kernel, body),
        Body::Contraction(contraction) => contraction::verify_contraction(kernel, contraction),
    }
    .map_err(|fault| VerifyError { place: kernel_place(kernel), fault: Box::new(fault) })
}

/// Checks the rules of a program and of its kernels.
///
/// # Errors
///
/// The first rule that the program breaks.
pub fn verify_program(program: &Program) -> Result<(), VerifyError> {
    let mut names = BTreeSet::new();
    for kernel in program.kernels.values() {
        if !names.insert(kernel.name.as_str()) {
            return Err(VerifyError { place: kernel_place(kernel), fault: Box::new(Fault::DuplicateKernel) });
        }
        verify_kernel(kernel)?;
    }
    for position in 0..program.launches.len() {
        verify_launch(program, position)
            .map_err(|fault| VerifyError { place: format!("launch {position}"), fault: Box::new(fault) })?;
    }
    Ok(())
}

fn verify_launch(program: &Program, position: usize) -> Result<(), Fault> {
    let launch = &program.launches[position];
    let kernel = program.kernels.get(launch.kernel).ok_or(Fault::NoSuchKernel(launch.kernel))?;
    let (expected, found) = (kernel.operands.len(), launch.arguments.len());
    if expected != found {
        return Err(Fault::ArgumentCount { kernel: kernel.name.clone(), expected, found });
    }
    for (operand, &argument) in kernel.operands.iter().zip(&launch.arguments) {
        let buffer = program.buffers.get(argument).ok_or(Fault::NoSuchBuffer(argument))?;
        if buffer.dtype != operand.dtype {
            return Err(Fault::ArgumentType {
                operand: operand.name.clone(),
                expected: operand.dtype,
                buffer: argument,
                found: buffer.dtype,
            });
        }
    }
    Ok(())
}
