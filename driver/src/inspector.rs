//! Looks into training steps for the trainer: compiled when the first look is asked for, since most runs ask for none.

use crate::data::port_bytes;
use crate::machine::{Machine, session};
use crate::{CompileChoices, Result};
use dlc_abi::{ElementType, PortRole};
use dlc_compiler::{CompileOptions, FunctionKind};
use dlc_ir::Model;
use dlc_runtime::{Checkpoint, LoadPolicy, RuntimeError, Session};
use dlc_trainer::{Inspected, InspectedKind, Inspector};
use std::sync::{Arc, Mutex, PoisonError};

/// The function that is called.
const FUNCTION: &str = "inspect";

/// An inspector of a model's training step.
pub(crate) fn inspector(
    model: &Model,
    choices: &CompileChoices,
    batch: usize,
    machine: Machine,
    threads: usize,
) -> Inspector {
    let session: Mutex<Option<Session>> = Mutex::new(None);
    let (model, choices) = (model.clone(), choices.clone());
    Inspector(Arc::new(move |checkpoint, samples, inputs| {
        let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
        if session.is_none() {
            let made = compile(&model, &choices, batch, machine, threads);
            *session = Some(made.map_err(|error| RuntimeError::Engine(error.to_string()))?);
        }
        match session.as_mut() {
            Some(session) => look(session, checkpoint, samples, inputs),
            None => Ok(Vec::new()),
        }
    }))
}

fn compile(
    model: &Model,
    choices: &CompileChoices,
    batch: usize,
    machine: Machine,
    threads: usize,
) -> Result<Session> {
    let options =
        CompileOptions { functions: vec![FunctionKind::Inspect], ..choices.options_for(batch, machine)? };
    session(&dlc_compiler::compile(model, &options)?, machine, threads, &choices.without_trials())
}

fn look(
    session: &mut Session,
    checkpoint: &Checkpoint,
    samples: usize,
    inputs: &[(&str, &[u8])],
) -> std::result::Result<Vec<Inspected>, RuntimeError> {
    session.restore(checkpoint, LoadPolicy::IgnoreExtra)?;
    let program = Arc::clone(session.program());
    let function = program.interface().functions.iter().find(|function| function.name == FUNCTION);
    let function =
        function.ok_or_else(|| RuntimeError::Engine("the step cannot be looked into".to_owned()))?;
    let used: Vec<&[u8]> = function
        .inputs
        .iter()
        .map(|port| {
            let given = inputs.iter().find(|(name, _)| *name == port.name);
            given.map(|(_, bytes)| *bytes).ok_or_else(|| RuntimeError::MissingInput {
                function: FUNCTION.to_owned(),
                name: port.name.clone(),
            })
        })
        .collect::<std::result::Result<_, _>>()?;
    let mut outputs: Vec<Vec<u8>> =
        function.outputs.iter().map(|port| vec![0; port_bytes(port, samples)]).collect();
    let mut buffers: Vec<&mut [u8]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
    let handle = session.prepare(FUNCTION)?;
    session.call(handle, samples, &used, &mut buffers)?;
    let mut all = Vec::new();
    for (port, bytes) in function.outputs.iter().zip(&outputs) {
        let kind = match port.role {
            PortRole::Output => InspectedKind::Activation,
            PortRole::Gradient => InspectedKind::Gradient,
            _ => continue,
        };
        let values = match port.element {
            ElementType::F64 => {
                bytes.as_chunks::<8>().0.iter().map(|&eight| f64::from_ne_bytes(eight) as f32).collect()
            }
            ElementType::F32 => {
                bytes.as_chunks::<4>().0.iter().map(|&four| f32::from_ne_bytes(four)).collect()
            }
            element => crate::data::dtype_of(element).floats(bytes).into_iter().map(|x| x as f32).collect(),
        };
        all.push(Inspected { kind, name: port.name.clone(), values });
    }
    Ok(all)
}
