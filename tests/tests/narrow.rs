//! Models of the language without half of their channels: what they compute is what the whole model computes where these
//! channels are zero, in predicting and in evaluating, and they can be trained.
//!
//! Compiled code adds up in other orders, so results agree to `1e-4` of their norm rather than to the bit; the tests of the
//! compiler hold the graphs themselves to the bit.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use dlc_compiler::narrow::{Channels, ClassId, Extents};
use dlc_compiler::{CompileOptions, FunctionKind, compile};
use dlc_dsl::Loaded;
use dlc_ir::Model;
use dlc_ir::verify::verify_model;
use dlc_runtime::{Checkpoint, HostTensor, LoadPolicy, Session};
use dlc_tests::harness::load;
use dlc_tests::models::{all_files, from_file, function, inputs, session, trained};
use dlc_types::Dim;
use std::collections::{BTreeMap, BTreeSet};

const BATCH: usize = 2;
const CLASSIFIER: &str =
    "  loss = cross_entropy(y, t) + l2(\"*.weight\", 1e-3)\n  optimizer = adam(lr = 0.01)";

type Kept = BTreeMap<ClassId, BTreeSet<usize>>;

/// A session with the functions that do not learn, or the one that does.
fn compiled(model: &Model, kinds: &[FunctionKind]) -> Session {
    let options = CompileOptions { functions: kinds.to_vec(), ..CompileOptions::new(BATCH) };
    let compilation = compile(model, &options).unwrap_or_else(|error| panic!("{}: {error}", model.name));
    session(&load(&compilation).unwrap(), 1, 5)
}

/// Zeros for the elements that do not stay, or those alone that do.
fn reduced(tensor: &HostTensor, axes: &[Vec<bool>], cut: bool) -> HostTensor {
    let stays = axes.iter().fold(vec![true], |all, axis| {
        all.iter().flat_map(|&one| axis.iter().map(move |&other| one && other)).collect::<Vec<bool>>()
    });
    let values = tensor.f32_values().unwrap().into_iter().zip(stays);
    if cut {
        let dims: Vec<usize> = axes.iter().map(|axis| axis.iter().filter(|&&stays| stays).count()).collect();
        let left: Vec<f32> = values.filter(|(_, stays)| *stays).map(|(value, _)| value).collect();
        return HostTensor::from_f32(&dims, &left).unwrap();
    }
    let zeroed: Vec<f32> = values.map(|(value, stays)| if stays { value } else { 0.0 }).collect();
    HostTensor::from_f32(&tensor.dims, &zeroed).unwrap()
}

/// What a function gives on seeded inputs.
fn results(session: &mut Session, name: &str, classes: u32) -> Vec<Vec<f32>> {
    let interface = function(session.program(), name).clone();
    let fed = inputs(&interface, BATCH, classes, 7);
    let named: Vec<(&str, &[u8])> =
        interface.inputs.iter().zip(&fed).map(|(port, bytes)| (port.name.as_str(), &bytes[..])).collect();
    let mut buffers: Vec<Vec<u8>> =
        interface.outputs.iter().map(|port| vec![0; port.elements(BATCH) * port.element.size()]).collect();
    let mut outputs: Vec<(&str, &mut [u8])> = interface
        .outputs
        .iter()
        .zip(&mut buffers)
        .map(|(port, bytes)| (port.name.as_str(), &mut bytes[..]))
        .collect();
    session.run(name, BATCH, &named, &mut outputs).unwrap();
    let floats = |bytes: &Vec<u8>| bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
    buffers.iter().map(floats).collect()
}

fn agree(name: &str, wide: &[Vec<f32>], narrow: &[Vec<f32>]) {
    assert_eq!(wide.len(), narrow.len());
    for (wide, narrow) in wide.iter().zip(narrow) {
        let norm =
            |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        let distance = norm(&mut wide.iter().zip(narrow).map(|(a, b)| a - b));
        assert!(distance <= 1e-4 * (1e-3 + norm(&mut wide.iter().copied())), "{name}: {wide:?} {narrow:?}");
    }
}

/// Takes every other channel of every class away; gives the kernels' new shapes.
fn halved(loaded: &Loaded, classes: u32) -> BTreeMap<String, String> {
    let model = &loaded.model;
    let channels = Channels::of(model);
    let groups = channels.groups();
    let kept: Kept = groups.iter().map(|group| (group.class, (0..group.size).step_by(2).collect())).collect();
    let mut extents = Extents::new();
    kept.iter().for_each(|(&class, channels)| extents.set(class, channels.len()));
    let narrow = channels.narrow(model, &extents).unwrap();
    verify_model(&narrow).unwrap();
    let kinds = [FunctionKind::Initialize, FunctionKind::Predict, FunctionKind::Evaluate];
    let kinds = if model.evaluate.is_some() { &kinds[..] } else { &kinds[..2] };
    let (mut before, mut after) = (compiled(model, kinds), compiled(&narrow, kinds));
    let (mut zeroed, mut cut) = (before.checkpoint().unwrap(), Checkpoint::default());
    for (name, tensor) in &mut zeroed.tensors {
        let axes = channels.kept_elements(name, &kept);
        let Some(axes) = axes.filter(|_| tensor.element == dlc_abi::ElementType::F32) else { continue };
        cut.tensors.insert(name.clone(), reduced(tensor, &axes, true));
        *tensor = reduced(tensor, &axes, false);
    }
    before.restore(&zeroed, LoadPolicy::IgnoreExtra).unwrap();
    after.restore(&cut, LoadPolicy::Parameters).unwrap();
    for name in ["predict", "evaluate"].iter().take(kinds.len() - 1) {
        agree(&model.name, &results(&mut before, name, classes), &results(&mut after, name, classes));
    }
    if model.forward.is_some() {
        let mut trained = compiled(&narrow, &[FunctionKind::Initialize, FunctionKind::Train]);
        let finite = results(&mut trained, "train", classes).concat();
        assert!(finite.iter().all(|value| value.is_finite()), "{}: {finite:?}", model.name);
    }
    let kernels = narrow.parameters.iter().filter(|one| one.ty.shape.rank() > 1);
    kernels.map(|one| (one.name.clone(), one.ty.shape.to_string())).collect()
}

