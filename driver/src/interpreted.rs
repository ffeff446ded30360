//! An engine that evaluates graphs instead of running compiled code.
//!
//! It evaluates the functions as the step builder made them, composite ops included, and keeps
//! parameters and states between calls, rounded to their types. Within a call nothing is rounded.

use crate::data::{bytes_of_tensor, host_of_tensor, port_bytes, port_dims, tensor_of_bytes, tensor_of_host};
use crate::{DriverError, Result};
use dlc_abi::{FunctionInterface, Interface, PortRole};
use dlc_compiler::Compilation;
use dlc_interp::{Tensor, evaluate};
use dlc_ir::training::{SEED, TOTAL_STEPS};
use dlc_ir::{Function, Op, OutputRole};
use dlc_runtime::{Checkpoint, HostTensor, LoadPolicy, RuntimeError};
use dlc_trainer::Engine;
use std::collections::BTreeMap;

/// A model with its values, interpreted.
#[derive(Clone, Debug)]
pub struct Interpreted {
    interface: Interface,
    functions: BTreeMap<String, Function>,
    tensors: BTreeMap<String, Tensor>,
}

fn engine_error(error: DriverError) -> RuntimeError {
    match error {
        DriverError::Runtime(error) => error,
        other => RuntimeError::Engine(format!("the interpreter failed: {other}")),
    }
}

impl Interpreted {
    /// An instance with all parameters and states zero.
    pub fn new(compilation: &Compilation) -> Result<Interpreted> {
        let interface = compilation.interface.clone();
        let zeros = interface.tensors.iter().map(|tensor| {
            (tensor.name.clone(), Tensor::zeros(crate::data::dtype_of(tensor.element), &tensor.dims))
        });
        let functions =
            compilation.functions.iter().map(|function| (function.name.clone(), function.graph.clone()));
        Ok(Interpreted { tensors: zeros.collect(), functions: functions.collect(), interface })
    }

    fn ports(&self, name: &str) -> std::result::Result<&FunctionInterface, RuntimeError> {
        let found = self.interface.functions.iter().find(|function| function.name == name);
        found.ok_or_else(|| RuntimeError::NoFunction {
            model: self.interface.model.clone(),
            function: name.to_owned(),
            available: self.functions.keys().cloned().collect::<Vec<_>>().join(", "),
        })
    }

    /// Evaluates a function, moves parameters and states on, and gives the other outputs by name.
    fn call(
        &mut self,
        name: &str,
        batch: usize,
        inputs: &[&[u8]],
    ) -> Result<Vec<(OutputRole, String, Tensor)>> {
        let ports = self.ports(name)?;
        if batch == 0 || batch > self.interface.batch_max {
            return Err(RuntimeError::Batch { batch, batch_max: self.interface.batch_max }.into());
        }
        if ports.inputs.len() != inputs.len() {
            let (expected, found) = (ports.inputs.len(), inputs.len());
            let function = name.to_owned();
            return Err(RuntimeError::Count { function, what: "inputs", expected, found }.into());
        }
        let mut fed = BTreeMap::new();
        for (port, bytes) in ports.inputs.iter().zip(inputs) {
            if bytes.len() != port_bytes(port, batch) {
                return Err(RuntimeError::Length {
                    function: name.to_owned(),
                    name: port.name.clone(),
                    batch,
                    expected: port_bytes(port, batch),
                    found: bytes.len(),
                }
                .into());
            }
            fed.insert(port.name.clone(), tensor_of_bytes(port.element, &port_dims(port, batch), bytes)?);
        }
        let Some(function) = self.functions.get(name) else {
            return Err(DriverError::Bug(format!("`{name}` has ports but no graph")));
        };
        let results = evaluate(function, batch, &|op| match op {
            Op::Input { name } => fed.get(name).cloned(),
            Op::Parameter { name } | Op::State { name } => self.tensors.get(name).cloned(),
            _ => None,
        })?;
        let mut outputs = Vec::new();
        for (output, tensor) in function.outputs.iter().zip(results) {
            match output.role {
                OutputRole::Parameter | OutputRole::State => {
                    self.tensors.insert(output.name.clone(), tensor_of_host(&host_of_tensor(&tensor)?)?);
                }
                role => outputs.push((role, output.name.clone(), tensor)),
            }
        }
        Ok(outputs)
    }

    fn report(
        &mut self,
        function: &str,
        batch: usize,
        inputs: &[&[u8]],
        report: &mut [f32],
    ) -> std::result::Result<(), RuntimeError> {
        let outputs = self.call(function, batch, inputs).map_err(engine_error)?;
        let of_role = |wanted: OutputRole| outputs.iter().filter(move |(role, _, _)| *role == wanted);
        let values: Vec<f32> = of_role(OutputRole::Loss)
            .chain(of_role(OutputRole::Metric))
            .flat_map(|(_, _, tensor)| tensor.to_f32())
            .collect();
        if values.len() != report.len() {
            let (expected, found) = (values.len(), report.len());
            let function = function.to_owned();
            return Err(RuntimeError::Count { function, what: "reported values", expected, found });
        }
        report.copy_from_slice(&values);
        Ok(())
    }

