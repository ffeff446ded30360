//! Adagrad, in PyTorch's form.
//!
//! ```text
//! g += decay * w
//! s += g^2
//! w -= rate / (1 + t * rate_decay) * g / (sqrt(s) + epsilon)        t from 0
//! ```
//!
//! Duchi, Hazan, Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization",
//! JMLR 2011.

use super::{Rule, Slot, Subject, Terms};
use crate::step::arithmetic::{penalized, times};
use dlc_ir::{Builder, InferError, NodeId, Unary};

const SUM: Slot = Slot::zero("square_sum");

/// The sum of squares, from the first value that the rule is given.
pub(super) fn slots(initial: f64) -> Vec<Slot> {
    vec![Slot { initial, ..SUM }]
}

pub(super) struct Adagrad {
    rate: NodeId,
    epsilon: f64,
    weight_decay: f64,
}

impl Adagrad {
    pub(super) fn new(
        b: &mut Builder,
        terms: &Terms,
        rate_decay: f64,
        epsilon: f64,
    ) -> Result<Adagrad, InferError> {
        let mut rate = terms.rates.rate;
        if rate_decay != 0.0 {
            let grown = b.scale(terms.now.updates, rate_decay)?;
            let divisor = b.shift(grown, 1.0)?;
            rate = b.div(rate, divisor)?;
        }
        Ok(Adagrad { rate, epsilon, weight_decay: terms.weight_decay })
    }
}

impl Rule for Adagrad {
    fn next(&self, one: &mut Subject<'_>) -> Result<NodeId, InferError> {
        let gradient = penalized(one.b, one.gradient, one.weight, self.weight_decay)?;
        let sum = one.slot(SUM)?;
        let square = one.b.mul(gradient, gradient)?;
        let sum = one.b.add(sum, square)?;
        one.keep(SUM, sum)?;
        let root = one.b.unary(Unary::Sqrt, sum)?;
        let deviation = one.b.shift(root, self.epsilon)?;
        let scaled = times(one.b, self.rate, gradient)?;
        let change = one.b.div(scaled, deviation)?;
        one.b.sub(one.weight, change)
    }
}
