//! Options of operators that the conformance suite does not reach, against results by hand.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod models;
mod oracle;

use dlc_onnx::convert::{AtHand, Hand, Purpose, Region, Stop};
use dlc_onnx::{Array, Element, load_bytes};
use dlc_types::Dim;
use models::*;
use onnx_protobuf::{AttributeProto, ModelProto};
use oracle::{run, run_all};
use std::collections::BTreeMap;

fn floats_of(dims: &[usize], values: &[f32]) -> Array {
    Array::of_floats(values).reshaped(dims.to_vec()).unwrap()
}

fn ints_of(dims: &[usize], values: &[i64]) -> Array {
    Array::of_ints(values).reshaped(dims.to_vec()).unwrap()
}

fn bytes_of(dims: &[usize], values: &[u8]) -> Array {
    Array::new(Element::U8, dims.to_vec(), values.to_vec()).unwrap()
}

/// A model of one node, whose inputs are fed; names that are not fed are left out.
fn applied(
    op_type: &str,
    attributes: Vec<AttributeProto>,
    fed: &[(&str, Array)],
    outputs: &[&str],
) -> ModelProto {
    let names: Vec<&str> = fed.iter().map(|(name, _)| *name).collect();
    let names: Vec<&str> =
        names.into_iter().map(|name| if name.starts_with('-') { "" } else { name }).collect();
    let declared = fed.iter().filter(|(name, _)| !name.starts_with('-'));
    let declared = declared.map(|(name, array)| {
        let dims: Vec<i64> = array.dims().iter().map(|&size| size as i64).collect();
        info(name, array.element().number(), &dims)
    });
    let results = outputs.iter().map(|name| info(name, 1, &[])).collect();
    model(26, graph(declared.collect(), results, vec![node(op_type, &names, outputs, attributes)]))
}

fn result(op_type: &str, attributes: Vec<AttributeProto>, fed: &[(&str, Array)]) -> Array {
    run(&applied(op_type, attributes, fed, &["out"]), fed)
}

fn near(values: &[f64], wanted: &[f64]) {
    assert_eq!(values.len(), wanted.len());
    let far = values.iter().zip(wanted).find(|(a, b)| (*a - *b).abs() > 1e-6 * b.abs().max(1.0));
    assert!(far.is_none(), "{values:?} instead of {wanted:?}");
}

#[test]
fn sequences_end_where_they_end_in_reverse_too() {
    // An affine layer with weights of 1 sums what it has seen.
    let fed = [
        ("x", floats_of(&[3, 2, 1], &[1.0, 10.0, 2.0, 20.0, 3.0, 30.0])),
        ("w", floats_of(&[2, 1, 1], &[1.0, 1.0])),
        ("r", floats_of(&[2, 1, 1], &[1.0, 1.0])),
        ("-bias", floats_of(&[1], &[0.0])),
        ("lengths", Array::new(Element::I32, vec![2], vec![2, 0, 0, 0, 3, 0, 0, 0]).unwrap()),
    ];
    let attributes = vec![text("direction", "bidirectional"), texts("activations", &["Affine", "Affine"])];
    let results = run_all(&applied("RNN", attributes, &fed, &["y", "last"]), &fed);
    assert_eq!(results[0].dims(), [3, 2, 2, 1]);
    let wanted = [1.0, 10.0, 3.0, 60.0, 3.0, 30.0, 2.0, 50.0, 0.0, 60.0, 0.0, 30.0];
    near(&results[0].floats().unwrap(), &wanted);
    near(&results[1].floats().unwrap(), &[3.0, 60.0, 3.0, 60.0]);
}

