//! Values that the backward pass computes again: the same steps in less memory.
//!
//! Copies compute the same, draws included. What is fused to what depends on who reads a value, though, and with it the order
//! of sums over a batch, so numbers agree as those of other kernels do.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use dlc_compiler::{Compilation, CompileOptions, FunctionKind, compile};
use dlc_dsl::Loaded;
use dlc_runtime::Checkpoint;
use dlc_tests::harness::{agree, load};
use dlc_tests::models::{from_file, function, inputs, repository, session, tensor_of_host, trained};
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

/// Parameters and states after a step, and its loss.
fn step(compilation: &Compilation, classes: u32) -> (Checkpoint, f32) {
    let program = load(compilation).unwrap();
    let mut session = session(&Arc::clone(&program), 2, 3);
    let train = function(&program, "train");
    let fed = inputs(train, BATCH, classes, 1);
    let fed: Vec<&[u8]> = fed.iter().map(Vec::as_slice).collect();
    let mut report = vec![0.0; train.outputs.iter().map(|port| port.elements(BATCH)).sum()];
    session.train_step(BATCH, &fed, &mut report).unwrap();
    (session.checkpoint().unwrap(), report[0])
}

/// That two steps are the same but for the order of sums: their losses, and where `exactly` all that they leave.
fn assert_same(found: &(Checkpoint, f32), expected: &(Checkpoint, f32), exactly: bool, what: &str) {
    assert!((found.1 - expected.1).abs() <= 1e-5 * expected.1.abs(), "{what}: {}, {}", found.1, expected.1);
    for (name, tensor) in expected.0.tensors.iter().filter(|_| exactly) {
        let found = tensor_of_host(&found.0.tensors[name]);
        agree(&found, &tensor_of_host(tensor)).unwrap_or_else(|fault| panic!("{what}, {name}: {fault}"));
    }
}

/// The least arena that is found, as a share of the one that keeps all.
fn share(loaded: &Loaded, classes: u32, exactly: bool) -> f64 {
    let whole = compiled(loaded, None);
    let (all, expected) = (arena(&whole), step(&whole, classes));
    // A limit that holds changes nothing.
    assert_eq!(compiled(loaded, Some(all)).functions[1].lowered.program, whole.functions[1].lowered.program);
    let mut least = all;
    for limit in [all - 1, all * 3 / 4, all / 2, 1] {
        let again = compiled(loaded, Some(limit));
        assert!(arena(&again) <= all);
        let what = format!("{} of {all} bytes", arena(&again));
        assert_same(&step(&again, classes), &expected, exactly, &what);
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
    let share = share(&trained(&body, "f32[N, 3, 16, 16]", 10, BATCH, rule), 10, true);
    assert!(share < 0.8, "{share}");
}

#[test]
fn a_residual_network() {
    let file = repository().join("examples/resnet_cifar10.dsl");
    let share = share(&from_file(&file), 10, true);
    assert!(share < 0.7, "{share}");
}

/// Arms that the decoder reads, so that values cross many parts. Adam's first step divides gradients by themselves, which
/// makes much of the last places of small ones.
#[test]
fn a_network_with_arms() {
    let share = share(&from_file(&repository().join("examples/segmentation.dsl")), 3, false);
    assert!(share < 1.0, "{share}");
}
