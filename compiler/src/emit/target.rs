//! The machine that code is generated for.

use super::{ObjectFormat, Platform, Processor, Tuning};
use crate::pipeline::CompileError;
use cranelift_codegen::isa::{self, OwnedTargetIsa};
use cranelift_codegen::settings::Configurable;
use dlc_codegen_x86::{Level, Machine};
use std::collections::BTreeSet;
use std::str::FromStr;
use target_lexicon::BinaryFormat;

/// Which instructions may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cpu {
    /// All that this machine has.
    #[default]
    Native,
    /// What every machine of its kind has that Cranelift's code can use: vectors of 128 bits, scalars where there are
    /// none.
    Portable,
    /// AVX2 and FMA: vectors of 256 bits (`x86-64-v3`).
    V3,
    /// AVX-512 F, BW, DQ, VL: vectors of 512 bits (`x86-64-v4`).
    V4,
    /// [`Cpu::V3`] with AVX-VNNI, which multiplies bytes (`x86-64-v3-vnni`).
    V3Vnni,
    /// [`Cpu::V4`] with AVX512_VNNI, which multiplies bytes (`x86-64-v4-vnni`).
    V4Vnni,
}

impl Cpu {
    /// All of them.
    pub const ALL: [Cpu; 6] = [Cpu::Native, Cpu::Portable, Cpu::V3, Cpu::V4, Cpu::V3Vnni, Cpu::V4Vnni];

    /// The names that [`Cpu::from_str`] takes.
    pub const NAMES: [&'static str; 6] =
        ["native", "portable", "x86-64-v3", "x86-64-v4", "x86-64-v3-vnni", "x86-64-v4-vnni"];

    /// The name.
    pub const fn name(self) -> &'static str {
        Cpu::NAMES[self as usize]
    }

    /// What our own kernels are made for, on a machine that has kernels of the width `detected` and VNNI for vectors of
    /// these widths.
    fn wide(
        self,
        detected: Option<Level>,
        vnni: &dyn Fn(Level) -> bool,
    ) -> Result<Option<Machine>, CompileError> {
        let lacks = |lacks: &str| Err(CompileError::Cpu { cpu: self.name(), lacks: lacks.to_owned() });
        let (level, multiplies) = match self {
            Cpu::Native => return Ok(detected.map(|level| Machine { level, vnni: vnni(level) })),
            Cpu::Portable => return Ok(None),
            Cpu::V3 => (Level::Avx2, false),
            Cpu::V4 => (Level::Avx512, false),
            Cpu::V3Vnni => (Level::Avx2, true),
            Cpu::V4Vnni => (Level::Avx512, true),
        };
        match (level, detected) {
            (_, Some(Level::Avx512)) | (Level::Avx2, Some(Level::Avx2)) => {}
            (Level::Avx2, None) => return lacks("AVX2 and FMA"),
            (Level::Avx512, _) => return lacks("AVX-512 F, BW, DQ and VL"),
        }
        match (multiplies && !vnni(level), level) {
            (true, Level::Avx2) => lacks("AVX-VNNI"),
            (true, Level::Avx512) => lacks("AVX512_VNNI"),
            (false, _) => Ok(Some(Machine { level, vnni: multiplies })),
        }
    }
}

impl FromStr for Cpu {
    type Err = String;

    fn from_str(text: &str) -> Result<Cpu, String> {
        let found = Cpu::ALL.into_iter().find(|cpu| cpu.name() == text);
        found.ok_or_else(|| format!("no CPU is called `{text}`; there are {}", Cpu::NAMES.join(", ")))
    }
}

/// Cranelift's sets leave out extensions that others in them contain, and then call a library for `fma`.
const AVX2: &[&str] = &["x86-64-v3", "has_avx"];
const AVX512: &[&str] = &["x86-64-v4", "has_avx", "has_avx512f"];

/// A machine: Cranelift's view of it, and the width of our own kernels where it has any.
#[derive(Clone)]
pub struct Target {
    /// Cranelift's, for code in this process's memory.
    pub isa: OwnedTargetIsa,
    /// The same for position independent code in an object file.
    pub object_isa: OwnedTargetIsa,
    /// What the wide kernels are made for; `None` for Cranelift's alone.
    pub wide: Option<Machine>,
    /// What was measured about contractions on it.
    pub tuning: Tuning,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} with wide kernels {:?}", self.isa.triple(), self.wide)
    }
}

fn refused(reason: impl ToString) -> CompileError {
    CompileError::Target(reason.to_string())
}

impl Target {
    /// The machine that this process runs on, with these of its instructions. An error where it lacks
    /// them.
    pub fn host(cpu: Cpu) -> Result<Target, CompileError> {
        let wide = cpu.wide(Level::detect(), &Level::detect_vnni)?;
        Target::new(&cranelift_native::builder().map_err(refused)?, wide)
    }

