//! The loop with an engine made by hand: stopping and resuming, divergence, evaluation, prediction.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod fake;

use dlc_runtime::HostTensor;
use dlc_trainer::{
    Engine, EpochReport, InitialTensors, Observer, Outcome, RateAt, RunOptions, Silent, StepReport,
    TrainError, TrainReport, evaluate, predict, read_checkpoint, train,
};
use fake::{Linear, regression, write_table};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn options(folder: &Path, out: &str) -> RunOptions {
    RunOptions { out: folder.join(out), ..RunOptions::default() }
}

fn run(folder: &Path, options: &RunOptions) -> Result<TrainReport, TrainError> {
    train(&regression(), folder, &mut Linear::new(), options, &mut Silent, &AtomicBool::new(false))
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).unwrap()
}

#[test]
fn a_run_learns_and_reports() {
    let folder = tempfile::tempdir().unwrap();
    write_table(folder.path(), 103);
    let mut options = options(folder.path(), "out");
    options.rate_at = Some(RateAt(Arc::new(|step, total, _| step as f64 / total as f64)));
    options.epochs = Some(30);
    let mut engine = Linear::new();
    let report =
        train(&regression(), folder.path(), &mut engine, &options, &mut Silent, &AtomicBool::new(false))
            .unwrap();
    // 72 samples to train on: nine batches of 8.
    assert_eq!((report.outcome, report.epochs.len(), engine.total_steps), (Outcome::Finished, 30, 270));
    assert_eq!(report.epochs[29].lr, Some(269.0 / 270.0));
    let names: Vec<&str> = report.epochs[0].train.0.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["loss", "mae"]);
    assert!(report.test.as_ref().unwrap().get("loss").unwrap() < 1e-3, "{:?}", report.test);
    let table = String::from_utf8(read(folder.path(), "out/metrics.csv")).unwrap();
    assert!(table.starts_with("epoch,lr,train_loss,train_mae,validation_loss,validation_mae\n1,"));
    assert_eq!(table.lines().count(), 31);
    // Every epoch shows each training sample once.
    let mut epochs = engine.seen.chunks(72).map(|seen| {
        let mut seen = seen.to_vec();
        seen.sort_unstable();
        seen
    });
    let first = epochs.next().unwrap();
    assert!(epochs.all(|epoch| epoch == first));
    assert_ne!(engine.seen[..72], engine.seen[72..144]);
}

/// An engine that takes its time is told what comes next, since the loader has made it by then.
#[test]
fn the_next_samples_are_told_where_they_are_ready() {
    let folder = tempfile::tempdir().unwrap();
    write_table(folder.path(), 103);
    let run = |slowness, name: &str| {
        let mut engine = Linear::new();
        engine.slowness = slowness;
        let options = options(folder.path(), name);
        train(&regression(), folder.path(), &mut engine, &options, &mut Silent, &AtomicBool::new(false))
            .unwrap();
        engine
    };
    let (slow, quick) = (run(5, "slow"), run(0, "quick"));
    // Four epochs of nine steps, of each of which the first is nobody's next.
    assert!((1..=32).contains(&slow.as_told), "{}", slow.as_told);
    assert!(
        slow.seen == quick.seen
            && read(folder.path(), "slow/last.safetensors") == read(folder.path(), "quick/last.safetensors")
    );
}

#[test]
fn a_run_begins_with_what_came_with_the_model() {
    let folder = tempfile::tempdir().unwrap();
    write_table(folder.path(), 40);
    let mut options = options(folder.path(), "out");
    options.epochs = Some(1);
    let plain = run(folder.path(), &options).unwrap().epochs[0].train.get("loss").unwrap();
    let far = |name: &str| match name {
        "weights" => HostTensor::from_f32(&[3], &[1e3; 3]).map(Some),
        _ => Ok(None),
    };
    options.initial = InitialTensors(Arc::new(far));
    let given = run(folder.path(), &options).unwrap().epochs[0].train.get("loss").unwrap();
    assert!(given > 1e3 * plain, "{given} beside {plain}");
}