fn shapes(body: &str, input: &str) -> BTreeMap<String, String> {
    halved(&trained(body, input, 3, BATCH, CLASSIFIER), 3)
}

fn assert_shapes(found: &BTreeMap<String, String>, expected: &[(&str, &str)]) {
    for (name, shape) in expected {
        assert_eq!(found[*name], *shape, "{name}");
    }
}

#[test]
fn every_model_of_the_repository() {
    for path in all_files() {
        let loaded = from_file(&path);
        // Interfaces that compiled code does not take, and networks that take minutes.
        let types = loaded.model.predict.nodes.values().filter_map(|node| node.ty.tensor());
        let elements: usize = types.map(|ty| ty.shape.at(1).iter().product::<usize>()).sum();
        let first = loaded.model.inputs.iter().all(|input| input.ty.shape.dims().first() == Some(&Dim::N));
        if elements < 2_000_000 && first && !Channels::of(&loaded.model).groups().is_empty() {
            halved(&loaded, 2);
        }
    }
}

#[test]
fn residual_blocks_with_batch_norm() {
    let found = shapes(
        "  h = x |> conv2d(8, kernel = 3, padding = 1, bias = false) as stem |> batch_norm() as stem_norm |> relu()
  r = h |> conv2d(6, kernel = 3, padding = 1) as a |> relu() |> conv2d(8, kernel = 3, padding = 1) as b
  h = relu(h + r)
  y = h |> global_avg_pool() |> dropout(0.2) |> dense(3) as head",
        "f32[N, 3, 6, 6]",
    );
    assert_shapes(
        &found,
        &[("stem.weight", "[4, 3, 3, 3]"), ("a.weight", "[3, 4, 3, 3]"), ("b.weight", "[4, 3, 3, 3]")],
    );
}

#[test]
fn concatenation_flattening_and_pooling() {
    let found = shapes(
        "  a = x |> conv2d(4, kernel = 3, padding = 1) as one |> relu()
  b = x |> conv2d(6, kernel = 1) as two |> relu()
  h = concat([a, b], axis = 1) |> batch_norm() as norm |> max_pool(2)
  y = h |> flatten() |> dense(12) as wide |> gelu() |> dense(3) as head",
        "f32[N, 2, 4, 4]",
    );
    assert_shapes(
        &found,
        &[("one.weight", "[2, 2, 3, 3]"), ("two.weight", "[3, 2, 1, 1]"), ("wide.weight", "[20, 6]")],
    );
}

#[test]
fn depthwise_and_transposed_convolutions() {
    let found = shapes(
        "  h = x |> conv2d(8, kernel = 1) as widen |> relu()
  h = h |> conv2d(8, kernel = 3, padding = 1, groups = 8) as depthwise |> relu()
  h = h |> conv2d(6, kernel = 1) as point |> conv_transpose2d(4, kernel = 2, stride = 2) as up |> relu()
  y = h |> global_avg_pool() |> dense(3) as head",
        "f32[N, 2, 4, 4]",
    );
    assert_shapes(
        &found,
        &[("depthwise.weight", "[4, 1, 3, 3]"), ("point.weight", "[3, 4, 1, 1]"), ("head.weight", "[2, 3]")],
    );
}

#[test]
fn recurrent_layers() {
    let found = shapes("  y = x |> lstm(8, output = last) as memory |> dense(3) as head", "f32[N, 5, 3]");
    // Four gates side by side.
    assert_shapes(
        &found,
        &[("memory.weight_hh_l0", "[16, 4]"), ("memory.weight_ih_l0", "[16, 3]"), ("head.weight", "[4, 3]")],
    );
}

/// A layer norm needs all features of the stream, a softmax all places; the size of a head needs neither.
#[test]
fn attention() {
    let found = shapes(
        "  h = x |> dense(8) as embed |> layer_norm() as norm
  h = h + (h |> attention(heads = 2) as mix)
  y = h |> flatten() |> dense(3) as head",
        "f32[N, 4, 5]",
    );
    assert_shapes(
        &found,
        &[("embed.weight", "[5, 8]"), ("mix.query.weight", "[8, 4]"), ("mix.output.weight", "[4, 8]")],
    );
}
