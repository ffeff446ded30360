//! Numbers behind the code, 32 bits each, every one once.

use crate::X86Error;
use crate::code::Code;
use iced_x86::code_asm::CodeLabel;

/// Numbers with their labels, in order of first use.
#[derive(Default)]
pub(crate) struct Constants {
    numbers: Vec<(CodeLabel, u32)>,
}

impl Constants {
    /// The label of a number.
    pub(crate) fn label(&mut self, code: &mut Code, bits: u32) -> CodeLabel {
        if let Some(&(label, _)) = self.numbers.iter().find(|number| number.1 == bits) {
            return label;
        }
        let label = code.asm.create_label();
        self.numbers.push((label, bits));
        label
    }

    /// Writes all of them here.
    pub(crate) fn emit(self, code: &mut Code) -> Result<(), X86Error> {
        for (mut label, bits) in self.numbers {
            code.place(&mut label)?;
            code.asm.dd(&[bits])?;
        }
        Ok(())
    }
}