#[test]
fn stopped_and_resumed_equals_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_table(folder, 103);
    run(folder, &options(folder, "whole")).unwrap();
    let mut first = options(folder, "parts");
    first.stop_after = Some(2);
    let report = run(folder, &first).unwrap();
    assert_eq!((report.outcome, report.epochs.len()), (Outcome::Stopped, 2));
    assert!(report.test.is_some());
    let mut second = options(folder, "parts");
    second.resume = Some(folder.join("parts/last.safetensors"));
    let report = run(folder, &second).unwrap();
    assert_eq!((report.outcome, report.epochs.len()), (Outcome::Finished, 2));
    for name in ["last.safetensors", "best.safetensors", "metrics.csv"] {
        assert_eq!(read(folder, &format!("whole/{name}")), read(folder, &format!("parts/{name}")), "{name}");
    }
}

/// Sets the stop flag after so many steps.
struct StopAt<'a> {
    left: usize,
    stop: &'a AtomicBool,
    finished: Vec<usize>,
}

impl Observer for StopAt<'_> {
    fn step(&mut self, _: &StepReport) {
        self.left -= 1;
        if self.left == 0 {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn epoch_finished(&mut self, report: &EpochReport) {
        self.finished.push(report.epoch);
    }
}

#[test]
fn interrupted_inside_an_epoch_and_resumed_equals_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_table(folder, 103);
    run(folder, &options(folder, "whole")).unwrap();
    // Nine steps per epoch: in the first, in the second, and at the very end of the second.
    for steps in [1, 13, 18] {
        let name = format!("stopped{steps}");
        let stop = AtomicBool::new(false);
        let mut observer = StopAt { left: steps, stop: &stop, finished: Vec::new() };
        let mut engine = Linear::new();
        let report =
            train(&regression(), folder, &mut engine, &options(folder, &name), &mut observer, &stop).unwrap();
        assert_eq!(report.outcome, Outcome::Interrupted);
        assert_eq!(observer.finished.len(), (steps - 1) / 9);
        let saved = read_checkpoint(&read(folder, &format!("{name}/last.safetensors"))).unwrap();
        let progress = saved.progress.unwrap();
        assert_eq!(progress.epoch * 9 + progress.step, steps);
        let mut rest = options(folder, &name);
        rest.resume = Some(folder.join(&name).join("last.safetensors"));
        run(folder, &rest).unwrap();
        for file in ["last.safetensors", "best.safetensors", "metrics.csv"] {
            assert_eq!(
                read(folder, &format!("whole/{file}")),
                read(folder, &format!("{name}/{file}")),
                "{steps} {file}"
            );
        }
    }
}

#[test]
fn a_resumed_run_keeps_its_shape() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_table(folder, 103);
    let mut first = options(folder, "out");
    first.stop_after = Some(1);
    run(folder, &first).unwrap();
    let mut resumed = options(folder, "out");
    resumed.resume = Some(folder.join("out/last.safetensors"));
    resumed.epochs = Some(9);
    let error = run(folder, &resumed).unwrap_err().to_string();
    assert!(error.contains("this run has 4 epochs in all, not 9"), "{error}");
    (resumed.epochs, resumed.seed) = (None, Some(3));
    assert!(run(folder, &resumed).unwrap_err().to_string().contains("seed 7, not 3"));
    resumed.seed = None;
    write_table(folder, 55);
    assert!(run(folder, &resumed).unwrap_err().to_string().contains("9 steps per epoch"));
}

#[test]
fn a_loss_that_is_no_number_stops_at_once_and_keeps_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_table(folder, 103);
    let mut one = options(folder, "out");
    one.stop_after = Some(1);
    run(folder, &one).unwrap();
    let before = read(folder, "out/last.safetensors");
    let mut engine = Linear::new();
    engine.poison = Some(13);
    let result = train(
        &regression(),
        folder,
        &mut engine,
        &options(folder, "out"),
        &mut Silent,
        &AtomicBool::new(false),
    );
    let Err(TrainError::NotFinite { epoch: 2, step: 4, .. }) = result else { panic!("{result:?}") };
    assert_eq!(read(folder, "out/last.safetensors"), before);
}

