//! Twenty steps of every optimiser and schedule against PyTorch, by compiled code and by the oracle.
//!
//! Cases and figures are `tests/reference/training.txt`, made by `training.py` beside it in `f64` from the same
//! start. Losses and weights stay within 1e-5.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use dlc_abi::ElementType;
use dlc_compiler::{CompileOptions, FunctionKind, compile};
use dlc_driver::{Cpu, Interpreted, native_session};
use dlc_runtime::{Checkpoint, HostTensor, LoadPolicy};
use dlc_tests::models::from_text;
use dlc_tests::reference::{Case, assert_near, cases};
use dlc_trainer::Engine;

const STEPS: usize = 20;
const EPOCH_STEPS: i32 = 5;
const BATCH: usize = 4;
const TOLERANCE: f64 = 1e-5;
const PARAMETERS: [&str; 6] =
    ["conv.weight", "conv.bias", "hidden.weight", "hidden.bias", "head.weight", "head.bias"];

fn text(case: &Case) -> String {
    format!(
        "dlc 1\n\nmodel net(x: f32[N, 2, 6]) -> (y) {{\n  \
         h = x |> conv1d(3, kernel = 3) as conv |> tanh() |> flatten() |> dense(5) as hidden |> tanh()\n  \
         y = h |> dense(2) as head\n}}\n\n\
         data d {{\n  source = synthetic(samples = 4) -> (x, t)\n  batch = 4\n}}\n\n\
         train net on d {{\n  loss = mse(y, t)\n{}\n  epochs = 4\n}}\n",
        case.lines.join("\n")
    )
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn begin(engine: &mut dyn Engine, start: &Case) {
    engine.initialize(1).unwrap();
    for name in PARAMETERS {
        let own = engine.interface().tensors.iter().find(|tensor| tensor.name == name).unwrap();
        let value = HostTensor::from_f32(&own.dims.clone(), &start.floats(name)).unwrap();
        engine.set_tensor(name, &value).unwrap();
    }
    engine.set_total_steps(STEPS).unwrap();
    if engine.interface().tensors.iter().any(|tensor| tensor.name == "train.epoch_steps") {
        let bytes = EPOCH_STEPS.to_ne_bytes().to_vec();
        let steps = HostTensor { element: ElementType::I32, dims: Vec::new(), bytes };
        engine.set_tensor("train.epoch_steps", &steps).unwrap();
    }
}

fn step(engine: &mut dyn Engine, start: &Case) -> f64 {
    let train = engine.interface().functions.iter().find(|function| function.name == "train").unwrap();
    let inputs: Vec<Vec<u8>> = train.inputs.iter().map(|port| bytes(&start.floats(&port.name))).collect();
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    let mut report = [0.0];
    engine.train_step(BATCH, &inputs, &mut report).unwrap();
    f64::from(report[0])
}

fn values(checkpoint: &Checkpoint, name: &str) -> Vec<f64> {
    checkpoint.tensors[name].f32_values().unwrap().into_iter().map(f64::from).collect()
}

/// Runs all steps and compares what they leave.
fn follow(engine: &mut dyn Engine, start: &Case, case: &Case, who: &str) -> Checkpoint {
    begin(engine, start);
    let losses: Vec<f64> = (0..STEPS).map(|_| step(engine, start)).collect();
    let what = |part: &str| format!("{} by the {who}, {part}", case.name);
    assert_near(&what("losses"), &losses, case.of("losses"), TOLERANCE);
    let checkpoint = engine.checkpoint().unwrap();
    for (name, expected) in case.numbers.iter().filter(|(name, _)| *name != "losses") {
        assert_near(&what(name), &values(&checkpoint, name), expected, TOLERANCE);
    }
    checkpoint
}

fn check(case: &Case, start: &Case) {
    let loaded = from_text(&text(case));
    let options = CompileOptions {
        functions: vec![FunctionKind::Initialize, FunctionKind::Train],
        ..CompileOptions::new(BATCH)
    };
    let compilation =
        compile(&loaded.model, &options).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    follow(&mut Interpreted::new(&compilation).unwrap(), start, case, "oracle");
    let mut session = native_session(&compilation, 2, Cpu::Native).unwrap();
    let whole = follow(&mut session, start, case, "compiled code");
    // Stopped after an odd number of steps and resumed in another session.
    let mut first = native_session(&compilation, 1, Cpu::Native).unwrap();
    begin(&mut first, start);
    for _ in 0..7 {
        step(&mut first, start);
    }
    let mut second = native_session(&compilation, 2, Cpu::Native).unwrap();
    Engine::restore(&mut second, &Engine::checkpoint(&first).unwrap(), LoadPolicy::Exact).unwrap();
    for _ in 7..STEPS {
        step(&mut second, start);
    }
    assert_eq!(Engine::checkpoint(&second).unwrap(), whole, "{} resumed", case.name);
}

/// A share of the cases, so that shares run at once; each that fails is told.
fn share(part: usize, of: usize) {
    let cases = cases("training.txt");
    let (start, cases) = cases.split_first().unwrap();
    assert!(cases.len() >= 38, "cases are missing");
    let cases = cases.iter().skip(part).step_by(of);
    let failed: Vec<&str> = cases
        .filter(|case| std::panic::catch_unwind(|| check(case, start)).is_err())
        .map(|case| case.name.as_str())
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn first_half() {
    share(0, 2);
}

#[test]
fn second_half() {
    share(1, 2);
}
