//! The optimisers of `ai.onnx.preview.training`: Adagrad, Adam, Momentum.
//!
//! Inputs: the learning rate, the number of updates that were made, and then, for a number of tensors, all
//! values, all gradients, and each of the states. Outputs: all new values, then each of the new states.

use super::{Context, Operator, Stop};
use dlc_ir::{Binary, Comparison, NodeId, Unary};

const DOMAIN: &str = "ai.onnx.preview.training";

pub(super) const OPERATORS: &[Operator] = &[
    Operator::of(DOMAIN, "Adagrad", 1, adagrad),
    Operator::of(DOMAIN, "Adam", 1, adam),
    Operator::of(DOMAIN, "Momentum", 1, momentum),
];

/// One tensor and what belongs to it.
struct Site {
    rate: NodeId,
    /// The number of updates before this one, a scalar of the tensor's type.
    updates: NodeId,
    value: NodeId,
    /// With that of the regularisation.
    gradient: NodeId,
    states: Vec<NodeId>,
}

impl Site {
    /// A scalar of the tensor's type in the tensor's shape.
    fn spread(&self, context: &mut Context<'_, '_>, scalar: NodeId) -> Result<NodeId, Stop> {
        let shape = context.shape(self.value);
        Ok(context.builder().broadcast_scalar(scalar, shape)?)
    }

    /// The value less the learning rate times a direction.
    fn stepped(
        &self,
        context: &mut Context<'_, '_>,
        rate: NodeId,
        direction: NodeId,
    ) -> Result<NodeId, Stop> {
        let rate = self.spread(context, rate)?;
        let step = context.builder().mul(rate, direction)?;
        Ok(context.builder().sub(self.value, step)?)
    }

    /// `first` at the first update, else `later`; scalars.
    fn at_first(&self, context: &mut Context<'_, '_>, first: NodeId, later: NodeId) -> Result<NodeId, Stop> {
        let builder = context.builder();
        let zero = builder.splat_like(self.updates, 0.0)?;
        let begun = builder.compare(Comparison::Greater, self.updates, zero)?;
        Ok(builder.select(begun, later, first)?)
    }
}

/// Updates each tensor; `update` gives the new value and the new states.
fn each(
    context: &mut Context<'_, '_>,
    states: usize,
    update: fn(&mut Context<'_, '_>, &Site) -> Result<Vec<NodeId>, Stop>,
) -> Result<(), Stop> {
    let (rate, updates) = (context.input(0)?, context.input(1)?);
    let kinds = 2 + states;
    let count = context.input_count().saturating_sub(2) / kinds;
    if count == 0 || context.input_count() != 2 + count * kinds {
        return Err(context.invalid(format!("{} inputs are no tensors with states", context.input_count())));
    }
    let decay = context.float_or("norm_coefficient", 0.0)?;
    for number in 0..count {
        let mut own = Vec::with_capacity(kinds);
        for kind in 0..kinds {
            own.push(context.input(2 + kind * count + number)?);
        }
        let dtype = context.dtype(own[0]);
        let mut scalar = |x: NodeId| -> Result<NodeId, Stop> {
            let x = context.builder().reshape(x, dlc_types::Shape::scalar())?;
            Ok(context.builder().cast(x, dtype)?)
        };
        let (rate, updates) = (scalar(rate)?, scalar(updates)?);
        let mut gradient = own[1];
        if decay != 0.0 {
            let penalty = context.builder().scale(own[0], decay)?;
            gradient = context.builder().add(penalty, gradient)?;
        }
        let site = Site { rate, updates, value: own[0], gradient, states: own[2..].to_vec() };
        for (kind, value) in update(context, &site)?.into_iter().enumerate() {
            context.set_output(kind * count + number, value)?;
        }
    }
    Ok(())
}

