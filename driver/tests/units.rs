//! A scaled target: the loss is of scaled values, and whoever reads predictions or metrics reads the target's own units,
//! by every command and in every form of the model.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use dlc_driver::{
    ArtifactKind, CompileSettings, EngineKind, EvalSettings, ExportSettings, Loaded, QuantizeSettings,
    RunSettings, Silent, TrainSettings, load, load_for_checkpoint, quantize, write_npy,
};
use dlc_runtime::{Checkpoint, HostTensor};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

/// Two targets of different size, so that a scale per column is seen.
const ROWS: [(f64, f64, f64); 6] = [
    (0.0, 1000.0, -3.0),
    (1.0, 1100.0, -2.5),
    (2.0, 1150.0, -1.0),
    (3.0, 1300.0, 0.5),
    (4.0, 1350.0, 2.0),
    (5.0, 1500.0, 4.0),
];
/// Weights and biases of the two outputs.
const WEIGHTS: [(f64, f64); 2] = [(0.5, -0.75), (-0.25, 0.5)];

fn text(step: &str) -> String {
    format!(
        "dlc 1
model m(x: f32[N, 1]) -> (y) {{ y = x |> dense(2) as head }}
data table {{
  source = csv(\"table.csv\", target = [\"a\", \"b\"]) -> (x, t)
  transform = t |> {step}
  batch = 4
}}
train m on table {{
  loss = mse(y, t)
  metrics = mae(y, t), rmse(y, t), r2(y, t), mse(y, t) as squares
  optimizer = sgd(lr = 1e-9)
  epochs = 1
}}
"
    )
}

/// The model's file and a checkpoint with what training fitted and the weights above.
fn trained(folder: &Path, step: &str) -> (Loaded, PathBuf) {
    let rows: String = ROWS.iter().map(|(x, a, b)| format!("{x},{a},{b}\n")).collect();
    std::fs::write(folder.join("table.csv"), format!("x,a,b\n{rows}")).unwrap();
    std::fs::write(folder.join("m.dsl"), text(step)).unwrap();
    let loaded = load(&folder.join("m.dsl"), &[]).unwrap_or_else(|error| panic!("{error}"));
    assert!(loaded.diagnostics.all.is_empty(), "{:?}", loaded.diagnostics);
    let settings =
        TrainSettings { threads: Some(1), out: Some(folder.join("run")), ..TrainSettings::default() };
    let report = dlc_driver::train(&loaded, &settings, &mut Silent, &AtomicBool::new(false)).unwrap();
    // Metrics of training steps are in the target's units, too, and the loss is not.
    let train = &report.epochs[0].train;
    let (loss, mae) = (train.get("loss").unwrap(), train.get("mae").unwrap());
    assert!(mae > 20.0 && (loss < 100.0 || step.starts_with("normalize")), "{train:?}");
    let path = folder.join("run/last.safetensors");
    let mut checkpoint = Checkpoint::read(&path).unwrap();
    let mut put = |name: &str, dims: &[usize], values: [f64; 2]| {
        let tensor = HostTensor::from_f32(dims, &values.map(|value| value as f32)).unwrap();
        assert!(checkpoint.tensors.insert(name.to_owned(), tensor).is_some());
    };
    put("head.weight", &[1, 2], WEIGHTS.map(|(weight, _)| weight));
    put("head.bias", &[2], WEIGHTS.map(|(_, bias)| bias));
    checkpoint.write(&path).unwrap();
    (loaded, path)
}

/// Both columns of the table.
fn targets() -> [[f64; 6]; 2] {
    [ROWS.map(|(_, a, _)| a), ROWS.map(|(_, _, b)| b)]
}

/// Offset and divisor of a column, by hand.
fn fitted(step: &str, column: [f64; 6]) -> (f64, f64) {
    let least = column.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = column.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mean = column.iter().sum::<f64>() / 6.0;
    let variance = column.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 6.0;
    match step {
        "standardize()" => (mean, variance.sqrt()),
        "min_max()" => (least, greatest - least),
        _ => (10.0, 4.0),
    }
}

/// What the model says of a row in the target's units: a list per column.
fn predictions(step: &str) -> [[f64; 6]; 2] {
    let targets = targets();
    [0, 1].map(|output| {
        let (offset, divisor) = fitted(step, targets[output]);
        let (weight, bias) = WEIGHTS[output];
        ROWS.map(|(x, _, _)| (weight * x + bias) * divisor + offset)
    })
}

fn near(found: f64, wanted: f64, what: &str) {
    assert!((found - wanted).abs() <= 2e-6 * wanted.abs().max(1.0), "{what}: {found}, not {wanted}");
}

/// Rows of both outputs.
fn check_rows(found: &[f64], step: &str, what: &str) {
    let wanted = predictions(step);
    assert_eq!(found.len(), 12, "{what}");
    for (place, value) in found.iter().enumerate() {
        near(*value, wanted[place % 2][place / 2], &format!("{step}, {what}, {place}"));
    }
}

const STEPS: [&str; 3] = ["standardize()", "min_max()", "normalize(mean = 10, std = 4)"];
const ENGINES: [fn() -> EngineKind; 2] = [EngineKind::default, || EngineKind::Interpreter];

#[test]
fn predictions_and_metrics_are_in_the_units_of_the_target() {
    for step in STEPS {
        let folder = tempfile::tempdir().unwrap();
        let (loaded, checkpoint) = trained(folder.path(), step);
        let table = folder.path().join("table.csv");
        for engine in ENGINES {
            let settings = EvalSettings { engine: engine(), threads: Some(2), ..EvalSettings::default() };
            let files = [table.clone()];
            let report = dlc_driver::predict(&loaded, &checkpoint, &files, &settings).unwrap();
            let found: Vec<f64> = report.rows.iter().flat_map(|row| row.outputs[0].clone()).collect();
            check_rows(&found, step, "predict");

            let report = dlc_driver::evaluate(&loaded, &checkpoint, &settings).unwrap();
            let measures = report.evaluated.measures;
            let (targets, made) = (targets(), predictions(step));
            let over = |output: usize, of: &dyn Fn(f64, f64) -> f64| {
                targets[output].iter().zip(made[output]).map(|(&t, y)| of(y, t)).sum::<f64>() / 6.0
            };
            let both = |of: &dyn Fn(f64, f64) -> f64| (over(0, of) + over(1, of)) / 2.0;
            let square = |y: f64, t: f64| (y - t).powi(2);
            let got = |name: &str| measures.get(name).unwrap();
            near(got("mae"), both(&|y, t| (y - t).abs()), "mae");
            near(got("squares"), both(&square), "squares");
            near(got("rmse"), (over(0, &square).sqrt() + over(1, &square).sqrt()) / 2.0, "rmse");
            let explained = |output: usize| {
                let mean = over(output, &|_, t| t);
                1.0 - over(output, &square) / over(output, &|_, t| (t - mean).powi(2))
            };
            near(got("r2"), (explained(0) + explained(1)) / 2.0, "r2");
            // The loss is what is minimised: of scaled values.
            let scaled = |output: usize| over(output, &square) / fitted(step, targets[output]).1.powi(2);
            near(got("loss"), (scaled(0) + scaled(1)) / 2.0, "loss");
        }
    }
}

#[test]
fn a_run_and_an_exported_file_give_them_too() {
    for step in STEPS {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let (loaded, checkpoint) = trained(folder, step);
        let x = HostTensor::from_f32(&[6, 1], &ROWS.map(|(x, _, _)| x as f32)).unwrap();
        std::fs::write(folder.join("x.npy"), write_npy(&x).unwrap()).unwrap();
        let inputs = vec![("x".to_owned(), folder.join("x.npy"))];
        let output = folder.join("m.onnx");
        let settings = ExportSettings {
            output: output.clone(),
            checkpoint: Some(checkpoint.clone()),
            ..ExportSettings::default()
        };
        let exported = dlc_driver::export(&loaded, &settings).unwrap();
        assert!(exported.operators.contains_key("Div"), "{:?}", exported.operators);
        let file = load(&output, &[]).unwrap_or_else(|error| panic!("{error}"));
        for engine in ENGINES {
            for (model, checkpoint) in [(&loaded, Some(checkpoint.clone())), (&file, None)] {
                let settings = RunSettings {
                    inputs: inputs.clone(),
                    checkpoint,
                    engine: engine(),
                    ..RunSettings::default()
                };
                let outputs = dlc_driver::run(model, &settings).unwrap().outputs;
                let found: Vec<f64> = outputs[0].1.f32_values().unwrap().into_iter().map(f64::from).collect();
                check_rows(&found, step, "run");
            }
        }
    }
}

#[test]
fn a_quantised_model_gives_them_too() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (loaded, checkpoint) = trained(folder, STEPS[0]);
    let output = folder.join("q.safetensors");
    let settings = QuantizeSettings::new(Some(checkpoint), output.clone());
    // The greatest error of eight bits is far below it.
    let report = quantize(&loaded, &QuantizeSettings { max_drop: 0.5, ..settings }).unwrap();
    assert!(report.accepted && report.layers.iter().all(|layer| layer.bits == 8), "{report:?}");
    let loaded = load_for_checkpoint(&folder.join("m.dsl"), &output, &[]).unwrap();
    let files = [folder.join("table.csv")];
    let report = dlc_driver::predict(&loaded, &output, &files, &EvalSettings::default()).unwrap();
    for (row, place) in report.rows.iter().zip(0..) {
        for (output, found) in row.outputs[0].iter().enumerate() {
            let wanted = predictions(STEPS[0])[output][place];
            let unit = fitted(STEPS[0], targets()[output]).1;
            assert!((found - wanted).abs() < 0.05 * unit, "{place}: {found}, not {wanted}");
        }
    }
    // The metrics are those of the whole model, too.
    let report = dlc_driver::evaluate(&loaded, &output, &EvalSettings::default()).unwrap();
    let mae = report.evaluated.measures.get("mae").unwrap();
    let (targets, made) = (targets(), predictions(STEPS[0]));
    let errors = (0..2).flat_map(|output| (0..6).map(move |place| (output, place)));
    let wanted = errors.map(|(o, p)| (made[o][p] - targets[o][p]).abs()).sum::<f64>() / 12.0;
    assert!((mae - wanted).abs() < 0.05 * wanted, "{mae}, not {wanted}");
}

