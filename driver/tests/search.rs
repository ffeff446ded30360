//! Searching settings: scores, resumption, halving, and the file with the best ones.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use dlc_driver::{
    Dimension, DriverError, EngineKind, Observer, SearchObserver, SearchReport, SearchSettings, Silent,
    TrainSettings, Trial, search,
};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

const MODEL: &str = r#"dlc 1

# A line through noisy points.

model line(x: f32[N, 2], option width = 2) -> (y) {
  y = x |> dense(width) as hidden |> dense(1) as head
}

data points {
  source = csv("points.csv", target = "t") -> (x, t: f32[N, 1])
  split  = split(validation = 0.25)
  batch  = 8
}

train line on points {
  loss      = mse(y, t)
  optimizer = sgd(lr = 0.01)
  epochs    = 4
}
"#;

/// Counts trials, and asks to stop during one of them.
#[derive(Default)]
struct Counting<'a> {
    silent: Silent,
    started: Vec<(usize, usize)>,
    stop_in: Option<(usize, &'a AtomicBool)>,
}

impl SearchObserver for Counting<'_> {
    fn trial_started(&mut self, trial: &Trial, epochs: usize, _done: usize, _of: usize) {
        self.started.push((trial.number, epochs));
        if let Some((_, stop)) = self.stop_in.filter(|(number, _)| *number == trial.number) {
            stop.store(true, Ordering::Relaxed);
        }
    }

    fn training(&mut self) -> &mut dyn Observer {
        &mut self.silent
    }
}

struct Place {
    folder: tempfile::TempDir,
    settings: SearchSettings,
}

impl Place {
    fn new(space: &[&str]) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let mut rows = "a,b,t\n".to_owned();
        for index in 0..64 {
            let (a, b) = (f64::from(index % 8) / 8.0, f64::from(index / 8) / 8.0);
            rows.push_str(&format!("{a},{b},{}\n", 2.0 * a - b + 0.5));
        }
        std::fs::write(folder.path().join("points.csv"), rows).unwrap();
        std::fs::write(folder.path().join("line.dsl"), MODEL).unwrap();
        let settings = SearchSettings {
            space: space.iter().map(|text| Dimension::parse(text).unwrap()).collect(),
            out: Some(folder.path().join("search")),
            train: TrainSettings {
                threads: Some(1),
                engine: EngineKind::default(),
                ..TrainSettings::default()
            },
            ..SearchSettings::default()
        };
        Place { folder, settings }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("line.dsl")
    }

    fn search(&self, observer: &mut Counting<'_>, stop: &AtomicBool) -> Result<SearchReport, DriverError> {
        search(&self.file(), &self.settings, observer, stop)
    }

    fn found(&self) -> SearchReport {
        self.search(&mut Counting::default(), &AtomicBool::new(false)).unwrap()
    }

    fn table(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("search/trials.csv")).unwrap()
    }
}

fn values(report: &SearchReport) -> Vec<&str> {
    report.trials.iter().map(|trial| trial.settings[0].1.as_str()).collect()
}

#[test]
fn the_best_settings_come_first_and_into_a_file() {
    let place = Place::new(&["train.optimizer.lr=0.001,0.1,1e30", "line.width=2"]);
    let report = place.found();
    assert!(report.finished && report.falling);
    assert_eq!((report.metric.as_str(), values(&report)), ("loss", vec!["0.1", "0.001", "1e30"]));
    // Training that diverges is a trial without a score.
    assert_eq!(report.trials[2].score(), None);
    let best = report.file.unwrap();
    assert_eq!(best, place.folder.path().join("line.best.dsl"));
    let text = std::fs::read_to_string(&best).unwrap();
    assert!(text.contains("sgd(lr = 0.1)") && text.contains("# A line through"), "{text}");
    assert!(dlc_driver::load(&best, &[]).is_ok());
    // The score is what training with these settings gives.
    let loaded = dlc_driver::load(&best, &[]).unwrap();
    let out = Some(place.folder.path().join("again"));
    let settings = TrainSettings { out, ..place.settings.train.clone() };
    let again = dlc_driver::train(&loaded, &settings, &mut Silent, &AtomicBool::new(false)).unwrap();
    assert_eq!(Some(again.best.unwrap().value), report.trials[0].score());
}

#[test]
fn every_sample_is_for_validation_once_with_folds() {
    let mut place = Place::new(&["train.optimizer.lr=0.05,0.1"]);
    place.settings.folds = Some(4);
    let report = place.found();
    assert!(report.trials.iter().all(|trial| trial.values.len() == 4));
    let mean = report.trials[0].values.iter().sum::<f64>() / 4.0;
    assert_eq!(report.trials[0].score(), Some(mean));
}

