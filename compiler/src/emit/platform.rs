//! The platforms that objects are made for: processor, system, and what code for them can do.
//!
//! A platform is known by its Rust target triple. The list is what Cranelift generates code for and what was looked
//! at; a triple that is not in it is refused, with the nearest one named.

use cranelift_codegen::isa;
use dlc_types::diagnostic::nearest;
use std::fmt;
use std::str::FromStr;
use target_lexicon::{BinaryFormat, Triple};

/// A kind of processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processor {
    /// x86-64, of any level.
    X86,
    /// 64-bit ARM with NEON.
    Arm,
    /// 64-bit RISC-V with the extensions G and without vectors.
    Riscv,
}

/// A kind of object file, and of what a linker makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectFormat {
    /// Linux and machines without a system.
    Elf,
    /// macOS.
    MachO,
    /// Windows.
    Coff,
}

impl ObjectFormat {
    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            ObjectFormat::Elf => "ELF",
            ObjectFormat::MachO => "Mach-O",
            ObjectFormat::Coff => "COFF",
        }
    }
}

/// How it is known that code for a platform is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// All tests run on such machines.
    Runs,
    /// The op suite and a model that trains run in an emulator.
    Emulated,
    /// Objects are read back: their format, symbols and relocations.
    Read,
}

/// A platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Platform {
    /// Its triple.
    pub triple: &'static str,
    /// Its processor.
    pub processor: Processor,
    /// The kind of its object files.
    pub format: ObjectFormat,
    /// How code for it is tested.
    pub evidence: Evidence,
}

const fn platform(
    triple: &'static str,
    processor: Processor,
    format: ObjectFormat,
    evidence: Evidence,
) -> Platform {
    Platform { triple, processor, format, evidence }
}

impl Platform {
    /// Every platform.
    pub const ALL: [Platform; 12] = {
        use Evidence::{Emulated, Read, Runs};
        use ObjectFormat::{Coff, Elf, MachO};
        use Processor::{Arm, Riscv, X86};
        [
            platform("x86_64-unknown-linux-gnu", X86, Elf, Runs),
            platform("x86_64-unknown-linux-musl", X86, Elf, Read),
            platform("x86_64-unknown-none", X86, Elf, Read),
            platform("x86_64-apple-darwin", X86, MachO, Read),
            platform("x86_64-pc-windows-gnu", X86, Coff, Read),
            platform("x86_64-pc-windows-msvc", X86, Coff, Read),
            platform("aarch64-unknown-linux-gnu", Arm, Elf, Emulated),
            platform("aarch64-unknown-linux-musl", Arm, Elf, Read),
            platform("aarch64-unknown-none", Arm, Elf, Read),
            platform("aarch64-apple-darwin", Arm, MachO, Read),
            platform("aarch64-pc-windows-msvc", Arm, Coff, Read),
            platform("riscv64gc-unknown-linux-gnu", Riscv, Elf, Emulated),
        ]
    };

    /// The platform that this process runs on, if it is one of them.
    pub fn host() -> Option<Platform> {
        let triple = cranelift_native::builder().ok()?.triple().to_string();
        Platform::ALL.into_iter().find(|platform| platform.triple == triple)
    }

    /// Whether the kernels of our own x86-64 assembler are for it. Their frames are made without touching page after
    /// page, which Windows asks for.
    pub const fn takes_wide_kernels(self) -> bool {
        matches!((self.processor, self.format), (Processor::X86, ObjectFormat::Elf | ObjectFormat::MachO))
    }

    /// Bits of the widest vectors of Cranelift's code; none where it has scalars alone.
    pub const fn vector_bits(self) -> Option<u32> {
        match self.processor {
            Processor::X86 | Processor::Arm => Some(128),
            Processor::Riscv => None,
        }
    }

    /// Whether it has a system that loads shared libraries.
    pub fn loads_libraries(self) -> bool {
        !self.triple.ends_with("-none")
    }

