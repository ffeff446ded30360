//! Device images, read back: what is known of the model in one.
//!
//! The bytes come from anywhere; decoding them checks all that is read here.

use super::summary::{DeviceSummary, unreadable};
use crate::library::{FunctionRow, TensorRow, function_rows, tensor_rows};
use crate::{DriverError, Result};
use dlc_runtime::abi::{Capability, DEVICE_MAGIC, DeviceImage};
use serde::Serialize;
use std::io::Read;
use std::path::Path;

/// A model in a device image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceImageReport {
    /// Its name.
    pub model: String,
    /// Who made it.
    pub compiler: String,
    /// The graph's hash, which weights have to name.
    pub graph: String,
    /// The contract of its code.
    pub version: u32,
    /// Greatest batch.
    pub batch_max: usize,
    /// GPUs that run it.
    pub runs_on: String,
    /// Bytes of parameters and states in memory.
    pub persistent_bytes: usize,
    /// Bytes of constants.
    pub constant_bytes: usize,
    /// The code, and the launches of each function.
    pub device: DeviceSummary,
    /// The functions.
    pub functions: Vec<FunctionRow>,
    /// Every kernel.
    pub kernels: Vec<DeviceKernelRow>,
    /// Parameters and states.
    pub tensors: Vec<TensorRow>,
}

/// A kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceKernelRow {
    /// Its entry.
    pub name: String,
    /// Threads of a block.
    pub threads: u32,
    /// Bytes of shared memory of a block.
    pub shared_bytes: u32,
    /// Blocks at the greatest batch; none where they are more than a machine word holds.
    pub blocks: Option<usize>,
}

/// Whether a file is one that [`read_device_image`] reads, by its first bytes or its name.
pub fn is_device_image(path: &Path) -> bool {
    let mut first = [0; 8];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut first));
    let begins = read.is_ok() && u64::from_le_bytes(first) == DEVICE_MAGIC;
    begins || path.extension().is_some_and(|extension| extension == "launches")
}

/// The model in a file of `dlc compile --emit ptx`.
///
/// # Errors
/// A file that cannot be read, is of another version or damaged.
pub fn read_device_image(path: &Path) -> Result<DeviceImageReport> {
    let bytes = std::fs::read(path).map_err(|cause| DriverError::File { path: path.to_owned(), cause })?;
    let image = DeviceImage::decode(&bytes).map_err(|_| unreadable(path, DeviceImage::version(&bytes)))?;
    let DeviceImage { description, module, .. } = &image;
    let interface = &description.interface;
    let variant = description.variants.first().map_or("", |variant| variant.name.as_str());
    let math = variant.split_once('-').map_or("f32", |(_, math)| math);
    let kernels = module.kernels.iter().map(|kernel| DeviceKernelRow {
        name: kernel.name.clone(),
        threads: kernel.threads,
        shared_bytes: kernel.shared_bytes,
        blocks: kernel.blocks(interface.batch_max),
    });
    Ok(DeviceImageReport {
        model: interface.model.clone(),
        compiler: description.compiler.clone(),
        graph: format!("{:016x}", description.graph),
        version: interface.version,
        batch_max: interface.batch_max,
        runs_on: runs_on(module.capability),
        persistent_bytes: interface.persistent_bytes,
        constant_bytes: description.constant_bytes,
        device: DeviceSummary::new(module, interface, math),
        functions: function_rows(interface),
        kernels: kernels.collect(),
        tensors: tensor_rows(interface),
    })
}

fn runs_on(capability: Capability) -> String {
    let Capability { major, minor, exact } = capability;
    let later = if exact { "alone" } else { "and later" };
    format!("GPUs of compute capability {major}.{minor} {later}")
}
