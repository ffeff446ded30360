//! A model with its trained values, as `f32` and as integers, ready to be called.

use super::{DriverError, QuantizeSettings, Result};
use crate::data::{host_of_tensor, port_bytes, tensor_of_host};
use crate::engine::{default_threads, engine};
use crate::load::quantize_fault;
use crate::{EngineKind, Loaded};
use dlc_abi::{ElementType, FunctionInterface, PortRole};
use dlc_compiler::quantize::{Layer, Survey, constants, encode};
use dlc_compiler::{CompileOptions, FunctionKind};
use dlc_interp::evaluate;
use dlc_ir::{Model, Op};
use dlc_runtime::{Checkpoint, HostTensor, LoadPolicy};
use dlc_trainer::{Engine, Fitted, SavedRun, TrainError};
use std::path::Path;

/// What compilations of one command share.
pub(super) struct Workbench<'a> {
    pub(super) settings: &'a QuantizeSettings,
    pub(super) threads: usize,
}

impl Workbench<'_> {
    pub(super) fn new(settings: &QuantizeSettings) -> Workbench<'_> {
        Workbench { settings, threads: settings.threads.unwrap_or_else(default_threads) }
    }

    /// An engine for one function of a model, with values.
    pub(super) fn engine(
        &self,
        model: &Model,
        kind: FunctionKind,
        batch: usize,
        values: &Checkpoint,
    ) -> Result<Box<dyn Engine>> {
        let choices = &self.settings.choices;
        let options = CompileOptions { functions: vec![kind], ..choices.options(batch)? };
        let compilation = dlc_compiler::compile(model, &options)?;
        let kind = EngineKind::Native(self.settings.cpu.into());
        let mut engine = engine(&compilation, kind, self.threads, &choices.without_trials())?;
        let names: Vec<String> = compilation.interface.tensors.iter().map(|one| one.name.clone()).collect();
        for name in names {
            if let Some(value) = values.value_for(&name) {
                engine.set_tensor(&name, value)?;
            }
        }
        Ok(engine)
    }
}

/// The values of a model: a checkpoint's, or those that came with the model.
pub(super) fn trained(loaded: &Loaded, path: Option<&Path>, bench: &Workbench<'_>) -> Result<SavedRun> {
    let Some(path) = path else { return own_values(loaded) };
    let saved = SavedRun::read(path)?;
    let options = CompileOptions {
        functions: vec![FunctionKind::Predict, FunctionKind::Evaluate],
        ..bench.settings.choices.options(1)?
    };
    let compilation = dlc_compiler::compile(&loaded.model, &options)?;
    let mut judge = crate::Interpreted::new(&compilation)?;
    judge
        .restore(&saved.model, LoadPolicy::IgnoreExtra)
        .map_err(|cause| TrainError::Checkpoint { path: path.to_owned(), cause })?;
    Ok(saved)
}

fn own_values(loaded: &Loaded) -> Result<SavedRun> {
    let mut model = Checkpoint::default();
    let parameters = loaded.model.parameters.iter().map(|one| &one.name);
    for name in parameters.chain(loaded.model.states.iter().map(|one| &one.name)) {
        let value = loaded.weights.tensor(name)?.ok_or_else(|| {
            DriverError::User(format!(
                "there are no trained values to quantise: `{name}` has none; give `--checkpoint best.safetensors` of a \
                 run of `dlc train`"
            ))
        })?;
        model.tensors.insert(name.clone(), value);
    }
    Ok(SavedRun { model, fitted: Fitted::default(), progress: None })
}

/// The value of a tensor as prediction reads it: its average, where training kept one.
fn value<'v>(values: &'v Checkpoint, model: &Model, name: &str) -> Option<&'v HostTensor> {
    let averages = model.training.as_ref().is_some_and(|training| training.average.is_some());
    let average = averages.then(|| values.tensors.get(&format!("{name}.{}", dlc_ir::training::AVERAGE)));
    average.flatten().or_else(|| values.tensors.get(name))
}

/// The weights of a layer as integers, with what follows them.
pub(super) struct EncodedLayer {
    /// Norm of what rounding took of the weights, over their norm.
    pub(super) weight_error: f64,
    pub(super) weights: usize,
}

