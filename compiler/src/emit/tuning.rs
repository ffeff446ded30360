//! What was found out by measurement about the code of contractions.
//!
//! The table only ever changes how fast a kernel is: a code generator follows no choice that would change a bit of
//! its results. Nothing is measured here.

use super::Target;
use crate::CompileError;
use dlc_codegen_x86::{Choice, Machine};
use dlc_kernel::Kernel;
use std::collections::BTreeMap;

/// Choices for contractions; the code generator's own where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tuning {
    /// By the kernel's shape ([`Target::shape`]).
    pub by_shape: BTreeMap<String, Choice>,
    /// By the kernel's name, before those by shape: so that kernels of one shape can be compared.
    pub by_name: BTreeMap<String, Choice>,
}

impl Tuning {
    /// The choice for a kernel, if there is one.
    pub(super) fn choice(&self, kernel: &Kernel, machine: Machine) -> Option<Choice> {
        let named = self.by_name.get(&kernel.name);
        let of_shape = || match self.by_shape.is_empty() {
            true => None,
            false => self.by_shape.get(&dlc_codegen_x86::shape(kernel, machine)?),
        };
        named.or_else(of_shape).copied()
    }
}

impl Target {
    /// A text for what [`Tuning::by_shape`] tells kernels apart by; nothing for kernels that it has no choice for.
    pub fn shape(&self, kernel: &Kernel) -> Option<String> {
        self.wide.and_then(|machine| dlc_codegen_x86::shape(kernel, machine))
    }

    /// The choices that are worth a measurement, the code generator's own first; empty where there is none.
    pub fn candidates(&self, kernel: &Kernel) -> Result<Vec<Choice>, CompileError> {
        match self.wide {
            Some(machine) => Ok(dlc_codegen_x86::candidates(kernel, machine)?),
            None => Ok(Vec::new()),
        }
    }
}
