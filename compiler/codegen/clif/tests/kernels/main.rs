//! Kernels as machine code against a plain evaluation of the kernel IR.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, reason = "tests")]

mod approximation;
mod build;
mod contractions;
mod entry;
mod evaluator;
mod generated;
mod loops;
mod machine;
mod scalars;
