//! What a module for a device is, in numbers.

use crate::DriverError;
use dlc_runtime::abi::{DeviceFunction, DeviceModule, DeviceStep, Interface};
use serde::Serialize;
use std::collections::BTreeSet;

/// Code for a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceSummary {
    /// What it is for: `sm_80`.
    pub architecture: String,
    /// How contractions of `f32` are multiplied: f32 or tf32.
    pub math: String,
    /// Different kernels of all functions.
    pub kernels: usize,
    /// Bytes of text.
    pub text_bytes: usize,
    /// The functions, in the order of the interface.
    pub functions: Vec<DeviceFunctionRow>,
}

/// A function's launches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceFunctionRow {
    /// Its name.
    pub name: String,
    /// Different kernels.
    pub kernels: usize,
    /// Launches of a call, rounds of repetitions counted.
    pub launches: u64,
    /// Launches before these where parameters have changed.
    pub prologue: u64,
    /// Most bytes of shared memory of a kernel's block.
    pub shared_bytes: u32,
    /// Bytes of scratch on the device.
    pub arena_bytes: usize,
}

impl DeviceSummary {
    pub(crate) fn new(module: &DeviceModule, interface: &Interface, math: &str) -> DeviceSummary {
        let functions = interface.functions.iter().zip(&module.functions);
        let functions = functions.map(|(interface, function)| {
            let DeviceFunction { prologue, steps } = function;
            let written = [prologue, steps].into_iter().flat_map(|steps| DeviceStep::written(steps));
            let used: BTreeSet<usize> = written.map(|launch| launch.kernel).collect();
            let shared = used.iter().filter_map(|&kernel| module.kernels.get(kernel));
            DeviceFunctionRow {
                name: interface.name.clone(),
                kernels: used.len(),
                launches: DeviceStep::count(steps),
                prologue: DeviceStep::count(prologue),
                shared_bytes: shared.map(|kernel| kernel.shared_bytes).max().unwrap_or(0),
                arena_bytes: interface.arena_bytes,
            }
        });
        DeviceSummary {
            architecture: module.capability.to_string(),
            math: math.to_owned(),
            kernels: module.kernels.len(),
            text_bytes: module.text.len(),
            functions: functions.collect(),
        }
    }
}

/// A file that is none of ours, or not any more.
pub(super) fn unreadable(path: &std::path::Path, version: Option<u64>) -> DriverError {
    let own = u64::from(dlc_runtime::abi::VERSION);
    let shown = path.display();
    DriverError::User(match version {
        Some(version) if version != own => format!(
            "{shown} follows version {version} of the contract between code and runtime, this dlc version {own}: compile \
             the model again"
        ),
        Some(_) => format!("{shown} is damaged: its bytes are not those that `dlc compile` wrote"),
        None => format!("{shown} is no file of `dlc compile --emit ptx`, or its beginning is lost"),
    })
}
