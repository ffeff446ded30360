//! Step functions on the interpreter against the formulas of the optimisers' authors, written by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod initialize;
mod mask;
mod model;
mod optimizer;
mod schedule;
