//! Where compiled code runs: on this process's threads, or on a GPU of this machine.

use crate::native::native_program_for;
use crate::ptx::math_name;
use crate::tuning::tuned_target;
use crate::{CompileChoices, DriverError, Result};
use dlc_compiler::Compilation;
use dlc_compiler::emit::{self, Architecture, Cpu};
use dlc_cuda::{CudaDevice, DeviceInfo};
use dlc_runtime::{Program, Session};
use std::str::FromStr;
use std::sync::Arc;

/// What a user calls a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceName {
    /// The processor.
    #[default]
    Cpu,
    /// NVIDIA's GPU of that number, counted from 0 as the driver does.
    Cuda(usize),
    /// The first GPU if code can be made for it, else the processor.
    Auto,
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<DeviceName, String> {
        let unknown = || format!("no device is called `{text}`; there are cpu, cuda, cuda:N and auto");
        match text {
            "cpu" => Ok(DeviceName::Cpu),
            "cuda" => Ok(DeviceName::Cuda(0)),
            "auto" => Ok(DeviceName::Auto),
            _ => {
                let number = text.strip_prefix("cuda:").and_then(|number| number.parse().ok());
                number.map(DeviceName::Cuda).ok_or_else(unknown)
            }
        }
    }
}

/// Where compiled code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// Threads of this process, with code of these instructions.
    Threads(Cpu),
    /// A GPU, by NVIDIA's driver.
    Cuda {
        /// Its number.
        ordinal: usize,
        /// What its code is made for.
        architecture: Architecture,
    },
}

impl Default for Machine {
    fn default() -> Self {
        Machine::Threads(Cpu::Native)
    }
}

impl From<Cpu> for Machine {
    fn from(cpu: Cpu) -> Machine {
        Machine::Threads(cpu)
    }
}

/// The newest form of code that a device runs.
fn architecture(info: &DeviceInfo) -> Result<Architecture> {
    let runs = |one: &Architecture| one.capability().runs_on(info.major, info.minor);
    Architecture::ALL.into_iter().rev().find(runs).ok_or_else(|| {
        DriverError::Unsupported(format!(
            "{} has compute capability {}.{}; code is made for 7.5 and later",
            info.name, info.major, info.minor
        ))
    })
}

impl Machine {
    /// The machine of this name with these instructions, where they were asked for, for code of these choices, and a
    /// remark on it for the user.
    ///
    /// # Errors
    /// [`DriverError::Cuda`] without driver or GPU, [`DriverError::Unsupported`] for a GPU that is too old, and
    /// [`DriverError::User`] if instructions of a processor are asked for on a GPU, or arithmetic that it lacks.
    pub fn of(
        device: DeviceName,
        cpu: Option<Cpu>,
        choices: &CompileChoices,
    ) -> Result<(Machine, Option<String>)> {
        let threads = Machine::Threads(cpu.unwrap_or(Cpu::Native));
        let found = match device {
            DeviceName::Cpu => return Ok((threads, None)),
            DeviceName::Cuda(_) if cpu.is_some() => {
                let what = "`--cpu` chooses a processor's instructions, and `--device cuda` runs on none; leave one out";
                return Err(DriverError::User(what.to_owned()));
            }
            DeviceName::Cuda(ordinal) => Machine::cuda(ordinal, choices),
            DeviceName::Auto => Machine::cuda(0, choices),
        };
        match found {
            Ok((machine, remark)) => Ok((machine, Some(remark))),
            Err(error) if device == DeviceName::Auto => Ok((threads, Some(format!("on the CPU: {error}")))),
            Err(error) => Err(error),
        }
    }

    fn cuda(ordinal: usize, choices: &CompileChoices) -> Result<(Machine, String)> {
        let info = dlc_cuda::device(ordinal)?;
        let architecture = architecture(&info)?;
        let math = math_name(choices.device_code(architecture)?.math);
        let remark = format!("on {} (cuda:{ordinal}, {architecture}), products in {math}", info.name);
        Ok((Machine::Cuda { ordinal, architecture }, remark))
    }

    /// The instructions of code for threads, which is all that `what` works with.
    ///
    /// # Errors
    /// [`DriverError::Unsupported`] for another machine.
    pub(crate) fn cpu(self, what: &str) -> Result<Cpu> {
        match self {
            Machine::Threads(cpu) => Ok(cpu),
            Machine::Cuda { .. } => Err(DriverError::Unsupported(format!(
                "{what} looks at code for the CPU alone; leave out `--device`"
            ))),
        }
    }
}

/// A session of a compilation that was made with the options for this machine; all parameters and states are zero.
/// `threads` are this process's.
pub fn session(
    compilation: &Compilation,
    machine: Machine,
    threads: usize,
    choices: &CompileChoices,
) -> Result<Session> {
    match machine {
        Machine::Threads(cpu) => {
            let target = tuned_target(compilation, cpu, threads, &choices.tune)?;
            Ok(Session::new(Arc::new(native_program_for(compilation, &target)?), threads)?)
        }
        Machine::Cuda { ordinal, architecture } => {
            let module = emit::device(compilation, choices.device_code(architecture)?)?;
            let interface = &compilation.interface;
            // SAFETY: the compiler made the module of the programs that the interface describes, whose accesses it has
            // proved to stay within their buffers.
            let device = unsafe { CudaDevice::load(ordinal, interface, &module, &interface.constants) }?;
            let program = Program::of_device(interface.clone(), None)?;
            Ok(Session::on(Arc::new(program), Box::new(device))?)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn devices_have_names() {
        let named = ["cpu", "cuda", "cuda:3", "auto"].map(|name| name.parse::<DeviceName>().unwrap());
        assert_eq!(named, [DeviceName::Cpu, DeviceName::Cuda(0), DeviceName::Cuda(3), DeviceName::Auto]);
        for wrong in ["", "gpu", "cuda:", "cuda:-1", "cuda3"] {
            let expected = format!("no device is called `{wrong}`; there are cpu, cuda, cuda:N and auto");
            assert_eq!(wrong.parse::<DeviceName>(), Err(expected));
        }
    }
}
