//! What one step of a reduction multiplies: floats, or words of small integers.
//!
//! Bytes take VNNI's `vpdpbusd`, a `u8` times an `i8`, four of them to an `i32` without saturation. Words of two
//! `i16` take its `vpdpwssd`, or `vpmaddwd` and an addition, which every level has. (`vpmaddubsw` would saturate.)

use crate::code::{Address, Code, ymm, zmm};
use crate::primitives::Two;
use crate::registers::Operand;
use crate::{Level, Machine, X86Error};
use dlc_kernel::{Contraction, Kernel};
use dlc_types::DType;
use iced_x86::code_asm::{ymmword_ptr, zmmword_ptr};

/// The highest bit of every byte.
pub(crate) const HIGHEST: u32 = 0x8080_8080;

/// How factors are multiplied and added to a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    /// `f32`, rounded once.
    Floats,
    /// Four bytes. Which factor has the unsigned ones, and whether the rows' bits are turned first.
    Bytes { rows_unsigned: bool, turns: bool },
    /// Two `i16`; whether one instruction multiplies and adds.
    Halves { fused: bool },
}

impl Product {
    /// The product of a kernel's factors; nothing where the machine has none.
    pub(crate) fn of(kernel: &Kernel, contraction: &Contraction, machine: Machine) -> Option<Product> {
        let [lanes, rows, result, ..] = kernel.operands.as_slice() else { return None };
        let stores_sums = contraction.epilogue.is_none() || contraction.accumulate;
        let sums = |dtype: DType| !stores_sums || result.dtype == dtype;
        match (lanes.dtype, rows.dtype) {
            (DType::F32, DType::F32) => sums(DType::F32).then_some(Product::Floats),
            (DType::I16, DType::I16) => sums(DType::I32).then_some(Product::Halves { fused: machine.vnni }),
            (DType::I8 | DType::U8, DType::I8 | DType::U8) => {
                let turns = contraction.turns_rows;
                let rows_unsigned = (rows.dtype == DType::U8) != turns;
                let mixed = rows_unsigned != (lanes.dtype == DType::U8);
                (machine.vnni && mixed && sums(DType::I32)).then_some(Product::Bytes { rows_unsigned, turns })
            }
            _ => None,
        }
    }

    /// Registers beside sums, vectors and the repeated element.
    pub(crate) fn spare(self) -> usize {
        usize::from(self == Product::Halves { fused: false })
    }

    /// Whether the vector may be read from memory by the instruction that multiplies.
    pub(crate) fn reads_memory(self) -> bool {
        !matches!(self, Product::Bytes { rows_unsigned: false, .. })
    }
}

impl Code {
    /// `sum += repeated * vector`; `spare` may be overwritten.
    pub(crate) fn add_product(
        &mut self,
        product: Product,
        sum: usize,
        [repeated, vector, spare]: [usize; 3],
    ) -> Result<(), X86Error> {
        match product {
            Product::Floats => self.multiply_add(sum, repeated, vector),
            Product::Bytes { rows_unsigned, .. } => {
                let (unsigned, signed) = if rows_unsigned { (repeated, vector) } else { (vector, repeated) };
                match self.level {
                    Level::Avx512 => self.asm.vpdpbusd(zmm(sum)?, zmm(unsigned)?, zmm(signed)?)?,
                    Level::Avx2 => self.asm.vex().vpdpbusd(ymm(sum)?, ymm(unsigned)?, ymm(signed)?)?,
                }
                Ok(())
            }
            Product::Halves { fused: true } => {
                match self.level {
                    Level::Avx512 => self.asm.vpdpwssd(zmm(sum)?, zmm(repeated)?, zmm(vector)?)?,
                    Level::Avx2 => self.asm.vex().vpdpwssd(ymm(sum)?, ymm(repeated)?, ymm(vector)?)?,
                }
                Ok(())
            }
            Product::Halves { fused: false } => {
                match self.level {
                    Level::Avx512 => self.asm.vpmaddwd(zmm(spare)?, zmm(repeated)?, zmm(vector)?)?,
                    Level::Avx2 => self.asm.vpmaddwd(ymm(spare)?, ymm(repeated)?, ymm(vector)?)?,
                }
                self.two(Two::AddIntegers, sum, sum, Operand::Register(spare))
            }
        }
    }

    /// `sum += repeated * memory`, a whole vector, for products that read memory.
    pub(crate) fn add_product_of_memory(
        &mut self,
        product: Product,
        sum: usize,
        repeated: usize,
        vector: Address,
        spare: usize,
    ) -> Result<(), X86Error> {
        let from = vector.operand()?;
        let (wide, narrow) = (zmmword_ptr(from), ymmword_ptr(from));
        match (product, self.level) {
            (Product::Floats, _) => return self.multiply_add_memory(sum, repeated, vector),
            (Product::Bytes { .. }, Level::Avx512) => self.asm.vpdpbusd(zmm(sum)?, zmm(repeated)?, wide)?,
            (Product::Bytes { .. }, Level::Avx2) => {
                self.asm.vex().vpdpbusd(ymm(sum)?, ymm(repeated)?, narrow)?;
            }
            (Product::Halves { fused: true }, Level::Avx512) => {
                self.asm.vpdpwssd(zmm(sum)?, zmm(repeated)?, wide)?;
            }
            (Product::Halves { fused: true }, Level::Avx2) => {
                self.asm.vex().vpdpwssd(ymm(sum)?, ymm(repeated)?, narrow)?;
            }
            (Product::Halves { fused: false }, level) => {
                match level {
                    Level::Avx512 => self.asm.vpmaddwd(zmm(spare)?, zmm(repeated)?, wide)?,
                    Level::Avx2 => self.asm.vpmaddwd(ymm(spare)?, ymm(repeated)?, narrow)?,
                }
                return self.two(Two::AddIntegers, sum, sum, Operand::Register(spare));
            }
        }
        Ok(())
    }
}
