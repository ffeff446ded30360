//! LAMB: Adam's direction, at a rate in proportion to the parameter's norm.
//!
//! ```text
//! m, v as in Adam
//! r  = (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon) + decay * w
//! w -= rate * |w| / |r| * r                          the ratio is 1 where a norm is 0
//! ```
//!
//! You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", ICLR 2020.

use super::adam::{FIRST, Moments, SECOND};
use super::{Rule, Slot, Subject, Terms};
use crate::step::arithmetic::{norm, penalized, times};
use dlc_ir::{Binary, Builder, Comparison, InferError, NodeId};
use dlc_types::DType;

pub(super) const SLOTS: &[Slot] = &[FIRST, SECOND];

pub(super) struct Lamb {
    moments: Moments,
    rate: NodeId,
    /// `1 / (1 - beta1^t)`
    unbiased: NodeId,
    weight_decay: f64,
}

impl Lamb {
    pub(super) fn new(
        b: &mut Builder,
        terms: &Terms,
        betas: [f64; 2],
        epsilon: f64,
    ) -> Result<Lamb, InferError> {
        let moments = Moments::new(b, terms, betas, epsilon)?;
        let one = b.scalar(DType::F32, 1.0)?;
        let unbiased = b.div(one, moments.first_correction)?;
        Ok(Lamb { moments, rate: terms.rates.rate, unbiased, weight_decay: terms.weight_decay })
    }
}

/// `|w| / |r|`, or 1 where either is 0.
fn trust(b: &mut Builder, weight: NodeId, direction: NodeId) -> Result<NodeId, InferError> {
    let (weight, direction) = (norm(b, weight)?, norm(b, direction)?);
    let ratio = b.div(weight, direction)?;
    let least = b.binary(Binary::Min, weight, direction)?;
    let zero = b.scalar(DType::F32, 0.0)?;
    let known = b.compare(Comparison::Greater, least, zero)?;
    let one = b.scalar(DType::F32, 1.0)?;
    b.select(known, ratio, one)
}

impl Rule for Lamb {
    fn next(&self, one: &mut Subject<'_>) -> Result<NodeId, InferError> {
        let (first, deviation) = self.moments.next(one, one.gradient)?;
        let mean = times(one.b, self.unbiased, first)?;
        let scaled = one.b.div(mean, deviation)?;
        let direction = penalized(one.b, scaled, one.weight, self.weight_decay)?;
        let trust = trust(one.b, one.weight, direction)?;
        let rate = one.b.mul(self.rate, trust)?;
        let change = times(one.b, rate, direction)?;
        one.b.sub(one.weight, change)
    }
}
