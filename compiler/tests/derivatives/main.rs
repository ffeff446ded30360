//! Derivatives of every op against central finite differences, in `f64` on the interpreter.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod composite;
mod contraction;
mod convolution;
mod elementwise;
mod failure;
mod finite_difference;
mod indexing;
mod movement;
mod network;
mod reduction;
mod scan;
mod text;
mod window;
