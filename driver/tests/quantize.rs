//! Trained models as integers of eight bits: what they lose, what is told of it, and every command with the result.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use dlc_abi::ElementType;
use dlc_driver::{
    Calibration, CompareOptions, DriverError, EngineKind, EvalSettings, ExportSettings, PredictSettings,
    QuantizeSettings, RunSettings, Silent, TrainSettings, compare_loaded, evaluate, export, load,
    load_for_checkpoint, predict, quantize, run_onnx, train, write_npy,
};
use dlc_runtime::{Checkpoint, HostTensor};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use tempfile::TempDir;

/// A model that was trained for a while, and the folder of its checkpoints.
struct Trained {
    file: PathBuf,
    folder: TempDir,
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)
}

impl Trained {
    fn new(name: &str, epochs: usize) -> Trained {
        let (file, folder) = (example(name), tempfile::tempdir().unwrap());
        let settings = TrainSettings {
            epochs: Some(epochs),
            threads: Some(1),
            out: Some(folder.path().to_owned()),
            ..TrainSettings::default()
        };
        train(&load(&file, &[]).unwrap(), &settings, &mut Silent, &AtomicBool::new(false)).unwrap();
        Trained { file, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn settings(&self, output: &str) -> QuantizeSettings {
        let settings = QuantizeSettings::new(Some(self.path("last.safetensors")), self.path(output));
        QuantizeSettings { threads: Some(2), ..settings }
    }

    fn test(&self, checkpoint: &str, engine: EngineKind) -> Vec<(String, f64)> {
        let checkpoint = self.path(checkpoint);
        let loaded = load_for_checkpoint(&self.file, &checkpoint, &[]).unwrap();
        let settings = EvalSettings { engine, threads: Some(1), ..EvalSettings::default() };
        evaluate(&loaded, &checkpoint, &settings).unwrap().evaluated.measures.0
    }
}

fn refused<T>(result: Result<T, DriverError>) -> String {
    match result {
        Err(error) => {
            assert_eq!(error.exit_code(), 1, "{error}");
            error.to_string()
        }
        Ok(_) => panic!("must be refused"),
    }
}

#[test]
fn examples_lose_little() {
    for (name, epochs, layers) in [
        ("digits.dsl", 4, 4),
        ("mlp_digits.dsl", 4, 4),
        ("breast_cancer.dsl", 10, 3),
        ("diabetes.dsl", 10, 3),
    ] {
        let trained = Trained::new(name, epochs);
        let report =
            quantize(&load(&trained.file, &[]).unwrap(), &trained.settings("q.safetensors")).unwrap();
        assert!(report.accepted && report.drop <= 0.01, "{name}: {report:?}");
        assert_eq!(report.layers.len(), layers, "{name}");
        assert!(report.output_error < 0.03, "{name}: {}", report.output_error);
        let before = trained.test("last.safetensors", EngineKind::default());
        let after = trained.test("q.safetensors", EngineKind::default());
        for ((metric, before), (_, after)) in
            before.iter().zip(&after).filter(|((name, _), _)| name != "loss")
        {
            let scale = before.abs().max(1.0);
            assert!((before - after).abs() / scale <= 0.02, "{name}: {metric} {before} {after}");
        }
        let table = std::fs::read_to_string(trained.path("q.csv")).unwrap();
        assert_eq!(table.lines().count(), layers + 1, "{table}");
    }
}

#[test]
fn every_command_takes_the_result() {
    let trained = Trained::new("digits.dsl", 3);
    let plain = load(&trained.file, &[]).unwrap();
    let report = quantize(&plain, &trained.settings("q.safetensors")).unwrap();
    assert!(report.accepted && report.bytes_after * 3 < report.bytes_before, "{report:?}");
    // Any number of threads writes the same bytes.
    for threads in [1, 4] {
        let settings = QuantizeSettings { threads: Some(threads), ..trained.settings("other.safetensors") };
        quantize(&plain, &settings).unwrap();
        let bytes = |name: &str| std::fs::read(trained.path(name)).unwrap();
        assert_eq!(bytes("q.safetensors"), bytes("other.safetensors"), "{threads} threads");
    }
    let checkpoint = trained.path("q.safetensors");
    let saved = Checkpoint::read(&checkpoint).unwrap();
    assert_eq!(saved.tensors["conv2.int8.weight"].element, ElementType::I8);
    assert!(!saved.tensors.contains_key("conv2.weight") && !saved.tensors.contains_key("norm2.mean"));
    // Compiled and interpreted numbers agree.
    assert_eq!(
        trained.test("q.safetensors", EngineKind::default())[1],
        trained.test("q.safetensors", EngineKind::Interpreter)[1]
    );
    let loaded = load_for_checkpoint(&trained.file, &checkpoint, &[]).unwrap();
    let compared = loaded.clone().with_weights_of(&checkpoint).unwrap();
    let comparison = compare_loaded(&compared, &CompareOptions::default()).unwrap();
    assert!(comparison.agrees, "{:?}", comparison.mismatches);
    // Rows of the data give the same classes in f32, as integers, and in the exported file.
    let text = std::fs::read_to_string(example("data/digits.csv")).unwrap();
    let rows: Vec<&str> = text.lines().take(41).collect();
    std::fs::write(trained.path("rows.csv"), rows.join("\n")).unwrap();
    let classes = |checkpoint: &Path| -> Vec<Option<usize>> {
        let loaded = load_for_checkpoint(&trained.file, checkpoint, &[]).unwrap();
        let report = predict(&loaded, checkpoint, &[trained.path("rows.csv")], &PredictSettings::default());
        report.unwrap().rows.iter().map(|row| row.class).collect()
    };
    let found = classes(&checkpoint);
    let same = classes(&trained.path("last.safetensors")).iter().zip(&found).filter(|(a, b)| a == b).count();
    assert!(found.len() == 40 && same >= 39, "{same} of {}", found.len());
    let settings = ExportSettings {
        output: trained.path("q.onnx"),
        checkpoint: Some(checkpoint),
        ..ExportSettings::default()
    };
    let exported = export(&loaded, &settings).unwrap();
    assert_eq!((exported.operators["ConvInteger"], exported.operators["MatMulInteger"]), (3, 1));
    let pixels: Vec<f32> = rows[1..]
        .iter()
        .flat_map(|row| row.split(',').take(64).map(|cell| cell.parse::<f32>().unwrap()).collect::<Vec<_>>())
        .collect();
    assert!(rows[0].ends_with("digit"), "the label is the last column");
    let array = HostTensor::from_f32(&[40, 1, 8, 8], &pixels).unwrap();
    std::fs::write(trained.path("rows.npy"), write_npy(&array).unwrap()).unwrap();
    let inputs = vec![("image".to_owned(), trained.path("rows.npy"))];
    let run = run_onnx(&trained.path("q.onnx"), &RunSettings { inputs, ..RunSettings::default() }).unwrap();
    let (_, _, values) = run.outputs().next().unwrap();
    let values = values.unwrap();
    let largest = |row: &[f64]| (0..10).max_by(|&a, &b| row[a].total_cmp(&row[b]));
    let by_onnx: Vec<Option<usize>> = values.chunks(10).map(largest).collect();
    assert_eq!(by_onnx, found);
}

#[test]
fn what_cannot_be_is_told() {
    let trained = Trained::new("digits.dsl", 2);
    let plain = load(&trained.file, &[]).unwrap();
    let settings = trained.settings("q.safetensors");
    let with = |change: &dyn Fn(&mut QuantizeSettings)| {
        let mut settings = settings.clone();
        change(&mut settings);
        quantize(&plain, &settings)
    };
    // Nothing is good enough for an accuracy that grows by half.
    let report = with(&|settings| settings.max_drop = -0.5).unwrap();
    assert!(!report.accepted && !settings.output.exists() && report.files.is_empty());
    let left: Vec<&str> = report.layers.iter().filter(|l| l.bits == 32).map(|l| l.name.as_str()).collect();
    let worst =
        report.layers.iter().max_by(|a, b| a.error_alone.partial_cmp(&b.error_alone).unwrap()).unwrap();
    assert_eq!(left, [worst.name.as_str()]);
    assert_eq!(refused(with(&|s| s.keep = vec!["hed".to_owned()])).lines().count(), 1);
    assert!(refused(with(&|s| s.keep = vec!["hed".to_owned()])).contains("did you mean `head`?"));
    assert!(refused(with(&|s| s.keep = vec!["*".to_owned()])).contains("leaves no layer"));
    assert!(refused(with(&|s| s.samples = 0)).contains("at least one sample"));
    assert!(refused(with(&|s| s.calibration = Calibration::Percentile(99.0))).contains("percentile"));
    assert!(refused(with(&|s| s.checkpoint = None)).contains("--checkpoint"));
    assert!(
        refused(with(&|s| s.output.clone_from(s.checkpoint.as_ref().unwrap()))).contains("another output")
    );
    let other = load(&example("mlp_digits.dsl"), &[]).unwrap();
    assert!(refused(quantize(&other, &settings)).contains("is of the model digits, not of mlp_digits"));
    let kept = with(&|s| s.keep = vec!["head.*".to_owned()]).unwrap();
    let head = kept.layers.iter().find(|layer| layer.name == "head").unwrap();
    assert_eq!((head.bits, head.reason.as_deref()), (32, Some("--keep")));
    assert!(Checkpoint::read(&settings.output).unwrap().tensors.contains_key("head.weight"));
    // The result is not quantised again, and not trained on.
    let loaded = load_for_checkpoint(&trained.file, &settings.output, &[]).unwrap();
    let again = QuantizeSettings::new(Some(settings.output.clone()), trained.path("again.safetensors"));
    assert!(refused(quantize(&loaded, &again)).contains("quantised already"));
    let resume = TrainSettings { resume: Some(settings.output.clone()), ..TrainSettings::default() };
    let error = refused(train(&loaded, &resume, &mut Silent, &AtomicBool::new(false)));
    assert!(error.contains("this checkpoint is quantised"), "{error}");
}

/// A model of one product, its weights, and samples in files.
struct Single {
    folder: TempDir,
    x: Vec<f32>,
    weights: Vec<f32>,
}

const SAMPLES: usize = 24;
const INPUTS: usize = 6;
const OUTPUTS: usize = 3;

impl Single {
    fn new() -> Single {
        let folder = tempfile::tempdir().unwrap();
        let text = "dlc 1\nmodel single(x: f32[N, 6]) -> (y) {\n  y = x |> dense(3) as head\n}\n";
        std::fs::write(folder.path().join("single.dsl"), text).unwrap();
        let wave =
            |count: usize, pace: f64| (0..count).map(|n| ((n as f64 * pace).sin() * 2.0) as f32).collect();
        let single =
            Single { folder, x: wave(SAMPLES * INPUTS, 0.71), weights: wave(INPUTS * OUTPUTS, 1.37) };
        let mut checkpoint = Checkpoint::default();
        let mut put = |name: &str, dims: &[usize], values: &[f32]| {
            checkpoint.tensors.insert(name.to_owned(), HostTensor::from_f32(dims, values).unwrap());
        };
        put("head.weight", &[INPUTS, OUTPUTS], &single.weights);
        put("head.bias", &[OUTPUTS], &[0.5, -0.25, 1.0]);
        checkpoint.tensors.insert("train.seed".to_owned(), HostTensor::scalar_i64(0));
        checkpoint.write(&single.path("single.safetensors")).unwrap();
        single
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn quantize(&self, x: &[f32]) -> Result<dlc_driver::QuantizeReport, DriverError> {
        let array = HostTensor::from_f32(&[x.len() / INPUTS, INPUTS], x).unwrap();
        std::fs::write(self.path("x.npy"), write_npy(&array).unwrap()).unwrap();
        let loaded = load(&self.path("single.dsl"), &[]).unwrap();
        let settings =
            QuantizeSettings::new(Some(self.path("single.safetensors")), self.path("q.safetensors"));
        let settings = QuantizeSettings {
            inputs: vec![("x".to_owned(), self.path("x.npy"))],
            calibration: Calibration::MinMax,
            max_drop: 0.2,
            ..settings
        };
        quantize(&loaded, &settings)
    }
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

#[test]
fn errors_are_what_the_formula_gives() {
    let single = Single::new();
    let report = single.quantize(&single.x).unwrap();
    let step = f64::from(single.x.iter().fold(0.0f32, |largest, x| largest.max(x.abs()))) / 127.0;
    let rounded = |value: f64, step: f64| (value / step).round_ties_even() * step;
    let weight = |i: usize, o: usize| f64::from(single.weights[i * OUTPUTS + o]);
    let coded = |i: usize, o: usize| {
        let largest = (0..INPUTS).map(|i| weight(i, o).abs()).fold(0.0, f64::max);
        rounded(weight(i, o), largest / 127.0)
    };
    let pairs = || (0..INPUTS).flat_map(|i| (0..OUTPUTS).map(move |o| (i, o)));
    let weight_error =
        norm(pairs().map(|(i, o)| weight(i, o) - coded(i, o))) / norm(pairs().map(|(i, o)| weight(i, o)));
    let bias = [0.5, -0.25, 1.0];
    let (mut plain, mut changed) = (Vec::new(), Vec::new());
    for row in single.x.chunks(INPUTS) {
        for (o, bias) in bias.iter().enumerate() {
            let y: f64 = row.iter().enumerate().map(|(i, &x)| f64::from(x) * weight(i, o)).sum();
            let q: f64 =
                row.iter().enumerate().map(|(i, &x)| rounded(f64::from(x), step) * coded(i, o)).sum();
            plain.push(y + bias);
            changed.push(q - y);
        }
    }
    let error = norm(changed.into_iter()) / norm(plain.into_iter());
    let head = &report.layers[0];
    let near = |found: Option<f64>, expected: f64| (found.unwrap() / expected - 1.0).abs() < 1e-4;
    assert!(near(head.weight_error, weight_error), "{head:?} {weight_error}");
    assert!(near(head.error_alone, error) && near(head.error_together, error), "{head:?} {error}");
    assert!((report.output_error / error - 1.0).abs() < 1e-4);
    let input = head.input.as_ref().unwrap();
    assert_eq!((input.dtype.as_str(), input.scale), ("i8", step as f32));
    assert_eq!(report.before.0, [("agreement".to_owned(), 1.0)]);
}

#[test]
fn numbers_that_are_none_are_told() {
    let single = Single::new();
    let mut x = single.x.clone();
    x[9] = f32::NAN;
    let error = refused(single.quantize(&x));
    assert!(error.contains("the input of the layer `head` is NaN"), "{error}");
    let mut checkpoint = Checkpoint::read(&single.path("single.safetensors")).unwrap();
    let broken = HostTensor::from_f32(&[INPUTS, OUTPUTS], &[f32::INFINITY; 18]).unwrap();
    checkpoint.tensors.insert("head.weight".to_owned(), broken);
    checkpoint.write(&single.path("single.safetensors")).unwrap();
    assert!(refused(single.quantize(&single.x)).contains("there is inf in its weights"));
    let loaded = load(&single.path("single.dsl"), &[]).unwrap();
    let settings =
        QuantizeSettings::new(Some(single.path("single.safetensors")), single.path("q.safetensors"));
    let error = refused(quantize(&loaded, &settings));
    assert!(error.contains("has no data section") && error.contains("--input x=@FILE.npy"), "{error}");
}
