//! The sections of a file, joined: a model, and its data and training if they are there.

mod configuration;
mod data;
mod fit;
mod freeze;
mod model;
mod network;
mod scaling;
mod settings;
mod source;
mod steps;
mod train;

pub(crate) use model::assemble;
pub(crate) use settings::{apply as apply_settings, write_one as write_setting};
