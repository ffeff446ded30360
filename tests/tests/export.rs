//! Exported models, read again: the oracle gives the same numbers for both.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use dlc_interp::{Data, Tensor};
use dlc_ir::{Declaration, Function, Op};
use dlc_onnx::export::{ExportError, Exported, INLINE_LIMIT, export, write};
use dlc_onnx::{Array, Element, NetworkError, NetworkOptions, network};
use dlc_tests::cases::{self, Case};
use dlc_tests::harness::{bound, bytes_of, random_inputs, random_tensor, tensor_of};
use dlc_tests::models::{all_files, from_file};
use dlc_types::random::Stream;
use dlc_types::{Dim, Shape, TensorType};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

type Tensors = BTreeMap<String, Tensor>;

fn array(tensor: &Tensor) -> Array {
    Array::new(Element::of(tensor.dtype), tensor.dims.clone(), bytes_of(tensor)).unwrap()
}

fn tensor(array: &Array) -> Tensor {
    let ty = TensorType::new(array.element().dtype().unwrap(), Shape::fixed(array.dims()));
    tensor_of(&ty, 1, array.bytes())
}

fn evaluate(function: &Function, batch: usize, leaf: &dyn Fn(&str) -> Option<Tensor>) -> Vec<Tensor> {
    let external = |op: &Op| match op {
        Op::Input { name } | Op::Parameter { name } | Op::State { name } => leaf(name),
        _ => None,
    };
    dlc_interp::evaluate(function, batch, &external).unwrap_or_else(|error| panic!("{error}\n{function}"))
}

/// Seeded values of a function's parameters and states; variances are not negative.
fn weights(function: &Function) -> Tensors {
    let mut draws = Stream::new(1, 9, 0);
    let leaf = |node: &dlc_ir::Node| match (&node.op, node.ty.tensor()) {
        (Op::Parameter { name } | Op::State { name }, Some(ty)) => Some((name.clone(), ty.clone())),
        _ => None,
    };
    let named: BTreeMap<String, TensorType> = function.nodes.values().filter_map(leaf).collect();
    let values = named.into_iter().map(|(name, ty)| {
        let mut value = random_tensor(&ty, 1, &mut draws);
        if let Data::Float(values) = &mut value.data {
            let variance = name.ends_with("variance");
            let scaled = |value: f64| if variance { value.abs() } else { value * 0.1 };
            values.iter_mut().for_each(|value| *value = ty.dtype.rounded(scaled(*value)));
        }
        (name, value)
    });
    values.collect()
}

fn inputs_of(function: &Function) -> Vec<Declaration> {
    let inputs = function.nodes.values().filter_map(|node| match (&node.op, node.ty.tensor()) {
        (Op::Input { name }, Some(ty)) => Some(Declaration { name: name.clone(), ty: ty.clone() }),
        _ => None,
    });
    inputs.collect()
}

fn exported(function: &Function, weights: &Tensors) -> Result<Exported, ExportError> {
    export("m", function, &inputs_of(function), &mut |name, _| Ok(array(&weights[name])))
}

/// Shape arithmetic by the oracle; no exported file asks for a gradient.
struct Oracle;

impl dlc_onnx::Calculus for Oracle {
    fn evaluate(&self, function: &Function, batch: usize) -> Option<dlc_onnx::Array> {
        Some(array(dlc_interp::evaluate(function, batch, &|_| None).ok()?.first()?))
    }

    fn differentiate(&self, _function: &Function, _parameters: &[String]) -> Result<Function, String> {
        Err("gradients".to_owned())
    }
}

/// The model from its file, as one function with the values of its parameters.
fn read_again(path: &Path) -> Result<(Function, Tensors), String> {
    let document = dlc_onnx::load(path).map_err(|error| error.to_string())?;
    let options = NetworkOptions::default();
    let network = network(&document, &options, &Oracle).map_err(|error| match error {
        NetworkError::Invalid(lines) | NetworkError::NotCompiled(lines) => lines.join("\n"),
        NetworkError::Stopped(nodes) => {
            nodes.iter().map(|(node, stop)| format!("{}: {stop:?}\n", node.label())).collect()
        }
    })?;
    let initializers =
        document.graph.initializers.iter().filter(|(name, _)| network.leaves.contains_key(*name));
    let values = initializers.map(|(name, array)| (name.clone(), tensor(array)));
    Ok((network.function, values.collect()))
}

