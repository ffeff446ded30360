//! One small case or more of every family of operators, with results that were worked out by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use dlc_host::{
    Attribute, Attributes, Data, Element, HostError, OperatorName, Tensor, Value, evaluate, operators,
};

fn call(
    name: &str,
    inputs: &[&Value],
    attributes: &[(&str, Attribute)],
    outputs: usize,
) -> Result<Vec<Value>, HostError> {
    let (domain, op_type) = name.rsplit_once('.').unwrap_or(("", name));
    let operator = OperatorName { domain: domain.to_owned(), op_type: op_type.to_owned(), version: 28 };
    let attributes: Attributes =
        attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let inputs: Vec<Option<&Value>> = inputs.iter().map(|&value| Some(value)).collect();
    let values = evaluate(&operator, &attributes, &inputs, outputs)?;
    Ok(values.into_iter().flatten().collect())
}

fn one(name: &str, inputs: &[&Value], attributes: &[(&str, Attribute)]) -> Value {
    call(name, inputs, attributes, 1).unwrap().remove(0)
}

fn ints(dims: &[usize], values: &[i64]) -> Value {
    let bytes = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
    Tensor::new(Element::I64, dims.to_vec(), bytes).unwrap().into()
}

fn floats(dims: &[usize], values: &[f32]) -> Value {
    let bytes = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
    Tensor::new(Element::F32, dims.to_vec(), bytes).unwrap().into()
}

fn small(element: Element, dims: &[usize], values: &[u8]) -> Value {
    Tensor::new(element, dims.to_vec(), values.to_vec()).unwrap().into()
}

fn texts(dims: &[usize], values: &[&str]) -> Value {
    let strings = values.iter().map(|&text| text.to_owned()).collect();
    Tensor::of_strings(dims.to_vec(), strings).unwrap().into()
}

fn int(value: i64) -> Attribute {
    Attribute::Int(value)
}

fn text(value: &str) -> Attribute {
    Attribute::String(value.to_owned())
}

#[test]
fn conversions() {
    let data = floats(&[4], &[0.4, -3.0, 1e6, f32::NAN]);
    let to =
        |code, extra: &[(&str, Attribute)]| one("Cast", &[&data], &[&[("to", int(code))], extra].concat());
    assert_eq!(to(17, &[]), small(Element::F8E4M3Fn, &[4], &[0x2d, 0xc4, 0x7e, 0x7f]));
    assert_eq!(to(17, &[("saturate", int(0))]), small(Element::F8E4M3Fn, &[4], &[0x2d, 0xc4, 0x7f, 0x7f]));
    assert_eq!(to(8, &[]), texts(&[4], &["0.4", "-3.0", "1000000.0", "nan"]));
    assert_eq!(
        one("Cast", &[&ints(&[3], &[-1, 300, 7])], &[("to", int(2))]),
        small(Element::U8, &[3], &[255, 44, 7])
    );
    let read = one("CastLike", &[&texts(&[2], &["-1e3", "+INF"]), &data], &[]);
    assert_eq!(read, floats(&[2], &[-1000.0, f32::INFINITY]));
    let bits = one("BitCast", &[&small(Element::U8, &[1], &[200])], &[("to", int(3))]);
    assert_eq!(bits, small(Element::I8, &[1], &[200]));
}

#[test]
fn quantization_by_block() {
    let (data, scale) = (floats(&[1, 4], &[1.0, 2.0, 3.0, -40.0]), floats(&[1, 2], &[0.5, 2.0]));
    let (zero, block) = (small(Element::I4, &[1, 2], &[0, 1]), [("block_size", int(2))]);
    let packed = one("QuantizeLinear", &[&data, &scale, &zero], &block);
    // 1 / 0.5, 2 / 0.5, 1.5 to even and 1 more, -20 cut at -8.
    assert_eq!(packed, small(Element::I4, &[1, 4], &[2, 4, 3, 8]));
    let back = one("DequantizeLinear", &[&packed, &scale, &zero], &block);
    assert_eq!(back, floats(&[1, 4], &[1.0, 2.0, 4.0, -18.0]));
}

