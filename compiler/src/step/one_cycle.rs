//! PyTorch's `OneCycleLR` with cosine annealing and two phases. For update `s` (from 0) of `T`, with
//! `e = warmup * T - 1` and `cosine(a, b, p) = b + (a - b) / 2 * (1 + cos(pi * p))`:
//!
//! ```text
//! s <= e:  p = s / e                  rate = cosine(max / div, max, p)                  momentum = cosine(high, low, p)
//! s >  e:  p = (s - e) / (T - 1 - e)  rate = cosine(max, max / div / final_div, p)      momentum = cosine(low, high, p)
//! ```
//!
//! An update behind the last one keeps the last rate. Where `e` or `T - 1 - e` is 0, a phase is a single
//! update, which takes the rate that the phase ends with (PyTorch divides by zero there), except for update 0
//! with `e = 0`, which takes the first rate.
//!
//! Smith, Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates", 2018.

use super::schedule::TINY;
use dlc_ir::{Binary, Builder, Comparison, InferError, NodeId, Unary};
use dlc_types::DType;

/// Where a step stands in its phase.
pub(super) struct Cycle {
    /// Whether the step is in the first phase, a `bool` scalar.
    rising: NodeId,
    /// `(1 + cos(pi * p)) / 2` for the share `p` of the phase that is done: 1 at its start, 0 at its end.
    weight: NodeId,
}

impl Cycle {
    /// `step` of `total`, both `f32` scalars.
    pub(super) fn new(
        b: &mut Builder,
        warmup: f64,
        step: NodeId,
        total: NodeId,
    ) -> Result<Cycle, InferError> {
        let whole = b.scale(total, warmup)?;
        let turn = b.shift(whole, -1.0)?;
        let last = b.shift(total, -1.0)?;
        let rising = b.compare(Comparison::LessEqual, step, turn)?;
        let up = share(b, step, turn)?;
        let done = b.sub(step, turn)?;
        let length = b.sub(last, turn)?;
        let down = share(b, done, length)?;
        let share = b.select(rising, up, down)?;
        let angle = b.scale(share, std::f64::consts::PI)?;
        let cosine = b.unary(Unary::Cos, angle)?;
        let cosine = b.shift(cosine, 1.0)?;
        Ok(Cycle { rising, weight: b.scale(cosine, 0.5)? })
    }

    /// A value that goes from the first to the second in the first phase and on to the third in the
    /// second.
    pub(super) fn value(&self, b: &mut Builder, [first, peak, last]: [f64; 3]) -> Result<NodeId, InferError> {
        let peak_value = b.scalar(DType::F32, peak)?;
        let last_value = b.scalar(DType::F32, last)?;
        let end = b.select(self.rising, peak_value, last_value)?;
        let up = b.scalar(DType::F32, first - peak)?;
        let down = b.scalar(DType::F32, peak - last)?;
        let span = b.select(self.rising, up, down)?;
        let part = b.mul(span, self.weight)?;
        b.add(end, part)
    }
}

/// `done / length`, at most 1, with no division by zero.
pub(super) fn share(b: &mut Builder, done: NodeId, length: NodeId) -> Result<NodeId, InferError> {
    let tiny = b.scalar(DType::F32, TINY)?;
    let length = b.binary(Binary::Max, length, tiny)?;
    let share = b.div(done, length)?;
    let one = b.scalar(DType::F32, 1.0)?;
    b.binary(Binary::Min, share, one)
}
