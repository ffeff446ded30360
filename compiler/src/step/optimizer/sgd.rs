//! Stochastic gradient descent with momentum, in PyTorch's form.
//!
//! ```text
//! g += decay * w
//! v  = momentum * v + g
//! w -= rate * (nesterov ? g + momentum * v : v)
//! ```
//!
//! Robbins, Monro, "A Stochastic Approximation Method", 1951; Sutskever, Martens, Dahl, Hinton, "On the
//! importance of initialization and momentum in deep learning", ICML 2013.

use super::{Rule, Slot, Subject, Terms};
use crate::step::arithmetic::{like, penalized};
use dlc_ir::{Builder, InferError, NodeId};
use dlc_types::DType;

const MOMENTUM: Slot = Slot::zero("momentum");

/// Plain descent keeps nothing.
pub(super) fn slots(has_momentum: bool) -> Vec<Slot> {
    if has_momentum { vec![MOMENTUM] } else { Vec::new() }
}

pub(super) struct Sgd {
    rate: NodeId,
    /// `None` for plain descent.
    momentum: Option<NodeId>,
    nesterov: bool,
    weight_decay: f64,
}

impl Sgd {
    pub(super) fn new(
        b: &mut Builder,
        terms: &Terms,
        momentum: f64,
        nesterov: bool,
    ) -> Result<Sgd, InferError> {
        let momentum = match terms.rates.momentum {
            Some(scheduled) => Some(scheduled),
            None if momentum == 0.0 => None,
            None => Some(b.scalar(DType::F32, momentum)?),
        };
        Ok(Sgd { rate: terms.rates.rate, momentum, nesterov, weight_decay: terms.weight_decay })
    }
}

impl Rule for Sgd {
    fn next(&self, one: &mut Subject<'_>) -> Result<NodeId, InferError> {
        let gradient = penalized(one.b, one.gradient, one.weight, self.weight_decay)?;
        let direction = match self.momentum {
            None => gradient,
            Some(momentum) => {
                let velocity = one.slot(MOMENTUM)?;
                let momentum = like(one.b, momentum, gradient)?;
                let kept = one.b.mul(momentum, velocity)?;
                let next = one.b.add(kept, gradient)?;
                one.keep(MOMENTUM, next)?;
                if self.nesterov {
                    let ahead = one.b.mul(momentum, next)?;
                    one.b.add(gradient, ahead)?
                } else {
                    next
                }
            }
        };
        let rate = like(one.b, self.rate, one.weight)?;
        let change = one.b.mul(rate, direction)?;
        one.b.sub(one.weight, change)
    }
}
