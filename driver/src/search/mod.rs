//! `dlc tune`: trains a model with many settings and tells which are the best.
//!
//! A *candidate* is a combination of settings (`space`), a *trial* what came of it (`trials`). Each is trained as
//! `dlc train --set …` would train it, in a folder of its own, and scored by the best value of the watched
//! metric on the validation samples; with folds by the mean over all of them, so that every sample is for validation once.
//! With halving most candidates are given up early (`halving`). All of it can be interrupted and goes on where it
//! was. The test samples are measured by every run but never looked at here.

mod halving;
mod space;
mod trials;

pub use space::{Candidate, Dimension, Values};
pub use trials::Trial;

use crate::{DriverError, Loaded, Observer, Result, Start, TrainSettings, is_onnx, load, meaning, train};
use dlc_trainer::{Outcome, Preparation, PreparedData, RunOptions, TrainError, TrainReport};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use trials::Trials;

/// What a search tries, and how.
#[derive(Clone, Debug, Default)]
pub struct SearchSettings {
    /// What is tried.
    pub space: Vec<Dimension>,
    /// How many combinations are drawn; `None` for all of them.
    pub random: Option<usize>,
    /// Successive halving by this factor; `None` to train all candidates to the end.
    pub halving: Option<usize>,
    /// Parts of a cross-validation; `None` for the file's own validation samples.
    pub folds: Option<usize>,
    /// The metric that decides; `None` for what the file says.
    pub metric: Option<String>,
    /// Weights that every run begins with, in the place of what the file says.
    pub start: Option<Start>,
    /// Settings of all candidates.
    pub settings: Vec<(String, String)>,
    /// The folder of the search; `None` for `runs/MODEL-search`.
    pub out: Option<PathBuf>,
    /// Where the best configuration is written; `None` for `FILE.best.dsl` beside the file.
    pub best: Option<PathBuf>,
    /// How each is trained; `out`, `resume` and `stop_after` are the search's own.
    pub train: TrainSettings,
}

/// What a search found.
#[derive(Clone, Debug, Serialize)]
pub struct SearchReport {
    /// What decides.
    pub metric: String,
    /// Whether less of it is better.
    pub falling: bool,
    /// All trials, best first.
    pub trials: Vec<Trial>,
    /// Whether every trial was made.
    pub finished: bool,
    /// The file with the settings of the best; `None` if none has a score, or some trials were not made.
    pub file: Option<PathBuf>,
}

/// Hears what happens.
pub trait SearchObserver {
    /// A trial begins: with these settings, up to so many epochs, in so many folds; so many of the rung's are done.
    fn trial_started(&mut self, _trial: &Trial, _epochs: usize, _done: usize, _of: usize) {}
    /// A trial has been measured.
    fn trial_finished(&mut self, _trial: &Trial) {}
    /// Hears the training of one trial, or of one fold of it.
    fn training(&mut self) -> &mut dyn Observer;
}

/// What is watched.
struct Watched {
    metric: String,
    falling: bool,
}

struct Search<'a> {
    file: &'a Path,
    settings: &'a SearchSettings,
    out: PathBuf,
    stop: &'a AtomicBool,
    watched: Option<Watched>,
}