/// Whether the frontend reads what is written: a file's extent `5N` is the batch of who reads it, and there is no
/// reversing, sorting and indexing along the batch there.
fn readable(function: &Function) -> bool {
    let inputs = inputs_of(function);
    let mut dims = inputs.iter().flat_map(|input| input.ty.shape.dims());
    let whole = dims.all(|dim| matches!(*dim, Dim::Fixed(_) | Dim::Batch(1)));
    whole
        && function.nodes.values().all(|node| {
            let shape = node.ty.tensor().map(|ty| &ty.shape);
            let batch = |axis: usize| shape.is_some_and(|shape| shape[axis].is_batch());
            match &node.op {
                Op::Reverse { axes } => !axes.iter().any(|&axis| batch(axis)),
                Op::ArgSort { axis, .. } | Op::GatherAlong { axis } => !batch(*axis),
                Op::Scatter { .. } => {
                    let fixed = |&id: &dlc_ir::NodeId| function.tensor_type(id).shape.as_fixed().is_some();
                    node.operands.iter().all(fixed)
                }
                _ => true,
            }
        })
}

/// Whether two results of the oracle are the same once rounded to their type: floats within a share of
/// themselves and of the middle one, others exactly.
fn same(one: &Tensor, other: &Tensor) -> Result<(), String> {
    let (Data::Float(a), Data::Float(b)) = (&one.data, &other.data) else {
        return if one.data == other.data {
            Ok(())
        } else {
            Err(format!("{:?}, not {:?}", one.data, other.data))
        };
    };
    let dtype = one.dtype;
    let mut sizes: Vec<f64> = b.iter().map(|value| value.abs()).filter(|size| size.is_finite()).collect();
    sizes.sort_by(f64::total_cmp);
    let middle = sizes.get(sizes.len() / 2).copied().unwrap_or(0.0);
    for (index, (&x, &y)) in a.iter().zip(b).enumerate() {
        let (x, y) = (dtype.rounded(x), dtype.rounded(y));
        let near = (x - y).abs() <= bound(dtype) * (y.abs() + middle);
        if x != y && !(x.is_nan() && y.is_nan()) && !near {
            return Err(format!("element {index}: {x:e}, not {y:e}"));
        }
    }
    Ok(())
}

/// Writes and reads a function, and compares what both compute.
fn round_trip(
    function: &Function,
    weights: &Tensors,
    feed: &dyn Fn(usize) -> Tensors,
    batches: &[usize],
) -> Result<(), String> {
    let exported = exported(function, weights).map_err(|error| error.to_string())?;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.onnx");
    write(&exported.document, "0", &path, INLINE_LIMIT).unwrap();
    if !readable(function) {
        return Ok(());
    }
    let (again, values) = read_again(&path)?;
    for &batch in batches {
        let fed = feed(batch);
        let first = evaluate(function, batch, &|name| fed.get(name).or(weights.get(name)).cloned());
        let second = evaluate(&again, batch, &|name| fed.get(name).or(values.get(name)).cloned());
        assert_eq!(function.outputs.len(), again.outputs.len());
        for ((one, other), output) in second.iter().zip(&first).zip(&function.outputs) {
            if (one.dtype, &one.dims) != (other.dtype, &other.dims) {
                return Err(format!("{}: {} became {}", output.name, other.type_text(), one.type_text()));
            }
            same(one, other).map_err(|difference| format!("{}: {difference}", output.name))?;
        }
    }
    Ok(())
}

fn case_round_trip(case: &Case) -> Result<(), String> {
    let feed = |batch| {
        let mut inputs = random_inputs(&case.function, batch, 1);
        inputs.extend(case.inputs.clone());
        inputs
    };
    round_trip(&case.function, &weights(&case.function), &feed, &case.batches)
}