#[test]
fn weights_that_diverge_in_the_last_step_are_not_saved() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_table(folder, 103);
    let mut recipe = regression();
    (recipe.data.split.validation, recipe.data.split.test) = (0.0, 0.0);
    let mut engine = Linear::new();
    // 103 samples: twelve full batches per epoch, the last seven samples wait for another epoch.
    engine.infinite = Some(24);
    let out = options(folder, "out");
    let result = train(&recipe, folder, &mut engine, &out, &mut Silent, &AtomicBool::new(false));
    let Err(TrainError::NotFinite { what, epoch: 2, step: 12, .. }) = result else { panic!("{result:?}") };
    assert_eq!(what, "tensor `weights`");
    let saved = read_checkpoint(&read(folder, "out/last.safetensors")).unwrap();
    assert_eq!(saved.progress.unwrap().epoch, 1);
}

#[test]
fn evaluation_and_prediction_use_the_checkpoints_seed_and_scaling() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_table(folder, 103);
    let mut options = options(folder, "out");
    (options.seed, options.epochs) = (Some(11), Some(40));
    let trained = run(folder, &options).unwrap();
    options.seed = None;
    let best = folder.join("out/last.safetensors");
    let report = evaluate(&regression(), folder, &mut Linear::new(), &best, &options).unwrap();
    assert_eq!((report.part, report.samples), ("test", 10));
    assert_eq!(Some(report.evaluated.measures), trained.test);
    std::fs::write(folder.join("new.csv"), "a,b\n4,1\n10,0.5\n").unwrap();
    let files = [folder.join("new.csv")];
    let made = predict(&regression(), folder, &mut Linear::new(), &best, &files, &options).unwrap();
    assert_eq!(made.outputs, ["y_hat"]);
    let values: Vec<f64> = made.rows.iter().map(|row| row.values[0][0]).collect();
    assert!((values[0] - 8.0).abs() < 0.05 && (values[1] - 20.5).abs() < 0.05, "{values:?}");
    assert!(made.rows[1].source.ends_with("new.csv:2"));
}

#[test]
fn mistakes_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let out = options(folder, "out");
    let missing = run(folder, &out).unwrap_err().to_string();
    assert!(missing.contains("table.csv does not exist; --data PATH can name another"), "{missing}");
    write_table(folder, 103);
    let fail = |recipe: &dlc_recipe::Recipe| {
        let stop = AtomicBool::new(false);
        train(recipe, folder, &mut Linear::new(), &out, &mut Silent, &stop).unwrap_err().to_string()
    };
    let mut recipe = regression();
    recipe.data.fields[1].name = "target".to_owned();
    assert!(fail(&recipe).contains("needs the input `y`, which the data section does not give"));
    let mut recipe = regression();
    recipe.monitor = Some("accuracy".to_owned());
    assert!(fail(&recipe).contains("training reports: loss, mae"));
    let mut recipe = regression();
    recipe.data.batch = 9;
    assert!(fail(&recipe).contains("compiled for at most 8"));
    recipe.data.batch = 0;
    assert!(fail(&recipe).contains("at least one sample"));
    let mut recipe = regression();
    recipe.data.fields[0] = fake::field("x", dlc_types::DType::F32, &[3]);
    assert!(fail(&recipe).contains("gives 2 numbers per sample, not 3"));
    let mut garbage = out.clone();
    garbage.resume = Some(folder.join("table.csv"));
    assert!(run(folder, &garbage).unwrap_err().to_string().contains("not a readable checkpoint"));
    assert!(!folder.join("out").exists());
}

