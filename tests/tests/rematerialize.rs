//! Values that the backward pass computes again: the same steps to the bit, in less memory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use dlc_compiler::{Compilation, CompileOptions, FunctionKind, compile};
use dlc_dsl::Loaded;
use dlc_runtime::Checkpoint;
use dlc_tests::harness::load;
use dlc_tests::models::{from_file, function, inputs, repository, session, trained};
use std::sync::Arc;

const BATCH: usize = 16;

fn compiled(loaded: &Loaded, max_arena: Option<usize>) -> Compilation {
    let functions = vec![FunctionKind::Initialize, FunctionKind::Train];
    let options = CompileOptions { functions, max_arena, ..CompileOptions::new(BATCH) };
    compile(&loaded.model, &options).unwrap()
}

fn arena(compilation: &Compilation) -> usize {
    compilation.functions.iter().map(|function| function.lowered.program.arena_bytes).max().unwrap()
}

/// Parameters, states and losses after some steps, of whole and of smaller batches.
fn steps(compilation: &Compilation, classes: u32) -> (Checkpoint, Vec<u32>) {
    let program = load(compilation).unwrap();
    let mut session = session(&Arc::clone(&program), 2, 3);
    let mut losses = Vec::new();
    for step in 0..4 {
        let batch = if step == 2 { 5 } else { BATCH };
        let fed = inputs(function(&program, "train"), batch, classes, step);
        let fed: Vec<&[u8]> = fed.iter().map(Vec::as_slice).collect();
        let mut report = vec![0.0; function(&program, "train").outputs.len()];
        session.train_step(batch, &fed, &mut report).unwrap();
        losses.push(report[0].to_bits());
    }
    (session.checkpoint().unwrap(), losses)
}

/// The least arena that is found, as a share of the one that keeps all.
fn share(loaded: &Loaded, classes: u32) -> f64 {
    let whole = compiled(loaded, None);
    let (all, expected) = (arena(&whole), steps(&whole, classes));
    assert!(f32::from_bits(expected.1[3]).is_finite());
    // A limit that holds changes nothing.
    assert_eq!(compiled(loaded, Some(all)).functions[1].lowered.program, whole.functions[1].lowered.program);
    let mut least = all;
    for limit in [all - 1, all * 3 / 4, all / 2, 1] {
        let again = compiled(loaded, Some(limit));
        assert!(arena(&again) <= all);
        assert!(steps(&again, classes) == expected, "other numbers in {} of {all} bytes", arena(&again));
        least = least.min(arena(&again));
    }
    least as f64 / all as f64
}

/// A chain of convolutions, with draws that have to come out the same again.
#[test]
fn a_chain_with_dropout() {
    let layer = |number: usize| {
        format!(
            "  h = h |> conv2d(8, kernel = 3, padding = 1, bias = false) as c{number} |> batch_norm() as n{number} |> \
             relu() |> dropout(0.1)\n"
        )
    };
    let layers: String = (1..9).map(layer).collect();
    let body = format!(
        "  h = x |> conv2d(8, kernel = 3, padding = 1) as first |> relu()\n{layers}  y = h |> global_avg_pool() |> dense(10) \
         as head"
    );
    let rule = "  loss = cross_entropy(y, t)\n  optimizer = sgd(lr = 0.05, momentum = 0.9)";
    let share = share(&trained(&body, "f32[N, 3, 16, 16]", 10, BATCH, rule), 10);
    assert!(share < 0.7, "{share}");
}

#[test]
fn a_residual_network() {
    let file = repository().join("examples/resnet_cifar10.dsl");
    let share = share(&from_file(&file), 10);
    assert!(share < 0.7, "{share}");
}

/// Arms that the decoder reads, so that values cross many parts.
#[test]
fn a_network_with_arms() {
    let share = share(&from_file(&repository().join("examples/segmentation.dsl")), 3);
    assert!(share < 1.0, "{share}");
}
