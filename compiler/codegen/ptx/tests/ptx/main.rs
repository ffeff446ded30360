//! The PTX of each form of kernel: as text that a person has read, and as machine code that NVIDIA's assembler
//! makes of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod assembler;
mod cases;
mod executed;
mod golden;
mod layout;
mod limits;
mod scalars;
mod tiles;
mod vectors;
mod warpgroups;
