//! The sections of a file, joined: a model, and its data and training if they are there.

mod configuration;
mod data;
mod early_stop;
mod fit;
mod freeze;
mod model;
mod network;
mod optimizer;
mod scaling;
mod schedule;
mod settings;
mod source;
mod start;
mod steps;
mod train;
mod units;
mod update;
mod views;

pub(crate) use model::assemble;
pub(crate) use settings::{apply as apply_settings, write_one as write_setting};