#[test]
fn a_run_that_gets_no_better_ends_early_with_its_best_weights() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_table(folder, 103);
    let mut recipe = regression();
    recipe.epochs = 50;
    // A value that is no better by this much is no better.
    recipe.early_stop = Some(dlc_recipe::EarlyStop { patience: 3, min_delta: 0.5 });
    let mut out = options(folder, "out");
    out.epochs = None;
    let mut engine = Linear::new();
    let go = |engine: &mut Linear, options: &dlc_trainer::RunOptions| {
        train(&recipe, folder, engine, options, &mut Silent, &AtomicBool::new(false)).unwrap()
    };
    let report = go(&mut engine, &out);
    assert_eq!(report.outcome, Outcome::EndedEarly);
    let best = read_checkpoint(&read(folder, "out/best.safetensors")).unwrap();
    let best_epoch = best.progress.unwrap().epoch;
    assert_eq!(report.epochs.len(), best_epoch + 3);
    assert_eq!(report.checkpoint, folder.join("out/best.safetensors"));
    assert_eq!(engine.checkpoint().unwrap().tensors["weights"], best.model.tensors["weights"]);
    // Resumed, it has nothing left to do and says the same.
    let mut resumed = out.clone();
    resumed.resume = Some(folder.join("out/last.safetensors"));
    let again = go(&mut Linear::new(), &resumed);
    assert_eq!((again.outcome, again.epochs.len(), again.test), (Outcome::EndedEarly, 0, report.test));
}

#[test]
fn checkpoints_are_kept_and_renewed_inside_an_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_table(folder, 103);
    let plain = options(folder, "plain");
    run(folder, &plain).unwrap();
    let mut often = options(folder, "often");
    (often.keep_every, often.save_steps) = (Some(2), Some(4));
    run(folder, &often).unwrap();
    assert_eq!(read(folder, "plain/last.safetensors"), read(folder, "often/last.safetensors"));
    assert_eq!(read(folder, "plain/metrics.csv"), read(folder, "often/metrics.csv"));
    // More steps than there are is never.
    let mut never = options(folder, "never");
    never.save_steps = Some(usize::MAX / 2 + 1);
    run(folder, &never).unwrap();
    assert_eq!(read(folder, "plain/last.safetensors"), read(folder, "never/last.safetensors"));
    let kept: Vec<bool> =
        (1..=4).map(|epoch| folder.join(format!("often/epoch-{epoch:04}.safetensors")).exists()).collect();
    assert_eq!(kept, [false, true, false, true]);
    assert_eq!(read(folder, "often/epoch-0004.safetensors"), read(folder, "often/last.safetensors"));
    // A run that dies in its second epoch goes on from the fourth step of it.
    let mut engine = Linear::new();
    engine.poison = Some(9 + 6);
    let mut dies = options(folder, "dies");
    dies.save_steps = Some(4);
    let stop = AtomicBool::new(false);
    assert!(train(&regression(), folder, &mut engine, &dies, &mut Silent, &stop).is_err());
    let saved = read_checkpoint(&read(folder, "dies/last.safetensors")).unwrap().progress.unwrap();
    assert_eq!((saved.epoch, saved.step), (1, 4));
    dies.resume = Some(folder.join("dies/last.safetensors"));
    run(folder, &dies).unwrap();
    assert_eq!(read(folder, "plain/last.safetensors"), read(folder, "dies/last.safetensors"));
}

#[test]
fn a_run_leaves_pictures_and_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_table(folder, 103);
    let report = run(folder, &options(folder, "out")).unwrap();
    let page = String::from_utf8(std::fs::read(report.report.unwrap()).unwrap()).unwrap();
    assert_eq!(page.matches("<figure>").count(), 2, "loss and mae");
    assert!(page.contains("linear on data") && page.contains("<svg") && !page.contains("<script"));
    // It loads nothing: the only addresses are names of formats.
    let addresses = page.match_indices("http").map(|(at, _)| &page[at..at + 26]);
    assert!(addresses.into_iter().all(|address| address.starts_with("http://www.w3.org/")));
    for name in ["curve_loss", "curve_mae"] {
        assert!(read(folder, &format!("out/pictures/{name}.svg")).starts_with(b"<svg"));
        assert!(read(folder, &format!("out/pictures/{name}.png")).starts_with(b"\x89PNG"));
    }
}