#[test]
fn coupled_gates_see_the_cell_and_are_clipped() {
    let all = |count: usize, value: f32| vec![value; count];
    let fed = [
        ("x", floats_of(&[1, 1, 1], &[2.0])),
        ("w", floats_of(&[1, 4, 1], &all(4, 0.5))),
        ("r", floats_of(&[1, 4, 1], &all(4, 0.0))),
        ("-bias", floats_of(&[1], &[0.0])),
        ("-lengths", floats_of(&[1], &[0.0])),
        ("h", floats_of(&[1, 1, 1], &[0.0])),
        ("c", floats_of(&[1, 1, 1], &[-3.0])),
        ("p", floats_of(&[1, 3], &[0.1, 0.2, 0.3])),
    ];
    let attributes = vec![int("input_forget", 1), float("clip", 0.8)];
    let results = run_all(&applied("LSTM", attributes, &fed, &["y", "h1", "c1"]), &fed);
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let input = sigmoid(1.0 - 0.3);
    let cell = (1.0 - input) * -3.0 + input * 0.8_f64.tanh();
    let output = sigmoid((1.0 + 0.2 * cell).min(0.8));
    near(&results[2].floats().unwrap(), &[cell]);
    near(&results[1].floats().unwrap(), &[output * cell.tanh()]);
}

