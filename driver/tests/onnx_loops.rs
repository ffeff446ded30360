//! Scan and Loop with a known number of iterations, compiled and trained as part of a whole model: what they give is
//! what `dlc run` gives, which follows them iteration by iteration.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "../../frontends/onnx/tests/models/mod.rs"]
mod models;

use dlc_driver::{CompareOptions, RunSettings, compare, load, run_onnx};
use dlc_interp::{Data, Tensor, evaluate};
use dlc_ir::Op;
use dlc_onnx::Array;
use dlc_onnx::decode::{tensor_from_bytes, tensor_to_bytes};
use dlc_types::DType;
use models::*;
use onnx_protobuf::ModelProto;

fn ramp(count: usize, step: f32) -> Vec<f32> {
    (0..count).map(|place| step * (place as f32 - 2.5)).collect()
}

/// `h' = tanh(x_t w + h u)` along the middle axis of `x [N, 3, 2]`, from the last to the first.
fn scanned() -> ModelProto {
    let body = graph(
        vec![info("h", 1, &[-1, 2]), info("xt", 1, &[-1, 2])],
        vec![info("next", 1, &[-1, 2]), info("shown", 1, &[-1, 2])],
        vec![
            node("MatMul", &["xt", "w"], &["own"], Vec::new()),
            node("MatMul", &["h", "u"], &["kept"], Vec::new()),
            node("Add", &["own", "kept"], &["sum"], Vec::new()),
            node("Tanh", &["sum"], &["next"], Vec::new()),
            node("Mul", &["next", "two"], &["shown"], Vec::new()),
        ],
    );
    let scan = node(
        "Scan",
        &["first", "x"],
        &["last", "all"],
        vec![
            graph_attribute("body", body),
            int("num_scan_inputs", 1),
            ints("scan_input_axes", &[1]),
            ints("scan_output_axes", &[1]),
            ints("scan_input_directions", &[1]),
            ints("scan_output_directions", &[1]),
        ],
    );
    let nodes =
        vec![node("ReduceMax", &["x"], &["first"], vec![int("keepdims", 0), ints("axes", &[1])]), scan];
    let outputs = vec![info("last", 1, &[-1, 2]), info("all", 1, &[-1, 3, 2])];
    let mut graph = graph(vec![info("x", 1, &[-1, 3, 2])], outputs, nodes);
    graph.initializer = vec![
        floats("w", &[2, 2], &ramp(4, 0.3)),
        floats("u", &[2, 2], &ramp(4, 0.2)),
        floats("two", &[], &[2.0]),
    ];
    model(17, graph)
}

/// Four iterations that add their number to a state, and give what they find.
fn repeated() -> ModelProto {
    let body = graph(
        vec![info("i", 7, &[]), info("go", 9, &[]), info("v", 1, &[-1, 2])],
        vec![info("go_on", 9, &[]), info("next", 1, &[-1, 2]), info("row", 1, &[-1, 2])],
        vec![
            node("Identity", &["go"], &["go_on"], Vec::new()),
            node("Cast", &["i"], &["number"], vec![int("to", 1)]),
            node("MatMul", &["v", "u"], &["turned"], Vec::new()),
            node("Add", &["turned", "number"], &["next"], Vec::new()),
            node("Identity", &["v"], &["row"], Vec::new()),
        ],
    );
    let repeat =
        node("Loop", &["count", "", "first"], &["last", "rows"], vec![graph_attribute("body", body)]);
    let nodes = vec![
        node("ReduceSum", &["x", "middle"], &["first"], vec![int("keepdims", 0)]),
        repeat,
        node("Transpose", &["rows"], &["all"], vec![ints("perm", &[1, 0, 2])]),
    ];
    let outputs = vec![info("last", 1, &[-1, 2]), info("all", 1, &[-1, 4, 2])];
    let mut graph = graph(vec![info("x", 1, &[-1, 3, 2])], outputs, nodes);
    graph.initializer =
        vec![longs("count", &[], &[4]), longs("middle", &[1], &[1]), floats("u", &[2, 2], &ramp(4, 0.2))];
    model(17, graph)
}

const TRAINED: &str = "dlc 1\nmodel m = onnx(\"net.onnx\")\ndata d {\n  source = synthetic(samples = 8, classes = 2) -> \
                       (x, label)\n  batch = 4\n}\ntrain m on d {\n  loss = cross_entropy(last + sum(all, axis = 1), \
                       label)\n  optimizer = sgd(lr = 0.1)\n  epochs = 1\n}\n";

#[test]
fn iterations_are_compiled_and_trained() {
    for (name, model) in [("scan", scanned()), ("loop", repeated())] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("net.onnx");
        std::fs::write(&file, bytes(&model)).unwrap();
        let x: Vec<f32> = (0..12).map(|place| (place as f32 * 0.7).sin()).collect();
        let fed = Array::of_floats(&x).reshaped(vec![2, 3, 2]).unwrap();
        std::fs::write(folder.path().join("x.pb"), tensor_to_bytes("x", &fed).unwrap()).unwrap();
        let settings = RunSettings {
            threads: Some(1),
            inputs: vec![("x".to_owned(), folder.path().join("x.pb"))],
            output_dir: Some(folder.path().join("out")),
            ..RunSettings::default()
        };
        let report = run_onnx(&file, &settings).unwrap();
        let loaded = load(&file, &[]).unwrap();
        let function = &loaded.model.predict;
        assert!(function.has_scan(), "{function}");
        let externals = |op: &Op| match op {
            Op::Input { .. } => {
                let values = x.iter().map(|&value| f64::from(value)).collect();
                Some(Tensor::new(DType::F32, &[2, 3, 2], Data::Float(values)).unwrap())
            }
            Op::Parameter { name } => {
                let value = loaded.weights.tensor(name).unwrap()?;
                Some(Tensor::from_f32(&value.dims, &value.f32_values().unwrap()).unwrap())
            }
            _ => None,
        };
        let found = evaluate(function, 2, &externals).unwrap();
        for (output, path) in found.iter().zip(&report.files) {
            let wanted = tensor_from_bytes(std::fs::read(path).unwrap()).unwrap().1;
            assert_eq!(output.dims, wanted.dims(), "{name}");
            for (a, b) in output.to_f64().iter().zip(wanted.floats().unwrap()) {
                assert!((a - b).abs() < 1e-5, "{name}: {a} {b}");
            }
        }
        let text = folder.path().join("m.dsl");
        std::fs::write(&text, TRAINED).unwrap();
        let report = compare(&text, &[], &CompareOptions::default()).unwrap();
        assert!(report.agrees, "{name}: {:?}", report.mismatches);
        let gradients = report.gradients.unwrap();
        assert!(gradients.parameters > 0, "{name}");
    }
}

/// What a whole model cannot have is told with its reason.
#[test]
fn what_only_a_run_tells_is_refused() {
    let mut model = repeated();
    let graph = model.graph.as_mut().unwrap();
    let body = graph.node[1].attribute[0].g.as_mut().unwrap();
    body.node[0] = node("Less", &["i", "i"], &["go_on"], Vec::new());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.onnx");
    std::fs::write(&file, bytes(&model)).unwrap();
    let message = load(&file, &[]).unwrap_err().to_string();
    assert!(message.contains("a condition that its iterations compute"), "{message}");
}