#[test]
fn an_interrupted_search_goes_on_and_ends_as_one_that_was_not() {
    let whole = Place::new(&["train.optimizer.lr=0.01,0.05,0.1"]);
    whole.found();
    let place = Place::new(&["train.optimizer.lr=0.01,0.05,0.1"]);
    let stop = AtomicBool::new(false);
    let mut counting = Counting { stop_in: Some((2, &stop)), ..Counting::default() };
    let report = place.search(&mut counting, &stop).unwrap();
    assert!(!report.finished && report.file.is_none());
    let mut counting = Counting::default();
    let report = place.search(&mut counting, &AtomicBool::new(false)).unwrap();
    assert!(report.finished);
    assert_eq!(place.table(), whole.table());
    // The first is looked at again, to learn what is watched; no finished one is trained.
    assert_eq!(counting.started.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn halving_trains_the_better_ones_on_and_ends_with_the_same_score() {
    let mut place = Place::new(&["train.optimizer.lr=0.001,0.003,0.01,0.1"]);
    place.settings.halving = Some(2);
    let mut counting = Counting::default();
    let report = place.search(&mut counting, &AtomicBool::new(false)).unwrap();
    counting.started[4..6].sort_unstable();
    assert_eq!(counting.started, [(1, 1), (2, 1), (3, 1), (4, 1), (3, 2), (4, 2), (4, 4)]);
    let whole = Place::new(&["train.optimizer.lr=0.1"]).found();
    assert_eq!(values(&report)[0], "0.1");
    assert_eq!(report.trials[0].score(), whole.trials[0].score());
}

#[test]
fn faults_are_told_before_anything_is_trained() {
    let told = |place: &Place| {
        let error = place.search(&mut Counting::default(), &AtomicBool::new(false)).unwrap_err();
        assert_eq!(error.exit_code(), 1, "{error}");
        error.to_string()
    };
    assert!(told(&Place::new(&["train.optimiser.lr=0.1"])).contains("error"));
    assert!(told(&Place::new(&["train.optimizer.lr=0.1..0.2"])).contains("--random"));
    let place = Place::new(&["data.source=csv(\"points.csv\", target = \"t\") -> (x, t: f32[N, 1])"]);
    assert!(told(&place).contains("error"));
    let mut place = Place::new(&["train.optimizer.lr=0.1"]);
    place.settings.metric = Some("accuracy".to_owned());
    assert!(told(&place).contains("accuracy"));
    let place = Place::new(&["train.optimizer.lr=0.1"]);
    std::fs::write(place.file(), MODEL.replace("split(validation = 0.25)", "split()")).unwrap();
    assert!(told(&place).contains("validation"));
    let place = Place::new(&["train.optimizer.lr=0.1"]);
    place.found();
    let other = SearchSettings { folds: Some(2), ..place.settings.clone() };
    let error = search(&place.file(), &other, &mut Counting::default(), &AtomicBool::new(false)).unwrap_err();
    assert!(error.to_string().contains("another search"), "{error}");
    let onnx = search(Path::new("m.onnx"), &other, &mut Counting::default(), &AtomicBool::new(false));
    assert!(onnx.unwrap_err().to_string().contains("model file"));
}

#[test]
fn more_folds_than_samples_are_told_before_the_first_trial() {
    let mut place = Place::new(&["train.optimizer.lr=0.05,0.1"]);
    place.settings.folds = Some(65);
    let mut counting = Counting::default();
    let error = place.search(&mut counting, &AtomicBool::new(false)).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("64 samples cannot be cut into 65 folds"), "{error}");
    assert!(counting.started.is_empty() && !place.folder.path().join("search").exists());
}

#[test]
fn every_trial_begins_with_the_weights_of_the_search() {
    use dlc_driver::Start;
    use dlc_runtime::{Checkpoint, HostTensor};
    let mut place = Place::new(&["train.optimizer.lr=0.05,0.1"]);
    let path = place.folder.path().join("weights.safetensors");
    let mut weights = Checkpoint::default();
    for (name, dims) in [
        ("hidden.weight", vec![2, 2]),
        ("hidden.bias", vec![2]),
        ("top.weight", vec![2, 1]),
        ("top.bias", vec![1]),
    ] {
        let values = vec![0.5; dims.iter().product()];
        weights.tensors.insert(name.to_owned(), HostTensor::from_f32(&dims, &values).unwrap());
    }
    weights.write(&path).unwrap();
    let names = vec![dlc_driver::Renaming::parse("top -> head").unwrap()];
    let layout = Some(dlc_driver::WeightLayout::Dlc);
    let path = path.to_string_lossy().into_owned();
    place.settings.start = Some(Start { path, names, layout, ..Start::default() });
    let report = place.found();
    assert!(report.finished);
    for trial in ["trial-0001", "trial-0002"] {
        let told = std::fs::read_to_string(place.folder.path().join("search").join(trial).join("start.txt"))
            .unwrap();
        assert!(
            told.contains("4 of 4 values") && told.contains("  head.weight (f32[2, 1]) from top.weight\n"),
            "{told}"
        );
    }
    // Trials of other weights are another search.
    place.settings.start.as_mut().unwrap().skip.push("head".to_owned());
    let other = place.search(&mut Counting::default(), &AtomicBool::new(false)).unwrap_err();
    assert!(other.to_string().contains("another search"), "{other}");
    // What does not fit is told before a trial.
    let start = place.settings.start.as_mut().unwrap();
    (start.names, start.skip) = (Vec::new(), Vec::new());
    let mut counting = Counting::default();
    assert!(place.search(&mut counting, &AtomicBool::new(false)).is_err() && counting.started.is_empty());
}
