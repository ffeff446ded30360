//! The update rules: from a parameter, its gradient and its slots to their next values.
//!
//! Numbers that are the same for all elements are `f32` scalars, computed once a step and then repeated
//! over each parameter.

use super::schedule::Rates;
use super::{parameter, state};
use dlc_ir::{Builder, InferError, NodeId, Optimizer, OutputRole, Schedule, Training, Unary};
use dlc_types::DType;

const MOMENTUM: &str = "momentum";
const FIRST_MOMENT: &str = "first_moment";
const SECOND_MOMENT: &str = "second_moment";

/// Last parts of the names of the states that the optimiser keeps for each parameter.
pub(super) fn slots(training: &Training) -> &'static [&'static str] {
    match training.optimizer {
        Optimizer::Sgd { momentum, .. } if momentum == 0.0 && !cycles_momentum(&training.schedule) => &[],
        Optimizer::Sgd { .. } => &[MOMENTUM],
        Optimizer::Adam { .. } => &[FIRST_MOMENT, SECOND_MOMENT],
    }
}

fn cycles_momentum(schedule: &Schedule) -> bool {
    matches!(schedule, Schedule::OneCycle { momentum: Some(_), .. })
}

/// An update rule with the scalars that all parameters share, each of type `f32`.
pub(super) enum Update {
    /// See [`Optimizer::Sgd`].
    Sgd {
        /// Learning rate.
        rate: NodeId,
        /// `None` for plain descent without a slot.
        momentum: Option<NodeId>,
        /// Whether the step looks ahead.
        nesterov: bool,
        /// L2 penalty.
        weight_decay: f64,
    },
    /// See [`Optimizer::Adam`].
    Adam {
        /// Learning rate over the first moment's bias correction.
        rate: NodeId,
        /// One over the root of the second moment's bias correction.
        root: NodeId,
        /// Decay of the first moment.
        beta1: NodeId,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        epsilon: f64,
        /// L2 penalty.
        weight_decay: f64,
    },
}

impl Update {
    /// The rule of a training section at the step whose number is the `i32` scalar `step`.
    pub(super) fn new(
        b: &mut Builder,
        training: &Training,
        rates: Rates,
        step: NodeId,
    ) -> Result<Update, InferError> {
        match training.optimizer {
            Optimizer::Sgd { momentum, nesterov, weight_decay } => {
                let momentum = match rates.momentum {
                    Some(scheduled) => Some(scheduled),
                    None if momentum == 0.0 => None,
                    None => Some(b.scalar(DType::F32, momentum)?),
                };
                Ok(Update::Sgd { rate: rates.rate, momentum, nesterov, weight_decay })
            }
            Optimizer::Adam { beta1, beta2, epsilon, weight_decay } => {
                let (beta1, log_beta1) = match rates.momentum {
                    Some(scheduled) => (scheduled, Some(b.unary(Unary::Log, scheduled)?)),
                    None => (b.scalar(DType::F32, beta1)?, log(b, beta1)?),
                };
                let log_beta2 = log(b, beta2)?;
                let step = b.cast(step, DType::F32)?;
                let count = b.shift(step, 1.0)?;
                let first = bias_correction(b, log_beta1, count)?;
                let second = bias_correction(b, log_beta2, count)?;
                let rate = b.div(rates.rate, first)?;
                let root = b.unary(Unary::ReciprocalSqrt, second)?;
                Ok(Update::Adam { rate, root, beta1, beta2, epsilon, weight_decay })
            }
        }
    }

    /// Adds the new value of one parameter and of its slots to the outputs.
    pub(super) fn apply(&self, b: &mut Builder, name: &str, gradient: NodeId) -> Result<(), InferError> {
        let weight = parameter(b, name)?;
        let (Update::Sgd { weight_decay, .. } | Update::Adam { weight_decay, .. }) = self;
        let mut gradient = gradient;
        if *weight_decay != 0.0 {
            let penalty = b.scale(weight, *weight_decay)?;
            gradient = b.add(gradient, penalty)?;
        }
        let change = match *self {
            Update::Sgd { rate, momentum, nesterov, .. } => {
                let direction = match momentum {
                    Some(momentum) => descend_with_momentum(b, name, gradient, momentum, nesterov)?,
                    None => gradient,
                };
                let rate = like(b, rate, weight)?;
                b.mul(rate, direction)?
            }
            Update::Adam { .. } => self.adam(b, name, gradient)?,
        };
        let next = b.sub(weight, change)?;
        b.output(OutputRole::Parameter, name, next);
        Ok(())
    }