/// Every case of the op suite is written, read and computes the same; or it is refused for one of these.
#[test]
fn every_op() {
    let cases = cases::all();
    let (mut refused, mut failures) = (BTreeSet::new(), Vec::new());
    for case in &cases {
        match exported(&case.function, &weights(&case.function)) {
            Err(ExportError::NoForm(lines)) => {
                let op = |line: String| line.split([':', ' ']).next().unwrap().to_owned();
                refused.extend(lines.into_iter().map(op));
            }
            Err(error) => failures.push(format!("{}: {error}", case.name)),
            Ok(_) => {
                if let Err(difference) = case_round_trip(case) {
                    failures
                        .push(format!("{}: {difference}", case.name).chars().take(230).collect::<String>());
                }
            }
        }
    }
    let shown: Vec<&str> = failures.iter().take(12).map(String::as_str).collect();
    assert!(failures.is_empty(), "{} of {} fail:\n{}", failures.len(), cases.len(), shown.join("\n"));
    expect_test::expect!["bitcast convolve cumulative extent iota output pow random reduce reduce_window scan shl shr window_argmax window_scatter"].assert_eq(&refused.into_iter().collect::<Vec<_>>().join(" "));
}

/// Models whose numbers the oracle gives in a moment.
const FAST: &[&str] =
    &["breast_cancer", "diabetes", "digits", "attention", "lstm", "mlp", "temporal", "small-maps"];

#[test]
fn models_of_the_repository() {
    for path in all_files() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let model = from_file(&path).model;
        let weights = weights(&model.predict);
        let batches: &[usize] = if FAST.contains(&name.as_str()) { &[2] } else { &[] };
        let feed = |batch| random_inputs(&model.predict, batch, 1);
        round_trip(&model.predict, &weights, &feed, batches)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// A model whose weights go into a second file, and one in a file of its own: the same numbers, the same bytes
/// each time.
#[test]
fn weights_in_a_second_file() {
    let path = all_files().into_iter().find(|path| path.ends_with("digits.dsl")).unwrap();
    let model = from_file(&path).model;
    let weights = weights(&model.predict);
    let exported = exported(&model.predict, &weights).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    assert_eq!(write(&exported.document, "0", &file("a.onnx"), INLINE_LIMIT).unwrap(), [file("a.onnx")]);
    let size = std::fs::metadata(file("a.onnx")).unwrap().len();
    assert_eq!(write(&exported.document, "0", &file("b.onnx"), size).unwrap(), [file("b.onnx")]);
    let both = write(&exported.document, "0", &file("c.onnx"), size - 1).unwrap();
    assert_eq!(both, [file("c.onnx"), file("c.onnx.data")]);
    assert_eq!(std::fs::read(file("a.onnx")).unwrap(), std::fs::read(file("b.onnx")).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4, "nothing else is left behind");
    let (inside, values) = read_again(&file("a.onnx")).unwrap();
    let (beside, others) = read_again(&file("c.onnx")).unwrap();
    assert_eq!(inside, beside);
    assert_eq!(values, others);
    assert_eq!(values.len(), weights.len());
    assert!(values.iter().all(|(name, value)| weights[name] == *value));
}

#[test]
fn names_and_composites() {
    let model = dlc_tests::models::from_text(
        "dlc 1\n\nmodel net(x: f32[N, 3, 8, 8]) -> (x) {\n  x = x |> conv2d(4, kernel = 3, padding = 1) as stem |> \
         batch_norm() as norm |> relu()\n  x = x |> avg_pool(2) |> global_avg_pool() |> dense(5) as head |> gelu()\n}\n",
    )
    .model;
    let exported = exported(&model.predict, &weights(&model.predict)).unwrap();
    let graph = &exported.document.graph;
    let nodes = graph
        .nodes
        .iter()
        .map(|node| format!("{} = {}({})", node.outputs.join(", "), node.name, node.inputs.join(", ")));
    let values =
        graph.inputs.iter().chain(&graph.outputs).map(|value| format!("{}: {}", value.name, value.ty));
    let text: Vec<String> = values.chain(nodes).collect();
    expect_test::expect![[r#"
        x: f32[N, 3, 8, 8]
        x_output: f32[N, 5]
        stem/Conv = stem/Conv(x, stem.weight, stem.bias)
        norm/BatchNormalization = norm/BatchNormalization(stem/Conv, norm.scale, norm.shift, norm.mean, norm.variance)
        x/Relu = x/Relu(norm/BatchNormalization)
        x/AveragePool = x/AveragePool(x/Relu)
        x/ReduceMean = x/ReduceMean(x/AveragePool, constant)
        head/Gemm = head/Gemm(x/ReduceMean, head.weight, head.bias)
        x_output = x/Gelu(head/Gemm)"#]].assert_eq(&text.join("\n"));
}
