//! What `--math` changes: the tiles that convolutions are computed by, and nothing that a comparison would see.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use dlc_driver::{
    BenchOptions, BenchTarget, CompareOptions, CompileChoices, CompileSettings, EvalSettings, ExplainOptions,
    Math, RewriteOptions, RunSettings, Silent, TimedOptions, TrainSettings, load_text,
};
use dlc_kernel::{Body, Role};
use dlc_types::Dim;
use std::path::Path;
use std::sync::atomic::AtomicBool;

const MODEL: &str = "dlc 1
model m(x: f32[N, 3, 16, 16]) -> (y) {
  h = x |> conv2d(64, kernel = 3, padding = same, bias = false) as first |> batch_norm() as norm |> relu()
  h = h |> conv2d(64, kernel = 3, padding = same) as second |> relu()
  y = h |> global_avg_pool() |> dense(3) as head
}
data d {
  source = synthetic(samples = 8, classes = 3) -> (x, t)
  batch = 2
}
train m on d {
  loss = cross_entropy(y, t)
  optimizer = sgd(lr = 0.1, momentum = 0.9)
  epochs = 1
}
";

fn strict() -> CompileChoices {
    CompileChoices { math: Math::Strict, ..CompileChoices::default() }
}

/// The extents of the parallel dimensions of all products of a training step.
fn parallel_extents(choices: &CompileChoices) -> Vec<Dim> {
    let model = load_text("m.dsl", MODEL, &[]).unwrap().model;
    let compilation = dlc_compiler::compile(&model, &choices.options(8).unwrap()).unwrap();
    let programs = compilation.functions.iter().map(|function| &function.lowered.program);
    let kernels = programs.flat_map(|program| program.kernels.values());
    let dims = kernels.flat_map(|kernel| match &kernel.body {
        Body::Contraction(contraction) => contraction.dims.clone(),
        Body::Loop(_) => Vec::new(),
    });
    dims.filter(|dim| dim.role == Role::Parallel).map(|dim| dim.extent).collect()
}

#[test]
fn strict_math_has_no_tiles_of_36_points() {
    let [large, small] = [36, 16].map(Dim::Fixed);
    let default = parallel_extents(&CompileChoices::default());
    assert!(default.contains(&large), "{default:?}");
    let strict = parallel_extents(&strict());
    assert!(!strict.contains(&large) && strict.contains(&small), "{strict:?}");
}

#[test]
fn strict_math_agrees_with_the_oracle() {
    let loaded = load_text("m.dsl", MODEL, &[]).unwrap();
    let options = CompareOptions { choices: strict(), ..CompareOptions::default() };
    let report = dlc_driver::compare_loaded(&loaded, &options).unwrap();
    assert!(report.agrees, "{:?}", report.mismatches);
    let compiled = dlc_driver::compile(&loaded, &CompileSettings { choices: strict(), ..Default::default() });
    assert_eq!(serde_json::to_value(compiled.unwrap()).unwrap()["math"], "strict");
}

#[test]
fn every_command_refuses_strict_math_with_fast_math() {
    let loaded = load_text("m.dsl", MODEL, &[]).unwrap();
    let rewrite = RewriteOptions { fast_math: true, ..RewriteOptions::default() };
    let choices = || CompileChoices { rewrite: rewrite.clone(), ..strict() };
    let nowhere = Path::new("nowhere");
    let evaluation = EvalSettings { choices: choices(), ..Default::default() };
    let training = TrainSettings { choices: choices(), ..Default::default() };
    let bench = BenchOptions {
        timed: TimedOptions { choices: choices(), ..TimedOptions::new(BenchTarget::Run) },
        against_baseline: false,
    };
    let mut input = tempfile::NamedTempFile::with_suffix(".npy").unwrap();
    std::io::Write::write_all(&mut input, &one_image()).unwrap();
    let run = RunSettings {
        inputs: vec![("x".to_owned(), input.path().to_owned())],
        choices: choices(),
        ..Default::default()
    };
    let refusals = [
        dlc_driver::compile(&loaded, &CompileSettings { choices: choices(), ..Default::default() }).err(),
        dlc_driver::compare_loaded(&loaded, &CompareOptions { choices: choices(), ..Default::default() })
            .err(),
        dlc_driver::explain(&loaded, &ExplainOptions { choices: choices(), ..Default::default() }).err(),
        dlc_driver::bench(&loaded, &bench).err(),
        dlc_driver::profile(&loaded, &bench.timed).err(),
        dlc_driver::run(&loaded, &run).err(),
        dlc_driver::evaluate(&loaded, nowhere, &evaluation).err(),
        dlc_driver::predict(&loaded, nowhere, &[], &evaluation).err(),
        dlc_driver::train(&loaded, &training, &mut Silent, &AtomicBool::new(false)).err(),
    ];
    for refusal in refusals {
        let text = refusal.unwrap().to_string();
        assert!(text.contains("`--math strict`") && text.contains("`--fast-math`"), "{text}");
    }
}

/// An image of zeros as an `.npy` file.
fn one_image() -> Vec<u8> {
    let tensor =
        dlc_runtime::HostTensor::new(dlc_abi::ElementType::F32, vec![1, 3, 16, 16], vec![0; 3 * 16 * 16 * 4]);
    dlc_driver::write_npy(&tensor.unwrap()).unwrap()
}