#[test]
fn movements_of_any_element() {
    let words = texts(&[2, 3], &["a", "b", "c", "d", "e", "f"]);
    assert_eq!(one("Transpose", &[&words], &[]), texts(&[3, 2], &["a", "d", "b", "e", "c", "f"]));
    assert_eq!(
        one("Reshape", &[&words, &ints(&[2], &[3, -1])], &[]),
        texts(&[3, 2], &["a", "b", "c", "d", "e", "f"])
    );
    let (from, to, along, by) =
        (ints(&[1], &[-1]), ints(&[1], &[i64::MIN]), ints(&[1], &[1]), ints(&[1], &[-2]));
    assert_eq!(one("Slice", &[&words, &from, &to, &along, &by], &[]), texts(&[2, 2], &["c", "a", "f", "d"]));
    assert_eq!(one("Gather", &[&words, &ints(&[], &[-1])], &[("axis", int(1))]), texts(&[2], &["c", "f"]));
    assert_eq!(one("Tile", &[&texts(&[1], &["x"]), &ints(&[1], &[3])], &[]), texts(&[3], &["x", "x", "x"]));
    let parts = call("Split", &[&words], &[("axis", int(1)), ("num_outputs", int(2))], 2).unwrap();
    assert_eq!(parts, [texts(&[2, 2], &["a", "b", "d", "e"]), texts(&[2, 1], &["c", "f"])]);
    assert_eq!(one("Concat", &[&parts[0], &parts[1]], &[("axis", int(1))]), words);
    let nibbles = small(Element::U4, &[3], &[1, 2, 3]);
    let padded = one("Pad", &[&nibbles, &ints(&[2], &[2, -1])], &[("mode", text("reflect"))]);
    assert_eq!(padded, small(Element::U4, &[4], &[3, 2, 1, 2]));
    let written = one("ScatterND", &[&nibbles, &ints(&[1, 1], &[-1]), &small(Element::U4, &[1], &[9])], &[]);
    assert_eq!(written, small(Element::U4, &[3], &[1, 2, 9]));
    let counts = one("Range", &[&ints(&[], &[5]), &ints(&[], &[0]), &ints(&[], &[-2])], &[]);
    assert_eq!(counts, ints(&[3], &[5, 3, 1]));
}

#[test]
fn choices_by_value() {
    let mask = small(Element::Bool, &[2, 1], &[1, 0]);
    assert_eq!(
        one("Where", &[&mask, &texts(&[1], &["y"]), &texts(&[1], &["n"])], &[]),
        texts(&[2, 1], &["y", "n"])
    );
    assert_eq!(
        one("Equal", &[&texts(&[2], &["a", "b"]), &texts(&[1], &["b"])], &[]),
        small(Element::Bool, &[2], &[0, 1])
    );
    let data = floats(&[2, 2], &[0.0, 3.0, 0.0, -1.0]);
    assert_eq!(one("NonZero", &[&data], &[]), ints(&[2, 2], &[0, 1, 1, 1]));
    let best = call("TopK", &[&floats(&[4], &[1.0, f32::NAN, 3.0, 3.0]), &ints(&[1], &[3])], &[], 2).unwrap();
    assert_eq!(best[1], ints(&[3], &[1, 2, 3]));
    let unique = call("Unique", &[&texts(&[4], &["b", "a", "b", "c"])], &[("sorted", int(0))], 4).unwrap();
    assert_eq!(unique[0], texts(&[3], &["b", "a", "c"]));
    assert_eq!(unique[2..], [ints(&[4], &[0, 1, 0, 2]), ints(&[3], &[2, 1, 1])]);
    let boxes = floats(&[1, 3, 4], &[0.0, 0.0, 1.0, 1.0, 0.0, 0.1, 1.0, 1.1, 0.0, 5.0, 1.0, 6.0]);
    let kept = one(
        "NonMaxSuppression",
        &[&boxes, &floats(&[1, 1, 3], &[0.5, 0.9, 0.1]), &ints(&[1], &[9]), &floats(&[1], &[0.5])],
        &[],
    );
    assert_eq!(kept, ints(&[2, 3], &[0, 0, 1, 0, 0, 2]));
}

