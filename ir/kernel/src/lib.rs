//! The kernel IR: what stands between the tensor graph and machine code, and all that a code generator
//! sees.
//!
//! A [`Program`] is one compiled function: buffers with a place in memory, kernels, and launches in
//! order. A kernel has operands (pointers to elements) and a parallel index space; every point of that
//! space may run on any thread in any order. There are two kinds of body:
//!
//! - a [`LoopBody`]: loops around scalar operations, loads and stores, in SSA form. One loop of a nest
//!   may be marked for lanes: its iterations are independent but for its carries, so that a code
//!   generator may run several at once. How many is its own choice.
//! - a [`Contraction`]: a batch-reduce matrix product over strided dimensions and a list of taps. Dense
//!   layers, convolutions and both their gradients are this one form with other strides.
//!
//! Invariants are listed in [`verify`]; [`check`] proves a program's memory plan independently of the
//! planner that made it. Choosing kernels, layouts and places is left to lowering; registers and
//! instructions to the code generators.

pub mod affine;
pub mod approximation;
pub mod body;
pub mod border;
pub mod check;
pub mod contraction;
pub mod operations;
pub mod program;
pub mod repetition;
pub mod sequence;
mod tap_grid;
pub mod text;
pub mod traffic;
pub mod verify;

pub use affine::{Affine, IndexVar};
pub use body::{
    Binary, Carry, Combine, Comparison, Guard, IndexExpr, Loop, LoopBody, ScalarOp, Statement, Unary, Var,
};
pub use border::{Border, BorderAxis};
pub use check::{Coverage, CoverageError, PlanError, StoreCounts, check_coverage, check_plan, store_counts};
pub use contraction::{
    Contraction, ContractionDim, Epilogue, EpilogueSum, Factors, Parts, Role, Split, Tap, Tile,
};
pub use operations::launch_operations;
pub use program::{Body, Buffer, BufferId, Kernel, KernelId, Launch, Operand, Program, Storage};
pub use repetition::{Repetition, RepetitionId, Round, Stride};
pub use sequence::{Part, Piece, Sequence, SequenceId, Steps, Turns};
pub use tap_grid::tap_grid;
pub use text::{ParseError, parse_kernel, parse_program};
pub use traffic::{OperandTraffic, Traffic, launch_traffic};
pub use verify::{Fault, VerifyError, verify_bounds, verify_kernel, verify_program};
