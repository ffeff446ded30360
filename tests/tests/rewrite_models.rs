//! Rewriting keeps what the functions of the examples and bench cases compute.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use dlc_compiler::composite::expand_composites;
use dlc_compiler::rewrite::{RewriteOptions, RewriteReport, rewrite};
use dlc_compiler::step;
use dlc_interp::{Data, Tensor};
use dlc_ir::{Function, Op, OutputRole};
use dlc_tests::harness::random_tensor;
use dlc_types::random::Stream;
use std::path::{Path, PathBuf};

/// Folders with models, from this crate.
const FOLDERS: [&str; 2] = ["../examples", "../bench/cases"];

fn models() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.extend(entries.filter(|path| path.extension().is_some_and(|it| it == "dsl")));
    }
    files.sort();
    files
}

/// The expanded predict function and, where there is one, training step.
fn functions(path: &Path) -> Vec<Function> {
    let (loaded, _, diagnostics) = dlc_dsl::load(path, &Default::default());
    let model = loaded.unwrap_or_else(|| panic!("{diagnostics:?}")).model;
    let mut functions = vec![model.predict.without_dead_nodes()];
    functions.extend(step::training_step(&model));
    functions.iter().map(|function| expand_composites(function).unwrap()).collect()
}

fn rewritten(function: &Function) -> (Function, RewriteReport) {
    rewrite(function, &RewriteOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn times() {
    for path in models() {
        for function in functions(&path) {
            let start = std::time::Instant::now();
            let (after, report) = rewritten(&function);
            println!(
                "{} {}: {} -> {} nodes, {} equal, {:?}",
                path.file_name().unwrap().to_string_lossy(),
                function.name,
                report.nodes_before,
                after.nodes.len(),
                report.common_subexpressions,
                start.elapsed()
            );
            for region in &report.regions {
                println!("   {region:?}");
            }
            println!("   {:?}", report.fired);
        }
    }
}
