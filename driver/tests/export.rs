//! `dlc export` from files to files: what a user meets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "../../frontends/onnx/tests/models/mod.rs"]
mod models;

use dlc_driver::{ExportSettings, RunSettings, export, load, run, write_npy};
use dlc_runtime::{Checkpoint, HostTensor};
use models::*;
use std::path::{Path, PathBuf};

fn settings(output: PathBuf) -> ExportSettings {
    ExportSettings { output, seed: 7, ..ExportSettings::default() }
}

/// What a model gives for one input.
fn outputs(model: &Path, input: &Path) -> Vec<(String, HostTensor)> {
    let loaded = load(model, &[]).unwrap_or_else(|error| panic!("{error}"));
    let inputs = vec![("x".to_owned(), input.to_owned())];
    run(&loaded, &RunSettings { inputs, seed: 7, ..RunSettings::default() }).unwrap().outputs
}

const TEXT: &str = "dlc 1\n\nmodel net(x: f32[N, 3]) -> (y) {\n  y = x |> dense(4) as first |> relu() |> dense(2) as last\n}\n";

#[test]
fn a_text_and_a_file_made_of_it_give_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("net.dsl"), TEXT).unwrap();
    let input = HostTensor::from_f32(&[2, 3], &[1.0, -2.0, 3.0, 0.5, 0.25, -0.125]).unwrap();
    std::fs::write(file("x.npy"), write_npy(&input).unwrap()).unwrap();
    let loaded = load(&file("net.dsl"), &[]).unwrap();
    // The usual name is a word of the language.
    let report = export(&loaded, &settings(file("model.onnx"))).unwrap();
    assert_eq!((report.weights, report.weight_bytes), (4, 4 * (12 + 4 + 8 + 2)));
    assert_eq!(
        report.operators.iter().map(|(name, count)| (name.as_str(), *count)).collect::<Vec<_>>(),
        [("Gemm", 2), ("Relu", 1)]
    );
    let expected = outputs(&file("net.dsl"), &file("x.npy"));
    assert_eq!(outputs(&file("model.onnx"), &file("x.npy")), expected);
    // A file made of the file has the weights of the file, and the same bytes.
    let again = load(&file("model.onnx"), &[]).unwrap();
    export(&again, &ExportSettings { seed: 1, ..settings(file("again.onnx")) }).unwrap();
    assert_eq!(outputs(&file("again.onnx"), &file("x.npy")), expected);
}

#[test]
fn a_checkpoint_gives_weights_and_scaling() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let sections = "data d {\n  source = csv(\"d.csv\", target = \"t\") -> (x, t)\n  \
                    transform = x |> standardize()\n}\ntrain net on d {\n  loss = mse(y, t)\n  \
                    optimizer = sgd(lr = 0.1)\n  epochs = 1\n}\n";
    std::fs::write(file("net.dsl"), format!("{TEXT}{sections}")).unwrap();
    let loaded = load(&file("net.dsl"), &[]).unwrap();
    let mut checkpoint = Checkpoint::default();
    let mut put = |name: &str, dims: &[usize]| {
        let values = vec![0.5; dims.iter().product()];
        checkpoint.tensors.insert(name.to_owned(), HostTensor::from_f32(dims, &values).unwrap());
    };
    put("first.weight", &[3, 4]);
    put("first.bias", &[4]);
    put("last.weight", &[4, 2]);
    put("last.bias", &[2]);
    let mut scale = |part: &str, values: &[f64]| {
        let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
        let tensor = HostTensor::from_f32(&[values.len()], &values).unwrap();
        checkpoint.tensors.insert(format!("data.scaling.x.{part}"), tensor);
    };
    scale("offset", &[1.0, 2.0, 3.0]);
    scale("factor", &[0.5, 0.5, 0.5]);
    checkpoint.write(&file("net.safetensors")).unwrap();
    let settings = ExportSettings { checkpoint: Some(file("net.safetensors")), ..settings(file("net.onnx")) };
    let report = export(&loaded, &settings).unwrap();
    assert_eq!(report.operators.keys().collect::<Vec<_>>(), ["Gemm", "Mul", "Relu", "Sub"]);
    // Raw values, which the file's own graph scales to 1, 1 and 2.
    let input = HostTensor::from_f32(&[1, 3], &[3.0, 4.0, 7.0]).unwrap();
    std::fs::write(file("x.npy"), write_npy(&input).unwrap()).unwrap();
    // (1 + 1 + 2) / 2 + 0.5 = 2.5, four times, halved and summed, plus 0.5.
    let expected = HostTensor::from_f32(&[1, 2], &[5.5, 5.5]).unwrap();
    assert_eq!(outputs(&file("net.onnx"), &file("x.npy"))[0].1, expected);

    std::fs::write(file("other.dsl"), format!("{TEXT}{sections}").replace("dense(4)", "dense(5)")).unwrap();
    let other = load(&file("other.dsl"), &[]).unwrap();
    let error = export(&other, &settings).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    let text = error.to_string();
    assert!(text.ends_with("`first.weight` is f32[3, 4], but f32[3, 5] in the model `net`"), "{text}");
}

#[test]
fn what_has_no_form_is_told_in_one_list() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.onnx");
    let (pool, cast) = (vec![ints("kernel_shape", &[2, 2])], vec![int("to", 6)]);
    let nodes =
        vec![node("MaxPool", &["x"], &["y", "places"], pool), node("BitCast", &["x"], &["bits"], cast)];
    let results = vec![info("places", 7, &[1, 1, 3, 3]), info("bits", 6, &[1, 1, 4, 4])];
    let model = model(26, graph(vec![info("x", 1, &[1, 1, 4, 4])], results, nodes));
    std::fs::write(&path, bytes(&model)).unwrap();
    let loaded = load(&path, &[]).unwrap_or_else(|error| panic!("{error}"));
    let error = export(&loaded, &settings(folder.path().join("out.onnx"))).unwrap_err();
    assert_eq!(error.exit_code(), 4);
    expect_test::expect![[r#"
        the model `m` has what ONNX has no form for:
          window_argmax in `MaxPool`: ONNX has no such operator
          bitcast in `BitCast`: reading the bits of a value as i32"#]]
    .assert_eq(&error.to_string());
    assert!(!folder.path().join("out.onnx").exists());
}