const PROGRAM: &str = r#"
#include "net.h"
#include <stdio.h>
int main(int count, char **arguments)
{
    net_options options = NET_OPTIONS;
    net *model;
    float x[] = {0, 1, 2, 3, 4, 5}, y[12];
    int place;
    if (count != 2 || net_create(&model, &options) != DLC_OK) return 1;
    if (net_load(model, arguments[1], DLC_LOAD_ALL) != DLC_OK) return 2;
    for (place = 0; place < 6; place += 3)
        if (net_predict(model, 3, x + place, y + 2 * place) != DLC_OK) return 3;
    for (place = 0; place < 12; place++) printf("%.9g\n", y[place]);
    return net_destroy(model) == DLC_OK ? 0 : 4;
}
"#;

#[test]
fn a_library_gives_them_too() {
    let version = Command::new("cc").arg("--version").output();
    if !version.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("DLC_REQUIRE_TOOLS").is_none(), "cc is missing");
        eprintln!("skipped: cc is missing");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (loaded, checkpoint) = trained(folder, STEPS[0]);
    let settings = CompileSettings {
        output_dir: Some(folder.to_owned()),
        emit: vec![ArtifactKind::Obj, ArtifactKind::Header, ArtifactKind::C],
        checkpoint: Some(checkpoint),
        name: Some("net".to_owned()),
        ..CompileSettings::default()
    };
    dlc_driver::compile(&loaded, &settings).unwrap();
    std::fs::write(folder.join("main.c"), PROGRAM).unwrap();
    let parts =
        ["-std=c99", "-I.", "-pthread", "-o", "main", "main.c", "net.c", "dlc_runtime.c", "net.o", "-lm"];
    let built = Command::new("cc").current_dir(folder).args(parts).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let run = Command::new(folder.join("main")).arg(folder.join("net.safetensors")).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    let printed = String::from_utf8(run.stdout).unwrap();
    let found: Vec<f64> = printed.lines().map(|line| line.parse().unwrap()).collect();
    check_rows(&found, STEPS[0], "library");
}
