//! Which machine the code is for, as cargo tells it.

use crate::Error;

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
}

impl From<Cpu> for dlc_driver::Cpu {
    fn from(cpu: Cpu) -> dlc_driver::Cpu {
        match cpu {
            Cpu::Portable => dlc_driver::Cpu::Portable,
            Cpu::Native => dlc_driver::Cpu::Native,
            Cpu::V3 => dlc_driver::Cpu::V3,
            Cpu::V4 => dlc_driver::Cpu::V4,
            Cpu::V3Vnni => dlc_driver::Cpu::V3Vnni,
            Cpu::V4Vnni => dlc_driver::Cpu::V4Vnni,
        }
    }
}

/// The widest that fits the features that Rust code is compiled for.
pub(crate) fn of_cargo() -> Cpu {
    widest(&std::env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default())
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
        _ => Cpu::Portable,
    }
}

/// That cargo builds for the kind of machine that it runs on.
pub(crate) fn check_target() -> Result<(), Error> {
    let named = |variable| std::env::var(variable).ok();
    match (named("TARGET"), named("HOST")) {
        (Some(target), Some(host)) if !same_machine(&target, &host) => Err(Error::new(format!(
            "models are compiled for {host}, where the build runs, not for {target}: build on such a machine"
        ))),
        _ => Ok(()),
    }
}

/// Triples that differ in their C library alone take the same object files.
fn same_machine(target: &str, host: &str) -> bool {
    let machine = |triple: &str| {
        let mut parts = triple.split('-');
        (parts.next().map(str::to_owned), parts.any(|part| part == "linux"))
    };
    target == host || (machine(target) == machine(host) && machine(host).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_as_wide_as_rust_code_is() {
        let v3 = "avx,avx2,bmi1,bmi2,fma,fxsr,lzcnt,movbe,sse,sse2";
        let v4 = format!("{v3},avx512bw,avx512cd,avx512dq,avx512f,avx512vl");
        assert_eq!(widest("fxsr,sse,sse2"), Cpu::Portable);
        assert_eq!(widest("avx2,fma"), Cpu::Portable);
        assert_eq!(widest(v3), Cpu::V3);
        assert_eq!(widest(&format!("{v3},avxvnni")), Cpu::V3Vnni);
        assert_eq!(widest(&v4), Cpu::V4);
        assert_eq!(widest(&format!("{v4},avx512vnni,avxvnni")), Cpu::V4Vnni);
    }

    #[test]
    fn machines_of_one_kind_take_the_same_code() {
        let host = "x86_64-unknown-linux-gnu";
        assert!(same_machine(host, host) && same_machine("x86_64-unknown-linux-musl", host));
        assert!(!same_machine("aarch64-unknown-linux-gnu", host));
        assert!(!same_machine("x86_64-pc-windows-msvc", host));
        assert!(!same_machine("x86_64-apple-darwin", "aarch64-apple-darwin"));
    }
}
