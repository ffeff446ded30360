//! The machine that code is generated for.

use super::Tuning;
use crate::pipeline::CompileError;
use cranelift_codegen::isa::OwnedTargetIsa;
use dlc_codegen_x86::Level;
use std::str::FromStr;

/// Which instructions may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cpu {
    /// All that this machine has.
    #[default]
    Native,
    /// What Cranelift uses on this machine: vectors of 128 bits.
    Portable,
    /// AVX2 and FMA: vectors of 256 bits (`x86-64-v3`).
    V3,
    /// AVX-512 F, BW, DQ, VL: vectors of 512 bits (`x86-64-v4`).
    V4,
}

impl Cpu {
    /// The names that [`Cpu::from_str`] takes.
    pub const NAMES: [&'static str; 4] = ["native", "portable", "x86-64-v3", "x86-64-v4"];
}

impl FromStr for Cpu {
    type Err = String;

    fn from_str(text: &str) -> Result<Cpu, String> {
        match text {
            "native" => Ok(Cpu::Native),
            "portable" => Ok(Cpu::Portable),
            "x86-64-v3" => Ok(Cpu::V3),
            "x86-64-v4" => Ok(Cpu::V4),
            _ => Err(format!("no CPU is called `{text}`; there are {}", Cpu::NAMES.join(", "))),
        }
    }
}

/// A machine: Cranelift's view of it, and the width of our own kernels where it has any.
#[derive(Clone)]
pub struct Target {
    /// Cranelift's.
    pub isa: OwnedTargetIsa,
    /// Vector extension of the wide kernels; `None` for Cranelift's alone.
    pub wide: Option<Level>,
    /// What was measured about contractions on it.
    pub tuning: Tuning,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} with wide kernels {:?}", self.isa.triple(), self.wide)
    }
}

impl Target {
    /// The machine that this process runs on, with these of its instructions. An error where it lacks
    /// them.
    pub fn host(cpu: Cpu) -> Result<Target, CompileError> {
        let flags = dlc_codegen_clif::flags()?;
        let builder =
            cranelift_native::builder().map_err(|reason| CompileError::Target(reason.to_owned()))?;
        let isa = builder.finish(flags).map_err(|error| CompileError::Target(error.to_string()))?;
        let detected = Level::detect();
        let wide = match cpu {
            Cpu::Native => detected,
            Cpu::Portable => None,
            Cpu::V3 if detected.is_some() => Some(Level::Avx2),
            Cpu::V4 if detected == Some(Level::Avx512) => Some(Level::Avx512),
            Cpu::V3 => return Err(CompileError::Target("it has no AVX2 with FMA".to_owned())),
            Cpu::V4 => return Err(CompileError::Target("it has no AVX-512 F, BW, DQ and VL".to_owned())),
        };
        Ok(Target { isa, wide, tuning: Tuning::default() })
    }
}
