//! ONNX models from files to files: what a user meets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "../../frontends/onnx/tests/models/mod.rs"]
mod models;

use dlc_driver::{DriverError, EngineKind, OnnxRunReport, RunSettings, run_onnx};
use dlc_onnx::decode::{tensor_from_bytes, tensor_to_bytes};
use dlc_onnx::{Array, Element};
use models::*;
use onnx_protobuf::{GraphProto, ModelProto};
use std::path::PathBuf;

struct Case {
    folder: tempfile::TempDir,
    settings: RunSettings,
}

impl Case {
    fn new(model: &ModelProto, fed: &[(&str, &Array)]) -> Case {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("m.onnx"), bytes(model)).unwrap();
        let mut settings = RunSettings { threads: Some(1), ..RunSettings::default() };
        for (position, (name, array)) in fed.iter().enumerate() {
            let path = folder.path().join(format!("i{position}.pb"));
            std::fs::write(&path, tensor_to_bytes(name, array).unwrap()).unwrap();
            settings.inputs.push(((*name).to_owned(), path));
        }
        settings.output_dir = Some(folder.path().join("out"));
        Case { folder, settings }
    }

    fn run(&self) -> Result<OnnxRunReport, DriverError> {
        run_onnx(&self.folder.path().join("m.onnx"), &self.settings)
    }

    /// The only output, from its file.
    fn output(&self) -> Array {
        let report = self.run().unwrap_or_else(|error| panic!("{error}"));
        let bytes = std::fs::read(&report.files[0]).unwrap();
        tensor_from_bytes(bytes).unwrap().1
    }

    fn fault(&self) -> (u8, String) {
        let error = self.run().unwrap_err();
        let prefix = format!("{}/", self.folder.path().display());
        (error.exit_code(), error.to_string().replace(&prefix, ""))
    }
}

fn pair(a: f32, b: f32) -> Array {
    Array::of_floats(&[a, b])
}

#[test]
fn both_engines_give_the_sum() {
    let (a, b) = (pair(1.0, 2.0), pair(10.0, 20.0));
    let mut case = Case::new(&sum(), &[("a", &a), ("b", &b)]);
    assert_eq!(case.output().floats().unwrap(), [11.0, 22.0]);
    case.settings.engine = EngineKind::Interpreter;
    assert_eq!(case.output().floats().unwrap(), [11.0, 22.0]);
}

#[test]
fn wrong_inputs_are_the_users_mistakes() {
    let a = pair(1.0, 2.0);
    let fault = |fed: &[(&str, &Array)]| Case::new(&sum(), fed).fault();
    assert_eq!(
        fault(&[("a", &a)]),
        (1, "m.onnx: the input `b` (f32[2]) is missing: give it as `--input b=@FILE.pb`".to_owned())
    );
    assert_eq!(
        fault(&[("aa", &a)]),
        (1, "m.onnx has no input `aa`; it has: a, b; did you mean `a`?".to_owned())
    );
    let three = Array::of_floats(&[1.0; 3]);
    assert_eq!(
        fault(&[("a", &three), ("b", &a)]),
        (1, "m.onnx: the input `a` is f32[2] in the model, not f32[3]".to_owned())
    );
    let ints = Array::of_ints(&[1, 2]);
    assert_eq!(
        fault(&[("a", &a), ("b", &ints)]),
        (1, "m.onnx: the input `b` is f32[2] in the model, not i64[2]".to_owned())
    );
    let case = Case::new(&sum(), &[("a", &a), ("b", &a)]);
    std::fs::write(case.folder.path().join("i1.pb"), b"\x08\x05\x10").unwrap();
    assert_eq!(case.fault(), (1, "i1.pb: the file ends early".to_owned()));
}

#[test]
fn all_that_is_missing_is_told_at_once() {
    let nodes = vec![
        node("Frobnicate", &["a"], &["s"], Vec::new()),
        node("Add", &["s", "b"], &["t"], Vec::new()),
        node("Mystery", &["t"], &["y"], Vec::new()),
    ];
    let inputs = vec![info("a", 1, &[2]), info("b", 1, &[2])];
    let model = model(20, graph(inputs, vec![info("y", 1, &[2])], nodes));
    let a = pair(1.0, 2.0);
    let (code, message) = Case::new(&model, &[("a", &a), ("b", &a)]).fault();
    assert_eq!(code, 4);
    assert_eq!(
        message,
        "m.onnx needs what this version does not have:\n  unknown operator: Frobnicate (1 node)\n  \
         unknown operator: Mystery (1 node)\nnot supported: unknown operators: Frobnicate, Mystery"
    );
}

#[test]
fn faults_of_nodes_are_named() {
    let inputs = vec![info("a", 1, &[2]), info("b", 1, &[3])];
    let mut add = node("Add", &["a", "b"], &["y"], Vec::new());
    add.name = "sum".to_owned();
    let model = model(20, graph(inputs, vec![info("y", 1, &[])], vec![add]));
    let (a, b) = (pair(1.0, 2.0), Array::of_floats(&[1.0; 3]));
    assert_eq!(
        Case::new(&model, &[("a", &a), ("b", &b)]).fault(),
        (1, "m.onnx: node `sum` (Add): [2] and [3] do not broadcast".to_owned())
    );
}