/// Searches the best settings of a model file.
///
/// # Errors
/// A space that cannot be tried, a folder that holds another search, a file without validation samples, and what
/// training ends with; training that diverges is a trial without a score.
pub fn search(
    file: &Path,
    settings: &SearchSettings,
    observer: &mut dyn SearchObserver,
    stop: &AtomicBool,
) -> Result<SearchReport> {
    if is_onnx(file) {
        let what = "`dlc tune` needs a model file with data and training; one that says `model m = onnx(\"…\")` \
                    brings the network in";
        return Err(DriverError::User(what.to_owned()));
    }
    let base = loaded(file, settings, &settings.settings)?;
    let recipe = base.recipe("dlc tune")?;
    let epochs = settings.train.epochs.unwrap_or(recipe.epochs);
    let candidates =
        space::candidates(&settings.space, settings.random, settings.train.seed.unwrap_or(recipe.seed))?;
    // A setting that fits nothing, or has no place in a file, is told before anything is trained.
    for candidate in &candidates {
        loaded(file, settings, &all_settings(settings, candidate))?.started()?;
        written(file, settings, candidate)?;
    }
    check_folds(&base, settings)?;
    let out = settings.out.clone();
    let out = out.unwrap_or_else(|| PathBuf::from("runs").join(format!("{}-search", base.model.name)));
    let rungs = halving::rungs(candidates.len(), epochs, settings.halving);
    let mut trials = Trials::open(&out, &identity(file, settings, &candidates, epochs)?, candidates)?;
    let mut search = Search { file, settings, out, stop, watched: None };
    let mut alive: Vec<usize> = (0..trials.trials.len()).collect();
    let mut finished = true;
    'rungs: for rung in rungs {
        alive.truncate(rung.candidates);
        for (done, &index) in alive.iter().enumerate() {
            if trials.trials[index].epochs >= rung.epochs && search.watched.is_some() {
                continue;
            }
            observer.trial_started(&trials.trials[index], rung.epochs, done, alive.len());
            let Some(values) = search.trial(&trials.trials[index], rung.epochs, observer)? else {
                finished = false;
                break 'rungs;
            };
            let trial = &mut trials.trials[index];
            (trial.values, trial.epochs) = (values, rung.epochs.max(trial.epochs));
            observer.trial_finished(trial);
            trials.write()?;
        }
        let falling = search.watched.as_ref().is_some_and(|watched| watched.falling);
        alive = trials.ranked(falling);
    }
    search.report(trials, finished)
}

/// The model's file with settings, and the weights that every run begins with.
fn loaded(file: &Path, search: &SearchSettings, settings: &[(String, String)]) -> Result<Loaded> {
    let mut loaded = load(file, settings)?;
    if search.start.is_some() {
        loaded.start.clone_from(&search.start);
    }
    Ok(loaded)
}

/// Cuts the data into folds, so that more folds than samples are told before the first trial.
fn check_folds(base: &Loaded, settings: &SearchSettings) -> Result<()> {
    let Some(folds) = settings.folds else { return Ok(()) };
    let mut base = base.clone();
    if let Some(recipe) = &mut base.recipe {
        recipe.data.split = recipe.data.split.fold(folds, 0);
    }
    let recipe = base.recipe("dlc tune")?;
    let classes = meaning::classes(&base.model);
    let options =
        RunOptions { data: settings.train.data.clone(), classes, threads: 1, ..RunOptions::default() };
    let seed = settings.train.seed.unwrap_or(recipe.seed);
    let with = Preparation { folder: &base.folder, options: &options, seed, saved: None };
    PreparedData::open(recipe, &with)?;
    Ok(())
}

/// The settings of a candidate behind those of all.
fn all_settings(settings: &SearchSettings, candidate: &Candidate) -> Vec<(String, String)> {
    settings.settings.iter().chain(candidate).cloned().collect()
}

fn text_of(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).map_err(|cause| DriverError::File { path: file.to_owned(), cause })
}

/// The model's text with the settings of a candidate. Sizes and values that the command line gives are none of a
/// text's.
fn written(file: &Path, settings: &SearchSettings, candidate: &Candidate) -> Result<String> {
    let mut settings = all_settings(settings, candidate);
    settings.retain(|(key, _)| !key.starts_with("dim.") && !key.starts_with("bind."));
    let text = dlc_dsl::format_with(&text_of(file)?, &file.to_string_lossy(), &settings);
    text.map_err(|(sources, diagnostics)| DriverError::Invalid { sources: Box::new(sources), diagnostics })
}

