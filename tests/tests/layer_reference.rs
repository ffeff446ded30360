//! Layers and losses against PyTorch: results and the gradients of all parameters, by compiled code and by the
//! oracle.
//!
//! Cases and figures are `tests/reference/layers.txt` and `losses.txt`, made by `layers.py` beside them in `f64`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use dlc_abi::{FunctionInterface, PortRole};
use dlc_compiler::{Compilation, CompileOptions, FunctionKind, compile};
use dlc_driver::{Cpu, native_session};
use dlc_interp::evaluate;
use dlc_ir::{Op, OutputRole};
use dlc_runtime::{HostTensor, Session};
use dlc_tests::harness::tensor_of;
use dlc_tests::models::{from_text, tensor_of_host};
use dlc_tests::reference::{Case, assert_near, cases};
use dlc_types::{DType, Shape, TensorType};

const TOLERANCE: f64 = 1e-5;

fn text(case: &Case) -> String {
    let body: Vec<String> = case
        .lines
        .iter()
        .filter_map(|line| line.strip_prefix("body = "))
        .map(|line| format!("  {line}"))
        .collect();
    format!(
        "dlc 1\n\nmodel net(x: {}) -> (y) {{\n{}\n}}\n\n\
         data d {{\n  source = synthetic(samples = 8, classes = 2) -> (x, t: {})\n  batch = 2\n}}\n\n\
         train net on d {{\n  loss = {}\n  optimizer = sgd(lr = 0.1)\n  epochs = 1\n}}\n",
        case.text("input").unwrap(),
        body.join("\n"),
        case.text("target").unwrap(),
        case.text("loss").unwrap()
    )
}

/// The bytes of an input, in its element type.
fn bytes(case: &Case, port: &dlc_abi::Port) -> Vec<u8> {
    let values = case.of(&port.name);
    match port.element {
        dlc_abi::ElementType::F32 => values.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect(),
        _ => values.iter().flat_map(|&value| (value as i32).to_le_bytes()).collect(),
    }
}

fn interface<'a>(compilation: &'a Compilation, name: &str) -> &'a FunctionInterface {
    compilation.interface.functions.iter().find(|function| function.name == name).unwrap()
}

/// What the case expects of an output.
fn expected<'a>(case: &'a Case, role: OutputRole, name: &str) -> &'a [f64] {
    match role {
        OutputRole::Gradient => case.of(&format!("gradient {name}")),
        _ => case.of(name),
    }
}

fn check_oracle(case: &Case, compilation: &Compilation, session: &Session, batch: usize, name: &str) {
    let ports = interface(compilation, name);
    let graph = &compilation.functions.iter().find(|function| function.name == name).unwrap().graph;
    let results = evaluate(graph, batch, &|op| match op {
        Op::Input { name } => {
            let port = ports.inputs.iter().find(|port| port.name == *name)?;
            let dims: Vec<usize> = port.dims.iter().map(|dim| dim.at(batch)).collect();
            let ty = TensorType::new(DType::ALL[port.element as usize], Shape::fixed(&dims));
            Some(tensor_of(&ty, batch, &bytes(case, port)))
        }
        Op::Parameter { name } | Op::State { name } => Some(tensor_of_host(&session.tensor(name).unwrap())),
        _ => None,
    });
    for (output, tensor) in graph.outputs.iter().zip(results.unwrap()) {
        let what = format!("{} by the oracle, {:?} {}", case.name, output.role, output.name);
        assert_near(&what, &tensor.to_f64(), expected(case, output.role, &output.name), TOLERANCE);
    }
}

fn check_compiled(case: &Case, compilation: &Compilation, session: &mut Session, batch: usize, name: &str) {
    let ports = interface(compilation, name);
    let fed: Vec<Vec<u8>> = ports.inputs.iter().map(|port| bytes(case, port)).collect();
    let inputs: Vec<(&str, &[u8])> =
        ports.inputs.iter().zip(&fed).map(|(port, bytes)| (port.name.as_str(), &bytes[..])).collect();
    let sized = |port: &dlc_abi::Port| vec![0; port.elements(batch) * port.element.size()];
    let mut buffers: Vec<Vec<u8>> = ports.outputs.iter().map(sized).collect();
    let mut outputs: Vec<(&str, &mut [u8])> = Vec::new();
    for (port, buffer) in ports.outputs.iter().zip(&mut buffers) {
        outputs.push((port.name.as_str(), &mut buffer[..]));
    }
    session.run(name, batch, &inputs, &mut outputs).unwrap();
    for (port, buffer) in ports.outputs.iter().zip(&buffers) {
        let role = if port.role == PortRole::Gradient { OutputRole::Gradient } else { OutputRole::Output };
        let found: Vec<f64> =
            buffer.as_chunks::<4>().0.iter().map(|&bytes| f64::from(f32::from_le_bytes(bytes))).collect();
        let what = format!("{} compiled, {role:?} {}", case.name, port.name);
        assert_near(&what, &found, expected(case, role, &port.name), TOLERANCE);
    }
}

fn check(case: &Case) {
    let loaded = from_text(&text(case));
    let batch = case.of("x").len() / elements(&loaded.model.inputs[0].ty);
    let mut functions = vec![FunctionKind::Gradients];
    if case.numbers.contains_key("y") {
        functions.push(FunctionKind::Predict);
    }
    let options = CompileOptions { functions: functions.clone(), ..CompileOptions::new(batch) };
    let compilation =
        compile(&loaded.model, &options).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    let mut session = native_session(&compilation, 2, Cpu::Native).unwrap();
    for parameter in &loaded.model.parameters {
        let dims = parameter.ty.shape.as_fixed().unwrap();
        let value = HostTensor::from_f32(&dims, &case.floats(&format!("value {}", parameter.name))).unwrap();
        session.set_tensor(&parameter.name, &value).unwrap();
    }
    let values = case.numbers.keys().filter(|name| name.starts_with("value ")).count();
    assert_eq!(loaded.model.parameters.len(), values, "{}", case.name);
    for name in
        functions.iter().map(|kind| if *kind == FunctionKind::Predict { "predict" } else { "gradients" })
    {
        check_oracle(case, &compilation, &session, batch, name);
        check_compiled(case, &compilation, &mut session, batch, name);
    }
}

/// Elements of a sample.
fn elements(ty: &TensorType) -> usize {
    ty.shape.at(1).iter().product()
}

/// All cases; each that fails is told.
fn check_all(file: &str, least: usize) {
    let cases = cases(file);
    assert!(cases.len() >= least, "cases are missing");
    let failed: Vec<String> = cases
        .iter()
        .filter(|case| std::panic::catch_unwind(|| check(case)).is_err())
        .map(|case| case.name.clone())
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn layers() {
    check_all("layers.txt", 42);
}

#[test]
fn losses() {
    check_all("losses.txt", 19);
}
