//! RMSProp, in PyTorch's form.
//!
//! ```text
//! g += decay * w
//! s  = alpha * s + (1 - alpha) * g^2
//! a  = alpha * a + (1 - alpha) * g                   where centered
//! d  = g / (sqrt(s - a^2) + epsilon)
//! v  = momentum * v + d                              where there is momentum
//! w -= rate * v
//! ```
//!
//! Tieleman, Hinton, "Lecture 6.5 - rmsprop", COURSERA 2012; centred form: Graves, "Generating Sequences
//! With Recurrent Neural Networks", 2013.

use super::{Rule, Slot, Subject, Terms};
use crate::step::arithmetic::{mean_square, penalized, times, towards};
use dlc_ir::{Builder, InferError, NodeId, Unary};
use dlc_types::DType;

const SQUARE: Slot = Slot::zero("mean_square");
const MEAN: Slot = Slot::zero("mean_gradient");
const MOMENTUM: Slot = Slot::zero("momentum");

pub(super) fn slots(has_momentum: bool, centered: bool) -> Vec<Slot> {
    let all = [(SQUARE, true), (MEAN, centered), (MOMENTUM, has_momentum)];
    all.into_iter().filter(|&(_, kept)| kept).map(|(slot, _)| slot).collect()
}

pub(super) struct RmsProp {
    rate: NodeId,
    alpha: f64,
    /// `1 - alpha`
    fresh: NodeId,
    momentum: Option<NodeId>,
    epsilon: f64,
    centered: bool,
    weight_decay: f64,
}

impl RmsProp {
    pub(super) fn new(
        b: &mut Builder,
        terms: &Terms,
        [alpha, momentum]: [f64; 2],
        epsilon: f64,
        centered: bool,
    ) -> Result<RmsProp, InferError> {
        let momentum = match terms.rates.momentum {
            Some(scheduled) => Some(scheduled),
            None if momentum == 0.0 => None,
            None => Some(b.scalar(DType::F32, momentum)?),
        };
        Ok(RmsProp {
            rate: terms.rates.rate,
            alpha,
            fresh: b.scalar(DType::F32, 1.0 - alpha)?,
            momentum,
            epsilon,
            centered,
            weight_decay: terms.weight_decay,
        })
    }
}

impl Rule for RmsProp {
    fn next(&self, one: &mut Subject<'_>) -> Result<NodeId, InferError> {
        let gradient = penalized(one.b, one.gradient, one.weight, self.weight_decay)?;
        let square = one.slot(SQUARE)?;
        let square = mean_square(one.b, square, gradient, self.alpha)?;
        one.keep(SQUARE, square)?;
        let mut variance = square;
        if self.centered {
            let mean = one.slot(MEAN)?;
            let mean = towards(one.b, mean, gradient, self.fresh)?;
            one.keep(MEAN, mean)?;
            let squared = one.b.mul(mean, mean)?;
            variance = one.b.sub(square, squared)?;
        }
        let root = one.b.unary(Unary::Sqrt, variance)?;
        let deviation = one.b.shift(root, self.epsilon)?;
        let mut direction = one.b.div(gradient, deviation)?;
        if let Some(momentum) = self.momentum {
            let velocity = one.slot(MOMENTUM)?;
            let kept = times(one.b, momentum, velocity)?;
            direction = one.b.add(kept, direction)?;
            one.keep(MOMENTUM, direction)?;
        }
        let change = times(one.b, self.rate, direction)?;
        one.b.sub(one.weight, change)
    }
}
