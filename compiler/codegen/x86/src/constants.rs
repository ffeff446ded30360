//! Numbers behind the code, every one once.

use crate::code::Code;
use crate::{Level, X86Error};
use iced_x86::code_asm::CodeLabel;

/// Numbers with their labels, in order of first use.
#[derive(Default)]
pub(crate) struct Constants {
    numbers: Vec<(CodeLabel, Vec<u32>)>,
}

/// A number that a vector repeats: once behind the code where instructions repeat it, else a whole vector.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    pub(crate) label: CodeLabel,
    pub(crate) bits: u32,
}

impl Constants {
    /// The label of a number.
    pub(crate) fn label(&mut self, code: &mut Code, bits: u32) -> CodeLabel {
        self.list(code, &[bits])
    }

    /// The label of numbers in a row.
    pub(crate) fn list(&mut self, code: &mut Code, bits: &[u32]) -> CodeLabel {
        if let Some((label, _)) = self.numbers.iter().find(|number| number.1.starts_with(bits)) {
            return *label;
        }
        let label = code.asm.create_label();
        self.numbers.push((label, bits.to_vec()));
        label
    }

    /// A number for whole vectors.
    pub(crate) fn number(&mut self, code: &mut Code, bits: u32) -> Number {
        let label = match code.level {
            Level::Avx512 => self.list(code, &[bits]),
            Level::Avx2 => self.list(code, &[bits; 8]),
        };
        Number { label, bits }
    }

    /// Writes all of them here.
    pub(crate) fn emit(self, code: &mut Code) -> Result<(), X86Error> {
        for (mut label, bits) in self.numbers {
            code.place(&mut label)?;
            code.asm.dd(&bits)?;
        }
        Ok(())
    }
}
