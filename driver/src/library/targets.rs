//! What machines a library's code is for, and what is known of every platform.

use crate::ptx::{GPU_TARGET, sm};
use crate::{CompileSettings, DriverError, Result};
use dlc_compiler::emit::{Architecture, Cpu, Evidence, Level, Machine, Platform, Processor, Target};
use dlc_runtime::abi::FEATURES;
use serde::Serialize;

/// The sets of instructions that `--cpu multi` stands for, the least demanding first.
const MULTI: [Cpu; 3] = [Cpu::Portable, Cpu::V3, Cpu::V4];

/// One set of instructions that code is made for.
pub(crate) struct MadeFor {
    pub(crate) cpu: Cpu,
    pub(crate) target: Target,
}

impl MadeFor {
    /// Extensions that the code may use, by the bits of [`FEATURES`].
    pub(super) fn features(&self) -> u64 {
        let target = &self.target;
        let wide: &[&str] = match target.wide.map(|wide| wide.level) {
            None => &[],
            Some(Level::Avx2) => &["has_avx", "has_avx2", "has_fma"],
            Some(Level::Avx512) => &[
                "has_avx",
                "has_avx2",
                "has_fma",
                "has_avx512f",
                "has_avx512bw",
                "has_avx512dq",
                "has_avx512vl",
            ],
        };
        let products = match target.wide {
            Some(Machine { level: Level::Avx2, vnni: true }) => Some("has_avx_vnni"),
            Some(Machine { level: Level::Avx512, vnni: true }) => Some("has_avx512vnni"),
            _ => None,
        };
        let narrow = target.extensions();
        let is_used = |name: &&str| narrow.contains(name) || wide.contains(name) || products == Some(*name);
        let bits = FEATURES.iter().enumerate().filter(|(_, name)| is_used(name));
        bits.fold(0, |mask, (bit, _)| mask | 1 << bit)
    }
}

/// What settings ask for: one set of instructions, or several, the least demanding first.
pub(crate) fn targets(settings: &CompileSettings) -> Result<Vec<MadeFor>> {
    let target = |cpu| match settings.platform {
        Some(platform) => Target::of(platform, cpu),
        None => Target::elsewhere(cpu),
    };
    let cpus = if settings.multi { &MULTI[..] } else { &[settings.cpu] };
    if let Some(platform) =
        settings.platform.or_else(Platform::host).filter(|one| settings.multi && !one.takes_wide_kernels())
    {
        return Err(DriverError::User(format!(
            "`--cpu multi` is code for several levels of x86-64, on Linux or macOS; {platform} has one kind of code alone, \
             which `--cpu portable` asks for"
        )));
    }
    cpus.iter().map(|&cpu| Ok(MadeFor { cpu, target: target(cpu)? })).collect()
}

/// What `dlc` can do for a platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetRow {
    /// The triple.
    pub triple: &'static str,
    /// Whether this process runs on such a machine.
    pub is_host: bool,
    /// The kind of object file.
    pub object: &'static str,
    /// What `--cpu` may be.
    pub cpus: Vec<&'static str>,
    /// What `--sm` may be; none of processors.
    pub architectures: Vec<&'static str>,
    /// Bits of the widest vectors of kernels that are made by our own assembler; none where there are none.
    pub wide_bits: Option<u32>,
    /// Bits of the vectors of all other kernels; none where they have scalars alone.
    pub vector_bits: Option<u32>,
    /// What `--emit` may name of a library.
    pub forms: Vec<&'static str>,
    /// The C compiler that links shared libraries where no variable names one; none where a variable has to.
    pub c_compiler: Option<&'static str>,
    /// How code for it is tested.
    pub tested: &'static str,
}

/// Every platform, and GPUs.
pub fn target_table() -> Vec<TargetRow> {
    Platform::ALL.into_iter().map(row).chain([gpu()]).collect()
}

fn gpu() -> TargetRow {
    TargetRow {
        triple: GPU_TARGET,
        is_host: false,
        object: "PTX",
        cpus: Vec::new(),
        architectures: Architecture::ALL.map(sm).to_vec(),
        wide_bits: None,
        vector_bits: None,
        forms: vec!["ptx", "header", "c"],
        c_compiler: None,
        tested: "op suite and training on a machine that executes PTX; assembled by ptxas",
    }
}

fn row(platform: Platform) -> TargetRow {
    let is_host = Platform::host() == Some(platform);
    let wide = platform.takes_wide_kernels();
    let mut cpus = vec![Cpu::Portable.name()];
    if is_host {
        cpus.insert(0, Cpu::Native.name());
    }
    if wide {
        cpus.extend([Cpu::V3, Cpu::V4, Cpu::V3Vnni, Cpu::V4Vnni].map(Cpu::name));
        cpus.push("multi");
    }
    let mut forms = vec!["obj", "header", "c", "staticlib", "rust"];
    if platform.loads_libraries() {
        forms.push("so");
    }
    TargetRow {
        triple: platform.triple,
        is_host,
        object: platform.format.name(),
        cpus,
        architectures: Vec::new(),
        wide_bits: wide.then_some(512),
        vector_bits: platform.vector_bits(),
        forms,
        c_compiler: platform.c_compiler().filter(|_| platform.loads_libraries()),
        tested: match (platform.evidence, platform.processor) {
            (Evidence::Runs, _) => "all tests run on it",
            (Evidence::Emulated, Processor::Riscv) => "op suite and training in an emulator, within bounds",
            (Evidence::Emulated, _) => "op suite and training in an emulator, to the bit",
            (Evidence::Read, _) => "objects are read back, not run",
        },
    }
}
