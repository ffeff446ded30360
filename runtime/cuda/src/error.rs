//! What can go wrong between a program and a GPU.

use crate::driver::{DriverVersion, Failure};
use crate::plan::Needs;
use dlc_abi::Capability;
use std::fmt::{self, Display, Formatter};

/// Every failure of this crate, told in one sentence; only [`CudaError::Text`] has more lines, those of the driver's log.
#[derive(Clone, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message names each field")]
#[non_exhaustive]
pub enum CudaError {
    /// A machine without a driver.
    #[error("this machine has no NVIDIA driver ({reason}); without one, compute on the CPU")]
    NoDriver { reason: String },
    /// A library of something else.
    #[error("{library} is no driver of NVIDIA's: it has no `cuDriverGetVersion` that answers")]
    NotADriver { library: String },
    /// A driver from before a function that is needed.
    #[error(
        "NVIDIA's driver is too old: {library} is for CUDA {version} and lacks `{symbol}`, which drivers for CUDA {since} \
         have; update the driver to one for CUDA 12.0 or later"
    )]
    OldDriver { library: String, symbol: &'static str, since: &'static str, version: DriverVersion },
    /// A driver that cannot work.
    #[error("NVIDIA's driver does not start: {failure}")]
    Start { failure: Failure },
    /// A driver that sees no GPU.
    #[error("NVIDIA's driver finds no GPU that it may use on this machine")]
    NoDevice,
    /// A number that no GPU has.
    #[error("there is no GPU {ordinal}: this machine has {count}, numbered from 0")]
    Ordinal { ordinal: usize, count: usize },
    /// Code for other GPUs.
    #[error(
        "the code is for {code}, the GPU {device} is sm_{major}{minor}: compile for sm_{major}{minor}, or an earlier one"
    )]
    Generation { code: Capability, device: String, major: u32, minor: u32 },
    /// A text that the driver does not take.
    #[error("the driver refuses the model's code: {failure}{}", lines(.log))]
    Text { failure: Failure, log: String },
    /// A text in a form that came after the driver.
    #[error(
        "NVIDIA's driver is too old: it is for CUDA {version}, which does not know this form of PTX; update the driver to \
         one for CUDA 12.0 or later"
    )]
    TextVersion { version: DriverVersion },
    /// A launch table that contradicts itself or what lies beside it.
    #[error("the model's code for GPUs is inconsistent: {0} (this is a bug in dlc)")]
    Malformed(String),
    /// A kernel that a block has no room for.
    #[error("the kernel `{kernel}` needs {needed} {what}; the GPU {device} has {most}")]
    Kernel { kernel: String, what: &'static str, needed: usize, most: usize, device: String },
    /// A model that is too large for the memory.
    #[error(
        "the model needs {needs} on the GPU {device}, of which {} are free: compile for a smaller `--max-batch`, or \
         end what else uses the GPU", size(*.free)
    )]
    Memory { needs: Needs, device: String, free: usize },
    /// A GPU whose memory others have filled.
    #[error("the GPU's memory is too full for {what}: {failure}; end what else uses the GPU")]
    Full { what: &'static str, failure: Failure },
    /// Memory of this machine that the driver does not pin.
    #[error("the system refuses {} of memory that does not move, for inputs and outputs: {failure}", size(*.bytes))]
    Pinned { bytes: usize, failure: Failure },
    /// A call with something that does not fit.
    #[error("{0}")]
    Call(String),
    /// A failure outside of any function of the model.
    #[error("{0}")]
    Driver(#[from] Failure),
    /// A function that did not come to its end, or one of several where nobody waited in between.
    #[error("{} failed: {failure}; with DLC_CUDA_STEPWISE=1 the error names the kernel", quoted(.functions))]
    Function { functions: Vec<String>, failure: Failure },
    /// A launch that did not come to its end.
    #[error("launch {launch} of `{function}`, the kernel `{kernel}`, failed: {failure}")]
    Launch { function: String, launch: usize, kernel: String, failure: Failure },
    /// Anything that is asked of a device after it failed.
    #[error("the GPU failed before, and what it holds is lost: {0}")]
    Lost(String),
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
}

fn lines(log: &str) -> String {
    if log.is_empty() { String::new() } else { format!("\n{log}") }
}

/// Bytes for people: `1.5 MiB`.
pub(crate) fn size(bytes: usize) -> impl Display {
    struct Size(usize);
    impl Display for Size {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            for (unit, scale) in [("GiB", 1_usize << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
                if self.0 >= scale {
                    return write!(f, "{:.1} {unit}", self.0 as f64 / scale as f64);
                }
            }
            write!(f, "{} bytes", self.0)
        }
    }
    Size(bytes)
}

/// Results of this crate.
pub(crate) type Result<T> = std::result::Result<T, CudaError>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let sizes = [0, 1023, 1024, 1536 << 10, 3 << 30].map(|bytes| size(bytes).to_string());
        assert_eq!(sizes, ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 MiB", "3.0 GiB"]);
    }
}
