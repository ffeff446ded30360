//! Averages of the weights: kept by the training step, read by evaluation and prediction.
//!
//! Every trainable parameter, and every float state that the forward function changes (running statistics),
//! has a state `PATH.average`. It begins as the value itself, so that it may be read at any time.

use super::arithmetic::towards;
use super::now::Now;
use super::state;
use dlc_ir::training::AVERAGE;
use dlc_ir::{
    Average, Binary, Builder, Comparison, Function, InferError, Model, NodeId, Op, Origin, OutputRole,
    Training,
};
use dlc_types::{DType, TensorType};
use std::collections::BTreeMap;

/// The tensors of a model that have an average, with their types; none where training keeps none.
pub(super) fn averaged(model: &Model) -> Vec<(String, TensorType)> {
    if model.training.as_ref().is_none_or(|training| training.average.is_none()) {
        return Vec::new();
    }
    let changed = |name: &str| {
        model.forward.as_ref().is_some_and(|forward| forward.output(OutputRole::State, name).is_some())
    };
    let parameters = model.parameters.iter().filter(|one| one.trainable);
    let parameters = parameters.map(|one| (one.name.clone(), one.ty.clone()));
    let states = model.states.iter().filter(|one| one.ty.dtype.is_float() && changed(&one.name));
    parameters.chain(states.map(|one| (one.name.clone(), one.ty.clone()))).collect()
}

/// The name of the state that holds an average.
pub(super) fn average_of(name: &str) -> String {
    format!("{name}.{AVERAGE}")
}

/// The same function of the averages, where training keeps them.
pub(crate) fn of_averages(function: &Function, model: &Model) -> Function {
    let averaged: BTreeMap<String, TensorType> = averaged(model).into_iter().collect();
    let mut function = function.clone();
    for (_, node) in function.nodes.iter_mut() {
        if let Op::Parameter { name } | Op::State { name } = &node.op
            && averaged.contains_key(name)
        {
            node.op = Op::State { name: average_of(name) };
        }
    }
    function
}

/// Adds the next averages to the outputs, from the next values that are outputs already.
pub(super) fn update(
    b: &mut Builder,
    training: &Training,
    now: &Now,
    tensors: &[(String, TensorType)],
) -> Result<(), InferError> {
    let Some(average) = training.average else { return Ok(()) };
    let pace = Pace::new(b, average, now)?;
    for (name, ty) in tensors {
        b.set_origin(Origin { path: format!("average({name})"), span: None });
        let next = b.function().output(OutputRole::Parameter, name);
        let next = next.or_else(|| b.function().output(OutputRole::State, name));
        let Some(value) = next.map(|output| output.value) else {
            return Err(InferError::new(format!("`{name}` has no next value to average")));
        };
        let old = state(b, &average_of(name), ty.clone())?;
        let next = pace.next(b, old, value)?;
        b.output(OutputRole::State, average_of(name), next);
    }
    Ok(())
}

/// How the averages move at a step.
struct Pace {
    /// Whether the average is the value itself, a `bool` scalar.
    follows: NodeId,
    /// Whether the value is taken in, a `bool` scalar; `None` for always.
    takes: Option<NodeId>,
    /// Weight of the value in the average, an `f32` scalar.
    share: NodeId,
}

impl Pace {
    fn new(b: &mut Builder, average: Average, now: &Now) -> Result<Pace, InferError> {
        match average {
            Average::Exponential { decay } => {
                let zero = b.scalar(DType::F32, 0.0)?;
                let follows = b.compare(Comparison::Equal, now.updates, zero)?;
                Ok(Pace { follows, takes: now.active, share: b.scalar(DType::F32, 1.0 - decay)? })
            }
            Average::Stochastic { start } => {
                let Some(steps) = now.epoch_steps else {
                    return Err(InferError::new("an average by epochs needs the steps of an epoch"));
                };
                let epoch = b.div(now.step, steps)?;
                let first = b.scalar(DType::I32, f64::from(start))?;
                let follows = b.compare(Comparison::LessEqual, epoch, first)?;
                let place = b.binary(Binary::Remainder, now.step, steps)?;
                let one = b.scalar(DType::I32, 1.0)?;
                let last = b.sub(steps, one)?;
                let takes = b.compare(Comparison::Equal, place, last)?;
                let before = b.sub(epoch, first)?;
                let count = b.add(before, one)?;
                let count = b.cast(count, DType::F32)?;
                let one = b.scalar(DType::F32, 1.0)?;
                Ok(Pace { follows, takes: Some(takes), share: b.div(one, count)? })
            }
        }
    }

    fn next(&self, b: &mut Builder, old: NodeId, value: NodeId) -> Result<NodeId, InferError> {
        let shape = b.shape(old).clone();
        let mut next = towards(b, old, value, self.share)?;
        if let Some(takes) = self.takes {
            let takes = b.broadcast_scalar(takes, shape.clone())?;
            next = b.select(takes, next, old)?;
        }
        let follows = b.broadcast_scalar(self.follows, shape)?;
        b.select(follows, value, next)
    }
}
