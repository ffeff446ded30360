//! ONNX models as one function: values that are given ahead, branches that are known, derivatives in the graph.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "../../frontends/onnx/tests/models/mod.rs"]
mod models;

use dlc_driver::{CompareOptions, EngineKind, Loaded, RunSettings, compare_loaded, load, run, write_npy};
use dlc_onnx::Array;
use dlc_onnx::decode::tensor_to_bytes;
use dlc_runtime::HostTensor;
use models::*;
use onnx_protobuf::{GraphProto, ModelProto, OperatorSetIdProto};

struct Shop(tempfile::TempDir);

impl Shop {
    fn new(model: &ModelProto) -> Shop {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("m.onnx"), bytes(model)).unwrap();
        Shop(folder)
    }

    fn load(&self, binds: &[(&str, Array)]) -> Loaded {
        let mut settings = Vec::new();
        for (name, array) in binds {
            let path = self.0.path().join(format!("{name}.pb"));
            std::fs::write(&path, tensor_to_bytes(name, array).unwrap()).unwrap();
            settings.push((format!("bind.{name}"), path.display().to_string()));
        }
        load(&self.0.path().join("m.onnx"), &settings).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The outputs for an input `x`, which both engines agree about.
    fn outputs(&self, loaded: &Loaded, dims: &[usize], x: &[f32]) -> Vec<Vec<f64>> {
        let path = self.0.path().join("x.npy");
        let tensor = HostTensor::from_f32(dims, x).unwrap();
        std::fs::write(&path, write_npy(&tensor).unwrap()).unwrap();
        let [compiled, oracle] = [EngineKind::default(), EngineKind::Interpreter].map(|engine| {
            let inputs = vec![("x".to_owned(), path.clone())];
            let settings = RunSettings { inputs, engine, threads: Some(1), ..RunSettings::default() };
            let report = run(loaded, &settings).unwrap_or_else(|error| panic!("{error}"));
            let values = report.outputs.iter().map(|(_, tensor)| report.values(tensor));
            values.collect::<Vec<Vec<f64>>>()
        });
        for (compiled, oracle) in compiled.iter().flatten().zip(oracle.iter().flatten()) {
            assert!((compiled - oracle).abs() <= 1e-5 * oracle.abs().max(1.0), "{compiled} {oracle}");
        }
        compiled
    }
}

fn unshaped(mut model: ModelProto) -> ModelProto {
    for output in &mut model.graph.as_mut().unwrap().output {
        output.type_ = protobuf::MessageField::none();
    }
    model
}

fn branches(then: &str, other: &str) -> Vec<onnx_protobuf::AttributeProto> {
    let branch = |name: &str, op: &str| {
        let mut nodes = vec![node(op, &["x", "w"], &["r"], Vec::new())];
        // Both branches and the graph around them read `w`.
        nodes.push(node("Mul", &["r", "w"], &["s"], Vec::new()));
        GraphProto { name: name.to_owned(), ..graph(Vec::new(), vec![info("s", 1, &[])], nodes) }
    };
    vec![
        graph_attribute("then_branch", branch("then", then)),
        graph_attribute("else_branch", branch("else", other)),
    ]
}

/// `y = if c { (x + w) w } else { (x - w) w }`, `z = x w`.
fn branching(initializer: Option<bool>) -> ModelProto {
    let nodes = vec![
        node("If", &["c"], &["y"], branches("Add", "Sub")),
        node("Mul", &["x", "w"], &["z"], Vec::new()),
    ];
    let mut inputs = vec![info("x", 1, &[-1, 2])];
    if initializer.is_none() {
        inputs.push(info("c", 9, &[]));
    }
    let mut graph = graph(inputs, vec![info("y", 1, &[]), info("z", 1, &[])], nodes);
    graph.initializer.push(floats("w", &[2], &[2.0, 3.0]));
    graph.initializer.extend(initializer.map(|holds| tensor("c", 9, &[], &[u8::from(holds)])));
    unshaped(model(18, graph))
}

#[test]
fn a_branch_with_a_known_condition_is_part_of_the_function() {
    for (holds, wanted) in [(true, [6.0, 15.0]), (false, [-2.0, -3.0])] {
        let shop = Shop::new(&branching(Some(holds)));
        let loaded = shop.load(&[]);
        assert_eq!(loaded.model.parameters.len(), 1);
        assert_eq!(shop.outputs(&loaded, &[1, 2], &[1.0, 2.0]), [wanted.to_vec(), vec![2.0, 6.0]]);
        let shop = Shop::new(&branching(None));
        let truth = Array::new(dlc_onnx::Element::Bool, Vec::new(), vec![u8::from(holds)]).unwrap();
        let loaded = shop.load(&[("c", truth)]);
        assert_eq!(loaded.model.inputs.len(), 1);
        assert_eq!(shop.outputs(&loaded, &[1, 2], &[1.0, 2.0])[0], wanted);
    }
}

#[test]
fn a_branch_with_an_unknown_condition_asks_for_it() {
    let shop = Shop::new(&branching(None));
    let error = load(&shop.0.path().join("m.onnx"), &[]).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.exit_code(), 4);
    let told = "depends on the value of `c`, which is known only in a run (give it ahead as `--bind c=@FILE`, or see";
    assert!(text.contains(told), "{text}");
}

