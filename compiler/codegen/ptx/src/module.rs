//! Kernels as one PTX module.

use crate::PtxError;
use crate::kernel::emit;
use dlc_abi::{Capability, DeviceKernel};
use dlc_kernel::Kernel;
use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

/// What a module is assembled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Architecture {
    /// Turing and later.
    Sm75,
    /// Ampere and later: copies into shared memory that threads need not wait for.
    Sm80,
    /// Hopper alone.
    Sm90a,
}

impl Architecture {
    /// Every architecture, oldest first.
    pub const ALL: [Architecture; 3] = [Architecture::Sm75, Architecture::Sm80, Architecture::Sm90a];

    /// The name as `.target` and `ptxas -arch` have it.
    pub const fn name(self) -> &'static str {
        match self {
            Architecture::Sm75 => "sm_75",
            Architecture::Sm80 => "sm_80",
            Architecture::Sm90a => "sm_90a",
        }
    }

    /// Which devices run it.
    pub const fn capability(self) -> Capability {
        match self {
            Architecture::Sm75 => Capability { major: 7, minor: 5, exact: false },
            Architecture::Sm80 => Capability { major: 8, minor: 0, exact: false },
            Architecture::Sm90a => Capability { major: 9, minor: 0, exact: true },
        }
    }
}

impl Display for Architecture {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How contractions of `f32` are multiplied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Math {
    /// As the kernel IR says.
    #[default]
    F32,
    /// By tensor cores where the architecture has them and tiles are large enough: factors are rounded to 10 bits of
    /// fraction, sums stay `f32`.
    Tf32,
    /// The same, but factors are rounded to 7 bits of fraction.
    Bf16,
}

/// Constant memory of a device in bytes.
const MOST_CONSTANT_BYTES: usize = 64 << 10;

/// A kernel to emit.
#[derive(Clone, Copy, Debug)]
pub struct Source<'k> {
    /// What its entry is called, as far as PTX admits that.
    pub name: &'k str,
    /// Verified.
    pub kernel: &'k Kernel,
    /// Bytes that divide where each operand begins in all launches ([`crate::alignments`]); none for operands that are
    /// aligned to their elements alone.
    pub alignments: &'k [usize],
}

impl<'k> From<(&'k str, &'k Kernel)> for Source<'k> {
    fn from((name, kernel): (&'k str, &'k Kernel)) -> Source<'k> {
        Source { name, kernel, alignments: &[] }
    }
}

/// What a module depends on beside its kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// What it is assembled for.
    pub architecture: Architecture,
    /// How contractions of `f32` are multiplied.
    pub math: Math,
    /// The greatest batch: indices of 32 bits are used where they suffice for it.
    pub batch_max: usize,
}

/// A module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// PTX, as the driver and `ptxas` take it.
    pub text: String,
    /// How each kernel is launched, in the order of the kernels.
    pub entries: Vec<DeviceKernel>,
}

/// Kernels, each a [`Source`] or a name and a kernel, under the names given, which are changed to what PTX admits where they have to be: an entry has the name
/// that the text has.
///
/// # Errors
///
/// [`PtxError`] where a kernel asks for a type or an operation that has no form here, or is malformed.
pub fn emit_module<'k, S: Copy + Into<Source<'k>>>(
    name: &str,
    kernels: &[S],
    options: Options,
) -> Result<Module, PtxError> {
    // PTX is ASCII, comments too.
    let plain = |character: char| if character.is_ascii_graphic() { character } else { ' ' };
    let comment: String = name.chars().map(plain).collect();
    let target = options.architecture.name();
    let mut text = format!("// {comment}\n.version 8.0\n.target {target}\n.address_size 64\n");
    // The only word that PTX keeps to itself.
    let mut taken = BTreeSet::from(["WARP_SZ".to_owned()]);
    let mut entries = Vec::with_capacity(kernels.len());
    let mut constant_bytes = 0;
    for &source in kernels {
        let source: Source<'k> = source.into();
        let name = unique(identifier(source.name), &mut taken);
        let emitted = emit(source, &name, options)?;
        text.push('\n');
        text += &emitted.text;
        constant_bytes += emitted.constant_bytes;
        entries.push(emitted.entry);
    }
    if constant_bytes > MOST_CONSTANT_BYTES {
        let what = "bytes of tables";
        let (needed, most) = (constant_bytes, MOST_CONSTANT_BYTES);
        return Err(PtxError::Limit { name: "the module".to_owned(), what, needed, most });
    }
    Ok(Module { text, entries })
}

/// A name of letters, digits and underscores that begins with a letter.
fn identifier(name: &str) -> String {
    let plain = |character: char| if character.is_ascii_alphanumeric() { character } else { '_' };
    let name: String = name.chars().map(plain).collect();
    if name.starts_with(|first: char| first.is_ascii_alphabetic()) { name } else { format!("k{name}") }
}

/// The name, with a number behind it where it is taken.
fn unique(name: String, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2_usize..).map(|number| format!("{name}_{number}"));
    let free = std::iter::once(name.clone()).chain(numbered).find(|name| !taken.contains(name));
    let free = free.unwrap_or(name);
    taken.insert(free.clone());
    free
}

#[cfg(test)]
mod tests {
    use super::{identifier, unique};
    use std::collections::BTreeSet;

    #[test]
    fn names_are_made_plain_and_unique() {
        assert_eq!(identifier("conv1.weight grad"), "conv1_weight_grad");
        assert_eq!(identifier("7"), "k7");
        assert_eq!(identifier("_x"), "k_x");
        let mut taken = BTreeSet::new();
        let names = ["a", "a", "a_2", "a"].map(|name| unique(name.to_owned(), &mut taken));
        assert_eq!(names, ["a", "a_2", "a_2_2", "a_3"]);
    }
}
