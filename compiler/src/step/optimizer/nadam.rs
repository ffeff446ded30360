//! Adam with Nesterov's momentum, in PyTorch's form.
//!
//! ```text
//! g += decay * w
//! mu(t) = beta1 * (1 - 0.96^(t * momentum_decay) / 2)         M = mu(1) * ... * mu(t)
//! m, v as in Adam;  d = sqrt(v / (1 - beta2^t)) + epsilon
//! w -= rate * ((1 - mu(t)) / (1 - M) * g + mu(t + 1) / (1 - M * mu(t + 1)) * m) / d
//! ```
//!
//! Dozat, "Incorporating Nesterov Momentum into Adam", ICLR workshop 2016.

use super::adam::{FIRST, Moments, SECOND};
use super::{Rule, Slot, Subject, Terms};
use crate::step::arithmetic::{penalized, power, rest, times};
use crate::step::state;
use dlc_ir::training::MOMENTUM_PRODUCT;
use dlc_ir::{Builder, InferError, NodeId, OutputRole};
use dlc_types::{DType, TensorType};

pub(super) const SLOTS: &[Slot] = &[FIRST, SECOND];

pub(super) struct Nadam {
    moments: Moments,
    /// What the gradient is multiplied with, the rate included.
    of_gradient: NodeId,
    /// What the first moment is multiplied with.
    of_moment: NodeId,
    weight_decay: f64,
}

impl Nadam {
    pub(super) fn new(
        b: &mut Builder,
        terms: &Terms,
        betas: [f64; 2],
        epsilon: f64,
        momentum_decay: f64,
    ) -> Result<Nadam, InferError> {
        let beta1 = match terms.rates.momentum {
            Some(scheduled) => scheduled,
            None => b.scalar(DType::F32, betas[0])?,
        };
        let momentum_at = |b: &mut Builder, offset: f64| {
            let count = b.shift(terms.now.updates, offset)?;
            let exponent = b.scale(count, momentum_decay)?;
            let fading = power(b, 0.96, exponent)?;
            let half = b.scale(fading, 0.5)?;
            let share = rest(b, half)?;
            b.mul(beta1, share)
        };
        let (mu, next_mu) = (momentum_at(b, 1.0)?, momentum_at(b, 2.0)?);
        let old = state(b, MOMENTUM_PRODUCT, TensorType::scalar(DType::F32))?;
        let product = b.mul(old, mu)?;
        if b.function().output(OutputRole::State, MOMENTUM_PRODUCT).is_none() {
            let kept = terms.now.chosen(b, product, old)?;
            b.output(OutputRole::State, MOMENTUM_PRODUCT, kept);
        }
        let next_product = b.mul(product, next_mu)?;
        let rate = terms.rates.rate;
        let factor = |b: &mut Builder, share: NodeId, product: NodeId| {
            let correction = rest(b, product)?;
            let share = b.div(share, correction)?;
            b.mul(rate, share)
        };
        let fresh = rest(b, mu)?;
        let of_gradient = factor(b, fresh, product)?;
        let of_moment = factor(b, next_mu, next_product)?;
        let moments = Moments::new(b, terms, betas, epsilon)?;
        Ok(Nadam { moments, of_gradient, of_moment, weight_decay: terms.weight_decay })
    }
}

impl Rule for Nadam {
    fn next(&self, one: &mut Subject<'_>) -> Result<NodeId, InferError> {
        let gradient = penalized(one.b, one.gradient, one.weight, self.weight_decay)?;
        let (first, deviation) = self.moments.next(one, gradient)?;
        let fresh = times(one.b, self.of_gradient, gradient)?;
        let moved = times(one.b, self.of_moment, first)?;
        let direction = one.b.add(fresh, moved)?;
        let change = one.b.div(direction, deviation)?;
        one.b.sub(one.weight, change)
    }
}
