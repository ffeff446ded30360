//! What a user may say about how a model is compiled, in every command alike.

use crate::{DriverError, Machine, Result, TuneOptions};
use dlc_compiler::CompileOptions;
use dlc_compiler::emit::Target;
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
    /// Factors of products rounded to 10 bits of fraction, for a GPU's tensor cores; as [`Math::Default`] otherwise.
    Tf32,
    /// Direct sums, and tiles of 2x2 results, whose rounding errors are not above those of direct sums.
    Strict,
}

impl Math {
    /// Norm-wise error that one product may have from rounding its factors: two units in the last of their places, as for
    /// values that are stored in so many bits; 0 where none are rounded.
    pub(crate) fn product_error(self) -> f64 {
        match self {
            Math::Default | Math::Strict => 0.0,
            Math::Tf32 => 2.0 / 1024.0,
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
    /// Choices that contradict each other.
    pub fn options(&self, batch_max: usize) -> Result<CompileOptions> {
        self.check()?;
        let winograd = match self.math {
            Math::Default => Winograd::F4,
            Math::Strict => Winograd::F2,
            Math::Tf32 => {
                return Err(DriverError::User(
                    "`--math tf32` is arithmetic of GPUs; it goes with `--device cuda`".to_owned(),
                ));
            }
        };
        Ok(CompileOptions { rewrite: self.rewrite.clone(), winograd, ..CompileOptions::new(batch_max) })
    }

    /// The same for a GPU.
    ///
    /// # Errors
    /// Choices that contradict each other.
    pub fn device_options(&self, batch_max: usize) -> Result<CompileOptions> {
        self.check()?;
        Ok(CompileOptions { rewrite: self.rewrite.clone(), ..CompileOptions::for_device(batch_max) })
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
}
