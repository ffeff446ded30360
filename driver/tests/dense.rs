//! A dense net through every command: compiled, compared, trained, resumed, evaluated, used.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

use dlc_driver::{
    ArtifactKind, BenchOptions, BenchTarget, CompareOptions, CompileChoices, CompileSettings, DriverError,
    EngineKind, EvalSettings, Outcome, RewriteOptions, RuleSelection, RunSettings, Silent, TimedOptions,
    TrainSettings, load, load_text,
};
use dlc_types::random::Stream;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

const MODEL: &str = "dlc 1

model points(x: f32[N, 3]) -> (logits) {
  h = x |> dense(16) as hidden |> relu()
  logits = h |> dense(2) as head
}

data table {
  source    = csv(\"points.csv\", target = \"side\") -> (x, side)
  transform = x |> standardize()
  split     = split(validation = 0.1, test = 0.2)
  batch     = 16
}

train points on table {
  loss      = cross_entropy(logits, side)
  metrics   = accuracy(logits, side)
  optimizer = adam(lr = one_cycle(max = 0.05))
  epochs    = 4
}
";

/// A folder with the model and points on either side of a plane.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("points.dsl"), MODEL).unwrap();
    let mut draws = Stream::new(1, 2, 3);
    let mut text = "a,b,c,side\n".to_owned();
    for _ in 0..300 {
        let [a, b, c] = std::array::from_fn(|_| draws.unit() * 4.0 - 2.0);
        text.push_str(&format!("{a},{b},{c},{}\n", u8::from(a + 2.0 * b - c > 0.0)));
    }
    std::fs::write(folder.path().join("points.csv"), text).unwrap();
    folder
}

fn model(folder: &Path) -> dlc_driver::Loaded {
    load(&folder.join("points.dsl"), &[]).unwrap()
}

fn settings(out: PathBuf) -> TrainSettings {
    TrainSettings { threads: Some(2), out: Some(out), ..TrainSettings::default() }
}

fn train(folder: &Path, settings: &TrainSettings) -> dlc_driver::TrainReport {
    dlc_driver::train(&model(folder), settings, &mut Silent, &AtomicBool::new(false)).unwrap()
}

#[test]
fn training_learns_and_the_checkpoint_evaluates_and_predicts() {
    let folder = folder();
    let report = train(folder.path(), &settings(folder.path().join("run")));
    assert_eq!(report.outcome, Outcome::Finished);
    assert_eq!(report.epochs.len(), 4);
    let accuracy = report.test.as_ref().unwrap().get("accuracy").unwrap();
    assert!(accuracy > 0.85, "{accuracy}");
    let evaluated =
        dlc_driver::evaluate(&model(folder.path()), &report.checkpoint, &EvalSettings::default()).unwrap();
    assert_eq!(Some(&evaluated.evaluated.measures), report.test.as_ref());
    let rows = folder.path().join("new.csv");
    std::fs::write(&rows, "a,b,c\n2,2,-2\n-2,-2,2\n").unwrap();
    let predicted =
        dlc_driver::predict(&model(folder.path()), &report.checkpoint, &[rows], &EvalSettings::default())
            .unwrap();
    let classes: Vec<_> = predicted.rows.iter().map(|row| row.class.unwrap()).collect();
    assert_eq!(classes, [1, 0]);
    assert!(predicted.rows.iter().all(|row| row.probability.unwrap() > 0.9), "{predicted:?}");
}

#[test]
fn a_stopped_and_resumed_run_is_one_run_bit_for_bit_and_so_are_other_threads() {
    let folder = folder();
    let whole = train(folder.path(), &settings(folder.path().join("whole")));
    let stopped = train(
        folder.path(),
        &TrainSettings { stop_after: Some(2), threads: Some(1), ..settings(folder.path().join("parts")) },
    );
    assert_eq!(stopped.outcome, Outcome::Stopped);
    let resumed = train(
        folder.path(),
        &TrainSettings {
            resume: Some(stopped.checkpoint),
            threads: Some(3),
            ..settings(folder.path().join("parts"))
        },
    );
    assert_eq!(std::fs::read(whole.checkpoint).unwrap(), std::fs::read(resumed.checkpoint).unwrap());
}

#[test]
fn the_interpreter_trains_to_nearly_the_same_loss() {
    let folder = folder();
    let losses = [EngineKind::default(), EngineKind::Interpreter].map(|engine| {
        let out = folder.path().join(format!("{engine:?}"));
        let report = train(folder.path(), &TrainSettings { engine, stop_after: Some(1), ..settings(out) });
        report.epochs[0].train.get("loss").unwrap()
    });
    assert!((losses[0] - losses[1]).abs() < 1e-4 * losses[1], "{losses:?}");
}

