//! `--target nvptx64`: a model's code for NVIDIA GPUs, ahead of time.
//!
//! Two files: `NAME.launches`, a [`DeviceImage`](dlc_runtime::abi::DeviceImage) with everything that a runtime loads, and
//! `NAME.ptx`, the text in it, for people and for NVIDIA's tools. Nobody reads the second one, so that it does not matter
//! whether it is copied along or is that of another build. Beside them there are a header and a C file for programs that
//! run the code (`--emit header,c`).

mod read;
mod summary;
mod write;

pub use read::{DeviceImageReport, DeviceKernelRow, is_device_image, read_device_image};
pub use summary::{DeviceFunctionRow, DeviceSummary};
pub(crate) use write::write;

use crate::library::is_for_gpu;
use crate::{ArtifactKind, CompileSettings, DriverError, Platform, Result};
use dlc_compiler::emit::{Architecture, DeviceOptions, Math};
use dlc_cuda::Arithmetic;
use dlc_types::diagnostic::nearest;
use std::str::FromStr;

/// The name of GPUs among targets.
pub const GPU_TARGET: &str = "nvptx64";

/// What `--target` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeTarget {
    /// A processor with its system.
    Processor(Platform),
    /// NVIDIA's GPUs.
    Gpu,
}

impl FromStr for CodeTarget {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<CodeTarget, String> {
        if text == GPU_TARGET {
            return Ok(CodeTarget::Gpu);
        }
        let close = text.starts_with("nvptx") || nearest(text, [GPU_TARGET]).is_some();
        match text.parse() {
            Ok(platform) => Ok(CodeTarget::Processor(platform)),
            Err(_) if close => Err(format!("no target is called `{text}`; did you mean {GPU_TARGET}?")),
            Err(error) => Err(format!("{error}, {GPU_TARGET}")),
        }
    }
}

/// What an architecture is called by `--sm`.
pub(crate) fn sm(architecture: Architecture) -> &'static str {
    architecture.name().trim_start_matches("sm_")
}

/// The architecture that `--sm` names.
///
/// # Errors
/// A sentence with all of them.
pub fn architecture(text: &str) -> std::result::Result<Architecture, String> {
    let bare = text.strip_prefix("sm_").unwrap_or(text);
    Architecture::ALL.into_iter().find(|one| sm(*one) == bare).ok_or_else(|| {
        let known = Architecture::ALL.map(sm).join(", ");
        format!(
            "there is no code for sm_{bare}; there is for {known}: that for 75 and 80 runs on every later GPU, that for 90a \
             on that one alone"
        )
    })
}

/// What `--math` is called of code for GPUs.
pub(crate) fn math_name(math: Math) -> &'static str {
    match math {
        Math::F32 => "f32",
        Math::Tf32 => "tf32",
        Math::Bf16 => "bf16",
    }
}

/// What a GPU multiplies in.
pub(crate) fn arithmetic(math: Math) -> Arithmetic {
    match math {
        Math::F32 => Arithmetic::F32,
        Math::Tf32 => Arithmetic::Tf32,
        Math::Bf16 => Arithmetic::Bf16,
    }
}

/// What the one variant of an image is called.
pub(crate) fn variant_name(options: DeviceOptions) -> String {
    match options.math {
        Math::F32 => options.architecture.name().to_owned(),
        math => format!("{}-{}", options.architecture.name(), math_name(math)),
    }
}

/// How code for a GPU is asked for.
///
/// # Errors
/// What code for GPUs does not have.
pub(crate) fn check(settings: &CompileSettings) -> Result<Option<DeviceOptions>> {
    let refused = |fault: String| Err(DriverError::User(fault));
    let Some(architecture) = settings.gpu else {
        return match settings.emit.contains(&ArtifactKind::Ptx) {
            true => {
                refused(format!("`--emit ptx` is code for a GPU, which `--target {GPU_TARGET}` asks for"))
            }
            false => Ok(None),
        };
    };
    let of_processors = |kind: &&ArtifactKind| match kind {
        ArtifactKind::Clif | ArtifactKind::Asm => true,
        kind => kind.is_library() && !is_for_gpu(**kind),
    };
    if let Some(kind) = settings.emit.iter().find(of_processors) {
        return refused(format!(
            "`--emit {}` is code for a processor; for `--target {GPU_TARGET}` there is `--emit ptx,header,c`",
            kind.name()
        ));
    }
    if settings.embed_weights {
        return refused(format!(
            "`--embed-weights` is about a library; with `--target {GPU_TARGET}` weights are a file beside the code"
        ));
    }
    if settings.name.is_some() && !settings.emit.iter().any(|&kind| is_for_gpu(kind)) {
        return refused("`--name` is about files that are written: give `--emit ptx`".to_owned());
    }
    settings.choices.device_code(architecture).map(Some)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn targets_and_architectures_have_names() {
        assert_eq!("nvptx64".parse(), Ok(CodeTarget::Gpu));
        let arm = CodeTarget::Processor("aarch64-apple-darwin".parse().unwrap());
        assert_eq!("aarch64-apple-darwin".parse(), Ok(arm));
        let told = |text: &str| text.parse::<CodeTarget>().unwrap_err();
        assert!(told("nvptx64-nvidia-cuda").ends_with("did you mean nvptx64?"));
        assert!(told("pdp11").ends_with("riscv64gc-unknown-linux-gnu, nvptx64"));
        assert_eq!(architecture("90a"), Ok(Architecture::Sm90a));
        assert_eq!(architecture("sm_75"), Ok(Architecture::Sm75));
        assert!(
            architecture("86")
                .unwrap_err()
                .starts_with("there is no code for sm_86; there is for 75, 80, 90a:")
        );
        let options = |math| DeviceOptions { architecture: Architecture::Sm80, math };
        assert_eq!([Math::F32, Math::Tf32].map(|math| variant_name(options(math))), ["sm_80", "sm_80-tf32"]);
    }
}