    /// The name of a shared library.
    pub fn shared_library(self, name: &str) -> String {
        match self.format {
            ObjectFormat::Elf => format!("lib{name}.so"),
            ObjectFormat::MachO => format!("lib{name}.dylib"),
            ObjectFormat::Coff => format!("{name}.dll"),
        }
    }

    /// The name of a static library.
    pub fn static_library(self, name: &str) -> String {
        if self.triple.ends_with("-msvc") { format!("{name}.lib") } else { format!("lib{name}.a") }
    }

    /// The C compiler that is looked for where the environment names none; none for systems whose compilers are
    /// found on them alone.
    pub fn c_compiler(self) -> Option<&'static str> {
        if Some(self) == Platform::host() {
            return Some("cc");
        }
        match self.triple {
            "x86_64-unknown-linux-gnu" => Some("x86_64-linux-gnu-gcc"),
            "x86_64-unknown-linux-musl" => Some("x86_64-linux-musl-gcc"),
            "x86_64-pc-windows-gnu" => Some("x86_64-w64-mingw32-gcc"),
            "aarch64-unknown-linux-gnu" => Some("aarch64-linux-gnu-gcc"),
            "aarch64-unknown-linux-musl" => Some("aarch64-linux-musl-gcc"),
            "riscv64gc-unknown-linux-gnu" => Some("riscv64-linux-gnu-gcc"),
            _ => None,
        }
    }

    /// Cranelift's code generator for it.
    pub(super) fn builder(self) -> Result<isa::Builder, String> {
        let mut triple = Triple::from_str(self.triple).map_err(|error| error.to_string())?;
        // A triple without a system names no format.
        if self.format == ObjectFormat::Elf {
            triple.binary_format = BinaryFormat::Elf;
        }
        isa::lookup(triple).map_err(|error| error.to_string())
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.triple)
    }
}

impl FromStr for Platform {
    type Err = String;

    fn from_str(text: &str) -> Result<Platform, String> {
        if let Some(found) = Platform::ALL.into_iter().find(|platform| platform.triple == text) {
            return Ok(found);
        }
        let known = Platform::ALL.map(|platform| platform.triple);
        let all = known.join(", ");
        // Distributions and C compilers leave the vendor out.
        let short = known.map(|triple| triple.replacen("-unknown", "", 1));
        let among_short = || {
            let found = nearest(text, short.iter().map(String::as_str))?;
            short.iter().position(|one| one == found).map(|position| known[position])
        };
        Err(match nearest(text, known).or_else(among_short) {
            Some(near) => format!("no target is called `{text}`; did you mean {near}? There are {all}"),
            None => format!("no target is called `{text}`; there are {all}"),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_platform_has_a_code_generator_and_its_format() {
        for platform in Platform::ALL {
            assert_eq!(platform.triple.parse(), Ok(platform));
            let builder = platform.builder().unwrap();
            let format = match platform.format {
                ObjectFormat::Elf => "Elf",
                ObjectFormat::MachO => "Macho",
                ObjectFormat::Coff => "Coff",
            };
            assert_eq!(format!("{:?}", builder.triple().binary_format), format, "{platform}");
            assert!(builder.triple().to_string().starts_with(platform.triple), "{platform}");
        }
    }

    #[test]
    fn a_triple_that_is_not_known_is_told_the_nearest() {
        let error = "aarch64-linux-gnu".parse::<Platform>().unwrap_err();
        assert!(
            error.starts_with(
                "no target is called `aarch64-linux-gnu`; did you mean aarch64-unknown-linux-gnu?"
            ),
            "{error}"
        );
        let error = "pdp11".parse::<Platform>().unwrap_err();
        assert!(
            error.starts_with("no target is called `pdp11`; there are x86_64-unknown-linux-gnu, "),
            "{error}"
        );
        assert!(error.ends_with("riscv64gc-unknown-linux-gnu"), "{error}");
    }
}