/// Puts the integers, scales and biases of every layer into the values; the inputs' steps are given.
pub(super) fn encode_layers(
    model: &Model,
    survey: &Survey,
    steps: &[f32],
    values: &mut Checkpoint,
) -> Result<Vec<EncodedLayer>> {
    let function = constants(model, survey).map_err(quantize_fault)?;
    let known = evaluate(&function, 1, &|op| match op {
        Op::Parameter { name } | Op::State { name } => {
            value(values, model, name).and_then(|value| tensor_of_host(value).ok())
        }
        _ => None,
    })?;
    let mut encoded = Vec::new();
    for (layer, tensors) in survey.layers.iter().zip(known.chunks_exact(3)) {
        let [weights, factor, shift] = tensors else { continue };
        let weights = weights.to_f32();
        finite(layer, "its weights", &weights)?;
        let integers = encode(&weights, &layer.dims, &layer.axes);
        let factors = factor.to_f64();
        let scales =
            integers.steps.iter().zip(&factors).map(|(&step, factor)| (f64::from(step) * factor) as f32);
        let scales: Vec<f32> = scales.collect();
        finite(layer, "the scale behind it", &scales)?;
        finite(layer, "the bias behind it", &shift.to_f32())?;
        let names = &layer.names;
        let bytes = integers.integers.iter().map(|&integer| integer.cast_unsigned()).collect();
        let mut put = |name: &str, tensor| values.tensors.insert(name.to_owned(), tensor);
        put(&names.weight, HostTensor::new(ElementType::I8, layer.dims.clone(), bytes)?);
        put(&names.scale, HostTensor::from_f32(&factor.dims, &scales)?);
        put(&names.bias, host_of_tensor(shift)?);
        put(&names.input, HostTensor::from_f32(&[], &[steps[layer.input]])?);
        encoded.push(EncodedLayer { weight_error: integers.error, weights: weights.len() });
    }
    Ok(encoded)
}

fn finite(layer: &Layer, what: &str, values: &[f32]) -> Result<()> {
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(DriverError::User(format!(
            "the layer `{}` cannot be quantised: there is {value} in {what}; look at the training run, or leave it in f32 with \
             `--keep {}`",
            layer.name, layer.name
        ))),
        None => Ok(()),
    }
}

/// A quantised model's own tensors, out of all values; with what a checkpoint says of its run.
pub(super) fn checkpoint_of(
    quantized: &Model,
    original: &Model,
    values: &SavedRun,
    bench: &Workbench<'_>,
) -> Result<Checkpoint> {
    let mut effective = values.model.clone();
    let read = quantized.parameters.iter().map(|one| &one.name);
    for name in read.chain(quantized.states.iter().map(|one| &one.name)) {
        if let Some(value) = value(&values.model, original, name).cloned() {
            effective.tensors.insert(name.clone(), value);
        }
    }
    let engine = bench.engine(quantized, FunctionKind::Predict, 1, &effective)?;
    let mut checkpoint = engine.checkpoint()?;
    values.fitted.save(&mut checkpoint)?;
    if let Some(progress) = &values.progress {
        progress.save(&mut checkpoint)?;
    }
    Ok(checkpoint)
}

/// The ports of an engine's only function.
pub(super) fn ports(engine: &dyn Engine) -> Result<FunctionInterface> {
    let found = engine.interface().functions.first().cloned();
    found.ok_or_else(|| DriverError::Bug("a compilation without functions".to_owned()))
}

/// Calls `predict`; gives its outputs.
pub(super) fn predicted(
    engine: &mut dyn Engine,
    ports: &FunctionInterface,
    samples: usize,
    inputs: &[&[u8]],
) -> std::result::Result<Vec<Vec<u8>>, dlc_runtime::RuntimeError> {
    let outputs = ports.outputs.iter().filter(|port| port.role == PortRole::Output);
    let mut buffers: Vec<Vec<u8>> = outputs.map(|port| vec![0; port_bytes(port, samples)]).collect();
    let mut slots: Vec<&mut [u8]> = buffers.iter_mut().map(Vec::as_mut_slice).collect();
    engine.predict(samples, inputs, &mut slots)?;
    Ok(buffers)
}
