//! Runs one region: compiled, or by the oracle.

use super::convert::{array_of_host, array_of_tensor, host_of_array, tensor_of_array};
use crate::data::{port_bytes, port_dims};
use crate::engine::{EngineKind, default_threads};
use crate::{DriverError, Result, RunSettings, tuned_session};
use dlc_abi::{Port, PortRole};
use dlc_compiler::emit::Cpu;
use dlc_compiler::{CompileOptions, FunctionKind};
use dlc_ir::{Declaration, Function, Initializer, Model, Op, Parameter};
use dlc_onnx::Array;
use dlc_runtime::HostTensor;
use dlc_types::Dim;

/// The values of the function's outputs, in order. `array` gives the values of inputs and parameters.
pub(super) fn run_region(
    function: Function,
    array: &dyn Fn(&str) -> Option<Array>,
    settings: &RunSettings,
) -> Result<Vec<Array>> {
    if function.outputs.is_empty() {
        return Ok(Vec::new());
    }
    match settings.engine {
        EngineKind::Native(cpu) if !oracle_only(&function) => run_native(function, array, settings, cpu),
        _ => run_interpreted(&function, array),
    }
}

/// Regions that are not compiled: those without inputs, whose values are needed once, and those with an
/// extent of 0, which compiled code does not know.
fn oracle_only(function: &Function) -> bool {
    let types = || function.nodes.values().filter_map(|node| node.ty.tensor());
    let constant = function.externals().next().is_none();
    constant || types().any(|ty| ty.shape.dims().contains(&Dim::Fixed(0)))
}

fn value(array: &dyn Fn(&str) -> Option<Array>, name: &str) -> Result<Array> {
    array(name).ok_or_else(|| DriverError::Bug(format!("the value `{name}` of a region is not at hand")))
}

fn run_interpreted(function: &Function, array: &dyn Fn(&str) -> Option<Array>) -> Result<Vec<Array>> {
    let mut externals = std::collections::BTreeMap::new();
    for (_, name) in function.externals() {
        externals.insert(name.to_owned(), tensor_of_array(&value(array, name)?)?);
    }
    let results = dlc_interp::evaluate(function, 1, &|op| match op {
        Op::Input { name } | Op::Parameter { name } => externals.get(name).cloned(),
        _ => None,
    })?;
    results.iter().map(array_of_tensor).collect()
}

/// The region as a model that can do nothing but predict.
fn model_of(function: Function) -> Model {
    let mut model = Model {
        name: "region".to_owned(),
        inputs: Vec::new(),
        targets: Vec::new(),
        parameters: Vec::new(),
        states: Vec::new(),
        predict: Function::default(),
        evaluate: None,
        forward: None,
        training: None,
    };
    for node in function.nodes.values() {
        let Some(ty) = node.ty.tensor().cloned() else { continue };
        match &node.op {
            Op::Input { name } => model.inputs.push(Declaration { name: name.clone(), ty }),
            Op::Parameter { name } => model.parameters.push(Parameter {
                name: name.clone(),
                ty,
                initializer: Initializer::Constant(0.0),
                trainable: false,
                span: None,
            }),
            _ => {}
        }
    }
    model.predict = Function { name: "predict".to_owned(), ..function };
    model
}

fn run_native(
    function: Function,
    array: &dyn Fn(&str) -> Option<Array>,
    settings: &RunSettings,
    cpu: Cpu,
) -> Result<Vec<Array>> {
    let order: Vec<String> = function.outputs.iter().map(|output| output.name.clone()).collect();
    let model = model_of(function);
    let options = CompileOptions { functions: vec![FunctionKind::Predict], ..settings.choices.options(1)? };
    let compilation = dlc_compiler::compile(&model, &options)?;
    let threads = settings.threads.unwrap_or_else(default_threads);
    let mut session = tuned_session(&compilation, threads, cpu, &settings.choices.tune)?;
    for parameter in &model.parameters {
        session.set_tensor(&parameter.name, &host_of_array(&value(array, &parameter.name)?)?)?;
    }
    let interface = compilation.interface.functions.iter().find(|function| function.name == "predict");
    let interface = interface.ok_or_else(|| DriverError::Bug("there is no function `predict`".to_owned()))?;
    let mut fed = Vec::new();
    for port in &interface.inputs {
        fed.push(host_of_array(&value(array, &port.name)?)?.bytes);
    }
    let ports: Vec<&Port> = interface.outputs.iter().filter(|port| port.role == PortRole::Output).collect();
    let mut results: Vec<Vec<u8>> = ports.iter().map(|port| vec![0; port_bytes(port, 1)]).collect();
    let slices: Vec<&[u8]> = fed.iter().map(Vec::as_slice).collect();
    let mut slots: Vec<&mut [u8]> = results.iter_mut().map(Vec::as_mut_slice).collect();
    session.predict(1, &slices, &mut slots)?;
    let mut by_name = std::collections::BTreeMap::new();
    for (port, bytes) in ports.iter().zip(results) {
        let tensor = HostTensor::new(port.element, port_dims(port, 1), bytes)?;
        by_name.insert(port.name.as_str(), array_of_host(&tensor)?);
    }
    let result = order.iter().map(|name| by_name.get(name.as_str()).cloned());
    let result: Option<Vec<Array>> = result.collect();
    result.ok_or_else(|| DriverError::Bug("a region's output has no port".to_owned()))
}
