//! What the tests of the whole compiler share: running one function on every back end, cases for
//! every op, random tensors and random graphs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

pub mod cases;
pub mod harness;
pub mod models;
pub mod random_graph;
pub mod reference;
