//! Models through all phases and the oracle: old forms, functions, shapes that depend on values.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod models;

use dlc_interp::{Data, Tensor};
use dlc_onnx::convert::{AtHand, Hand, Region, Stop};
use dlc_onnx::{Array, Document, Element, load_bytes};
use dlc_types::{DType, Dim};
use models::*;
use onnx_protobuf::ModelProto;
use std::collections::BTreeMap;

/// Arrays by name.
struct Values(BTreeMap<String, Array>);

fn array(tensor: &Tensor) -> Array {
    let bytes: Vec<u8> = match &tensor.data {
        Data::Float(values) => values.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect(),
        Data::Int(values) if tensor.dtype == DType::I32 => {
            values.iter().flat_map(|&value| (value as i32).to_le_bytes()).collect()
        }
        Data::Int(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Data::Bool(values) => values.iter().map(|&value| u8::from(value)).collect(),
    };
    Array::new(Element::of(tensor.dtype), tensor.dims.clone(), bytes).unwrap()
}

impl Hand for Values {
    fn value(&self, name: &str) -> Option<AtHand> {
        let array = self.0.get(name)?;
        Some(AtHand::Tensor {
            element: array.element(),
            dims: array.dims().iter().map(|&size| Dim::Fixed(size)).collect(),
            array: Some(array.clone()),
            fixed: false,
        })
    }

    fn evaluate(&self, function: &dlc_ir::Function) -> Option<Array> {
        Some(array(&dlc_interp::evaluate(function, 1, &|_| None).ok()?[0]))
    }
}

fn hand(document: &Document, fed: &[(&str, Array)]) -> Values {
    let mut values = document.graph.initializers.clone();
    values.extend(fed.iter().map(|(name, array)| ((*name).to_owned(), array.clone())));
    Values(values)
}

/// The first output of a model that is one region.
fn run(model: &ModelProto, fed: &[(&str, Array)]) -> Array {
    let document = load_bytes(bytes(model), "m.onnx").unwrap();
    let hand = hand(&document, fed);
    let mut region = Region::new("predict", &hand);
    for node in &document.graph.nodes {
        region.convert(node).unwrap_or_else(|stop| panic!("{}: {stop:?}", node.label()));
    }
    region.known_value(&document.graph.outputs[0].name).unwrap()
}

fn matrix() -> Array {
    Array::of_floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).reshaped(vec![2, 3]).unwrap()
}

fn one_node(
    opset: i64,
    op_type: &str,
    inputs: &[&str],
    attributes: Vec<onnx_protobuf::AttributeProto>,
) -> ModelProto {
    let declared = inputs.iter().map(|name| info(name, 1, &[2, 3])).collect();
    let nodes = vec![node(op_type, inputs, &["y"], attributes)];
    model(opset, graph(declared, vec![info("y", 1, &[])], nodes))
}

#[test]
fn old_forms_become_new_ones() {
    let x = || [("x", matrix())];
    let sliced =
        one_node(9, "Slice", &["x"], vec![ints("starts", &[1]), ints("ends", &[9]), ints("axes", &[1])]);
    let result = run(&sliced, &x());
    assert_eq!((result.dims(), result.floats().unwrap()), (&[2, 2][..], vec![2.0, 3.0, 5.0, 6.0]));
    let clipped = one_node(6, "Clip", &["x"], vec![float("min", 2.5), float("max", 4.5)]);
    assert_eq!(run(&clipped, &x()).floats().unwrap(), [2.5, 2.5, 3.0, 4.0, 4.5, 4.5]);
    let summed = one_node(11, "ReduceSum", &["x"], vec![ints("axes", &[-1]), int("keepdims", 0)]);
    assert_eq!(run(&summed, &x()).floats().unwrap(), [6.0, 15.0]);
    let flat = one_node(12, "Softmax", &["x"], vec![int("axis", 0)]);
    let total: f64 = run(&flat, &x()).floats().unwrap().iter().sum();
    assert!((total - 1.0).abs() < 1e-6, "over both axes at once: {total}");
    let reshaped = one_node(1, "Reshape", &["x"], vec![ints("shape", &[3, -1])]);
    assert_eq!(run(&reshaped, &x()).dims(), [3, 2]);
}

#[test]
fn old_broadcasting_starts_at_its_axis() {
    let declared = vec![info("x", 1, &[2, 3]), info("b", 1, &[2])];
    let nodes = vec![node("Add", &["x", "b"], &["y"], vec![int("broadcast", 1), int("axis", 0)])];
    let model = model(6, graph(declared, vec![info("y", 1, &[2, 3])], nodes));
    let result = run(&model, &[("x", matrix()), ("b", Array::of_floats(&[10.0, 20.0]))]);
    assert_eq!(result.floats().unwrap(), [11.0, 12.0, 13.0, 24.0, 25.0, 26.0]);
}

