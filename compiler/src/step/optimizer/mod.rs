//! The update rules: from a parameter, its gradient and its slots to their next values. One file per rule.

mod adagrad;
mod adam;
mod lamb;
mod muon;
mod nadam;
mod rms_prop;
mod sgd;

use super::mask::masked;
use super::now::Now;
use super::schedule::{Rates, rates};
use super::{parameter, state};
use dlc_ir::{Builder, InferError, NodeId, Optimizer, OutputRole, Training};
use dlc_types::TensorType;

/// A tensor that a rule keeps for a parameter, of the parameter's type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Slot {
    /// Last part of its name.
    pub(super) name: &'static str,
    /// What its elements are at first.
    pub(super) initial: f64,
}

impl Slot {
    const fn zero(name: &'static str) -> Slot {
        Slot { name, initial: 0.0 }
    }
}

/// The slots of a parameter.
pub(super) fn slots(training: &Training, name: &str, ty: &TensorType) -> Vec<Slot> {
    let momentum = |own: f64| own != 0.0 || training.schedule.momentum().is_some();
    match &training.optimizer {
        Optimizer::Sgd { momentum: own, .. } => sgd::slots(momentum(*own)),
        Optimizer::Adam { .. } => adam::SLOTS.to_vec(),
        Optimizer::Nadam { .. } => nadam::SLOTS.to_vec(),
        Optimizer::Adagrad { initial, .. } => adagrad::slots(*initial),
        Optimizer::RmsProp { momentum: own, centered, .. } => rms_prop::slots(momentum(*own), *centered),
        Optimizer::Lamb { .. } => lamb::SLOTS.to_vec(),
        Optimizer::Muon { except, .. } if muon::is_matrix(name, ty, except) => muon::SLOTS.to_vec(),
        Optimizer::Muon { .. } => adam::SLOTS.to_vec(),
    }
}

/// Whether the rule needs [`dlc_ir::training::MOMENTUM_PRODUCT`].
pub(super) fn keeps_momentum_product(training: &Training) -> bool {
    matches!(training.optimizer, Optimizer::Nadam { .. })
}

/// A rule with the scalars that all of its parameters share.
trait Rule {
    /// The next value of the weight; the slots' are kept by the way.
    fn next(&self, one: &mut Subject<'_>) -> Result<NodeId, InferError>;
}

/// What scalars of a rule are made of.
struct Terms {
    now: Now,
    /// The schedule's rate and momentum.
    rates: Rates,
    /// Decay of the weights.
    weight_decay: f64,
}

/// A parameter that is updated.
struct Subject<'a> {
    b: &'a mut Builder,
    now: &'a Now,
    name: &'a str,
    weight: NodeId,
    gradient: NodeId,
}

impl Subject<'_> {
    /// The value of a slot.
    fn slot(&mut self, slot: Slot) -> Result<NodeId, InferError> {
        let ty = self.b.ty(self.weight).clone();
        state(self.b, &format!("{}.{}", self.name, slot.name), ty)
    }

    /// Sets the next value of a slot.
    fn keep(&mut self, slot: Slot, next: NodeId) -> Result<(), InferError> {
        let old = self.slot(slot)?;
        let next = self.now.chosen(self.b, next, old)?;
        self.b.output(OutputRole::State, format!("{}.{}", self.name, slot.name), next);
        Ok(())
    }
}

/// The rules of all groups of parameters.
pub(super) struct Update<'a> {
    training: &'a Training,
    now: Now,
    /// The rule of each group, then that of all other parameters.
    rules: Vec<Box<dyn Rule>>,
}

impl<'a> Update<'a> {
    pub(super) fn new(b: &mut Builder, training: &'a Training, now: Now) -> Result<Update<'a>, InferError> {
        let mut rules = Vec::new();
        for group in &training.groups {
            let decay = group.weight_decay.unwrap_or(training.weight_decay);
            rules.push(rule(b, training, now, group.rate, decay)?);
        }
        rules.push(rule(b, training, now, None, training.weight_decay)?);
        Ok(Update { training, now, rules })
    }

    /// Adds the new value of one parameter and of its slots to the outputs.
    pub(super) fn apply(&self, b: &mut Builder, name: &str, gradient: NodeId) -> Result<(), InferError> {
        let weight = parameter(b, name)?;
        let group = self.training.group_of(name).unwrap_or(self.training.groups.len());
        let Some(rule) = self.rules.get(group) else {
            return Err(InferError::new(format!("no update rule for `{name}`")));
        };
        let next = rule.next(&mut Subject { b, now: &self.now, name, weight, gradient })?;
        let next = masked(b, self.training, name, next)?;
        let next = self.now.chosen(b, next, weight)?;
        b.output(OutputRole::Parameter, name, next);
        Ok(())
    }
}

/// The training's rule at a rate and decay.
fn rule(
    b: &mut Builder,
    training: &Training,
    now: Now,
    rate: Option<f64>,
    weight_decay: f64,
) -> Result<Box<dyn Rule>, InferError> {
    let terms = |b: &mut Builder, rate: Option<f64>| -> Result<Terms, InferError> {
        Ok(Terms { now, rates: rates(b, training, rate, &now)?, weight_decay })
    };
    let shared = terms(b, rate)?;
    Ok(match training.optimizer {
        Optimizer::Sgd { momentum, nesterov } => Box::new(sgd::Sgd::new(b, &shared, momentum, nesterov)?),
        Optimizer::Adam { beta1, beta2, epsilon, decoupled } => {
            Box::new(adam::Adam::new(b, &shared, [beta1, beta2], epsilon, decoupled)?)
        }
        Optimizer::Nadam { beta1, beta2, epsilon, momentum_decay } => {
            Box::new(nadam::Nadam::new(b, &shared, [beta1, beta2], epsilon, momentum_decay)?)
        }
        Optimizer::Adagrad { rate_decay, epsilon, .. } => {
            Box::new(adagrad::Adagrad::new(b, &shared, rate_decay, epsilon)?)
        }
        Optimizer::RmsProp { alpha, momentum, epsilon, centered } => {
            Box::new(rms_prop::RmsProp::new(b, &shared, [alpha, momentum], epsilon, centered)?)
        }
        Optimizer::Lamb { beta1, beta2, epsilon } => {
            Box::new(lamb::Lamb::new(b, &shared, [beta1, beta2], epsilon)?)
        }
        Optimizer::Muon { momentum, nesterov, iterations, ref except, adam_rate, beta1, beta2, epsilon } => {
            // A group's own rate holds for both parts.
            let rest = terms(b, rate.or(adam_rate))?;
            let rest = Rates { momentum: None, ..rest.rates };
            let rest = Terms { now, rates: rest, weight_decay };
            let adam = adam::Adam::new(b, &rest, [beta1, beta2], epsilon, true)?;
            let matrices = muon::Matrices { except: except.clone(), iterations, nesterov };
            Box::new(muon::Muon::new(b, &shared, momentum, matrices, adam)?)
        }
    })
}
