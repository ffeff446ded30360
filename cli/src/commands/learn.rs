//! `train`, `eval` and `lr`.

use super::{Outcome, loaded, loaded_with};
use crate::arguments::{EvalArguments, RateArguments, TrainArguments};
use crate::console::{self, Console};
use crate::progress::TrainingProgress;
use crate::table::table;
use dlc_driver::{DriverError, EvalSettings, Loaded, RateSettings, TrainReport, TrainSettings};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a shell reports of a process that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// A flag that the first Ctrl-C sets; the second ends the process.
pub(super) fn stop_flag() -> Result<Arc<AtomicBool>, DriverError> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED);
        }
        eprintln!("\nstopping after this step; again to stop without a checkpoint");
    })
    .map_err(|error| DriverError::User(format!("Ctrl-C cannot be caught: {error}")))?;
    Ok(stop)
}

/// Loads what is trained; an ONNX file is told by flags what a model file says itself.
fn trained(console: &Console, flags: &TrainArguments) -> Result<Loaded, DriverError> {
    let training = flags.onnx_training();
    let file = &flags.model.file;
    if dlc_driver::is_onnx(file) && !(training.is_empty() && flags.resume.is_some()) {
        return dlc_driver::load_for_training(file, &training, &flags.model.all_settings());
    }
    if training.is_empty() {
        return loaded_with(console, &flags.model, flags.resume.as_deref());
    }
    let what = "the flags for training an ONNX file do not go with a model file, which says all that itself; \
                `--set` changes it, as in `--set train.loss=…`";
    Err(DriverError::User(what.to_owned()))
}

pub(super) fn train(console: &Console, flags: &TrainArguments) -> Outcome {
    let mut loaded = trained(console, flags)?;
    flags.start.apply(&mut loaded)?;
    let choices = flags.choices.choices(console)?;
    let settings = TrainSettings {
        data: flags.data.clone(),
        epochs: flags.epochs,
        seed: flags.seed,
        threads: flags.engine.threads,
        out: flags.out.clone(),
        resume: flags.resume.clone(),
        stop_after: flags.stop_after,
        statistics: flags.statistics,
        keep_every: flags.keep_every,
        save_steps: flags.save_steps,
        engine: flags.engine.kind(console, &choices)?,
        choices,
    };
    let stop = stop_flag()?;
    let mut progress = TrainingProgress::new(flags.json);
    let report = dlc_driver::train(&loaded, &settings, &mut progress, &stop);
    progress.finish();
    let report = report?;
    if flags.json {
        console::json(&report);
    } else {
        eprintln!("{}", ending(&report));
    }
    Ok(0)
}

fn ending(report: &TrainReport) -> String {
    let mut text = match report.outcome {
        dlc_driver::Outcome::Finished => String::new(),
        dlc_driver::Outcome::EndedEarly => {
            "ended early: it got no better; the best weights count\n".to_owned()
        }
        dlc_driver::Outcome::Stopped => "stopped; `--resume` goes on\n".to_owned(),
        dlc_driver::Outcome::Interrupted => {
            "interrupted; `--resume` goes on from this very step\n".to_owned()
        }
    };
    if let Some(test) = &report.test {
        let values: Vec<String> = test.0.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
        text.push_str(&format!("test  {}\n", values.join("  ")));
    }
    text.push_str(&format!("checkpoint  {}", report.checkpoint.display()));
    if let Some(page) = &report.report {
        text.push_str(&format!("\nreport  {}", page.display()));
    }
    text
}

pub(super) fn evaluate(console: &Console, flags: &EvalArguments) -> Outcome {
    let loaded = loaded_with(console, &flags.model, Some(&flags.checkpoint))?;
    let choices = flags.choices.choices(console)?;
    let settings = EvalSettings {
        data: flags.data.clone(),
        seed: flags.seed,
        threads: flags.engine.threads,
        out: flags.out.clone(),
        engine: flags.engine.kind(console, &choices)?,
        choices,
    };
    let report = dlc_driver::evaluate(&loaded, &flags.checkpoint, &settings)?;
    if flags.json {
        console::json(&report);
    } else {
        let values = report.evaluated.measures.0.iter().map(|(name, value)| format!("{name} {value:.4}"));
        let values: Vec<String> = values.collect();
        console::data(&format!("{} ({} samples)  {}", report.part, report.samples, values.join("  ")));
        if let Some(confusion) = report.evaluated.confusion() {
            console::data(&confusion_table(confusion));
        }
    }
    Ok(0)
}

/// The matrix with a row per label and a column per decision.
fn confusion_table(confusion: &dlc_driver::Confusion) -> String {
    let header = std::iter::once("label, decision".to_owned()).chain(confusion.names.iter().cloned());
    let rows = confusion.names.iter().zip(confusion.rows()).map(|(name, row)| {
        std::iter::once(name.clone()).chain(row.iter().map(u64::to_string)).collect::<Vec<String>>()
    });
    table(&std::iter::once(header.collect()).chain(rows).collect::<Vec<_>>())
}

pub(super) fn find_rate(console: &Console, flags: &RateArguments) -> Outcome {
    let mut loaded = loaded(console, &flags.model)?;
    flags.start.apply(&mut loaded)?;
    let choices = flags.choices.choices(console)?;
    let run = EvalSettings {
        data: flags.data.clone(),
        seed: flags.seed,
        threads: flags.engine.threads,
        out: flags.out.clone(),
        engine: flags.engine.kind(console, &choices)?,
        choices,
    };
    let settings = RateSettings { run, from: flags.from, to: flags.to, steps: flags.steps };
    let stop = stop_flag()?;
    let mut progress = TrainingProgress::new(flags.json);
    let report = dlc_driver::find_rate(&loaded, &settings, &mut progress, &stop);
    progress.finish();
    let report = report?;
    if flags.json {
        console::json(&report);
        return Ok(0);
    }
    match report.suggestion {
        Some(lr) => {
            console::data(&format!("lr {lr:.1e}  (the loss falls fastest there; good as the greatest rate)"))
        }
        None => console::data("the loss never falls; try other bounds with --from and --to"),
    }
    eprintln!("picture  {}", report.picture.display());
    Ok(0)
}
