//! Kernels in wide vectors against the portable code generator, on memory that ends where the
//! operands end.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod approximation;
mod cases;
mod choices;
mod epilogues;
mod generated;
mod guarded;
mod instructions;
mod loops;
mod machine;
mod results;
