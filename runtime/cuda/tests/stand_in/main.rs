//! Models on a GPU, in every way that a session calls them, and everything that can go wrong.
//!
//! No GPU is needed: a stand-in for the driver executes the PTX (`tests/cuda-driver`). Where `DLC_CUDA_TEST_DRIVER` names
//! a real driver's library, the calls are made with that one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod alone;
mod calls;
mod faults;
mod model;
mod refusals;
