//! Runs one region: compiled, or by the oracle.

use super::convert::{array_of_host, array_of_tensor, host_of_array, tensor_of_array};
use crate::data::{port_bytes, port_dims};
use crate::engine::{EngineKind, default_threads};
use crate::{DriverError, Machine, Result, RunSettings, session};
use dlc_abi::{FunctionInterface, Port, PortRole};
use dlc_compiler::{CompileOptions, FunctionKind};
use dlc_ir::{Declaration, Function, Initializer, Model, Op, Parameter};
use dlc_onnx::{Array, Graph};
use dlc_runtime::{HostTensor, Session};
use dlc_types::Dim;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Regions that were compiled, so that the body of a loop is compiled once.
#[derive(Default)]
pub(super) struct Regions {
    compiled: RefCell<Vec<Compiled>>,
}

/// Regions that are kept.
const KEPT: usize = 16;

impl Regions {
    /// The values of the function's outputs, in order. `graph` is where the region is from; `array` gives the
    /// values of inputs and parameters.
    pub(super) fn run(
        &self,
        graph: &Graph,
        function: Function,
        array: &dyn Fn(&str) -> Option<Array>,
        settings: &RunSettings,
    ) -> Result<Vec<Array>> {
        if function.outputs.is_empty() {
            return Ok(Vec::new());
        }
        let EngineKind::Native(machine) = settings.engine else { return run_interpreted(&function, array) };
        if oracle_only(&function) {
            return run_interpreted(&function, array);
        }
        let mut kept = self.compiled.borrow_mut();
        let source = std::ptr::from_ref(graph).addr();
        let found = kept.iter().position(|one| one.source == source && one.function == function);
        let place = match found {
            Some(place) => place,
            None => {
                if kept.len() == KEPT {
                    kept.remove(0);
                }
                kept.push(Compiled::new(source, function, settings, machine)?);
                kept.len() - 1
            }
        };
        kept[place].run(array)
    }
}

/// Zeros for a result, if memory holds it.
fn zeros(name: &str, length: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let reserved = bytes.try_reserve_exact(length);
    reserved.map_err(|_| DriverError::User(format!("the value `{name}` takes {length} bytes, too many")))?;
    bytes.resize(length, 0);
    Ok(bytes)
}

/// Elements up to which a region without inputs is left to the oracle.
const CONSTANT_LIMIT: usize = 1 << 16;

/// Elements that the oracle may hold.
const ORACLE_LIMIT: usize = 1 << 30;

/// Elements of all values; the greatest number where that is more than can be told.
fn elements(function: &Function) -> usize {
    let types = function.nodes.values().filter_map(|node| node.ty.tensor());
    types.fold(0, |sum: usize, ty| {
        let count = ty.shape.at(1).iter().fold(1_usize, |product, &size| product.saturating_mul(size));
        sum.saturating_add(count)
    })
}

/// Regions that are not compiled: small ones without inputs, whose values are needed once, and those with
/// an extent of 0, which compiled code does not know.
fn oracle_only(function: &Function) -> bool {
    let types = || function.nodes.values().filter_map(|node| node.ty.tensor());
    let constant = function.externals().next().is_none() && elements(function) <= CONSTANT_LIMIT;
    constant || types().any(|ty| ty.shape.dims().contains(&Dim::Fixed(0)))
}

fn value(array: &dyn Fn(&str) -> Option<Array>, name: &str) -> Result<Array> {
    array(name).ok_or_else(|| DriverError::Bug(format!("the value `{name}` of a region is not at hand")))
}

fn run_interpreted(function: &Function, array: &dyn Fn(&str) -> Option<Array>) -> Result<Vec<Array>> {
    if elements(function) > ORACLE_LIMIT {
        return Err(DriverError::User("the model's values are too large for the interpreter".to_owned()));
    }
    let mut externals = BTreeMap::new();
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

/// A region with its code.
struct Compiled {
    /// The graph that it is from: names mean something else in others.
    source: usize,
    function: Function,
    parameters: Vec<String>,
    interface: FunctionInterface,
    session: Session,
}

impl Compiled {
    fn new(source: usize, function: Function, settings: &RunSettings, machine: Machine) -> Result<Compiled> {
        let model = model_of(function.clone());
        let options = CompileOptions {
            functions: vec![FunctionKind::Predict],
            ..settings.choices.options_for(1, machine)?
        };
        let compilation = dlc_compiler::compile(&model, &options)?;
        let threads = settings.threads.unwrap_or_else(default_threads);
        let session = session(&compilation, machine, threads, &settings.choices)?;
        let interface = compilation.interface.functions.iter().find(|function| function.name == "predict");
        let interface = interface.cloned();
        let interface =
            interface.ok_or_else(|| DriverError::Bug("there is no function `predict`".to_owned()))?;
        let parameters = model.parameters.iter().map(|parameter| parameter.name.clone()).collect();
        Ok(Compiled { source, function, parameters, interface, session })
    }

    fn run(&mut self, array: &dyn Fn(&str) -> Option<Array>) -> Result<Vec<Array>> {
        // Parameters are the same in every run, so they are set once.
        for name in std::mem::take(&mut self.parameters) {
            let given = value(array, &name)?;
            self.session.set_tensor(&name, &host_of_array(&given)?)?;
            given.release();
        }
        let mut fed = Vec::new();
        for port in &self.interface.inputs {
            fed.push(host_of_array(&value(array, &port.name)?)?.bytes);
        }
        let outputs = self.interface.outputs.iter().filter(|port| port.role == PortRole::Output);
        let ports: Vec<&Port> = outputs.collect();
        let results = ports.iter().map(|port| zeros(&port.name, port_bytes(port, 1)));
        let mut results: Vec<Vec<u8>> = results.collect::<Result<_>>()?;
        let slices: Vec<&[u8]> = fed.iter().map(Vec::as_slice).collect();
        let mut slots: Vec<&mut [u8]> = results.iter_mut().map(Vec::as_mut_slice).collect();
        self.session.predict(1, &slices, &mut slots)?;
        let mut by_name = BTreeMap::new();
        for (port, bytes) in ports.iter().zip(results) {
            let tensor = HostTensor::new(port.element, port_dims(port, 1), bytes)?;
            by_name.insert(port.name.as_str(), array_of_host(&tensor)?);
        }
        let result = self.function.outputs.iter().map(|output| by_name.get(output.name.as_str()).cloned());
        let result: Option<Vec<Array>> = result.collect();
        result.ok_or_else(|| DriverError::Bug("a region's output has no port".to_owned()))
    }
}
