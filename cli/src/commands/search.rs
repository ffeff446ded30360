//! `tune`.

use super::Outcome;
use super::learn::stop_flag;
use crate::arguments::SearchArguments;
use crate::console::{self, Console};
use crate::table::table;
use dlc_driver::{Observer, SearchObserver, SearchReport, SearchSettings, Silent, TrainSettings, Trial};

/// One line on stderr per trial.
struct Lines {
    silent: Silent,
}

fn settings_of(trial: &Trial) -> String {
    trial.settings.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("  ")
}

fn score_of(trial: &Trial) -> String {
    trial.score().map_or_else(|| "diverged".to_owned(), |score| format!("{score:.4}"))
}

impl SearchObserver for Lines {
    fn trial_started(&mut self, trial: &Trial, epochs: usize, done: usize, of: usize) {
        eprintln!("{}/{of}  trial {}  to epoch {epochs}  {}", done + 1, trial.number, settings_of(trial));
    }

    fn trial_finished(&mut self, trial: &Trial) {
        eprintln!("        {}", score_of(trial));
    }

    fn training(&mut self) -> &mut dyn Observer {
        &mut self.silent
    }
}

pub(super) fn tune(console: &Console, flags: &SearchArguments) -> Outcome {
    let choices = flags.choices.choices(console)?;
    let settings = SearchSettings {
        space: flags.space.clone(),
        random: flags.random,
        halving: flags.halving,
        folds: flags.folds,
        metric: flags.metric.clone(),
        start: flags.start.start()?,
        settings: flags.model.all_settings(),
        out: flags.out.clone(),
        best: flags.best.clone(),
        train: TrainSettings {
            data: flags.data.clone(),
            epochs: flags.epochs,
            seed: flags.seed,
            threads: flags.engine.threads,
            engine: flags.engine.kind(console, &choices)?,
            choices,
            ..TrainSettings::default()
        },
    };
    let stop = stop_flag()?;
    let report = dlc_driver::search(&flags.model.file, &settings, &mut Lines { silent: Silent }, &stop)?;
    if flags.json {
        console::json(&report);
    } else {
        console::data(&rows(&report));
        eprintln!("{}", ending(&report));
    }
    Ok(0)
}

/// The trials as a table, best first.
fn rows(report: &SearchReport) -> String {
    let keys = report.trials.first().map(|trial| trial.settings.iter().map(|(key, _)| key.clone()));
    let mut header = vec!["trial".to_owned()];
    header.extend(keys.into_iter().flatten());
    header.extend([report.metric.clone(), "spread".to_owned(), "epochs".to_owned()]);
    let mut rows = vec![header];
    for trial in report.trials.iter().filter(|trial| trial.epochs > 0) {
        let mut row = vec![trial.number.to_string()];
        row.extend(trial.settings.iter().map(|(_, value)| value.clone()));
        row.extend([score_of(trial), spread(trial), trial.epochs.to_string()]);
        rows.push(row);
    }
    table(&rows)
}

/// Half the distance between the best and the worst fold.
fn spread(trial: &Trial) -> String {
    let bounds = trial
        .values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)));
    if trial.values.len() > 1 { format!("±{:.4}", (bounds.1 - bounds.0) / 2.0) } else { String::new() }
}

fn ending(report: &SearchReport) -> String {
    match (&report.file, report.finished) {
        (Some(file), _) => format!("the best configuration  {}", file.display()),
        (None, true) => "training diverged with all settings".to_owned(),
        (None, false) => "interrupted; the same command goes on from here".to_owned(),
    }
}
