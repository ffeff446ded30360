//! A model as a checkpoint has it: with as many channels, with masks, at a share of the rates.
//!
//! `dlc prune` writes checkpoints of a model that differs from its file. What differs is told by the checkpoint's own
//! tensors, so that every command can take the file and the checkpoint together:
//!
//! - fewer channels by the shapes of parameters and states ([`dlc_compiler::narrow`]);
//! - weights that stay zero by the states `PATH.mask`;
//! - learning rates below the file's by the state `train.rate_scale`.
//!
//! Shapes that no narrow model has change nothing here: whoever restores the checkpoint tells what does not fit.

use crate::load::Weights;
use crate::onnx::load_with_note;
use crate::{DriverError, Loaded, Result};
use dlc_abi::ElementType;
use dlc_compiler::narrow::Channels;
use dlc_ir::training::{AVERAGE, MASK};
use dlc_ir::{Initializer, Model, State};
use dlc_runtime::{Checkpoint, HostTensor, RuntimeError};
use dlc_trainer::TrainError;
use dlc_types::{DType, TensorType};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// State (`f32` scalar): what the file's learning rates are multiplied with in a run that fine-tunes.
pub(crate) const RATE_SCALE: &str = "train.rate_scale";

/// Loads a file to go with a checkpoint: an ONNX file as the training by flags saw it that the checkpoint is of, and any
/// model with what pruning left of it.
pub fn load_for_checkpoint(path: &Path, checkpoint: &Path, settings: &[(String, String)]) -> Result<Loaded> {
    let mut loaded = load_with_note(path, checkpoint, settings)?;
    // A checkpoint that cannot be read is told by whoever restores it, with what was asked of it.
    if let Ok(read) = Checkpoint::read(checkpoint) {
        adapt(&mut loaded, &read)?;
    }
    Ok(loaded)
}

/// The same with the checkpoint's weights as first values.
///
/// # Errors
/// A checkpoint that cannot be read, or whose parameters are not the model's.
pub fn load_with_weights(path: &Path, checkpoint: &Path, settings: &[(String, String)]) -> Result<Loaded> {
    let mut loaded = load_with_note(path, checkpoint, settings)?;
    let read = read(checkpoint)?;
    adapt(&mut loaded, &read)?;
    let faults = misfits(&loaded.model, &read);
    if !faults.is_empty() {
        let cause = RuntimeError::OtherModel { model: loaded.model.name.clone(), faults };
        return Err(TrainError::Checkpoint { path: checkpoint.to_owned(), cause }.into());
    }
    loaded.weights = Weights::of_tensors(&first_values(&loaded.model, &read.tensors))?;
    Ok(loaded)
}

/// Reads a checkpoint; failures name the file.
pub(crate) fn read(path: &Path) -> Result<Checkpoint> {
    Checkpoint::read(path).map_err(|cause| match cause {
        RuntimeError::File { path, cause } => DriverError::File { path, cause },
        cause => TrainError::Checkpoint { path: path.to_owned(), cause }.into(),
    })
}

/// Parameters that are missing or of another type.
pub(crate) fn misfits(model: &Model, checkpoint: &Checkpoint) -> Vec<String> {
    let mut faults = Vec::new();
    for parameter in &model.parameters {
        let (name, ty) = (&parameter.name, &parameter.ty);
        match checkpoint.tensors.get(name) {
            Some(found)
                if crate::data::dtype_of(found.element) == ty.dtype && found.dims == ty.shape.at(1) => {}
            Some(found) => {
                let found = found.type_text();
                faults.push(format!("`{name}` is {found} in the checkpoint, {ty} in the model"));
            }
            None => faults.push(format!("`{name}` ({ty}) is missing")),
        }
    }
    faults
}

