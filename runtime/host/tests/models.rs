//! Families with models, draws, transforms and whole numbers, with results that were worked out by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod node;

use dlc_host::{Attribute, Data, Element, Value};
use node::{call, floats, int, ints, one, small, text, texts};

#[test]
fn learning() {
    let keys = ("keys_int64s", Attribute::Ints(vec![1, 2]));
    let values = ("values_strings", Attribute::Strings(vec!["one".to_owned(), "two".to_owned()]));
    let labels = one("ai.onnx.ml.LabelEncoder", &[&ints(&[3], &[2, 7, 1])], &[keys, values]);
    assert_eq!(labels, texts(&[3], &["two", "_Unused", "one"]));
    let ids = |values: &[i64]| Attribute::Ints(values.to_vec());
    let nodes = [
        ("nodes_treeids", ids(&[0, 0, 0])),
        ("nodes_nodeids", ids(&[0, 1, 2])),
        ("nodes_featureids", ids(&[0, 0, 0])),
        ("nodes_truenodeids", ids(&[1, 0, 0])),
        ("nodes_falsenodeids", ids(&[2, 0, 0])),
        ("nodes_modes", Attribute::Strings(["BRANCH_LEQ", "LEAF", "LEAF"].map(str::to_owned).to_vec())),
        ("nodes_values", Attribute::Floats(vec![0.5, 0.0, 0.0])),
    ];
    let weights = |kind: &'static str| {
        let [trees, nodes, targets, weights] = match kind {
            "target" => ["target_treeids", "target_nodeids", "target_ids", "target_weights"],
            _ => ["class_treeids", "class_nodeids", "class_ids", "class_weights"],
        };
        [
            (trees, ids(&[0, 0])),
            (nodes, ids(&[1, 2])),
            (targets, ids(&[0, 0])),
            (weights, Attribute::Floats(vec![0.25, 0.75])),
        ]
    };
    let data = floats(&[2, 1], &[0.0, 1.0]);
    let regression = [
        &nodes[..],
        &weights("target"),
        &[("n_targets", int(1)), ("base_values", Attribute::Floats(vec![1.0]))],
    ];
    assert_eq!(
        one("ai.onnx.ml.TreeEnsembleRegressor", &[&data], &regression.concat()),
        floats(&[2, 1], &[1.25, 1.75])
    );
    let classes = [&nodes[..], &weights("class"), &[("classlabels_int64s", ids(&[10, 20]))]].concat();
    let classified = call("ai.onnx.ml.TreeEnsembleClassifier", &[&data], &classes, 2).unwrap();
    assert_eq!(classified, [ints(&[2], &[10, 20]), floats(&[2, 2], &[0.75, 0.25, 0.25, 0.75])]);
    let circle =
        [&nodes[..3], &[("nodes_truenodeids", ids(&[0, 0, 0]))], &nodes[4..], &weights("target")].concat();
    let circle = [&circle[..], &[("n_targets", int(1))]].concat();
    let error = call("ai.onnx.ml.TreeEnsembleRegressor", &[&data], &circle, 1).unwrap_err();
    assert_eq!(error.to_string(), "ai.onnx.ml.TreeEnsembleRegressor: the nodes of tree 0 form a circle");
}

#[test]
fn draws_repeat() {
    let draw = |seed: f32| {
        one("RandomUniform", &[], &[("shape", Attribute::Ints(vec![64])), ("seed", Attribute::Float(seed))])
    };
    assert_eq!(draw(3.0), draw(3.0));
    assert_ne!(draw(3.0), draw(4.0));
    let Value::Tensor(tensor) = draw(3.0) else { panic!("no tensor") };
    let Data::Bytes(bytes) = tensor.data() else { panic!("no numbers") };
    let values = bytes.chunks_exact(4).map(|bytes| f32::from_ne_bytes(bytes.try_into().unwrap()));
    assert!(values.into_iter().all(|value| (0.0..1.0).contains(&value)));
    let chances = floats(&[3], &[0.0, 1.0, 1.0]);
    assert_eq!(one("Bernoulli", &[&chances], &[]), chances);
    let logs = floats(&[1, 3], &[f32::NEG_INFINITY, 0.0, f32::NEG_INFINITY]);
    let drawn = one("Multinomial", &[&logs], &[("sample_size", int(4)), ("dtype", int(7))]);
    assert_eq!(drawn, ints(&[1, 4], &[1; 4]));
}

#[test]
fn transforms() {
    let signal = floats(&[1, 4, 1], &[1.0, 2.0, 3.0, 4.0]);
    let half = one("DFT", &[&signal], &[("onesided", int(1))]);
    let rounded = |value: &Value| match value {
        Value::Tensor(tensor) => match tensor.data() {
            Data::Bytes(bytes) => {
                let values =
                    bytes.chunks_exact(4).map(|bytes| f32::from_ne_bytes(bytes.try_into().unwrap()).round());
                values.collect::<Vec<f32>>()
            }
            Data::Strings(_) => Vec::new(),
        },
        _ => Vec::new(),
    };
    assert_eq!(rounded(&half), [10.0, 0.0, -2.0, 2.0, -2.0, 0.0]);
    let back = one("DFT", &[&half], &[("onesided", int(1)), ("inverse", int(1))]);
    assert_eq!(rounded(&back), [1.0, 2.0, 3.0, 4.0]);
    let frames = one("STFT", &[&signal, &ints(&[], &[1]), &floats(&[2], &[1.0, 0.5])], &[]);
    assert_eq!(rounded(&frames), [2.0, 0.0, 0.0, 0.0, 4.0, 0.0, 1.0, 0.0, 5.0, 0.0, 1.0, 0.0]);
}

#[test]
fn whole_numbers() {
    let (left, right) = (ints(&[4], &[7, -7, i64::MAX, i64::MIN]), ints(&[4], &[2, 2, 1, -1]));
    let result = |name: &str, attributes: &[(&str, Attribute)]| one(name, &[&left, &right], attributes);
    assert_eq!(result("Add", &[]), ints(&[4], &[9, -5, i64::MIN, i64::MAX]));
    assert_eq!(result("Div", &[]), ints(&[4], &[3, -3, i64::MAX, i64::MIN]));
    assert_eq!(result("Mod", &[]), ints(&[4], &[1, 1, 0, 0]));
    assert_eq!(result("Mod", &[("fmod", int(1))]), ints(&[4], &[1, -1, 0, 0]));
    assert_eq!(result("Less", &[]), small(Element::Bool, &[4], &[0, 1, 0, 1]));
    let shifted = one("BitShift", &[&left, &ints(&[1], &[-1])], &[("direction", text("RIGHT"))]);
    assert_eq!(shifted, ints(&[4], &[0, -1, 0, -1]));
    assert_eq!(one("Sum", &[&left, &left, &ints(&[1], &[1])], &[]), ints(&[4], &[15, -13, -1, 1]));
    let error = call("Div", &[&left, &ints(&[1], &[0])], &[], 1).unwrap_err();
    assert_eq!(error.to_string(), "Div: an integer is divided by zero");
}
