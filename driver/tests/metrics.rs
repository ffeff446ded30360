//! Every metric of a compiled evaluation against scikit-learn's on the same predictions (`metrics/reference.py` made
//! the numbers).
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

use dlc_driver::{EngineKind, EvalSettings, Silent, TrainSettings, load};
use dlc_runtime::{Checkpoint, HostTensor};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

const AVERAGED: &str = "precision(y, label, average = macro) as precision_macro,
    recall(y, label, average = macro) as recall_macro, f1(y, label, average = macro) as f1_macro";

const SEVERAL: &str = "accuracy(y, label), top_k(y, label, k = 2), AVERAGED,
    precision(y, label, average = micro) as precision_micro, recall(y, label, average = micro) as recall_micro,
    f1(y, label, average = micro) as f1_micro, precision(y, label, average = weighted) as precision_weighted,
    recall(y, label, average = weighted) as recall_weighted, f1(y, label, average = weighted) as f1_weighted,
    precision(y, label, average = per_class) as precision_class, recall(y, label, average = per_class) as recall_class,
    f1(y, label, average = per_class) as f1_class, mean_iou(y, label), auc(y, label), average_precision(y, label),
    confusion_matrix(y, label)";

const BINARY: &str = "accuracy(y, label), AVERAGED, precision(y, label) as precision_binary,
    recall(y, label) as recall_binary, f1(y, label) as f1_binary, auc(y, label), average_precision(y, label)";

const REGRESSION: &str = "mae(y, label), mse(y, label), rmse(y, label), r2(y, label)";

fn text(width: usize, loss: &str, metrics: &str, label: &str) -> String {
    let metrics = metrics.replace("AVERAGED", AVERAGED);
    format!(
        "dlc 1
model m(x: f32[N, {width}]) -> (y) {{ y = x |> dense({width}, bias = false) as head }}
data table {{
  source = csv(\"table.csv\", target = \"label\") -> (x, label{label})
  batch = 16
}}
train m on table {{
  loss = {loss}(y, label)
  metrics = {metrics}
  optimizer = sgd(lr = 1e-9)
  epochs = 1
}}
"
    )
}

fn reference(name: &str, ending: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/metrics");
    std::fs::read_to_string(folder.join(format!("{name}.{ending}"))).unwrap()
}

/// A model that gives its input back, with the table of a case: its file and checkpoint. `width` values are mixed by the
/// identity, a matrix or a 1x1 kernel.
fn case(folder: &Path, name: &str, model: &str, width: usize) -> (PathBuf, PathBuf) {
    std::fs::write(folder.join("table.csv"), reference(name, "csv")).unwrap();
    let file = folder.join("m.dsl");
    std::fs::write(&file, model).unwrap();
    let settings =
        TrainSettings { threads: Some(1), out: Some(folder.join("run")), ..TrainSettings::default() };
    dlc_driver::train(&load(&file, &[]).unwrap(), &settings, &mut Silent, &AtomicBool::new(false)).unwrap();
    let path = folder.join("run/last.safetensors");
    let mut checkpoint = Checkpoint::read(&path).unwrap();
    let mut identity = vec![0.0; width * width];
    (0..width).for_each(|place| identity[place * width + place] = 1.0);
    let dims = if model.contains("conv2d") { vec![width, width, 1, 1] } else { vec![width, width] };
    let identity = HostTensor::from_f32(&dims, &identity).unwrap();
    checkpoint.tensors.insert("head.weight".to_owned(), identity);
    checkpoint.write(&path).unwrap();
    (file, path)
}

fn check(name: &str, model: &str, width: usize) {
    let folder = tempfile::tempdir().unwrap();
    let (file, checkpoint) = case(folder.path(), name, model, width);
    for engine in [EngineKind::default(), EngineKind::Interpreter] {
        let settings = EvalSettings { threads: Some(2), engine, ..EvalSettings::default() };
        let report = dlc_driver::evaluate(&load(&file, &[]).unwrap(), &checkpoint, &settings).unwrap();
        let found: BTreeMap<&str, f64> =
            report.evaluated.measures.0.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let mut compared = 0;
        for line in reference(name, "txt").lines() {
            let (metric, wanted) = line.split_once(' ').unwrap();
            compared += 1;
            if metric == "confusion" {
                let counts: Vec<u64> = wanted.split(' ').map(|count| count.parse().unwrap()).collect();
                assert_eq!(report.evaluated.confusion().unwrap().counts, counts, "{name}");
                continue;
            }
            let wanted: f64 = wanted.parse().unwrap();
            let value = *found.get(metric).unwrap_or_else(|| panic!("{name} has no {metric}: {found:?}"));
            let near = (value - wanted).abs() <= 1e-6 * wanted.abs().max(1.0);
            assert!(near || value.is_nan() && wanted.is_nan(), "{name} {metric}: {value}, not {wanted}");
        }
        let unranked = if matches!(name, "ties" | "apart") { 2 } else { 0 };
        // The loss has no reference, the matrix is no number.
        let matrices = usize::from(
            report.evaluated.confusion().is_some() && reference(name, "txt").contains("confusion"),
        );
        assert_eq!(compared + unranked, found.len() - 1 + matrices, "{name}");
    }
}

#[test]
fn several_classes() {
    for (name, classes) in [("several", 5), ("absent", 5), ("ties", 4), ("equal_rows", 4), ("apart", 3)] {
        check(name, &text(classes, "cross_entropy", SEVERAL, ""), classes);
    }
}

#[test]
fn yes_or_no() {
    for name in ["binary", "binary_ties", "one_class", "never_taken"] {
        check(name, &text(1, "binary_cross_entropy", BINARY, ": f32[N, 1]"), 1);
    }
}

#[test]
fn numbers() {
    for name in ["regression", "far", "constant", "constant_met"] {
        check(name, &text(1, "mse", REGRESSION, ": f32[N, 1]"), 1);
    }
}

#[test]
fn several_numbers() {
    let model = text(3, "mse", REGRESSION, ": f32[N, 3]").replace("\"label\")", "[\"t0\", \"t1\", \"t2\"])");
    check("outputs", &model, 3);
}

/// Metrics per pixel of maps of 2x3, where one class counts nowhere; labels come as numbers of a table.
#[test]
fn pixels() {
    let metrics =
        SEVERAL.replace("AVERAGED", AVERAGED).replace("auc(y, label), average_precision(y, label),", "");
    let metrics = metrics.replace(
        "mean_iou(y, label),",
        "mean_iou(y, label), mean_iou(y, label, average = per_class) as iou_class,",
    );
    for (name, ignored) in [("pixels", 9), ("background", 0)] {
        let label = "cast(reshape(label, [N, 2, 3]), \"i32\")";
        let metrics = metrics.replace("(y, label", &format!("(y, {label}, ignore = {ignored}"));
        let targets = (0..6).map(|place| format!("\"t{place}\"")).collect::<Vec<_>>().join(", ");
        let model = format!(
            "dlc 1
model m(x: f32[N, 24]) -> (y) {{ y = x |> reshape([N, 4, 2, 3]) |> conv2d(4, kernel = 1, bias = false) as head }}
data table {{
  source = csv(\"table.csv\", target = [{targets}]) -> (x, label: f32[N, 6])
  batch = 8
}}
train m on table {{
  loss = cross_entropy(y, {label}, ignore = {ignored})
  metrics = {metrics}
  optimizer = sgd(lr = 1e-9)
  epochs = 1
}}
"
        );
        check(name, &model, 4);
    }
}