#[test]
fn functions_are_inlined_with_their_opset_and_attributes() {
    // F(x) = sum over the axis that the call names, written in opset 11; the model is in opset 20.
    let body = vec![
        node("ReduceSum", &["x"], &["inner"], vec![reference("keepdims", "keep")]),
        node("Neg", &["inner"], &["y"], Vec::new()),
    ];
    let mut call = node("F", &["x"], &["s"], vec![int("keep", 0)]);
    call.domain = "own".to_owned();
    let mut again = node("F", &["s"], &["y"], Vec::new());
    again.domain = "own".to_owned();
    let mut model = model(20, graph(vec![info("x", 1, &[2, 3])], vec![info("y", 1, &[])], vec![call, again]));
    let mut function = function("F", &["x"], &["y"], 11, body);
    function.attribute.push("keep".to_owned());
    model.functions.push(function);
    let result = run(&model, &[("x", matrix())]);
    assert_eq!((result.dims(), result.floats().unwrap()), (&[][..], vec![21.0]));
}

#[test]
fn shapes_are_computed_from_shapes() {
    // Reshape(x, Concat(Shape(x)[1:], Shape(x)[:1])) of an exporter's kind.
    let nodes = vec![
        node("Shape", &["x"], &["shape"], Vec::new()),
        node("Gather", &["shape", "one"], &["columns"], Vec::new()),
        node("Gather", &["shape", "zero"], &["rows"], Vec::new()),
        node("Unsqueeze", &["columns", "axes"], &["c"], Vec::new()),
        node("Unsqueeze", &["rows", "axes"], &["r"], Vec::new()),
        node("Concat", &["c", "r"], &["wanted"], vec![int("axis", 0)]),
        node("Reshape", &["x", "wanted"], &["y"], Vec::new()),
    ];
    let mut graph = graph(vec![info("x", 1, &[2, 3])], vec![info("y", 1, &[3, 2])], nodes);
    graph.initializer = vec![longs("zero", &[], &[0]), longs("one", &[], &[-1]), longs("axes", &[1], &[0])];
    assert_eq!(run(&model(20, graph), &[("x", matrix())]).dims(), [3, 2]);
}

fn stop(model: &ModelProto, fed: &[(&str, Array)]) -> Stop {
    let document = load_bytes(bytes(model), "m.onnx").unwrap();
    let hand = hand(&document, fed);
    let mut region = Region::new("predict", &hand);
    let stops = document.graph.nodes.iter().filter_map(|node| region.convert(node).err());
    stops.last().unwrap_or_else(|| panic!("all was converted"))
}

#[test]
fn conversions_tell_why_they_stop() {
    let x = [("x", matrix())];
    assert_eq!(stop(&one_node(20, "Nonsense", &["x"], Vec::new()), &x), Stop::UnknownOperator);
    let wrong_type = one_node(20, "Softmax", &["x"], vec![float("axis", 1.0)]);
    let message = "its attribute `axis` is a float, and must be an integer";
    assert_eq!(stop(&wrong_type, &x), Stop::Invalid(message.to_owned()));
    let no_axis = one_node(20, "Softmax", &["x"], vec![int("axis", 2)]);
    assert_eq!(stop(&no_axis, &x), Stop::Invalid("there is no axis 2 among 2".to_owned()));
    let waiting = one_node(20, "Relu", &["x"], Vec::new());
    assert_eq!(stop(&waiting, &[]), Stop::Waiting("x".to_owned()));
    let texts = Array::texts(vec![1], vec![b"a".to_vec()]).unwrap();
    assert_eq!(stop(&one_node(20, "Relu", &["x"], Vec::new()), &[("x", texts)]), Stop::Host);
    let mut shapes = one_node(20, "Add", &["x", "b"], Vec::new());
    shapes.graph.as_mut().unwrap().input[1] = info("b", 1, &[2]);
    let fed = [("x", matrix()), ("b", Array::of_floats(&[1.0, 2.0]))];
    assert_eq!(stop(&shapes, &fed), Stop::Invalid("[2, 3] and [2] do not broadcast".to_owned()));
}

#[test]
fn nothing_is_a_tensor_too() {
    let empty = Array::new(Element::F32, vec![0, 3], Vec::new()).unwrap();
    let sum = one_node(20, "ReduceSum", &["x"], Vec::new());
    assert_eq!(run(&sum, &[("x", empty.clone())]).floats().unwrap(), [0.0]);
    let relu = one_node(20, "Relu", &["x"], Vec::new());
    assert_eq!(run(&relu, &[("x", empty)]).dims(), [0, 3]);
}