    fn new(builder: &isa::Builder, wide: Option<Machine>) -> Result<Target, CompileError> {
        let isa = |flags| builder.finish(flags).map_err(refused);
        let probes = builder.triple().binary_format == BinaryFormat::Coff;
        let object_isa = isa(dlc_codegen_clif::object_flags(probes)?)?;
        Ok(Target { isa: isa(dlc_codegen_clif::flags()?)?, object_isa, wide, tuning: Tuning::default() })
    }

    /// A machine of this one's kind that has just these instructions, whether or not this one has them: for
    /// code that goes elsewhere. Such code is not called here ([`super::jit`] is for [`Target::host`]), but
    /// `native`'s, which is this machine's.
    pub fn elsewhere(cpu: Cpu) -> Result<Target, CompileError> {
        if cpu == Cpu::Native {
            return Target::host(cpu);
        }
        let triple = cranelift_native::builder().map_err(refused)?.triple().clone();
        let is_x86 = cfg!(target_arch = "x86_64");
        Target::with_instructions(isa::lookup(triple).map_err(refused)?, is_x86, is_x86, cpu)
    }

    /// A machine of a platform that has just these instructions; as [`Target::elsewhere`]. `native`'s are those of
    /// the platform that this process runs on alone.
    pub fn of(platform: Platform, cpu: Cpu) -> Result<Target, CompileError> {
        if cpu != Cpu::Native {
            let is_x86 = platform.processor == Processor::X86;
            return Target::with_instructions(
                platform.builder().map_err(refused)?,
                is_x86,
                platform.takes_wide_kernels(),
                cpu,
            );
        }
        if Platform::host() == Some(platform) {
            return Target::host(cpu);
        }
        Err(refused(format!(
            "`native` are this machine's instructions, and {platform} is another; `portable` will do"
        )))
    }

    fn with_instructions(
        mut builder: isa::Builder,
        is_x86: bool,
        takes_wide: bool,
        cpu: Cpu,
    ) -> Result<Target, CompileError> {
        let (presets, wide): (&[&str], Option<Machine>) = match cpu {
            // The narrowest that Cranelift's vectors are made for.
            Cpu::Native | Cpu::Portable => (&["x86-64-v2"], None),
            Cpu::V3 => (AVX2, Some(Level::Avx2.into())),
            Cpu::V4 => (AVX512, Some(Level::Avx512.into())),
            Cpu::V3Vnni => (AVX2, Some(Machine { level: Level::Avx2, vnni: true })),
            Cpu::V4Vnni => (AVX512, Some(Machine { level: Level::Avx512, vnni: true })),
        };
        let triple = builder.triple().clone();
        if wide.is_some() && !is_x86 {
            return Err(refused(format!("`{}` are x86-64's instructions, not {triple}'s", cpu.name())));
        }
        if wide.is_some() && !takes_wide {
            return Err(refused(format!(
                "kernels for `{}` are made for Linux and macOS, not for {triple}; `portable` will do",
                cpu.name()
            )));
        }
        if is_x86 {
            presets.iter().try_for_each(|preset| builder.enable(preset)).map_err(refused)?;
        }
        Target::new(&builder, wide)
    }

    /// The kind of its object files, if it is a known one.
    pub(super) fn format(&self) -> Option<ObjectFormat> {
        match self.isa.triple().binary_format {
            BinaryFormat::Elf => Some(ObjectFormat::Elf),
            BinaryFormat::Macho => Some(ObjectFormat::MachO),
            BinaryFormat::Coff => Some(ObjectFormat::Coff),
            _ => None,
        }
    }

    /// That code for this target can run where `host`'s can.
    pub(super) fn check_runs_on(&self, host: &Target) -> Result<(), CompileError> {
        let cpu = match self.wide {
            None => Cpu::Portable,
            Some(Machine { level: Level::Avx2, vnni: false }) => Cpu::V3,
            Some(Machine { level: Level::Avx512, vnni: false }) => Cpu::V4,
            Some(Machine { level: Level::Avx2, vnni: true }) => Cpu::V3Vnni,
            Some(Machine { level: Level::Avx512, vnni: true }) => Cpu::V4Vnni,
        };
        cpu.wide(host.wide.map(|wide| wide.level), &|level| host.has_vnni(level))?;
        match self.extensions().difference(&host.extensions()).next() {
            Some(lacks) => Err(CompileError::Cpu { cpu: cpu.name(), lacks: (*lacks).to_owned() }),
            None => Ok(()),
        }
    }

    /// Whether kernels for these vectors may multiply bytes: what Cranelift knows of the machine.
    fn has_vnni(&self, level: Level) -> bool {
        let extension = match level {
            Level::Avx2 => "has_avx_vnni",
            Level::Avx512 => "has_avx512vnni",
        };
        self.extensions().contains(extension)
    }