#[test]
fn nothing_at_all() {
    let empty = floats(&[2, 0], &[]);
    let axes = ints(&[1], &[1]);
    let reduced = |name| one(name, &[&empty, &axes], &[("keepdims", int(0))]);
    assert_eq!(reduced("ReduceSum"), floats(&[2], &[0.0, 0.0]));
    assert_eq!(reduced("ReduceProd"), floats(&[2], &[1.0, 1.0]));
    assert_eq!(reduced("ReduceMax"), floats(&[2], &[f32::NEG_INFINITY; 2]));
    assert_eq!(reduced("ReduceLogSumExp"), floats(&[2], &[f32::NEG_INFINITY; 2]));
    assert_eq!(one("Add", &[&empty, &floats(&[1], &[1.0])], &[]), empty);
    assert_eq!(one("Less", &[&empty, &floats(&[1], &[1.0])], &[]), small(Element::Bool, &[2, 0], &[]));
    assert_eq!(one("MatMul", &[&empty, &floats(&[0, 3], &[])], &[]), floats(&[2, 3], &[0.0; 6]));
    let full = floats(&[1], &[1.0]);
    assert!(call("Add", &[&full, &full], &[], 1).unwrap_err().is_unsupported());
}

#[test]
fn strings() {
    let words = texts(&[3], &["Monday", "TUESDAY", "monday"]);
    let stop = ("stopwords", Attribute::Strings(vec!["monday".to_owned()]));
    assert_eq!(
        one("StringNormalizer", &[&words], &[stop.clone(), ("case_change_action", text("LOWER"))]),
        texts(&[1], &["tuesday"])
    );
    let split = call("StringSplit", &[&texts(&[2], &[" a  b c", ""])], &[("maxsplit", int(1))], 2).unwrap();
    assert_eq!(split, [texts(&[2, 2], &["a", "b c", "", ""]), ints(&[2], &[2, 0])]);
    assert_eq!(
        one("StringConcat", &[&words, &texts(&[], &["!"])], &[]),
        texts(&[3], &["Monday!", "TUESDAY!", "monday!"])
    );
    let matches = one("RegexFullMatch", &[&texts(&[2], &["ab12", "ab12 "])], &[("pattern", text(r"\w+|x"))]);
    assert_eq!(matches, small(Element::Bool, &[2], &[1, 0]));
}

#[test]
fn sequences_and_optionals() {
    let data = ints(&[3], &[4, 5, 6]);
    let sequence = one("SplitToSequence", &[&data], &[("keepdims", int(0))]);
    assert_eq!(one("SequenceLength", &[&sequence], &[]), ints(&[], &[3]));
    let longer = one("SequenceInsert", &[&sequence, &ints(&[], &[9]), &ints(&[], &[-1])], &[]);
    assert_eq!(
        one("ConcatFromSequence", &[&longer], &[("axis", int(0)), ("new_axis", int(1))]),
        ints(&[4], &[4, 5, 9, 6])
    );
    assert_eq!(
        one("SequenceAt", &[&one("SequenceErase", &[&longer], &[]), &ints(&[], &[-1])], &[]),
        ints(&[], &[9])
    );
    let none = one("Optional", &[], &[]);
    assert_eq!(one("OptionalHasElement", &[&none], &[]), small(Element::Bool, &[], &[0]));
    let some = one("Optional", &[&data], &[]);
    assert_eq!(one("OptionalGetElement", &[&some], &[]), data);
    assert_eq!(one("Identity", &[&some], &[]), some);
}

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
fn errors_tell_where() {
    let message = |name: &str, inputs: &[&Value]| call(name, inputs, &[], 1).unwrap_err().to_string();
    assert_eq!(message("Conv", &[]), "the host has no operator Conv");
    assert_eq!(
        message("Gather", &[&floats(&[2], &[0.0; 2]), &ints(&[1], &[2])]),
        "Gather: index 2 is outside of 2"
    );
    assert_eq!(message("Transpose", &[]), "Transpose: input 0 is missing");
    let huge = ints(&[2], &[1 << 20, 1 << 20]);
    assert_eq!(
        message("ConstantOfShape", &[&huge]),
        "ConstantOfShape: a tensor of dims [1048576, 1048576] is too large"
    );
    let old = OperatorName { domain: String::new(), op_type: "Cast".to_owned(), version: 1 };
    let error = evaluate(&old, &Attributes::new(), &[], 1).unwrap_err();
    assert_eq!(error.to_string(), "Cast: version 1 (the oldest is 6) is not supported");
}

#[test]
fn the_table_names_each_operator_once() {
    let mut names: Vec<(&str, &str)> = operators().map(|row| (row.domain, row.name)).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
