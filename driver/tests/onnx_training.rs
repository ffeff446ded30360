//! ONNX models that are trained: what is kept, what is frozen, what is made anew.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "../../frontends/onnx/tests/models/mod.rs"]
mod models;

use dlc_driver::{OnnxTraining, TrainSettings, load_for_training, train};
use dlc_trainer::{Silent, read_checkpoint};
use models::*;
use std::sync::atomic::AtomicBool;

fn ramp(count: usize, step: f32) -> Vec<f32> {
    (0..count).map(|place| step * (place as f32 - 3.5)).collect()
}

/// Two dense layers on a free batch: 3 features, 4 hidden, 6 results.
fn two_layers() -> onnx_protobuf::ModelProto {
    let nodes = vec![
        node("Gemm", &["x", "body.weight", "body.bias"], &["h"], Vec::new()),
        node("Tanh", &["h"], &["a"], Vec::new()),
        node("Gemm", &["a", "fc.weight", "fc.bias"], &["y"], Vec::new()),
    ];
    let mut graph = graph(vec![info("x", 1, &[-1, 3])], vec![info("y", 1, &[-1, 6])], nodes);
    graph.initializer = vec![
        floats("body.weight", &[3, 4], &ramp(12, 0.1)),
        floats("body.bias", &[4], &ramp(4, 0.1)),
        floats("fc.weight", &[4, 6], &ramp(24, 0.2)),
        floats("fc.bias", &[6], &ramp(6, 0.1)),
    ];
    model(20, graph)
}

#[test]
fn a_head_is_made_anew_and_a_frozen_body_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (file, table) = (folder.path().join("net.onnx"), folder.path().join("rows.csv"));
    std::fs::write(&file, bytes(&two_layers())).unwrap();
    let rows: Vec<String> =
        (0..60).map(|row| format!("{},{},{},{}", row % 7, row % 5, row % 3, u8::from(row % 7 > 3))).collect();
    std::fs::write(&table, format!("a,b,c,kind\n{}\n", rows.join("\n"))).unwrap();
    let training = OnnxTraining {
        loss: Some("cross_entropy".to_owned()),
        optimizer: Some("adam(lr = 0.1)".to_owned()),
        data: Some(table.clone()),
        target: Some("kind".to_owned()),
        epochs: Some(60),
        freeze: vec!["body.*".to_owned()],
        replace: vec![("fc".to_owned(), "dense(5)".to_owned())],
        ..OnnxTraining::default()
    };
    let loaded = load_for_training(&file, &training, &[]).unwrap();
    let parameters = loaded.model.parameters.iter();
    let told: Vec<String> =
        parameters.map(|one| format!("{} {} {}", one.name, one.ty, one.trainable)).collect();
    assert_eq!(
        told,
        [
            "body.weight f32[3, 4] false",
            "body.bias f32[4] false",
            "fc.weight f32[4, 5] true",
            "fc.bias f32[5] true"
        ]
    );
    let settings = TrainSettings {
        data: Some(table),
        out: Some(folder.path().join("out")),
        threads: Some(1),
        ..TrainSettings::default()
    };
    let report = train(&loaded, &settings, &mut Silent, &AtomicBool::new(false)).unwrap();
    let accuracy = |epoch: usize| report.epochs[epoch].train.get("accuracy").unwrap();
    assert!(accuracy(59) > 0.8 && accuracy(59) > accuracy(0), "{} to {}", accuracy(0), accuracy(59));
    let saved = read_checkpoint(&std::fs::read(report.checkpoint).unwrap()).unwrap().model;
    assert_eq!(saved.tensors["body.weight"].f32_values().unwrap(), ramp(12, 0.1));
    assert_eq!(saved.tensors["fc.weight"].dims, [4, 5]);
}

#[test]
fn a_layer_that_is_not_there_is_told_with_the_nearest_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.onnx");
    std::fs::write(&file, bytes(&two_layers())).unwrap();
    let training = OnnxTraining {
        loss: Some("mse".to_owned()),
        optimizer: Some("sgd(lr = 0.1)".to_owned()),
        data: Some(folder.path().join("rows.csv")),
        target: Some("kind".to_owned()),
        epochs: Some(1),
        replace: vec![("boddy".to_owned(), "dense(5)".to_owned())],
        ..OnnxTraining::default()
    };
    let error = load_for_training(&file, &training, &[]).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    let text = error.to_string();
    assert!(text.ends_with("no initializer's name begins with `boddy.`; did you mean `body`?"), "{text}");
}
