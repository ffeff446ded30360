//! What the driver gives out, each with an owner that gives it back.
//!
//! Every owner holds the context, so that the context goes last. Owners may move between threads: whoever calls the
//! driver makes the context current for the time of the call, and puts back what was.

mod context;
mod graph;
mod memory;
mod module;
mod stream;

pub(crate) use context::Context;
pub(crate) use graph::Graph;
pub(crate) use memory::{DeviceBlock, PinnedBlock};
pub(crate) use module::{Function, Grid, LoadedModule};
pub(crate) use stream::{Event, Stream};

use crate::driver::Failure;

/// Results of single calls of the driver.
pub(crate) type Answer<T> = Result<T, Failure>;
