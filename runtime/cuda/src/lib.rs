//! Compiled models on NVIDIA's GPUs, by the driver that a machine with such a GPU already has.
//!
//! Nothing is linked and no toolkit is needed: the driver's library is loaded when it is first asked for
//! (`libcuda.so.1`, `nvcuda.dll` on Windows, or what `DLC_CUDA_DRIVER` names), and the PTX of a
//! [`DeviceModule`](dlc_abi::DeviceModule) is translated by the driver for the GPU at hand. Drivers for CUDA 12.0 and later
//! do; a machine without one gets an error of one sentence.
//!
//! ```no_run
//! # fn main() -> Result<(), dlc_cuda::CudaError> {
//! for gpu in dlc_cuda::devices()? {
//!     println!("{}: {gpu}", gpu.ordinal); // 0: NVIDIA H100 80GB HBM3, sm_90, 79.1 GiB, driver for …
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`CudaModel`] opens what `dlc compile --emit ptx` wrote. [`CudaDevice`] is a [`dlc_runtime::Device`]: a session's
//! functions run on it.
//!
//! - All memory of a model on the GPU is one block, whose size follows from its interface alone ([`Needs`]), so that too
//!   little memory is told before anything runs.
//! - The launches of a function are recorded once for each batch and started as one graph.
//! - `DLC_CUDA_STEPWISE=1` starts them one by one instead and waits for each, so that an error names its kernel
//!   ([`CudaDevice::set_stepwise`] does so for one model). Results are the same bits.
//! - Calls are timed by the GPU's own clock ([`CudaDevice::last_times`]), their launches where that is asked for.
//! - After a failure of the GPU every call and every download is refused with the first failure's words: what the GPU
//!   holds then is worth nothing, and nobody can write a checkpoint of it.

mod call;
mod device;
mod driver;
mod error;
mod info;
mod kept;
mod model;
mod owned;
mod plan;
mod session;
mod speed;
mod timed;
mod times;

pub use device::{CudaDevice, KernelInfo, STEPWISE_VARIABLE};
pub use driver::{DriverVersion, Failure, LIBRARY_VARIABLE};
pub use error::CudaError;
pub use info::{DeviceInfo, device, devices};
pub use model::CudaModel;
pub use plan::Needs;
pub use speed::{Arithmetic, Rates};