/// Duchi, Hazan, Singer, "Adaptive Subgradient Methods", JMLR 2011.
fn adagrad(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    each(context, 1, |context, site| {
        let (decay, epsilon) = (context.float_or("decay_factor", 0.0)?, context.float_or("epsilon", 1e-6)?);
        let builder = context.builder();
        let slowed = builder.scale(site.updates, decay)?;
        let slowed = builder.shift(slowed, 1.0)?;
        let rate = builder.div(site.rate, slowed)?;
        let square = builder.mul(site.gradient, site.gradient)?;
        let sum = builder.add(site.states[0], square)?;
        let root = builder.unary(Unary::Sqrt, sum)?;
        let root = builder.shift(root, epsilon)?;
        let direction = builder.div(site.gradient, root)?;
        Ok(vec![site.stepped(context, rate, direction)?, sum])
    })
}

/// `factor * state + (1 - factor) * new`
fn blended(context: &mut Context<'_, '_>, state: NodeId, new: NodeId, factor: f64) -> Result<NodeId, Stop> {
    let builder = context.builder();
    let (kept, added) = (builder.scale(state, factor)?, builder.scale(new, 1.0 - factor)?);
    Ok(builder.add(kept, added)?)
}

/// `1 - factor^updates`, a scalar.
fn correction(context: &mut Context<'_, '_>, site: &Site, factor: f64) -> Result<NodeId, Stop> {
    let builder = context.builder();
    let base = builder.splat_like(site.updates, factor)?;
    let power = builder.binary(Binary::Power, base, site.updates)?;
    let one = builder.splat_like(site.updates, 1.0)?;
    Ok(builder.sub(one, power)?)
}

/// Kingma, Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.
fn adam(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    each(context, 2, |context, site| {
        let (alpha, beta) = (context.float_or("alpha", 0.9)?, context.float_or("beta", 0.999)?);
        let epsilon = context.float_or("epsilon", 1e-6)?;
        let after = context.float_or("norm_coefficient_post", 0.0)?;
        let momentum = blended(context, site.states[0], site.gradient, alpha)?;
        let square = context.builder().mul(site.gradient, site.gradient)?;
        let variance = blended(context, site.states[1], square, beta)?;
        let (first, second) = (correction(context, site, alpha)?, correction(context, site, beta)?);
        let builder = context.builder();
        let second = builder.unary(Unary::Sqrt, second)?;
        let corrected = builder.mul(site.rate, second)?;
        let corrected = builder.div(corrected, first)?;
        let rate = site.at_first(context, site.rate, corrected)?;
        let builder = context.builder();
        let root = builder.unary(Unary::Sqrt, variance)?;
        let root = builder.shift(root, epsilon)?;
        let direction = builder.div(momentum, root)?;
        let mut value = site.stepped(context, rate, direction)?;
        if after != 0.0 {
            value = context.builder().scale(value, 1.0 - after)?;
        }
        Ok(vec![value, momentum, variance])
    })
}

/// Standard, or as Nesterov's: Sutskever et al., ICML 2013.
fn momentum(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    each(context, 1, |context, site| {
        let (alpha, beta) = (context.float_or("alpha", 0.0)?, context.float_or("beta", 0.0)?);
        let one = context.builder().splat_like(site.updates, 1.0)?;
        let damping = context.builder().splat_like(site.updates, beta)?;
        let damping = site.at_first(context, one, damping)?;
        let damping = site.spread(context, damping)?;
        let builder = context.builder();
        let (kept, added) = (builder.scale(site.states[0], alpha)?, builder.mul(damping, site.gradient)?);
        let velocity = builder.add(kept, added)?;
        let direction = match context.text_or("mode", "standard")? {
            "standard" => velocity,
            "nesterov" => {
                let ahead = context.builder().scale(velocity, alpha)?;
                context.builder().add(site.gradient, ahead)?
            }
            other => return Err(context.invalid(format!("there is no mode `{other}`"))),
        };
        Ok(vec![site.stepped(context, site.rate, direction)?, velocity])
    })
}
