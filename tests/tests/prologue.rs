//! What a function computes of parameters alone is computed once, and again after they have changed.

#![allow(clippy::unwrap_used, reason = "tests")]

use dlc_compiler::lower::Winograd;
use dlc_compiler::{CompileOptions, FunctionKind, compile};
use dlc_runtime::Session;
use dlc_tests::models::{from_file, function, inputs, program, repository, session};

fn predicted(session: &mut Session, batch: usize, fed: &[Vec<u8>]) -> Vec<u8> {
    let fed: Vec<&[u8]> = fed.iter().map(Vec::as_slice).collect();
    let mut output = vec![0; batch * 10 * 4];
    session.predict(batch, &fed, &mut [&mut output]).unwrap();
    output
}

#[test]
fn a_prediction_computes_folded_weights_once() {
    let loaded = from_file(&repository().join("bench/cases/resnet20-cifar.dsl"));
    let options = CompileOptions { winograd: Winograd::Off, ..CompileOptions::new(2) };
    let compilation = compile(&loaded.model, &options).unwrap();
    for compiled in &compilation.functions {
        let program = &compiled.lowered.program;
        let expected = matches!(program.name.as_str(), "predict" | "evaluate");
        assert_eq!(program.prologue > 0, expected, "{}", program.name);
    }
    let predict = &compilation.functions.iter().find(|compiled| compiled.name == "predict").unwrap().lowered;
    let behind = &predict.program.launches[predict.program.prologue..];
    assert!(
        behind.len() <= 27,
        "a kernel per convolution, the input's copy, pool and head: {}",
        behind.len()
    );
}

#[test]
fn predictions_follow_the_parameters() {
    let loaded = from_file(&repository().join("examples/resnet_cifar10.dsl"));
    let kinds = FunctionKind::STANDARD;
    let program = program(&loaded, &kinds, 3);
    let images = inputs(function(&program, "predict"), 3, 10, 1);
    let steps = inputs(function(&program, "train"), 3, 10, 2);
    let steps: Vec<&[u8]> = steps.iter().map(Vec::as_slice).collect();
    let mut report = vec![0.0; 2];
    let mut mixed = session(&program, 2, 5);
    let mut outputs = Vec::new();
    for _ in 0..2 {
        outputs.push(predicted(&mut mixed, 3, &images));
        assert_eq!(outputs.last(), Some(&predicted(&mut mixed, 3, &images)), "the same again");
        mixed.train_step(3, &steps, &mut report).unwrap();
    }
    outputs.push(predicted(&mut mixed, 3, &images));
    for (trained, output) in outputs.iter().enumerate() {
        let mut fresh = session(&program, 2, 5);
        for _ in 0..trained {
            fresh.train_step(3, &steps, &mut report).unwrap();
        }
        assert_eq!(predicted(&mut fresh, 3, &images), *output, "after {trained} steps");
    }
    assert_ne!(outputs[0], outputs[1]);
    let mut loaded = session(&program, 2, 6);
    let other = predicted(&mut loaded, 3, &images);
    assert_ne!(other, outputs[2]);
    for tensor in &program.interface().tensors {
        loaded.set_tensor(&tensor.name, &mixed.tensor(&tensor.name).unwrap()).unwrap();
    }
    assert_eq!(predicted(&mut loaded, 3, &images), outputs[2], "after loading");
}