/// Makes a model that of a checkpoint, as far as pruning can have made the difference.
pub(crate) fn adapt(loaded: &mut Loaded, checkpoint: &Checkpoint) -> Result<()> {
    narrow(loaded, checkpoint)?;
    let tensors = &checkpoint.tensors;
    let Some(training) = &mut loaded.model.training else { return Ok(()) };
    let is_masked = |name: &str, ty: &TensorType| {
        let mask = tensors.get(&format!("{name}.{MASK}"));
        mask.is_some_and(|mask| mask.element == ElementType::Bool && mask.dims == ty.shape.at(1))
    };
    let trained = loaded.model.parameters.iter().filter(|one| one.trainable);
    training.masked =
        trained.filter(|one| is_masked(&one.name, &one.ty)).map(|one| one.name.clone()).collect();
    if let Some(scale) = tensors.get(RATE_SCALE).and_then(scalar).filter(|scale| scale.is_finite()) {
        scale_rates(&mut loaded.model, scale);
    }
    Ok(())
}

fn scalar(tensor: &HostTensor) -> Option<f64> {
    match tensor.f32_values().ok()?[..] {
        [value] if tensor.dims.is_empty() => Some(f64::from(value)),
        _ => None,
    }
}

/// Sets what the file's learning rates are multiplied with, and keeps it in checkpoints.
pub(crate) fn scale_rates(model: &mut Model, scale: f64) {
    let Some(training) = &model.training else { return };
    // The one before counts no more.
    let before = model.states.iter().find(|state| state.name == RATE_SCALE);
    let before = match before.map(|state| state.initializer) {
        Some(Initializer::Constant(before)) if before != 0.0 => before,
        _ => 1.0,
    };
    model.training = Some(training.scaled(scale / before));
    model.states.retain(|state| state.name != RATE_SCALE);
    let initializer = Initializer::Constant(scale);
    model.states.push(State { name: RATE_SCALE.to_owned(), ty: TensorType::scalar(DType::F32), initializer });
}

/// What a new run of a model begins with of a checkpoint: parameters, the model's own states and masks; averages begin as
/// the values.
pub(crate) fn first_values(
    model: &Model,
    tensors: &BTreeMap<String, HostTensor>,
) -> BTreeMap<String, HostTensor> {
    let parameters = model.parameters.iter().map(|one| &one.name);
    let states = model.states.iter().map(|one| &one.name).filter(|name| *name != RATE_SCALE);
    let masks = model.training.iter().flat_map(|training| &training.masked);
    let mut values = BTreeMap::new();
    for name in parameters.chain(states) {
        if let Some(tensor) = tensors.get(name) {
            values.insert(format!("{name}.{AVERAGE}"), tensor.clone());
            values.insert(name.clone(), tensor.clone());
        }
    }
    for name in masks.map(|name| format!("{name}.{MASK}")) {
        values.extend(tensors.get(&name).map(|tensor| (name, tensor.clone())));
    }
    values
}

/// Takes away the channels that a checkpoint does not have.
fn narrow(loaded: &mut Loaded, checkpoint: &Checkpoint) -> Result<()> {
    let model = &loaded.model;
    let dims = |name: &str| checkpoint.tensors.get(name).map(|tensor| tensor.dims.clone());
    let is_own = |one: &dlc_ir::Parameter| dims(&one.name).is_none_or(|dims| dims == one.ty.shape.at(1));
    if model.parameters.iter().all(is_own) {
        return Ok(());
    }
    let names = model.parameters.iter().map(|one| &one.name).chain(model.states.iter().map(|one| &one.name));
    let shapes: BTreeMap<String, Vec<usize>> =
        names.filter_map(|name| Some((name.clone(), dims(name)?))).collect();
    let channels = Channels::of(model);
    let Some(extents) = channels.extents(&shapes) else { return Ok(()) };
    let narrow = channels.narrow(model, &extents).map_err(|error| DriverError::Bug(error.to_string()))?;
    loaded.wide = Some(Arc::new(std::mem::replace(&mut loaded.model, narrow)));
    loaded.weights = Weights::default();
    Ok(())
}
