//! NVIDIA's assembler takes every text for every architecture, and says what each kernel takes of a multiprocessor.
//!
//! A test that finds no assembler says so and, where `DLC_REQUIRE_TOOLS` is set, fails.

use crate::cases::{BATCH, CASES, LARGE, kernel, module, module_with};
use dlc_codegen_ptx::{Architecture, Math, Options, emit_module};
use dlc_kernel::Kernel;
use dlc_ptx_machine::assembler::{assemble, ptxas};
use expect_test::expect_file;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// The release whose reports the golden file holds.
const RELEASE: &str = "V12.9.86";

/// What the assembler says of a text: registers, spills, shared memory.
pub(crate) fn report(
    ptxas: &Path,
    folder: &Path,
    name: &str,
    text: &str,
    architecture: Architecture,
) -> String {
    let said = assemble(ptxas, folder, text, architecture.name())
        .unwrap_or_else(|said| panic!("{name} for {architecture}: {said}"));
    // Of `wgmma` it says where it had to wait, or to take one after the other.
    for word in ["warning", "wgmma", "warpgroup"] {
        assert!(!said.contains(word), "{name} for {architecture}: {said}");
    }
    let number = |behind: &str| -> u32 {
        let before = said.split(behind).next().filter(|before| before.len() < said.len());
        let word = before.and_then(|before| before.split_whitespace().last());
        word.and_then(|word| word.parse().ok()).unwrap_or(0)
    };
    let spilled = number(" bytes spill stores") + number(" bytes spill loads") + number(" bytes stack frame");
    format!("{} registers, {spilled} spilled, {} shared", number(" registers"), number(" bytes smem"))
}

#[test]
fn every_text_assembles_for_every_architecture() {
    let Some(ptxas) = ptxas() else { return };
    let version = Command::new(&ptxas).arg("--version").output().unwrap();
    let pinned = String::from_utf8_lossy(&version.stdout).contains(RELEASE);
    let folder = tempfile::tempdir().unwrap();
    let mut table = String::new();
    for (name, text) in CASES.iter().chain(LARGE) {
        for architecture in Architecture::ALL {
            let plain = module(name, text, architecture);
            let report = |text: &str| report(&ptxas, folder.path(), name, text, architecture);
            writeln!(table, "{name} {architecture}: {}", report(&plain.text)).unwrap();
            for (math, called) in [(Math::Tf32, "tf32"), (Math::Bf16, "bf16")] {
                let tensor = module_with(name, text, architecture, math);
                if tensor != plain {
                    writeln!(table, "{name} {architecture} {called}: {}", report(&tensor.text)).unwrap();
                }
            }
        }
    }
    // Another release allocates registers in another way.
    if pinned {
        expect_file!["golden/resources.txt"].assert_eq(&table);
    }
}

/// A module of several kernels whose names could be taken for those of others' parameters, labels and tables.
#[test]
fn names_of_kernels_meet_nothing() {
    let kernels: Vec<_> = CASES.iter().map(|(name, text)| kernel(name, text)).collect();
    let names =
        ["sum", "sum_0", "sum_batch", "_batch", "_operand0", "_L1", "_shared", "WARP_SZ", "add", "ret"];
    let named: Vec<(&str, &Kernel)> = names.into_iter().chain(["sum"; 20]).zip(&kernels).collect();
    for architecture in Architecture::ALL {
        let module =
            emit_module("names", &named, Options { architecture, math: Math::F32, batch_max: BATCH })
                .unwrap();
        let entries: BTreeSet<&str> = module.entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(entries.len(), named.len());
        let Some(ptxas) = ptxas() else { return };
        let folder = tempfile::tempdir().unwrap();
        report(&ptxas, folder.path(), "names", &module.text, architecture);
    }
}
