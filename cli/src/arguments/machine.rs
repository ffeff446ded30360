//! Where compiled code runs.

use crate::console::{self, Console};
use clap::Args;
use dlc_driver::{CompileChoices, Cpu, DeviceName, DriverError, Machine};

/// Where compiled code runs, and of what instructions it is made.
#[derive(Debug, Args)]
pub(crate) struct MachineArguments {
    /// What compiled code runs on: cpu; cuda or cuda:N for an NVIDIA GPU, by the driver that the machine has; auto for a
    /// GPU where there is one, else the CPU.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: DeviceName,
    /// Instructions that compiled code may use: native, portable, x86-64-v3 or x86-64-v4, the
    /// latter two also with -vnni [default: native].
    #[arg(long, value_name = "NAME")]
    cpu: Option<Cpu>,
}

impl MachineArguments {
    /// What the flags name, for code of these choices; what there is to say of it goes to the console.
    pub(crate) fn machine(
        &self,
        console: &Console,
        choices: &CompileChoices,
    ) -> Result<Machine, DriverError> {
        let (machine, remark) = Machine::of(self.device, self.cpu, choices)?;
        if let Some(remark) = remark.filter(|_| !console.json) {
            console::remark(&remark);
        }
        Ok(machine)
    }

    /// Whether anything but the CPU was asked for.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.device != DeviceName::Cpu
    }
}
