//! The examples train on their real data.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use dlc_compiler::emit::{Cpu, Target, jit};
use dlc_compiler::{CompileOptions, compile};
use dlc_runtime::{Program, Session};
use dlc_trainer::{RunOptions, Silent};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)
}

#[test]
fn digits_learns() {
    let (loaded, _, diagnostics) = dlc_dsl::load(&example("digits.dsl"), &Default::default());
    let loaded = loaded.unwrap_or_else(|| panic!("{diagnostics:?}"));
    let recipe = loaded.recipe.unwrap();
    let start = std::time::Instant::now();
    let compilation = compile(&loaded.model, &CompileOptions::new(recipe.data.batch)).unwrap();
    println!("compile {:?} {:?}", start.elapsed(), compilation.timings);
    let code = jit(&compilation, &Target::host(Cpu::Native).unwrap()).unwrap();
    println!("jit {:?}", start.elapsed());
    // SAFETY: the entries come from this compilation, and the owner keeps their memory.
    let program = unsafe { Program::new(compilation.interface.clone(), code.entries, code.owner) }.unwrap();
    let mut session = Session::new(Arc::new(program), 2).unwrap();
    let out = tempfile::tempdir().unwrap();
    let options =
        RunOptions { epochs: Some(4), threads: 2, out: out.path().to_owned(), ..RunOptions::default() };
    let report = dlc_trainer::train(
        &recipe,
        &loaded.folder,
        &mut session,
        &options,
        &mut Silent,
        &AtomicBool::new(false),
    );
    println!("{:?} {:?}", start.elapsed(), report.unwrap());
}