    fn set(&mut self, name: &str, value: i64) {
        if let Some(tensor) = self.tensors.get_mut(name) {
            tensor.data = dlc_interp::Data::Int(vec![value]);
        }
    }
}

impl Engine for Interpreted {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn initialize(&mut self, seed: u64) -> std::result::Result<(), RuntimeError> {
        for tensor in self.tensors.values_mut() {
            *tensor = Tensor::zeros(tensor.dtype, &tensor.dims);
        }
        self.set(SEED, seed.cast_signed());
        self.call("initialize", 1, &[]).map_err(engine_error)?;
        Ok(())
    }

    fn set_tensor(&mut self, name: &str, value: &HostTensor) -> std::result::Result<(), RuntimeError> {
        let value = tensor_of_host(value).map_err(engine_error)?;
        match self.tensors.get_mut(name) {
            Some(tensor) if tensor.dtype == value.dtype && tensor.dims == value.dims => {
                *tensor = value;
                Ok(())
            }
            Some(tensor) => Err(RuntimeError::Misfit {
                name: name.to_owned(),
                expected: tensor.type_text(),
                found: value.type_text(),
            }),
            None => Err(RuntimeError::Engine(format!("there is no parameter or state `{name}`"))),
        }
    }

    fn set_total_steps(&mut self, steps: usize) -> std::result::Result<(), RuntimeError> {
        self.set(TOTAL_STEPS, i64::from(i32::try_from(steps).unwrap_or(i32::MAX)));
        Ok(())
    }

    fn train_step(
        &mut self,
        batch: usize,
        inputs: &[&[u8]],
        report: &mut [f32],
    ) -> std::result::Result<(), RuntimeError> {
        self.report("train", batch, inputs, report)
    }

    fn evaluate(
        &mut self,
        batch: usize,
        inputs: &[&[u8]],
        report: &mut [f32],
    ) -> std::result::Result<(), RuntimeError> {
        self.report("evaluate", batch, inputs, report)
    }

    fn predict(
        &mut self,
        batch: usize,
        inputs: &[&[u8]],
        outputs: &mut [&mut [u8]],
    ) -> std::result::Result<(), RuntimeError> {
        let results = self.call("predict", batch, inputs).map_err(engine_error)?;
        let ports = self.ports("predict")?;
        let results: Vec<&Tensor> = ports
            .outputs
            .iter()
            .filter(|port| port.role == PortRole::Output)
            .filter_map(|port| results.iter().find(|(_, name, _)| *name == port.name))
            .map(|(_, _, tensor)| tensor)
            .collect();
        if results.len() != outputs.len() {
            let (expected, found) = (results.len(), outputs.len());
            let function = "predict".to_owned();
            return Err(RuntimeError::Count { function, what: "results", expected, found });
        }
        for (tensor, buffer) in results.into_iter().zip(outputs) {
            let bytes = bytes_of_tensor(tensor);
            if bytes.len() != buffer.len() {
                return Err(RuntimeError::Engine("a result's buffer has the wrong length".to_owned()));
            }
            buffer.copy_from_slice(&bytes);
        }
        Ok(())
    }

    fn checkpoint(&self) -> std::result::Result<Checkpoint, RuntimeError> {
        let mut checkpoint = Checkpoint::default();
        for (name, tensor) in &self.tensors {
            checkpoint.tensors.insert(name.clone(), host_of_tensor(tensor).map_err(engine_error)?);
        }
        Ok(checkpoint)
    }

    fn restore(
        &mut self,
        checkpoint: &Checkpoint,
        policy: LoadPolicy,
    ) -> std::result::Result<(), RuntimeError> {
        let mut faults = Vec::new();
        for (name, own) in &self.tensors {
            let expected = own.type_text();
            let found = match policy {
                LoadPolicy::Exact => checkpoint.tensors.get(name),
                _ => checkpoint.value_for(name),
            };
            match found {
                Some(found) if fits(own, found) => {}
                Some(found) => faults.push(format!(
                    "`{name}` is {} in the checkpoint, {expected} in the model",
                    found.type_text()
                )),
                None if policy == LoadPolicy::Parameters && !self.is_parameter(name) => {}
                None => faults.push(format!("`{name}` ({expected}) is missing")),
            }
        }
        if policy == LoadPolicy::Exact {
            let strangers = checkpoint.tensors.keys().filter(|name| !self.tensors.contains_key(*name));
            faults.extend(strangers.map(|name| format!("`{name}` is not in the model")));
        }
        if !faults.is_empty() {
            return Err(RuntimeError::OtherModel {
                origin: checkpoint.origin(&self.interface.model),
                faults,
            });
        }
        for (name, own) in &mut self.tensors {
            if let Some(value) = checkpoint.value_for(name) {
                *own = tensor_of_host(value).map_err(engine_error)?;
            }
        }
        Ok(())
    }
}

fn fits(own: &Tensor, found: &HostTensor) -> bool {
    crate::data::dtype_of(found.element) == own.dtype && found.dims == own.dims
}

impl Interpreted {
    fn is_parameter(&self, name: &str) -> bool {
        let found = self.interface.tensors.iter().find(|tensor| tensor.name == name);
        found.is_some_and(|tensor| tensor.role == dlc_abi::PersistentRole::Parameter)
    }
}
