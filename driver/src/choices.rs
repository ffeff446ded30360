//! What a user may say about how a model is compiled, in every command alike.

use crate::{DriverError, Machine, Result, TuneOptions};
use dlc_compiler::CompileOptions;
use dlc_compiler::emit::{self, Architecture, DeviceOptions, Target};
use dlc_compiler::lower::Winograd;
use dlc_compiler::rewrite::RewriteOptions;
use serde::Serialize;

/// How far compiled arithmetic may leave the direct sums of a convolution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Math {
    /// Convolutions may go through tiles of 4x4 results, whose rounding errors are about twice those of direct
    /// sums.
    #[default]
    Default,
    /// Direct sums, and tiles of 2x2 results, whose rounding errors are not above those of direct sums.
    Strict,
    /// Of code for a GPU: products as they are written.
    F32,
    /// Of code for a GPU: products of contractions by tensor cores, whose factors have 10 bits of fraction.
    Tf32,
    /// The same with 7 bits.
    Bf16,
}

impl Math {
    /// Norm-wise error that one product may have from rounding its factors: two units in the last of their places, as for
    /// values that are stored in so many bits; 0 where none are rounded.
    pub(crate) fn product_error(self) -> f64 {
        match self {
            Math::Default | Math::Strict | Math::F32 => 0.0,
            Math::Tf32 => 2.0 / 1024.0,
            Math::Bf16 => 2.0 / 128.0,
        }
    }
}

/// How a model is compiled.
#[derive(Clone, Debug, Default)]
pub struct CompileChoices {
    /// Which rewrite rules are used.
    pub rewrite: RewriteOptions,
    /// How convolutions may be computed.
    pub math: Math,
    /// How the code of contractions is chosen; no result depends on it.
    pub tune: TuneOptions,
}

impl CompileChoices {
    /// The compiler's options for a greatest batch, on a processor.
    ///
    /// # Errors
    /// Choices that contradict each other, or are about GPUs.
    pub fn options(&self, batch_max: usize) -> Result<CompileOptions> {
        self.check()?;
        let winograd = match self.math {
            Math::Default => Winograd::F4,
            Math::Strict => Winograd::F2,
            Math::F32 | Math::Tf32 | Math::Bf16 => {
                return Err(DriverError::User(
                    "`--math f32`, `tf32` and `bf16` are about code for a GPU; a processor has `default` and `strict`"
                        .to_owned(),
                ));
            }
        };
        Ok(CompileOptions { rewrite: self.rewrite.clone(), winograd, ..CompileOptions::new(batch_max) })
    }

    /// The same for code that a device runs.
    ///
    /// # Errors
    /// Choices that contradict each other.
    pub fn device_options(&self, batch_max: usize) -> Result<CompileOptions> {
        self.check()?;
        Ok(CompileOptions { rewrite: self.rewrite.clone(), ..CompileOptions::for_device(batch_max) })
    }

    /// The code for a device of this architecture, which multiplies by nothing less exact than `f32` unless that is asked
    /// for.
    ///
    /// # Errors
    /// Arithmetic that the architecture does not have.
    pub fn device_code(&self, architecture: Architecture) -> Result<DeviceOptions> {
        let (math, name) = match self.math {
            Math::Default | Math::Strict | Math::F32 => (emit::Math::F32, "f32"),
            Math::Tf32 => (emit::Math::Tf32, "tf32"),
            Math::Bf16 => (emit::Math::Bf16, "bf16"),
        };
        if math != emit::Math::F32 && architecture == Architecture::Sm75 {
            return Err(DriverError::User(format!(
                "`--math {name}` is what tensor cores from sm_80 on compute; code for sm_75 has f32"
            )));
        }
        Ok(DeviceOptions { architecture, math })
    }

    fn check(&self) -> Result<()> {
        if self.math == Math::Strict && self.rewrite.fast_math {
            return Err(DriverError::User(
                "`--math strict` allows no arithmetic that is less exact than what is written, and `--fast-math` \
                 asks for it; leave one of them out"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// The same choices where nothing is measured.
    pub(crate) fn without_trials(&self) -> CompileChoices {
        CompileChoices { tune: self.tune.without_trials(), ..self.clone() }
    }

    /// The same for code that this machine runs there.
    ///
    /// # Errors
    /// Choices that contradict each other, or instructions that the machine lacks.
    pub fn options_for(&self, batch_max: usize, machine: Machine) -> Result<CompileOptions> {
        match machine {
            Machine::Threads(cpu) => {
                let byte_products = Target::host(cpu)?.multiplies_bytes();
                Ok(CompileOptions { byte_products, ..self.options(batch_max)? })
            }
            Machine::Cuda { .. } => self.device_options(batch_max),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn strict_math_excludes_fast_math() {
        let fast = RewriteOptions { fast_math: true, ..RewriteOptions::default() };
        let both = CompileChoices { rewrite: fast.clone(), math: Math::Strict, ..CompileChoices::default() };
        let error = both.options(1).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        let text = error.to_string();
        assert!(text.contains("`--math strict`") && text.contains("`--fast-math`"), "{text}");
        let strict = CompileChoices { math: Math::Strict, ..CompileChoices::default() };
        assert_eq!(strict.options(3).unwrap().winograd, Winograd::F2);
        let fast = CompileChoices { rewrite: fast, ..CompileChoices::default() }.options(3).unwrap();
        assert!(fast.rewrite.fast_math && fast.winograd == Winograd::F4);
    }

    #[test]
    fn math_of_gpus_is_not_that_of_processors() {
        let choices = |math| CompileChoices { math, ..CompileChoices::default() };
        assert_eq!(choices(Math::Tf32).options(1).unwrap_err().exit_code(), 1);
        assert_eq!(choices(Math::Tf32).device_options(3).unwrap().batch_max, 3);
        let code = |math, architecture| choices(math).device_code(architecture).map(|code| code.math);
        let multiplied = [Math::Default, Math::Strict, Math::F32, Math::Tf32]
            .map(|math| code(math, Architecture::Sm80).unwrap());
        use emit::Math::{F32, Tf32};
        assert_eq!(multiplied, [F32, F32, F32, Tf32]);
        assert_eq!(code(Math::Default, Architecture::Sm75).unwrap(), F32);
        assert_eq!(code(Math::Bf16, Architecture::Sm75).unwrap_err().exit_code(), 1);
    }
}