    /// `rate * m / (sqrt(v) * root + epsilon)` with the new moments `m` and `v`.
    fn adam(&self, b: &mut Builder, name: &str, gradient: NodeId) -> Result<NodeId, InferError> {
        let Update::Adam { rate, root, beta1, beta2, epsilon, .. } = *self else {
            return Err(InferError::new("Adam's update under another rule"));
        };
        let ty = b.ty(gradient).clone();
        let first = state(b, &format!("{name}.{FIRST_MOMENT}"), ty.clone())?;
        let second = state(b, &format!("{name}.{SECOND_MOMENT}"), ty)?;
        // m + (1 - beta1) (g - m), the form that PyTorch evaluates
        let one = b.scalar(DType::F32, 1.0)?;
        let fresh = b.sub(one, beta1)?;
        let fresh = like(b, fresh, gradient)?;
        let difference = b.sub(gradient, first)?;
        let change = b.mul(fresh, difference)?;
        let next_first = b.add(first, change)?;
        let kept = b.scale(second, beta2)?;
        let square = b.mul(gradient, gradient)?;
        let added = b.scale(square, 1.0 - beta2)?;
        let next_second = b.add(kept, added)?;
        b.output(OutputRole::State, format!("{name}.{FIRST_MOMENT}"), next_first);
        b.output(OutputRole::State, format!("{name}.{SECOND_MOMENT}"), next_second);
        let deviation = b.unary(Unary::Sqrt, next_second)?;
        let root = like(b, root, gradient)?;
        let deviation = b.mul(deviation, root)?;
        let denominator = b.shift(deviation, epsilon)?;
        let rate = like(b, rate, gradient)?;
        let scaled = b.mul(rate, next_first)?;
        b.div(scaled, denominator)
    }
}

/// `v = momentum * v + g`, and the direction `v`, or `g + momentum * v` for Nesterov's form.
fn descend_with_momentum(
    b: &mut Builder,
    name: &str,
    gradient: NodeId,
    momentum: NodeId,
    nesterov: bool,
) -> Result<NodeId, InferError> {
    let slot = format!("{name}.{MOMENTUM}");
    let ty = b.ty(gradient).clone();
    let velocity = state(b, &slot, ty)?;
    let momentum = like(b, momentum, gradient)?;
    let kept = b.mul(momentum, velocity)?;
    let next = b.add(kept, gradient)?;
    b.output(OutputRole::State, slot, next);
    if !nesterov {
        return Ok(next);
    }
    let ahead = b.mul(momentum, next)?;
    b.add(gradient, ahead)
}

/// The natural logarithm of a decay, rounded once; `None` for a decay of 0.
fn log(b: &mut Builder, beta: f64) -> Result<Option<NodeId>, InferError> {
    if beta == 0.0 { Ok(None) } else { b.scalar(DType::F32, beta.ln()).map(Some) }
}

/// `1 - beta^count`, as `-expm1(z) = -tanh(z / 2) (exp(z) + 1)` of `z = count * log(beta)`: with
/// `beta = 0.999` the plain difference would lose three digits in the first steps.
fn bias_correction(b: &mut Builder, log_beta: Option<NodeId>, count: NodeId) -> Result<NodeId, InferError> {
    let Some(log_beta) = log_beta else {
        return b.scalar(DType::F32, 1.0);
    };
    let exponent = b.mul(count, log_beta)?;
    let half = b.scale(exponent, -0.5)?;
    let tangent = b.unary(Unary::Tanh, half)?;
    let power = b.unary(Unary::Exp, exponent)?;
    let sum = b.shift(power, 1.0)?;
    b.mul(tangent, sum)
}

/// A scalar repeated over the shape of a tensor, in its element type.
fn like(b: &mut Builder, scalar: NodeId, tensor: NodeId) -> Result<NodeId, InferError> {
    let ty = b.ty(tensor).clone();
    let scalar = b.cast(scalar, ty.dtype)?;
    b.broadcast_scalar(scalar, ty.shape)
}