    /// Whether products of bytes are one instruction here, for [`crate::CompileOptions::byte_products`].
    pub fn multiplies_bytes(&self) -> bool {
        match self.wide {
            Some(wide) => wide.vnni,
            None => self.has_vnni(Level::Avx2) || self.has_vnni(Level::Avx512),
        }
    }

    /// Cranelift's names of the extensions that code may use.
    pub fn extensions(&self) -> BTreeSet<&'static str> {
        let flags = self.isa.isa_flags();
        flags.into_iter().filter(|flag| flag.as_bool() == Some(true)).map(|flag| flag.name).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_name_is_its_cpu() {
        for name in Cpu::NAMES {
            assert_eq!(name.parse::<Cpu>().unwrap().name(), name);
        }
        let error = "x86-64-v5".parse::<Cpu>().unwrap_err();
        assert_eq!(
            error,
            "no CPU is called `x86-64-v5`; there are native, portable, x86-64-v3, x86-64-v4, x86-64-v3-vnni, \
             x86-64-v4-vnni"
        );
    }

    #[test]
    fn a_machine_runs_what_it_has() {
        let wide = |detected, vnni: bool| Cpu::ALL.map(|cpu| cpu.wide(detected, &|_| vnni).ok());
        let [avx2, avx512] = [Level::Avx2, Level::Avx512].map(|level| Some(Machine::from(level)));
        let [vnni2, vnni512] = [Level::Avx2, Level::Avx512].map(|level| Some(Machine { level, vnni: true }));
        assert_eq!(wide(None, false), [Some(None), Some(None), None, None, None, None]);
        assert_eq!(wide(Some(Level::Avx2), false), [Some(avx2), Some(None), Some(avx2), None, None, None]);
        let all = [Some(avx512), Some(None), Some(avx2), Some(avx512), None, None];
        assert_eq!(wide(Some(Level::Avx512), false), all);
        let all = [vnni512, None, avx2, avx512, vnni2, vnni512].map(Some);
        assert_eq!(wide(Some(Level::Avx512), true), all);
        let error = |cpu: Cpu, detected| cpu.wide(Some(detected), &|_| false).unwrap_err().to_string();
        assert_eq!(
            error(Cpu::V4, Level::Avx2),
            "code for x86-64-v4 cannot run here: this machine lacks AVX-512 F, BW, DQ and VL; `native` uses all \
             that it has"
        );
        assert!(error(Cpu::V4Vnni, Level::Avx512).contains("lacks AVX512_VNNI"));
        assert!(error(Cpu::V3Vnni, Level::Avx512).contains("lacks AVX-VNNI"));
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn code_for_elsewhere_uses_what_was_asked_for() {
        for (cpu, wide, fma, avx512) in [
            (Cpu::Portable, None, false, false),
            (Cpu::V3, Some(Level::Avx2.into()), true, false),
            (Cpu::V4, Some(Level::Avx512.into()), true, true),
        ] {
            let target = Target::elsewhere(cpu).unwrap();
            assert_eq!(target.wide, wide);
            let has = target.extensions();
            assert_eq!((has.contains("has_fma"), has.contains("has_avx512vl")), (fma, avx512), "{has:?}");
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn code_runs_where_its_instructions_are() {
        let all = [Cpu::Portable, Cpu::V3, Cpu::V4].map(|cpu| Target::elsewhere(cpu).unwrap());
        for (number, target) in all.iter().enumerate() {
            for (other, machine) in all.iter().enumerate() {
                assert_eq!(
                    target.check_runs_on(machine).is_ok(),
                    number <= other,
                    "{target:?} on {machine:?}"
                );
            }
        }
        // Cranelift's code may use what our own kernels do not.
        let narrow = Target { wide: None, ..all[1].clone() };
        let error = narrow.check_runs_on(&all[0]).unwrap_err().to_string();
        assert!(error.contains("this machine lacks has_"), "{error}");
    }

    #[test]
    fn instructions_are_those_of_the_platform() {
        let of = |triple: &str, cpu| Target::of(triple.parse().unwrap(), cpu);
        for platform in Platform::ALL {
            assert_eq!(Target::of(platform, Cpu::Portable).unwrap().wide, None);
            assert_eq!(Target::of(platform, Cpu::V4).is_ok(), platform.takes_wide_kernels(), "{platform}");
        }
        let error = of("aarch64-apple-darwin", Cpu::V3).unwrap_err().to_string();
        assert!(
            error.contains("`x86-64-v3` are x86-64's instructions, not aarch64-apple-darwin's"),
            "{error}"
        );
        let error = of("x86_64-pc-windows-gnu", Cpu::V4).unwrap_err().to_string();
        assert!(error.contains("not for x86_64-pc-windows-gnu; `portable` will do"), "{error}");
        let error = of("riscv64gc-unknown-linux-gnu", Cpu::Native).unwrap_err().to_string();
        assert!(error.contains("is another; `portable` will do"), "{error}");
    }
}
