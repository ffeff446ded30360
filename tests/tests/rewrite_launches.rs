//! Rewriting adds no work over the batch to any model of the repository: launches with rules and without.
//!
//! Folding weights is work too, but it does not grow with the batch, so it is not counted.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use dlc_compiler::rewrite::RuleSelection;
use dlc_compiler::{Compilation, CompileOptions, CompiledFunction, compile};
use dlc_tests::models::{all_files, from_file};

fn compiled(path: &std::path::Path, rules: RuleSelection) -> Compilation {
    let mut options = CompileOptions::new(32);
    options.rewrite.rules = rules;
    compile(&from_file(path).model, &options).unwrap()
}

/// Launches that compute a value of batch size, and all.
fn launches(function: &CompiledFunction) -> (usize, usize) {
    let lowered = &function.lowered;
    // The steps of a scan are taken to be over the batch.
    let over_batch = |&&node: &&dlc_ir::NodeId| {
        lowered.function.nodes[node].ty.tensor().is_none_or(|ty| ty.shape.has_batch())
    };
    (lowered.purposes.iter().filter(over_batch).count(), lowered.program.launches.len())
}

#[test]
fn no_function_gets_more_launches_over_the_batch() {
    for path in all_files() {
        let (off, on) = (compiled(&path, RuleSelection::Off), compiled(&path, RuleSelection::All));
        for (before, after) in off.functions.iter().zip(&on.functions) {
            let name = format!("{} {}", path.file_name().unwrap().to_string_lossy(), before.name);
            let ((before, all), (after, all_after)) = (launches(before), launches(after));
            println!("{name}: {before} -> {after} over the batch, {all} -> {all_after} in all");
            assert!(after <= before, "{name}: {before} launches over the batch become {after}");
        }
    }
}
