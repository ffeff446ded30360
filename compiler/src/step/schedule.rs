//! Learning rate and momentum as `f32` graph expressions of the step counter.
//!
//! One-cycle is PyTorch's `OneCycleLR` with cosine annealing and two phases. For step `s` (from 0) of
//! `T`, with `e = warmup * T - 1` and `cosine(a, b, p) = b + (a - b) / 2 * (1 + cos(pi * p))`:
//!
//! ```text
//! s <= e:  p = s / e                  rate = cosine(max / div, max, p)                  momentum = cosine(high, low, p)
//! s >  e:  p = (s - e) / (T - 1 - e)  rate = cosine(max, max / div / final_div, p)      momentum = cosine(low, high, p)
//! ```
//!
//! A step behind the last one keeps the last rate. Where `e` or `T - 1 - e` is 0, a phase is a single
//! step, which takes the rate that the phase ends with (PyTorch divides by zero there), except for step 0
//! with `e = 0`, which takes the first rate.

use dlc_ir::{Binary, Builder, Comparison, InferError, NodeId, Schedule, Training, Unary};
use dlc_types::DType;

/// What a step takes from the schedule.
pub(super) struct Rates {
    /// Learning rate, an `f32` scalar.
    pub(super) rate: NodeId,
    /// Momentum (for Adam the decay of the first moment) where the schedule sets it, an `f32` scalar.
    pub(super) momentum: Option<NodeId>,
}

/// Less than any difference of steps, more than zero.
const TINY: f64 = 1e-6;

/// The rates of the step whose number, with that of all steps, is an `i32` scalar.
pub(super) fn rates(
    b: &mut Builder,
    training: &Training,
    step: NodeId,
    total: NodeId,
) -> Result<Rates, InferError> {
    match training.schedule {
        Schedule::Constant(rate) => Ok(Rates { rate: b.scalar(DType::F32, rate)?, momentum: None }),
        Schedule::OneCycle { max, warmup, div, final_div, momentum } => {
            let cycle = Cycle::new(b, warmup, step, total)?;
            let first = max / div;
            let rate = cycle.value(b, [first, max, first / final_div])?;
            let momentum = match momentum {
                // The pair is (at the least rate, at the greatest rate).
                Some((high, low)) => Some(cycle.value(b, [high, low, high])?),
                None => None,
            };
            Ok(Rates { rate, momentum })
        }
    }
}

/// Where a step stands in its phase.
struct Cycle {
    /// Whether the step is in the first phase, a `bool` scalar.
    rising: NodeId,
    /// `(1 + cos(pi * p)) / 2` for the share `p` of the phase that is done: 1 at its start, 0 at its end.
    weight: NodeId,
}

impl Cycle {
    fn new(b: &mut Builder, warmup: f64, step: NodeId, total: NodeId) -> Result<Cycle, InferError> {
        let step = b.cast(step, DType::F32)?;
        let total = b.cast(total, DType::F32)?;
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
    fn value(&self, b: &mut Builder, [first, peak, last]: [f64; 3]) -> Result<NodeId, InferError> {
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
fn share(b: &mut Builder, done: NodeId, length: NodeId) -> Result<NodeId, InferError> {
    let tiny = b.scalar(DType::F32, TINY)?;
    let length = b.binary(Binary::Max, length, tiny)?;
    let share = b.div(done, length)?;
    let one = b.scalar(DType::F32, 1.0)?;
    b.binary(Binary::Min, share, one)
}