#[test]
fn compiled_and_interpreted_numbers_agree() {
    let folder = folder();
    let report =
        dlc_driver::compare(&folder.path().join("points.dsl"), &[], &CompareOptions::default()).unwrap();
    assert!(report.agrees, "{report:#?}");
    assert!(report.local.values > 10 && report.local.worst_error > 0.0, "{:#?}", report.local);
    assert_eq!(report.gradients.unwrap().parameters, 4);
    assert!(report.end_to_end.iter().any(|output| output.function == "predict"));
}

#[test]
fn artifacts_are_written_and_the_arena_is_bounded() {
    let folder = folder();
    let out = folder.path().join("out");
    let all = CompileSettings {
        output_dir: Some(out.clone()),
        emit: ArtifactKind::ALL.into_iter().filter(|&kind| kind != ArtifactKind::Ptx).collect(),
        // PTX is for another target. A library is of prediction alone, unless it trains.
        train: true,
        dump_phases: Some(folder.path().join("phases")),
        ..CompileSettings::default()
    };
    let report = dlc_driver::compile(&model(folder.path()), &all).unwrap();
    assert_eq!(report.parameters, 3 * 16 + 16 + 16 * 2 + 2);
    assert_eq!(report.batch, 16);
    let predict = report.functions.iter().find(|function| function.name == "predict").unwrap();
    assert_eq!(predict.flops, 2 * 16 * (3 * 16 + 16 * 2));
    for function in &report.functions {
        for moved in [function.moved, function.baseline] {
            assert!(moved.kernels > 0 && moved.kernels <= moved.launches, "{function:?}");
            assert!(moved.bytes() > 0 && moved.bytes() == moved.contraction_bytes + moved.other_bytes);
        }
    }
    // Both weight matrices are read and both layers' results written or read at least once.
    assert!(predict.moved.bytes() >= 4 * (3 * 16 + 16 * 2 + 16 * (3 + 16 + 16 + 2)), "{predict:?}");
    for name in ["ir", "kernels", "clif", "before.dot", "after.dot", "before.svg", "after.svg"] {
        let text = std::fs::read_to_string(out.join(format!("points.train.{name}"))).unwrap();
        assert!(text.len() > 100, "{name}");
    }
    let kernels = std::fs::read_to_string(out.join("points.train.kernels")).unwrap();
    dlc_kernel::parse_program(&kernels).unwrap();
    let refused = CompileSettings { max_arena: Some(16), ..CompileSettings::default() };
    let error = dlc_driver::compile(&model(folder.path()), &refused).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("--max-arena"), "{error}");
}

#[test]
fn inference_reads_and_writes_arrays() {
    let folder = folder();
    let x = dlc_runtime::HostTensor::from_f64(&[2, 3], &[1.0, 2.0, 3.0, -1.0, 0.5, 0.0]).unwrap();
    let path = folder.path().join("x.npy");
    std::fs::write(&path, dlc_driver::write_npy(&x).unwrap()).unwrap();
    let outputs = [EngineKind::default(), EngineKind::Interpreter].map(|engine| {
        let settings = RunSettings {
            inputs: vec![("x".to_owned(), path.clone())],
            seed: 3,
            engine,
            output_dir: Some(folder.path().join("outputs")),
            ..RunSettings::default()
        };
        let report = dlc_driver::run(&model(folder.path()), &settings).unwrap();
        assert_eq!(report.batch, 2);
        let written = dlc_driver::read_npy(&std::fs::read(&report.files[0]).unwrap()).unwrap();
        assert_eq!(written, report.outputs[0].1);
        written.f32_values().unwrap()
    });
    assert!(outputs[0].iter().zip(&outputs[1]).all(|(a, b)| (a - b).abs() < 1e-5), "{outputs:?}");
    let run = |inputs| {
        let settings = RunSettings { inputs, ..RunSettings::default() };
        dlc_driver::run(&model(folder.path()), &settings).unwrap_err()
    };
    assert!(run(vec![]).to_string().contains("`x` (f32[N, 3]) is missing"));
    let unknown = run(vec![("y".to_owned(), path.clone())]);
    assert!(unknown.to_string().contains("no input `y`"), "{unknown}");
    let wrong = dlc_runtime::HostTensor::from_f32(&[2, 4], &[0.0; 8]).unwrap();
    std::fs::write(&path, dlc_driver::write_npy(&wrong).unwrap()).unwrap();
    let misfit = run(vec![("x".to_owned(), path.clone())]);
    assert!(misfit.to_string().contains("f32[N, 3]") && misfit.to_string().contains("f32[2, 4]"), "{misfit}");
}

