//! Runs whose updates are more than a rule: averages, groups, gathered gradients, rates that depend on epochs and
//! on what is measured. Each is stopped, resumed, evaluated.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

use dlc_driver::{
    EvalSettings, ExportSettings, Loaded, RunSettings, Silent, TrainReport, TrainSettings, load,
};
use dlc_runtime::{Checkpoint, HostTensor};
use dlc_types::random::Stream;
use std::path::Path;
use std::sync::atomic::AtomicBool;

const MODEL: &str = "dlc 1

model points(x: f32[N, 3]) -> (logits) {
  h = x |> dense(16, init = orthogonal) as hidden |> batch_norm() as norm |> relu()
  logits = h |> dense(2, init = truncated_normal(0.1)) as head
}

data table {
  source    = csv(\"points.csv\", target = \"side\") -> (x, side)
  split     = split(validation = 0.1, test = 0.2)
  batch     = 16
}

train points on table {
  loss      = cross_entropy(logits, side, label_smoothing = 0.05) + l2(\"*.weight\", 1e-4)
  metrics   = accuracy(logits, side)
";

fn folder(training: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("points.dsl"), format!("{MODEL}{training}}}\n")).unwrap();
    let mut draws = Stream::new(1, 2, 3);
    let mut text = "a,b,c,side\n".to_owned();
    for _ in 0..300 {
        let [a, b, c] = std::array::from_fn(|_| draws.unit() * 4.0 - 2.0);
        text.push_str(&format!("{a},{b},{c},{}\n", u8::from(a + 2.0 * b - c > 0.0)));
    }
    std::fs::write(folder.path().join("points.csv"), text).unwrap();
    folder
}

fn model(folder: &Path) -> Loaded {
    load(&folder.join("points.dsl"), &[]).unwrap()
}

fn train(folder: &Path, out: &str, settings: TrainSettings) -> TrainReport {
    let settings = TrainSettings { threads: Some(2), out: Some(folder.join(out)), ..settings };
    dlc_driver::train(&model(folder), &settings, &mut Silent, &AtomicBool::new(false)).unwrap()
}

/// The whole run; the same run stopped and resumed must leave the same bytes.
fn whole_and_in_parts(folder: &Path) -> TrainReport {
    let whole = train(folder, "whole", TrainSettings::default());
    let stopped = train(folder, "parts", TrainSettings { stop_after: Some(3), ..TrainSettings::default() });
    let settings = TrainSettings { resume: Some(stopped.checkpoint), ..TrainSettings::default() };
    let resumed = train(folder, "parts", settings);
    assert_eq!(std::fs::read(&whole.checkpoint).unwrap(), std::fs::read(resumed.checkpoint).unwrap());
    whole
}

#[test]
fn muon_with_groups_averages_and_warm_up() {
    let folder = folder(
        "  optimizer  = muon(lr = warmup(cosine(0.02), over = 1), except = \"head\")\n  \
         groups     = group([\"*.bias\", \"norm\"], weight_decay = 0)\n  clip       = norm(1.0)\n  \
         accumulate = 3\n  average    = ema(decay = 0.8)\n  epochs     = 6\n",
    );
    let report = whole_and_in_parts(folder.path());
    let accuracy = report.test.as_ref().unwrap().get("accuracy").unwrap();
    assert!(accuracy > 0.85, "{accuracy}");
    let evaluated =
        dlc_driver::evaluate(&model(folder.path()), &report.checkpoint, &EvalSettings::default()).unwrap();
    assert_eq!(Some(&evaluated.evaluated.measures), report.test.as_ref());
}

/// Prediction takes the averages, or the weights where a file has weights alone.
#[test]
fn prediction_by_the_average() {
    let folder = folder("  optimizer = adamw(lr = 0.05)\n  average   = swa(start = 2)\n  epochs    = 5\n");
    let report = whole_and_in_parts(folder.path());
    let mut checkpoint = Checkpoint::read(&report.checkpoint).unwrap();
    let input = folder.path().join("x.npy");
    let x = HostTensor::from_f32(&[2, 3], &[1.0, 0.5, -0.5, -1.0, 0.25, 2.0]).unwrap();
    std::fs::write(&input, dlc_driver::write_npy(&x).unwrap()).unwrap();
    let run = |checkpoint: &Checkpoint| {
        let path = folder.path().join("weights.safetensors");
        checkpoint.write(&path).unwrap();
        let settings = RunSettings {
            inputs: vec![("x".to_owned(), input.clone())],
            checkpoint: Some(path),
            ..RunSettings::default()
        };
        dlc_driver::run(&model(folder.path()), &settings).unwrap().outputs[0].1.clone()
    };
    let by_average = run(&checkpoint);
    let names: Vec<String> = checkpoint.tensors.keys().cloned().collect();
    let averages: Vec<&String> = names.iter().filter(|name| name.ends_with(".average")).collect();
    assert_eq!(averages.len(), 8, "{averages:?}");
    // The averages as the weights of a file that has none.
    let mut moved = checkpoint.clone();
    for name in &averages {
        let value = moved.tensors.remove(*name).unwrap();
        moved.tensors.insert(name.trim_end_matches(".average").to_owned(), value);
    }
    assert_eq!(run(&moved), by_average);
    let exported = |checkpoint: &Checkpoint| {
        let path = folder.path().join("weights.safetensors");
        checkpoint.write(&path).unwrap();
        let output = folder.path().join("points.onnx");
        let settings =
            ExportSettings { output: output.clone(), checkpoint: Some(path), ..ExportSettings::default() };
        dlc_driver::export(&model(folder.path()), &settings).unwrap();
        std::fs::read(output).unwrap()
    };
    assert_eq!(exported(&checkpoint), exported(&moved));
    checkpoint.tensors.retain(|name, _| !name.ends_with(".average"));
    assert_ne!(run(&checkpoint), by_average);
}

/// With a threshold of all, no epoch after the first is better, so the rate falls after every second one.
#[test]
fn rates_that_fall_on_a_plateau() {
    let folder = folder(
        "  optimizer = nadam(lr = plateau(step(0.01, every = 4, factor = 0.5), factor = 0.1, patience = 1, threshold = 1))\n  \
         epochs    = 7\n",
    );
    let report = whole_and_in_parts(folder.path());
    let rates: Vec<f64> = report.epochs.iter().map(|epoch| epoch.lr.unwrap()).collect();
    let expected = [0.01, 0.01, 0.01, 1e-3, 5e-4, 5e-5, 5e-5];
    for (rate, expected) in rates.iter().zip(expected) {
        assert!((rate / expected - 1.0).abs() < 1e-5, "{rates:?}");
    }
}