#[test]
fn a_float_that_is_given_ahead_is_no_parameter() {
    let nodes = vec![node("Mul", &["x", "s"], &["y"], Vec::new())];
    let inputs = vec![info("x", 1, &[-1, 3]), info("s", 1, &[3])];
    let shop = Shop::new(&unshaped(model(18, graph(inputs, vec![info("y", 1, &[])], nodes))));
    let loaded = shop.load(&[("s", Array::of_floats(&[1.0, 10.0, 100.0]))]);
    assert!(loaded.model.parameters.is_empty() && loaded.model.inputs.len() == 1);
    let wanted = vec![vec![1.0, 20.0, 300.0, 4.0, 50.0, 600.0]];
    assert_eq!(shop.outputs(&loaded, &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), wanted);
}

#[test]
fn sizes_that_a_given_value_has_are_those_of_other_inputs() {
    use onnx_protobuf::{tensor_shape_proto::dimension, type_proto};
    let symbol = |mut info: onnx_protobuf::ValueInfoProto, axis: usize| {
        if let Some(type_proto::Value::TensorType(tensor)) = &mut info.type_.as_mut().unwrap().value {
            let dim = &mut tensor.shape.as_mut().unwrap().dim[axis];
            dim.value = Some(dimension::Value::DimParam("L".to_owned()));
        }
        info
    };
    let nodes = vec![node("Mul", &["x", "s"], &["y"], Vec::new())];
    let inputs = vec![symbol(info("x", 1, &[-1, 0]), 1), symbol(info("s", 1, &[0]), 0)];
    let shop = Shop::new(&unshaped(model(18, graph(inputs, vec![info("y", 1, &[])], nodes))));
    let loaded = shop.load(&[("s", Array::of_floats(&[1.0, 10.0]))]);
    assert_eq!(loaded.model.inputs[0].ty.to_string(), "f32[N, 2]");
}

/// `y = sum (x w)^2` and its gradients by `x` and `w`.
fn with_gradient() -> ModelProto {
    let mut gradient =
        node("Gradient", &["x", "w"], &["dx", "dw"], vec![texts("xs", &["x", "w"]), text("y", "y")]);
    gradient.domain = "ai.onnx.preview.training".to_owned();
    let nodes = vec![
        node("Mul", &["x", "w"], &["p"], Vec::new()),
        node("Mul", &["p", "p"], &["q"], Vec::new()),
        node("ReduceSum", &["q"], &["y"], vec![int("keepdims", 0)]),
        gradient,
    ];
    let outputs = vec![info("dx", 1, &[]), info("dw", 1, &[])];
    let mut graph = graph(vec![info("x", 1, &[2, 3])], outputs, nodes);
    graph.initializer.push(floats("w", &[3], &[1.0, 2.0, 3.0]));
    let mut model = unshaped(model(18, graph));
    model.opset_import.push(OperatorSetIdProto {
        domain: "ai.onnx.preview.training".to_owned(),
        version: 1,
        ..OperatorSetIdProto::default()
    });
    model
}

#[test]
fn derivatives_in_the_graph_are_part_of_the_function() {
    let shop = Shop::new(&with_gradient());
    let loaded = shop.load(&[]);
    let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let outputs = shop.outputs(&loaded, &[2, 3], &x);
    // d/dx = 2 x w^2, d/dw = 2 w sum x^2.
    assert_eq!(outputs[0], [2.0, 16.0, 54.0, 8.0, 40.0, 108.0]);
    assert_eq!(outputs[1], [34.0, 116.0, 270.0]);
}

#[test]
fn what_a_gradient_is_of_needs_no_other_reader() {
    // `y` is named by the node's attribute alone, and the sum is no output.
    let shop = Shop::new(&with_gradient());
    let names: Vec<String> =
        shop.load(&[]).model.predict.outputs.iter().map(|output| output.name.clone()).collect();
    assert_eq!(names, ["dx", "dw"]);
}

#[test]
fn a_model_with_a_gradient_in_it_is_trained() {
    // The penalty on the slope of the output, as gradient penalties are: y = |d (x w v) / dx|^2 per sample.
    let mut gradient = node("Gradient", &["x"], &["dx"], vec![texts("xs", &["x"]), text("y", "h")]);
    gradient.domain = "ai.onnx.preview.training".to_owned();
    let nodes = vec![
        node("MatMul", &["x", "w"], &["a"], Vec::new()),
        node("Mul", &["a", "a"], &["h"], Vec::new()),
        gradient,
        node("MatMul", &["dx", "v"], &["y"], Vec::new()),
    ];
    let mut graph = graph(vec![info("x", 1, &[-1, 3])], vec![info("y", 1, &[])], nodes);
    graph.initializer =
        vec![floats("w", &[3, 2], &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), floats("v", &[3, 1], &[1.0, -1.0, 0.5])];
    let mut model = unshaped(model(18, graph));
    model.opset_import.push(OperatorSetIdProto {
        domain: "ai.onnx.preview.training".to_owned(),
        version: 1,
        ..OperatorSetIdProto::default()
    });
    let shop = Shop::new(&model);
    std::fs::write(
        shop.0.path().join("t.dsl"),
        "dlc 1\nmodel m(x) -> (y) = onnx(\"m.onnx\")\ndata d {\n  source = synthetic(samples = 8) -> (x, t)\n  batch = 4\n}\n\
         train m on d {\n  loss = mse(y, t)\n  optimizer = sgd(lr = 0.01)\n  epochs = 1\n}\n",
    )
    .unwrap();
    let loaded = load(&shop.0.path().join("t.dsl"), &[]).unwrap_or_else(|error| panic!("{error}"));
    let report = compare_loaded(&loaded, &CompareOptions::default()).unwrap();
    assert!(report.agrees && report.gradients.is_some(), "{:?}", report.mismatches);
}