/// `x` reshaped to the shape that is computed from `k`, which only the run tells.
#[test]
fn fed_values_choose_shapes() {
    let nodes = vec![
        node("Mul", &["k", "two"], &["wanted"], Vec::new()),
        node("Reshape", &["x", "wanted"], &["y"], Vec::new()),
    ];
    let inputs = vec![info("x", 1, &[8]), info("k", 7, &[2])];
    let mut graph = graph(inputs, vec![info("y", 1, &[])], nodes);
    graph.initializer.push(longs("two", &[], &[2]));
    let (x, k) = (Array::of_floats(&[1.5; 8]), Array::of_ints(&[1, 2]));
    assert_eq!(Case::new(&model(20, graph), &[("x", &x), ("k", &k)]).output().dims(), [2, 4]);
}

fn branch(op_type: &str) -> GraphProto {
    // The branch sees `a` and `b` of the graph around it.
    graph(Vec::new(), vec![info("r", 1, &[2])], vec![node(op_type, &["a", "b"], &["r"], Vec::new())])
}

/// A condition that is computed: the branch is chosen between two stages.
#[test]
fn branches_are_chosen_by_results() {
    let choose =
        vec![graph_attribute("then_branch", branch("Add")), graph_attribute("else_branch", branch("Sub"))];
    let nodes = vec![
        node("ReduceMax", &["a"], &["top"], vec![int("keepdims", 0)]),
        node("Greater", &["top", "limit"], &["condition"], Vec::new()),
        node("If", &["condition"], &["chosen"], choose),
        node("Neg", &["chosen"], &["y"], Vec::new()),
    ];
    let mut graph = graph(vec![info("a", 1, &[2]), info("b", 1, &[2])], vec![info("y", 1, &[2])], nodes);
    graph.initializer.push(floats("limit", &[], &[5.0]));
    let model = model(20, graph);
    let b = pair(1.0, 1.0);
    let output = |a: Array| Case::new(&model, &[("a", &a), ("b", &b)]).output().floats().unwrap();
    assert_eq!(output(pair(3.0, 9.0)), [-4.0, -10.0]);
    assert_eq!(output(pair(3.0, 4.0)), [-2.0, -3.0]);
}

/// Doubles a carried value as often as the trip count says, and collects it.
#[test]
fn loops_carry_and_collect() {
    let body = graph(
        vec![info("i", 7, &[]), info("go", 9, &[]), info("v", 1, &[2])],
        vec![info("go_on", 9, &[]), info("w", 1, &[2]), info("row", 1, &[2])],
        vec![
            node("Identity", &["go"], &["go_on"], Vec::new()),
            node("Add", &["v", "v"], &["w"], Vec::new()),
            node("Identity", &["w"], &["row"], Vec::new()),
        ],
    );
    let repeat = node("Loop", &["count", "", "a"], &["last", "y"], vec![graph_attribute("body", body)]);
    let inputs = vec![info("count", 7, &[]), info("a", 1, &[2])];
    let model = model(20, graph(inputs, vec![info("y", 1, &[])], vec![repeat]));
    let a = pair(1.0, 3.0);
    let run = |count: i64| Case::new(&model, &[("count", &Array::of_int(count)), ("a", &a)]).output();
    assert_eq!(run(3).dims(), [3, 2]);
    assert_eq!(run(3).floats().unwrap(), [2.0, 6.0, 4.0, 12.0, 8.0, 24.0]);
    assert_eq!(run(0).dims(), [0, 2]);
}

#[test]
fn large_weights_are_parameters_and_small_files_name_outputs() {
    let values: Vec<f32> = (0..600).map(|value| value as f32).collect();
    let mut graph = graph(
        vec![info("x", 1, &[1])],
        vec![info("/layer/y", 1, &[600])],
        vec![node("Mul", &["w", "x"], &["/layer/y"], Vec::new())],
    );
    graph.initializer.push(floats("w", &[600], &values));
    let case = Case::new(&model(20, graph), &[("x", &Array::of_floats(&[2.0]))]);
    let report = case.run().unwrap();
    let files: Vec<PathBuf> = vec![case.folder.path().join("out/_layer_y.pb")];
    assert_eq!(report.files, files);
    assert_eq!(case.output().floats().unwrap()[599], 1198.0);
}

#[test]
fn no_size_is_allocated_unchecked() {
    let nodes = vec![node("Expand", &["x", "shape"], &["y"], Vec::new())];
    let mut graph = graph(vec![info("x", 1, &[1])], vec![info("y", 1, &[])], nodes);
    graph.initializer.push(longs("shape", &[3], &[1 << 20, 1 << 20, 1 << 10]));
    let x = Array::new(Element::F32, vec![1], vec![0; 4]).unwrap();
    let (code, message) = Case::new(&model(20, graph), &[("x", &x)]).fault();
    assert!(code == 1 && !message.contains('\n'), "{code}: {message}");
}
