//! Adam, and AdamW where decay is decoupled.
//!
//! ```text
//! Adam:  g += decay * w          AdamW:  w -= rate * decay * w
//! m  = beta1 * m + (1 - beta1) * g
//! v  = beta2 * v + (1 - beta2) * g^2
//! w -= rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
//! ```
//!
//! Kingma, Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015; Loshchilov, Hutter, "Decoupled
//! Weight Decay Regularization", ICLR 2019.

use super::{Rule, Slot, Subject, Terms};
use crate::step::arithmetic::{bias_correction, like, log, mean_square, penalized, rest, shrunk, towards};
use dlc_ir::{Builder, InferError, NodeId, Unary};
use dlc_types::DType;

pub(super) const FIRST: Slot = Slot::zero("first_moment");
pub(super) const SECOND: Slot = Slot::zero("second_moment");
pub(super) const SLOTS: &[Slot] = &[FIRST, SECOND];

/// Both moments and their bias corrections, for all rules that have them.
pub(super) struct Moments {
    /// `1 - beta1`
    fresh: NodeId,
    beta2: f64,
    /// `1 - beta1^t`
    pub(super) first_correction: NodeId,
    /// `1 / sqrt(1 - beta2^t)`
    root: NodeId,
    epsilon: f64,
}

impl Moments {
    pub(super) fn new(
        b: &mut Builder,
        terms: &Terms,
        [beta1, beta2]: [f64; 2],
        epsilon: f64,
    ) -> Result<Moments, InferError> {
        let (beta1, log_beta1) = match terms.rates.momentum {
            Some(scheduled) => (scheduled, Some(b.unary(Unary::Log, scheduled)?)),
            None => (b.scalar(DType::F32, beta1)?, log(b, beta1)?),
        };
        let log_beta2 = log(b, beta2)?;
        let count = b.shift(terms.now.updates, 1.0)?;
        let first_correction = bias_correction(b, log_beta1, count)?;
        let second = bias_correction(b, log_beta2, count)?;
        let root = b.unary(Unary::ReciprocalSqrt, second)?;
        Ok(Moments { fresh: rest(b, beta1)?, beta2, first_correction, root, epsilon })
    }

    /// The next first moment, and `sqrt(v / (1 - beta2^t)) + epsilon`.
    pub(super) fn next(
        &self,
        one: &mut Subject<'_>,
        gradient: NodeId,
    ) -> Result<(NodeId, NodeId), InferError> {
        let (first, second) = (one.slot(FIRST)?, one.slot(SECOND)?);
        let first = towards(one.b, first, gradient, self.fresh)?;
        let second = mean_square(one.b, second, gradient, self.beta2)?;
        one.keep(FIRST, first)?;
        one.keep(SECOND, second)?;
        let deviation = one.b.unary(Unary::Sqrt, second)?;
        let root = like(one.b, self.root, gradient)?;
        let deviation = one.b.mul(deviation, root)?;
        Ok((first, one.b.shift(deviation, self.epsilon)?))
    }
}

pub(super) struct Adam {
    moments: Moments,
    rate: NodeId,
    /// The rate over the bias correction of the first moment.
    corrected: NodeId,
    decoupled: bool,
    weight_decay: f64,
}

impl Adam {
    pub(super) fn new(
        b: &mut Builder,
        terms: &Terms,
        betas: [f64; 2],
        epsilon: f64,
        decoupled: bool,
    ) -> Result<Adam, InferError> {
        let moments = Moments::new(b, terms, betas, epsilon)?;
        let rate = terms.rates.rate;
        let corrected = b.div(rate, moments.first_correction)?;
        Ok(Adam { moments, rate, corrected, decoupled, weight_decay: terms.weight_decay })
    }
}

impl Rule for Adam {
    fn next(&self, one: &mut Subject<'_>) -> Result<NodeId, InferError> {
        let (mut weight, mut gradient) = (one.weight, one.gradient);
        if self.decoupled {
            weight = shrunk(one.b, weight, self.rate, self.weight_decay)?;
        } else {
            gradient = penalized(one.b, gradient, weight, self.weight_decay)?;
        }
        let (first, deviation) = self.moments.next(one, gradient)?;
        let rate = like(one.b, self.corrected, gradient)?;
        let scaled = one.b.mul(rate, first)?;
        let change = one.b.div(scaled, deviation)?;
        one.b.sub(weight, change)
    }
}