#[test]
fn checks_report_gradients_and_missing_data() {
    let folder = folder();
    let file = folder.path().join("points.dsl");
    assert!(dlc_driver::check(&file, &[]).unwrap().diagnostics.all.is_empty());
    std::fs::remove_file(folder.path().join("points.csv")).unwrap();
    let report = dlc_driver::check(&file, &[]).unwrap();
    assert!(!report.diagnostics.has_errors());
    assert!(report.diagnostics.all[0].message.contains("points.csv"));
    let error = dlc_driver::train(
        &model(folder.path()),
        &settings(folder.path().join("run")),
        &mut Silent,
        &AtomicBool::new(false),
    );
    assert_eq!(error.unwrap_err().exit_code(), 1);
    let broken =
        load_text("m.dsl", "dlc 1\nmodel m(x: f32[N, 3]) -> (y) {\n  y = x |> dens(2) as a\n}\n", &[]);
    assert!(matches!(broken, Err(DriverError::Invalid { .. })));
    let (text, formatted) = dlc_driver::format_file(&file).unwrap();
    assert_eq!(text, formatted);
}

#[test]
fn a_checkpoint_of_one_rewriting_goes_on_under_another() {
    let folder = folder();
    let rewrite = RewriteOptions { rules: RuleSelection::Off, ..RewriteOptions::default() };
    let off = CompileChoices { rewrite, ..CompileChoices::default() };
    let first =
        TrainSettings { stop_after: Some(1), choices: off.clone(), ..settings(folder.path().join("off")) };
    let report = train(folder.path(), &first);
    let on = TrainSettings { resume: Some(report.checkpoint), ..settings(folder.path().join("on")) };
    let resumed = train(folder.path(), &on);
    assert_eq!(resumed.outcome, Outcome::Finished);
    let measured = |choices: CompileChoices| {
        let settings = EvalSettings { choices, ..EvalSettings::default() };
        let report = dlc_driver::evaluate(&model(folder.path()), &resumed.checkpoint, &settings).unwrap();
        report.evaluated.measures.0.iter().map(|(_, value)| *value).collect::<Vec<_>>()
    };
    for (with, without) in measured(CompileChoices::default()).into_iter().zip(measured(off)) {
        assert!((with - without).abs() <= 1e-5 * without.abs().max(1.0), "{with} {without}");
    }
}

#[test]
fn a_benchmark_checks_and_measures() {
    let folder = folder();
    let options = BenchOptions {
        timed: TimedOptions { batch: Some(16), threads: Some(1), ..TimedOptions::new(BenchTarget::Train) },
        against_baseline: true,
    };
    let report = dlc_driver::bench(&model(folder.path()), &options).unwrap();
    assert!(report.min_ms > 0.0 && report.min_ms <= report.median_ms, "{report:?}");
    assert!(report.share.is_some_and(|share| share > 0.0 && share < 1.0), "{report:?}");
    let keys: Vec<String> =
        serde_json::to_value(report).unwrap().as_object().unwrap().keys().cloned().collect();
    let expected = ["median_ms", "min_ms", "gflops", "samples_per_s", "peak_gflops", "share", "baseline_ms"];
    assert_eq!(keys, expected);
    assert!(report.baseline_ms.is_some_and(|baseline| baseline > 0.0));
}

#[test]
fn layers_are_listed_with_their_cost() {
    let text = "dlc 1\nmodel m(x: f32[N, 3, 8, 8]) -> (y) {\n  h = x |> conv2d(4, kernel = 3, padding = same) as a |> relu()\n  \
                h = h |> conv2d(4, kernel = 3, padding = same, dilation = 2, bias = false) as b\n  y = h |> flatten() |> dense(2) as head\n}\n";
    let report = dlc_driver::inspect(&load_text("m.dsl", text, &[]).unwrap()).unwrap();
    let layer = |path: &str| report.layers.iter().find(|layer| layer.path == path).unwrap();
    assert_eq!((layer("a").receptive_field, layer("a").parameters), (Some(3), 4 * 3 * 9 + 4));
    assert_eq!((layer("b").receptive_field, layer("b").flops), (Some(7), 2 * 4 * 64 * 4 * 9));
    assert_eq!(layer("head").receptive_field, None);
    assert_eq!(report.parameters, 112 + 144 + 256 * 2 + 2);
    assert_eq!(report.flops, report.layers.iter().map(|layer| layer.flops).sum::<u64>());
}
