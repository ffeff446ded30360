//! A module: its text decoded, and its entries by name.

use crate::decode::decode;
use crate::execute::{self, Launch, Statistics};
use crate::fault::Fault;
use crate::memory::Memory;
use crate::parse::parse;
use crate::program::Program;

/// A PTX module, ready to launch.
#[derive(Debug, Clone)]
pub struct Module {
    source: String,
    target: String,
    programs: Vec<Program>,
    constant: Vec<u8>,
}

impl Module {
    /// Reads a module's text.
    ///
    /// # Errors
    /// The first thing in it that is not of the subset, with its line.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let raw = parse(text)?;
        let (programs, constant) = decode(text, &raw)?;
        Ok(Self { source: text.to_owned(), target: raw.target, programs, constant })
    }

    /// The target, as `sm_80`.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Names of the entries, as they stand in the text.
    pub fn entries(&self) -> impl Iterator<Item = &str> {
        self.programs.iter().map(|program| program.name.as_str())
    }

    /// Bytes of shared memory that an entry declares, beside the dynamic ones of a launch.
    #[must_use]
    pub fn shared_bytes(&self, entry: &str) -> Option<usize> {
        self.program(entry).map(|program| program.shared_bytes)
    }

    /// Bytes of an entry's parameters, with what lies between them.
    #[must_use]
    pub fn parameter_bytes(&self, entry: &str) -> Option<usize> {
        self.program(entry).map(|program| program.parameter_bytes)
    }

    fn program(&self, entry: &str) -> Option<&Program> {
        self.programs.iter().find(|program| program.name == entry)
    }

    /// Runs an entry over its grid, to the end or to the first fault. What the threads wrote before a fault
    /// stays written.
    ///
    /// # Errors
    /// What is wrong with the launch, or what a thread did wrong and where.
    pub fn launch(&self, entry: &str, launch: &Launch<'_>, memory: &mut Memory) -> Result<Statistics, Fault> {
        let program = self.program(entry).ok_or_else(|| {
            let known: Vec<&str> = self.entries().collect();
            let message = format!("the module has no such entry, but {}", known.join(", "));
            Fault::Launch { entry: entry.to_owned(), message }
        })?;
        execute::launch(&self.source, program, &self.constant, launch, memory)
    }
}
