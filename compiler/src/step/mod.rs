//! Step functions: what a session calls, built from a model's forward function.
//!
//! A step is a function like any other: the new value of a parameter or state is an output of its name,
//! and a state without such an output keeps its value. Schedules are graph expressions of the step
//! counter, so a step needs nothing from its caller but the batch, the seed, the number of steps of the run
//! and, where something is told in epochs, of an epoch.

mod arithmetic;
mod average;
mod gradient;
mod initialize;
mod inspect;
mod mask;
mod normal;
mod now;
mod one_cycle;
mod optimizer;
mod orthogonal;
mod schedule;

pub(crate) use average::of_averages;
pub use initialize::initialize;
pub use inspect::inspection;

use crate::autodiff::{AutodiffError, differentiate};
use dlc_ir::training::{ACCUMULATED, EPOCH_STEPS, MOMENTUM_PRODUCT, RATE_FACTOR, SEED, STEP, TOTAL_STEPS};
use dlc_ir::{
    Builder, Function, InferError, Initializer, Model, NodeId, Op, Origin, OutputRole, State, Training,
};
use dlc_types::{DType, TensorType};
use thiserror::Error;

/// Why a step function cannot be built.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum StepError {
    /// The model has no training forward function, or no optimiser.
    #[error("the model `{model}` has no `train` section, so there is no training step to build")]
    NoTraining {
        /// Name of the model.
        model: String,
    },
    /// The forward function cannot be differentiated.
    #[error(transparent)]
    Autodiff(#[from] AutodiffError),
    /// An integer tensor can start from a constant only.
    #[error("`{name}` has type {ty}: an integer tensor has a constant for its first value")]
    IntegerInitializer {
        /// Path of the tensor.
        name: String,
        /// Its type.
        ty: TensorType,
    },
    /// A node of the step cannot be.
    #[error("the step function does not fit: {0}; this is a bug in dlc")]
    Build(#[from] InferError),
}

/// The training step (inputs, targets, parameters, states) -> loss, metrics, the new value of every
/// trainable parameter, and the new value of every state that the step changes: those that the forward
/// function changes, the optimiser's slots, and [`STEP`] plus one.
pub fn training_step(model: &Model) -> Result<Function, StepError> {
    let (Some(forward), Some(training)) = (&model.forward, &model.training) else {
        return Err(StepError::NoTraining { model: model.name.clone() });
    };
    let mut differentiated = differentiate(forward, &trainable(model))?;
    differentiated.name = "train".to_owned();
    let mut gradients: Vec<(String, NodeId)> = differentiated
        .outputs
        .iter()
        .filter(|output| output.role == OutputRole::Gradient)
        .map(|output| (output.name.clone(), output.value))
        .collect();
    differentiated.outputs.retain(|output| output.role != OutputRole::Gradient);
    let mut build = Builder::extend(differentiated);
    build.set_origin(Origin { path: "train".to_owned(), span: None });
    for (name, gradient) in &mut gradients {
        *gradient = mask::masked(&mut build, training, name, *gradient)?;
    }
    let now = now::Now::new(&mut build, training)?;
    let update = optimizer::Update::new(&mut build, training, now)?;
    for (name, gradient) in gradient::prepared(&mut build, training, &now, gradients)? {
        build.set_origin(Origin { path: format!("update({name})"), span: None });
        update.apply(&mut build, &name, gradient)?;
    }
    average::update(&mut build, training, &now, &average::averaged(model))?;
    build.set_origin(Origin { path: STEP.to_owned(), span: None });
    let one = build.scalar(DType::I32, 1.0)?;
    let next = build.add(now.step, one)?;
    build.output(OutputRole::State, STEP, next);
    Ok(build.finish().without_dead_nodes())
}

/// The learning rate of a step as a function of the training's states: `() -> rate`.
pub fn learning_rate(training: &Training) -> Result<Function, StepError> {
    let mut build = Builder::new("learning_rate");
    let now = now::Now::new(&mut build, training)?;
    let rates = schedule::rates(&mut build, training, None, &now)?;
    build.output(OutputRole::Output, "rate", rates.rate);
    Ok(build.finish().without_dead_nodes())
}

/// The forward function with the gradient of every trainable parameter, and no update.
pub fn gradients(model: &Model) -> Result<Function, StepError> {
    let Some(forward) = &model.forward else {
        return Err(StepError::NoTraining { model: model.name.clone() });
    };
    let mut function = differentiate(forward, &trainable(model))?;
    function.name = "gradients".to_owned();
    Ok(function.without_dead_nodes())
}

/// The states that training adds to the model's own: for every trainable parameter the optimiser's slots
/// (such as `PATH.momentum`), its gathered gradient and its mask, for every averaged tensor the average, then the
/// step's bookkeeping ([`dlc_ir::training`]). A model without training has the seed alone, from which
/// [`initialize`] draws.
pub fn step_states(model: &Model) -> Vec<State> {
    let mut states = Vec::new();
    let mut declare = |name: String, ty: TensorType, initial: f64| {
        states.push(State { name, ty, initializer: Initializer::Constant(initial) });
    };
    if let Some(training) = &model.training {
        for parameter in model.parameters.iter().filter(|parameter| parameter.trainable) {
            let (name, ty) = (&parameter.name, &parameter.ty);
            for slot in optimizer::slots(training, name, ty) {
                declare(format!("{name}.{}", slot.name), ty.clone(), slot.initial);
            }
            if training.accumulate > 1 {
                declare(format!("{name}.{ACCUMULATED}"), ty.clone(), 0.0);
            }
            if training.masked.contains(name) {
                declare(mask::mask_of(name), mask::mask_type(ty), 1.0);
            }
        }
        for (name, ty) in average::averaged(model) {
            declare(average::average_of(&name), ty, 0.0);
        }
        let scalar = |dtype| TensorType::scalar(dtype);
        declare(STEP.to_owned(), scalar(DType::I32), 0.0);
        declare(TOTAL_STEPS.to_owned(), scalar(DType::I32), 0.0);
        if training.counts_epochs() {
            declare(EPOCH_STEPS.to_owned(), scalar(DType::I32), 0.0);
        }
        if training.plateau {
            declare(RATE_FACTOR.to_owned(), scalar(DType::F32), 1.0);
        }
        if optimizer::keeps_momentum_product(training) {
            declare(MOMENTUM_PRODUCT.to_owned(), scalar(DType::F32), 1.0);
        }
    }
    declare(SEED.to_owned(), TensorType::scalar(DType::I64), 0.0);
    states.retain(|state| model.states.iter().all(|own| own.name != state.name));
    states
}

fn trainable(model: &Model) -> Vec<String> {
    let trainable = model.parameters.iter().filter(|parameter| parameter.trainable);
    trainable.map(|parameter| parameter.name.clone()).collect()
}

/// The state of that name, declared if the function does not read it yet.
fn state(build: &mut Builder, name: &str, ty: TensorType) -> Result<NodeId, InferError> {
    let found = build
        .function()
        .nodes
        .iter()
        .find(|(_, node)| matches!(&node.op, Op::State { name: other } if other == name));
    match found.map(|(id, _)| id) {
        Some(id) => Ok(id),
        None => build.state(name, ty),
    }
}

/// The parameter of that name, which the differentiated function reads.
fn parameter(build: &Builder, name: &str) -> Result<NodeId, InferError> {
    let nodes = &build.function().nodes;
    let found =
        nodes.iter().find(|(_, node)| matches!(&node.op, Op::Parameter { name: other } if other == name));
    found.map(|(id, _)| id).ok_or_else(|| InferError::new(format!("no parameter `{name}` to update")))
}
