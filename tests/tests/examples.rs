//! The examples reach on their real data what their files state: `# Reaches: accuracy >= 0.95, … on the test split.`

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use dlc_driver::{Silent, TrainSettings, load, train};
use dlc_tests::models::repository;
use std::sync::atomic::AtomicBool;

/// A figure that a file states.
#[derive(Debug, PartialEq)]
struct Claim {
    metric: String,
    at_least: bool,
    bound: f64,
}

/// What the comments of a model file state.
fn claims(text: &str) -> Vec<Claim> {
    let stated = text.lines().find_map(|line| line.strip_prefix("# Reaches:"));
    let stated = stated.unwrap_or_else(|| panic!("the file states no figure\n{text}"));
    let stated = stated.split(" on the ").next().unwrap();
    let claim = |text: &str| {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [metric, relation, bound] = words.as_slice() else { panic!("`{text}` is no figure") };
        Claim { metric: (*metric).to_owned(), at_least: *relation == ">=", bound: bound.parse().unwrap() }
    };
    stated.split(',').map(claim).collect()
}

fn reaches(name: &str) {
    let file = repository().join("examples").join(name);
    let loaded = load(&file, &[]).unwrap();
    let out = tempfile::tempdir().unwrap();
    let settings =
        TrainSettings { threads: Some(1), out: Some(out.path().to_owned()), ..TrainSettings::default() };
    let report = train(&loaded, &settings, &mut Silent, &AtomicBool::new(false)).unwrap();
    let test = report.test.unwrap();
    for Claim { metric, at_least, bound } in claims(&std::fs::read_to_string(&file).unwrap()) {
        let found = test.get(&metric).unwrap_or_else(|| panic!("{name} reports no {metric}: {test:?}"));
        let holds = if at_least { found >= bound } else { found <= bound };
        assert!(holds, "{name}: {metric} is {found}, not {}= {bound}", if at_least { '>' } else { '<' });
    }
}

#[test]
fn figures_are_read_from_comments() {
    let claim = |metric: &str, at_least, bound| Claim { metric: metric.to_owned(), at_least, bound };
    let text = "dlc 1\n# Reaches: mae <= 48, r2 >= 0.3 on the test split (a mean has mae 66).\n";
    assert_eq!(claims(text), [claim("mae", false, 48.0), claim("r2", true, 0.3)]);
}

#[test]
fn convolutional_digits() {
    reaches("digits.dsl");
}

#[test]
fn perceptron() {
    reaches("mlp_digits.dsl");
}

#[test]
fn binary_classifier() {
    reaches("breast_cancer.dsl");
}

#[test]
fn regression() {
    reaches("diabetes.dsl");
}

#[test]
fn two_layers_of_sigmoids() {
    reaches("sigmoid.dsl");
}

#[test]
fn recurrent_digits() {
    reaches("lstm_digits.dsl");
}

#[test]
fn dilated_text() {
    reaches("brackets.dsl");
}

#[test]
fn segmentation() {
    reaches("segmentation.dsl");
}

#[test]
fn pictures_of_many_sizes() {
    reaches("image_folder.dsl");
}

#[test]
fn first_digits() {
    reaches("digits_first.dsl");
}

#[test]
fn fine_tuning() {
    reaches("fine_tune.dsl");
}

/// The same pictures teach a network that learned before more than one of random weights, in the mean over seeds.
#[test]
fn fine_tuning_beats_random_weights() {
    let accuracy = |begun: bool| {
        let file = repository().join("examples/fine_tune.dsl");
        let all = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let free = [all("train.freeze", "[]"), all("train.groups", "group(\"conv*\", lr = 0.01)")];
        let mut loaded = load(&file, if begun { &[] } else { &free }).unwrap();
        if !begun {
            loaded.start = None;
        }
        let of_seed = |seed: u64| {
            let out = tempfile::tempdir().unwrap();
            let out = Some(out.path().to_owned());
            let settings =
                TrainSettings { threads: Some(1), out, seed: Some(seed), ..TrainSettings::default() };
            let report = train(&loaded, &settings, &mut Silent, &AtomicBool::new(false)).unwrap();
            report.test.unwrap().get("accuracy").unwrap()
        };
        (0..5).map(of_seed).sum::<f64>() / 5.0
    };
    let (begun, random) = (accuracy(true), accuracy(false));
    assert!(begun > random + 0.04, "{begun} after a first training, {random} from random weights");
}
