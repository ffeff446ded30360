//! Which machine the code is for, as cargo tells it.

use crate::Error;
use dlc_driver::Platform;

/// Instructions that code may use: a program runs on machines that have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cpu {
    /// What every machine of the target's kind has, or nearly (x86-64-v2).
    Portable,
    /// All that the machine has which compiles.
    Native,
    /// AVX2 and FMA (x86-64-v3).
    V3,
    /// AVX-512 (x86-64-v4).
    V4,
    /// [`Cpu::V3`] with AVX-VNNI, for quantised models.
    V3Vnni,
    /// [`Cpu::V4`] with AVX512_VNNI, for quantised models.
    V4Vnni,
    /// [`Cpu::Portable`], [`Cpu::V3`] and [`Cpu::V4`] in one program, which takes the widest that the machine has.
    Multi,
}

impl Cpu {
    /// What the driver calls it; of [`Cpu::Multi`] the first.
    pub(crate) fn of_driver(self) -> dlc_driver::Cpu {
        match self {
            Cpu::Portable | Cpu::Multi => dlc_driver::Cpu::Portable,
            Cpu::Native => dlc_driver::Cpu::Native,
            Cpu::V3 => dlc_driver::Cpu::V3,
            Cpu::V4 => dlc_driver::Cpu::V4,
            Cpu::V3Vnni => dlc_driver::Cpu::V3Vnni,
            Cpu::V4Vnni => dlc_driver::Cpu::V4Vnni,
        }
    }
}

/// What fits the features that Rust code is compiled for: exactly those, or all levels where it is for any machine.
pub(crate) fn of_cargo(platform: Option<Platform>) -> Cpu {
    let features = std::env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let has_wide = platform.or_else(Platform::host).is_some_and(Platform::takes_wide_kernels);
    if has_wide { widest(&features) } else { Cpu::Portable }
}

fn widest(features: &str) -> Cpu {
    let has = |wanted: &[&str]| wanted.iter().all(|wanted| features.split(',').any(|one| one == *wanted));
    let v3 = has(&["avx2", "fma", "bmi1", "bmi2", "lzcnt", "movbe"]);
    let v4 = v3 && has(&["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]);
    match (v3, v4) {
        (_, true) if has(&["avx512vnni"]) => Cpu::V4Vnni,
        (_, true) => Cpu::V4,
        (true, _) if has(&["avxvnni"]) => Cpu::V3Vnni,
        (true, _) => Cpu::V3,
        _ => Cpu::Multi,
    }
}

/// The platform that cargo builds for, where it is another than the one that the build runs on.
pub(crate) fn platform() -> Result<Option<Platform>, Error> {
    let named = |variable| std::env::var(variable).ok();
    match (named("TARGET"), named("HOST")) {
        (Some(target), host) if Some(&target) != host.as_ref() => {
            target.parse().map(Some).map_err(|text: String| Error::new(text))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_as_wide_as_rust_code_is() {
        let v3 = "avx,avx2,bmi1,bmi2,fma,fxsr,lzcnt,movbe,sse,sse2";
        let v4 = format!("{v3},avx512bw,avx512cd,avx512dq,avx512f,avx512vl");
        assert_eq!(widest("fxsr,sse,sse2"), Cpu::Multi);
        assert_eq!(widest("avx2,fma"), Cpu::Multi);
        assert_eq!(widest(v3), Cpu::V3);
        assert_eq!(widest(&format!("{v3},avxvnni")), Cpu::V3Vnni);
        assert_eq!(widest(&v4), Cpu::V4);
        assert_eq!(widest(&format!("{v4},avx512vnni,avxvnni")), Cpu::V4Vnni);
    }
}