#[test]
fn places_are_gathered_and_scattered() {
    let data = || floats_of(&[2, 2, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    let fed = [("x", data()), ("i", ints_of(&[2, 2, 1], &[1, -2, 0, 1]))];
    let picked = result("GatherND", vec![int("batch_dims", 2)], &fed);
    assert_eq!((picked.dims(), picked.floats().unwrap()), (&[2, 2][..], vec![1.0, 2.0, 4.0, 7.0]));
    let fed = [("x", data()), ("i", ints_of(&[1, 1, 3], &[1, 0, -1]))];
    assert_eq!(result("GatherElements", vec![int("axis", 2)], &fed).floats().unwrap(), [1.0, 0.0, 1.0]);
    let fed = [
        ("x", floats_of(&[3, 2], &[1.0; 6])),
        ("i", ints_of(&[3, 1], &[2, 0, -1])),
        ("u", floats_of(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
    ];
    let sums = result("ScatterND", vec![text("reduction", "add")], &fed);
    assert_eq!(sums.floats().unwrap(), [4.0, 5.0, 1.0, 1.0, 7.0, 9.0]);
    let fed = [
        ("x", floats_of(&[2, 2], &[0.0; 4])),
        ("i", ints_of(&[1, 2], &[1, 1])),
        ("u", floats_of(&[1, 2], &[8.0, 9.0])),
    ];
    assert_eq!(result("ScatterElements", Vec::new(), &fed).floats().unwrap(), [0.0, 0.0, 8.0, 9.0]);
    let outside = [("x", data()), ("i", ints_of(&[1, 4], &[0, 0, 0, 0]))];
    let stop = stop(&applied("GatherND", Vec::new(), &outside, &["out"]), &outside);
    assert_eq!(stop, Stop::Invalid("places [1, 4] are not in a tensor of [2, 2, 2]".to_owned()));
}

fn stop(model: &ModelProto, fed: &[(&str, Array)]) -> Stop {
    let document = load_bytes(bytes(model), "m.onnx").unwrap();
    let hand = oracle::hand(&document, fed);
    let mut region = Region::new("predict", &hand);
    document.graph.nodes.iter().find_map(|node| region.convert(node).err()).unwrap()
}

#[test]
fn sorting_and_running() {
    let fed = [("x", floats_of(&[1, 4], &[1.0, 3.0, 3.0, 2.0])), ("k", ints_of(&[1], &[2]))];
    let results = run_all(&applied("TopK", Vec::new(), &fed, &["v", "i"]), &fed);
    assert_eq!(results[0].floats().unwrap(), [3.0, 3.0]);
    assert_eq!(results[1].ints().unwrap(), [1, 2], "of equal ones the first");
    let fed = [("x", floats_of(&[4], &[2.0, 3.0, 4.0, 5.0])), ("axis", Array::of_int(-1))];
    let products = result("CumProd", vec![int("exclusive", 1), int("reverse", 1)], &fed);
    assert_eq!(products.floats().unwrap(), [60.0, 20.0, 5.0, 1.0]);
}

#[test]
fn scales_of_blocks_may_not_divide_the_axis() {
    let fed = [
        ("x", floats_of(&[1, 3], &[1.0, 2.5, 900.0])),
        ("scale", floats_of(&[1, 2], &[0.5, 2.0])),
        ("zero", bytes_of(&[1, 2], &[3, 1])),
    ];
    let quantized = result("QuantizeLinear", vec![int("block_size", 2)], &fed);
    assert_eq!((quantized.element(), quantized.ints().unwrap()), (Element::U8, vec![5, 8, 255]));
}

#[test]
fn padding_of_a_quantized_convolution_is_the_zero_point() {
    let fed = [
        ("x", bytes_of(&[1, 1, 2], &[10, 12])),
        ("x_scale", Array::of_float(0.5)),
        ("x_zero", bytes_of(&[], &[10])),
        ("w", bytes_of(&[1, 1, 3], &[1, 1, 1])),
        ("w_scale", floats_of(&[1], &[1.0])),
        ("w_zero", bytes_of(&[1], &[0])),
        ("y_scale", Array::of_float(0.25)),
        ("y_zero", bytes_of(&[], &[7])),
    ];
    let quantized = result("QLinearConv", vec![ints("pads", &[1, 1])], &fed);
    assert_eq!(quantized.ints().unwrap(), [11, 11]);
}

#[test]
fn rows_have_zero_points_of_their_own() {
    let fed = [
        ("a", bytes_of(&[2, 2], &[1, 2, 3, 4])),
        ("b", bytes_of(&[2, 1], &[1, 255])),
        ("za", bytes_of(&[2], &[1, 4])),
    ];
    assert_eq!(result("MatMulInteger", Vec::new(), &fed).ints().unwrap(), [255, -1]);
}

#[test]
fn dropout_keeps_what_its_mask_tells() {
    let values: Vec<f32> = (1..=64).map(|value| value as f32).collect();
    let flag = |value: u8| Array::new(Element::Bool, Vec::new(), vec![value]).unwrap();
    let fed =
        |ratio: f32| [("x", floats_of(&[64], &values)), ("ratio", Array::of_float(ratio)), ("t", flag(1))];
    let some = fed(0.5);
    let results = run_all(&applied("Dropout", vec![int("seed", 3)], &some, &["y", "mask"]), &some);
    let (dropped, mask) = (results[0].floats().unwrap(), results[1].ints().unwrap());
    let wanted: Vec<f64> =
        mask.iter().zip(&values).map(|(&kept, &x)| kept as f64 * f64::from(x) * 2.0).collect();
    assert_eq!(dropped, wanted);
    let kept = mask.iter().sum::<i64>();
    assert!((16..=48).contains(&kept), "{kept} of 64");
    let none = fed(0.0);
    let results = run_all(&applied("Dropout", Vec::new(), &none, &["y", "mask"]), &none);
    assert_eq!(results[0].floats().unwrap().last(), Some(&64.0));
    assert_eq!(results[1].ints().unwrap(), [1; 64]);
}

#[test]
fn bits_are_read_in_another_type() {
    let fed = [("x", floats_of(&[2], &[1.0, -0.0]))];
    let bits = result("BitCast", vec![int("to", 6)], &fed);
    assert_eq!(bits.ints().unwrap(), [0x3f80_0000, i64::from(i32::MIN)]);
}

/// Types alone, some of the batch.
struct Types(BTreeMap<&'static str, (Element, Vec<Dim>)>);

impl Hand for Types {
    fn value(&self, name: &str) -> Option<AtHand> {
        let (element, dims) = self.0.get(name)?.clone();
        Some(AtHand::Tensor { element, dims, array: None, fixed: false })
    }

    fn evaluate(&self, _: &dlc_ir::Function, _: usize) -> Option<Array> {
        None
    }
}

/// The type of the result where an extent is the batch.
fn batched(
    op_type: &str,
    attributes: Vec<AttributeProto>,
    types: &[(&'static str, Element, &[Dim])],
) -> Vec<Dim> {
    let declared = types.iter().map(|(name, element, _)| info(name, element.number(), &[])).collect();
    let names: Vec<&str> = types.iter().map(|(name, ..)| *name).collect();
    let nodes = vec![node(op_type, &names, &["out"], attributes)];
    let model = model(24, graph(declared, vec![info("out", 1, &[])], nodes));
    let document = load_bytes(bytes(&model), "m.onnx").unwrap();
    let types = types.iter().map(|(name, element, dims)| (*name, (*element, dims.to_vec())));
    let hand = Types(types.collect());
    let mut region = Region::new("predict", &hand);
    region.convert(&document.graph.nodes[0]).unwrap();
    region.type_of("out").unwrap().1
}

#[test]
fn batches_stay_open() {
    let (f, n) = (Dim::Fixed, Dim::N);
    let single = Element::F32;
    let layer = batched(
        "LSTM",
        Vec::new(),
        &[
            ("x", single, &[f(3), n, f(2)]),
            ("w", single, &[f(1), f(16), f(2)]),
            ("r", single, &[f(1), f(16), f(4)]),
        ],
    );
    assert_eq!(layer, [f(3), f(1), n, f(4)]);
    let attention = batched(
        "Attention",
        vec![int("q_num_heads", 4), int("kv_num_heads", 2), int("is_causal", 1)],
        &[("q", single, &[n, f(5), f(8)]), ("k", single, &[n, f(5), f(4)]), ("v", single, &[n, f(5), f(6)])],
    );
    assert_eq!(attention, [n, f(5), f(12)]);
    let types: [(&str, Element, &[Dim]); 2] =
        [("x", single, &[n, f(5), f(2)]), ("t", Element::I64, &[n, f(2)])];
    assert_eq!(batched("SoftmaxCrossEntropyLoss", Vec::new(), &types), []);
    assert_eq!(batched("NegativeLogLikelihoodLoss", vec![text("reduction", "none")], &types), [n, f(2)]);
}

#[test]
fn a_gradient_needs_a_caller_that_differentiates() {
    let fed = [("x", floats_of(&[1], &[1.0]))];
    let mut gradient = node("Gradient", &["x"], &["d"], vec![texts("xs", &["x"]), text("y", "y")]);
    gradient.domain = "ai.onnx.preview.training".to_owned();
    let nodes = vec![node("Exp", &["x"], &["y"], Vec::new()), gradient];
    let mut model = model(20, graph(vec![info("x", 1, &[1])], vec![info("d", 1, &[])], nodes));
    model.opset_import.push(onnx_protobuf::OperatorSetIdProto {
        domain: "ai.onnx.preview.training".to_owned(),
        version: 1,
        ..Default::default()
    });
    assert_eq!(stop(&model, &fed), Stop::NotDone("derivatives in a graph".to_owned()));
}

#[test]
fn nodes_drop_where_a_model_is_trained() {
    let nodes =
        vec![node("Dropout", &["x"], &["a"], Vec::new()), node("Dropout", &["a"], &["b"], Vec::new())];
    let model = model(20, graph(vec![info("x", 1, &[2])], vec![info("b", 1, &[2])], nodes));
    let document = load_bytes(bytes(&model), "m.onnx").unwrap();
    let hand = Types(BTreeMap::from([("x", (Element::F32, vec![Dim::N, Dim::Fixed(2)]))]));
    let function = |purpose: Purpose| {
        let mut region = Region::for_purpose("train", &hand, purpose);
        document.graph.nodes.iter().for_each(|node| region.convert(node).unwrap());
        region.finish(&["b".to_owned()]).0
    };
    let states = |function: &dlc_ir::Function| -> Vec<String> {
        function.externals().map(|(_, name)| name.to_owned()).collect()
    };
    let trained = function(Purpose::Training);
    assert_eq!(states(&trained), ["x", "train.seed", "train.step"]);
    let streams = trained.nodes.values().filter_map(|node| match node.op {
        dlc_ir::Op::Random { stream } => Some(stream),
        _ => None,
    });
    assert_eq!(streams.collect::<std::collections::BTreeSet<u32>>().len(), 2, "each draws its own numbers");
    assert_eq!(states(&function(Purpose::Inference)), ["x"]);
}
