//! The examples reach on their real data what their files state: `# Reaches: accuracy >= 0.95, … on the test split.`

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use dlc_driver::{Claim, Silent, TrainSettings, load, train};
use dlc_tests::models::repository;
use std::path::Path;
use std::sync::atomic::AtomicBool;

fn reaches(name: &str) {
    let file = repository().join("examples").join(name);
    let loaded = load(&file, &[]).unwrap();
    let out = tempfile::tempdir().unwrap();
    let settings =
        TrainSettings { threads: Some(1), out: Some(out.path().to_owned()), ..TrainSettings::default() };
    let report = train(&loaded, &settings, &mut Silent, &AtomicBool::new(false)).unwrap();
    let test = report.test.unwrap();
    let claims = Claim::all(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert!(!claims.is_empty(), "{name} states no figure");
    for claim in claims {
        let found = claim.check(&test);
        let (found, holds) = found.unwrap_or_else(|| panic!("{name} reports no {}: {test:?}", claim.metric));
        assert!(holds, "{name}: {claim} does not hold, it is {found}");
    }
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

/// The digits as pictures of CIFAR-10's size in files of its form: eight by eight pixels of 4x4 each, dark on a tinted
/// ground.
fn write_digits_as_cifar(folder: &Path) {
    let table = std::fs::read_to_string(repository().join("examples/data/digits.csv")).unwrap();
    let record = |row: &str| {
        let values: Vec<u8> = row.split(',').map(|value| value.parse().unwrap()).collect();
        let (pixels, label) = values.split_at(64);
        let place = |at: usize| pixels[at / 32 / 4 * 8 + at % 32 / 4];
        let plane = |tint: u8| (0..32 * 32).map(move |at| tint - place(at) * 7);
        let bytes = [200, 160, 120].into_iter().flat_map(plane);
        label.iter().copied().chain(bytes).collect::<Vec<u8>>()
    };
    let records: Vec<Vec<u8>> = table.lines().skip(1).map(record).collect();
    for (number, part) in records[..1500].chunks(300).enumerate() {
        std::fs::write(folder.join(format!("data_batch_{}.bin", number + 1)), part.concat()).unwrap();
    }
    std::fs::write(folder.join("test_batch.bin"), records[1500..].concat()).unwrap();
}

/// An example on CIFAR-10, narrower and for four epochs of digits in CIFAR's form: its way through binary files,
/// augmentation, one cycle and checkpoints, with a figure that random weights and a broken step miss.
fn learns_from_a_stand_in(name: &str, width: (&str, &str)) {
    let data = tempfile::tempdir().unwrap();
    write_digits_as_cifar(data.path());
    let file = repository().join("examples").join(name);
    let narrow = [width, ("data.batch", "32")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let loaded = load(&file, &narrow).unwrap();
    let out = tempfile::tempdir().unwrap();
    let settings = TrainSettings {
        data: Some(data.path().to_owned()),
        threads: Some(1),
        epochs: Some(4),
        out: Some(out.path().to_owned()),
        ..TrainSettings::default()
    };
    let report = train(&loaded, &settings, &mut Silent, &AtomicBool::new(false)).unwrap();
    let accuracy = report.test.unwrap().get("accuracy").unwrap();
    assert!(accuracy >= 0.8, "{accuracy}");
    assert!(out.path().join("report.html").exists());
}

#[test]
fn residual_network_on_a_stand_in() {
    learns_from_a_stand_in("resnet_cifar10.dsl", ("resnet20.width", "8"));
}

#[test]
fn muon_on_a_stand_in() {
    learns_from_a_stand_in("muon_cifar10.dsl", ("fast.width", "8"));
}

/// Every example that learns states what it reaches, but for those whose data is drawn at random or that serve as
/// subjects of measurements.
#[test]
fn examples_state_what_they_reach() {
    let silent = ["dilated_context.dsl", "resnet_seed.dsl"];
    for entry in std::fs::read_dir(repository().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "dsl") {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let claims = Claim::all(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(claims.is_empty(), silent.contains(&name.as_str()), "{name}");
    }
}