/// All that the numbers depend on.
fn identity(
    file: &Path,
    settings: &SearchSettings,
    candidates: &[Candidate],
    epochs: usize,
) -> Result<serde_json::Value> {
    let mut identity = serde_json::json!({
        "model": text_of(file)?,
        "settings": settings.settings,
        "candidates": candidates,
        "halving": settings.halving,
        "folds": settings.folds,
        "metric": settings.metric,
        "epochs": epochs,
        "seed": settings.train.seed,
        "data": settings.train.data,
    });
    if let (Some(start), Some(fields)) = (&settings.start, identity.as_object_mut()) {
        let names: Vec<String> = start.names.iter().map(ToString::to_string).collect();
        let layout = start.layout.map(|layout| format!("{layout:?}"));
        let start =
            serde_json::json!({ "file": start.path, "names": names, "skip": start.skip, "layout": layout });
        fields.insert("start".to_owned(), start);
    }
    Ok(identity)
}

impl Search<'_> {
    /// The best value of each fold of a trial; empty where training diverged, `None` where it was interrupted.
    fn trial(
        &mut self,
        trial: &Trial,
        epochs: usize,
        observer: &mut dyn SearchObserver,
    ) -> Result<Option<Vec<f64>>> {
        let loaded = loaded(self.file, self.settings, &all_settings(self.settings, &trial.settings))?;
        let folder = self.out.join(format!("trial-{:04}", trial.number));
        let mut values = Vec::new();
        for fold in 0..self.settings.folds.unwrap_or(1) {
            let mut loaded = loaded.clone();
            self.divide(&mut loaded, fold);
            let out = if self.settings.folds.is_some() {
                folder.join(format!("fold-{fold}"))
            } else {
                folder.clone()
            };
            match self.run(&loaded, out, epochs, observer.training()) {
                Ok(report) if report.outcome == Outcome::Interrupted => return Ok(None),
                Ok(report) => values.extend(self.value(&report)?),
                Err(DriverError::Train(TrainError::NotFinite { .. })) => return Ok(Some(Vec::new())),
                Err(error) => return Err(error),
            }
            if self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
        }
        Ok(Some(values))
    }

    /// Takes the metric and the fold into a candidate's recipe.
    fn divide(&self, loaded: &mut Loaded, fold: usize) {
        let Some(recipe) = &mut loaded.recipe else { return };
        if let Some(metric) = &self.settings.metric {
            recipe.monitor = Some(metric.clone());
        }
        if let Some(folds) = self.settings.folds {
            recipe.data.split = recipe.data.split.fold(folds, fold);
        }
    }

    /// Trains up to `epochs` of the whole run, from where an earlier rung or an interruption left it.
    fn run(
        &self,
        loaded: &Loaded,
        out: PathBuf,
        epochs: usize,
        observer: &mut dyn Observer,
    ) -> Result<TrainReport> {
        let last = out.join("last.safetensors");
        let resume = last.exists().then_some(last);
        let settings =
            TrainSettings { out: Some(out), resume, stop_after: Some(epochs), ..self.settings.train.clone() };
        train(loaded, &settings, observer, self.stop)
    }

    /// The best value of a run, which tells what is watched.
    fn value(&mut self, report: &TrainReport) -> Result<Option<f64>> {
        let Some(best) = &report.best else { return Ok(None) };
        if !best.validation {
            let what = "there are no validation samples to tell candidates apart; give the data \
                        `split = split(validation = 0.1)`, or `--folds K`";
            return Err(DriverError::User(what.to_owned()));
        }
        self.watched = Some(Watched { metric: best.metric.clone(), falling: best.falling });
        Ok(Some(best.value))
    }

    fn report(self, trials: Trials, finished: bool) -> Result<SearchReport> {
        let Watched { metric, falling } =
            self.watched.unwrap_or(Watched { metric: "loss".to_owned(), falling: true });
        let ranked: Vec<Trial> =
            trials.ranked(falling).into_iter().map(|at| trials.trials[at].clone()).collect();
        let best = ranked.first().filter(|best| finished && best.score().is_some());
        let path = self.settings.best.clone().unwrap_or_else(|| self.file.with_extension("best.dsl"));
        let file = match best {
            Some(best) => {
                let text = written(self.file, self.settings, &best.settings)?;
                dlc_runtime::write_atomically(&path, text.as_bytes())?;
                Some(path)
            }
            None => None,
        };
        Ok(SearchReport { metric, falling, trials: ranked, finished, file })
    }
}
