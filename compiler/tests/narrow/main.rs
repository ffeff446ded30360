//! Which channels belong together, and functions without some of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod classes;
mod extents;
mod gradients;
mod subject;
mod zeroed;
