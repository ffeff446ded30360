//! The code of a compilation: what `dlc compile` measures, shows and writes.

use crate::engine::default_threads;
use crate::library::MadeFor;
use crate::tuning::tuned_target;
use crate::{CompileSettings, DeviceSummary, DriverError, Result, ptx};
use dlc_compiler::emit::{Cpu, DeviceOptions, Target, clif_text, device, measure_code};
use dlc_compiler::{Compilation, CompiledFunction};
use dlc_runtime::abi::DeviceModule;

/// Code of a compilation, measured.
pub(crate) enum Code {
    /// For a processor, in its widest form.
    Processor { made_for: Vec<MadeFor>, bytes: usize },
    /// For a GPU.
    Gpu { options: DeviceOptions, module: DeviceModule },
}

impl Code {
    /// For sets of instructions, the least demanding first.
    pub(crate) fn for_processors(
        compilation: &Compilation,
        mut made_for: Vec<MadeFor>,
        settings: &CompileSettings,
    ) -> Result<Code> {
        let tune = settings.choices.tune.without_trials();
        let mut bytes = 0;
        for made in &mut made_for {
            // Only this machine's own instructions were timed here.
            if made.cpu == Cpu::Native {
                made.target = tuned_target(compilation, Cpu::Native, default_threads(), &tune)?;
            }
            bytes += measure_code(compilation, &made.target)?;
        }
        Ok(Code::Processor { made_for, bytes })
    }

    /// For a GPU.
    pub(crate) fn for_gpu(compilation: &Compilation, options: DeviceOptions) -> Result<Code> {
        Ok(Code::Gpu { options, module: device(compilation, options)? })
    }

    /// Its length.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Code::Processor { bytes, .. } => *bytes,
            Code::Gpu { module, .. } => module.text.len(),
        }
    }

    /// What is known of code for a GPU.
    pub(crate) fn summary(&self, compilation: &Compilation) -> Option<DeviceSummary> {
        match self {
            Code::Processor { .. } => None,
            Code::Gpu { options, module } => {
                let math = ptx::math_name(options.math);
                Some(DeviceSummary::new(module, &compilation.interface, math))
            }
        }
    }

    /// The widest set of instructions.
    pub(crate) fn target(&self) -> Result<&Target> {
        let target = match self {
            Code::Processor { made_for, .. } => made_for.last().map(|made| &made.target),
            Code::Gpu { .. } => None,
        };
        target.ok_or_else(|| DriverError::Bug("there is no target".to_owned()))
    }

    /// The code of one function as text, with what its kind is called.
    pub(crate) fn text(
        &self,
        compilation: &Compilation,
        function: &CompiledFunction,
    ) -> Result<(&'static str, String)> {
        let one = Compilation {
            interface: compilation.interface.clone(),
            functions: vec![function.clone()],
            timings: Vec::new(),
        };
        Ok(match self {
            Code::Processor { .. } => ("clif", clif_text(&one, self.target()?.isa.as_ref())?),
            Code::Gpu { options, .. } => ("ptx", device(&one, *options)?.text),
        })
    }
}
