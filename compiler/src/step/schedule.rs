//! Learning rate and momentum as `f32` graph expressions of the number of updates done.

use super::now::Now;
use super::one_cycle::{Cycle, share};
use super::state;
use dlc_ir::training::RATE_FACTOR;
use dlc_ir::{
    Binary, Builder, Clock, Comparison, InferError, NodeId, Schedule, Time, Training, Unary, Warmup,
};
use dlc_types::{DType, TensorType};
use std::f64::consts::PI;

use super::arithmetic::{power, rest};

type Result<T> = std::result::Result<T, InferError>;

/// What a step takes from the schedule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    /// Learning rate, an `f32` scalar.
    pub(super) rate: NodeId,
    /// Momentum (for Adam the decay of the first moment) where the schedule sets it, an `f32` scalar.
    pub(super) momentum: Option<NodeId>,
}

/// Less than any difference of steps, more than zero.
pub(super) const TINY: f64 = 1e-6;

/// Restarts of a cosine that are told apart; the periods behind are one.
const RESTARTS: usize = 40;

/// The rates of this step, with the schedule scaled to `own` where that is given.
pub(super) fn rates(b: &mut Builder, training: &Training, own: Option<f64>, now: &Now) -> Result<Rates> {
    let schedule = match own {
        Some(rate) => training.schedule.with_rate(rate),
        None => training.schedule.clone(),
    };
    let place = Place { done: now.updates, total: now.total, epoch: now.epoch_updates };
    let mut rates = place.rates(b, &schedule)?;
    if training.plateau {
        let factor = state(b, RATE_FACTOR, TensorType::scalar(DType::F32))?;
        rates.rate = b.mul(rates.rate, factor)?;
    }
    Ok(rates)
}

/// A place in time, as `f32` scalars.
#[derive(Clone, Copy)]
struct Place {
    /// Updates done.
    done: NodeId,
    /// Updates in all.
    total: NodeId,
    /// Updates of an epoch, where epochs count.
    epoch: Option<NodeId>,
}

impl Place {
    fn rates(&self, b: &mut Builder, schedule: &Schedule) -> Result<Rates> {
        let rate = match schedule {
            Schedule::Constant { rate } => b.scalar(DType::F32, *rate),
            Schedule::Step { rate, every, factor } => {
                let count = self.whole(b, *every)?;
                raised(b, *rate, *factor, count)
            }
            Schedule::Steps { rate, at, factor } => {
                let count = self.count_past(b, at)?;
                raised(b, *rate, *factor, count)
            }
            Schedule::Cosine { rate, least, period, growth } => {
                let part = match period {
                    None => share(b, self.done, self.total)?,
                    Some(period) => self.part_of_period(b, *period, *growth)?,
                };
                let angle = b.scale(part, PI)?;
                let cosine = b.unary(Unary::Cos, angle)?;
                let height = b.shift(cosine, 1.0)?;
                let above = b.scale(height, (rate - least) / 2.0)?;
                b.shift(above, *least)
            }
            Schedule::Polynomial { rate, last, power, over } => {
                let length = match over {
                    None => self.total,
                    Some(time) => self.length(b, *time)?,
                };
                let part = share(b, self.done, length)?;
                let left = rest(b, part)?;
                let left = polynomial(b, left, *power)?;
                let above = b.scale(left, rate - last)?;
                b.shift(above, *last)
            }
            Schedule::OneCycle { rate, warmup, div, final_div, momentum } => {
                let cycle = Cycle::new(b, *warmup, self.done, self.total)?;
                let first = rate / div;
                let scheduled = cycle.value(b, [first, *rate, first / final_div])?;
                // The pair is (at the least rate, at the greatest rate).
                let momentum = match *momentum {
                    Some((high, low)) => Some(cycle.value(b, [high, low, high])?),
                    None => None,
                };
                return Ok(Rates { rate: scheduled, momentum });
            }
            Schedule::Warmup(warmup) => return self.warmup(b, warmup),
        };
        Ok(Rates { rate: rate?, momentum: None })
    }

    /// A line up to the first rate of what follows, in whose time that is 0.
    fn warmup(&self, b: &mut Builder, warmup: &Warmup) -> Result<Rates> {
        let length = self.length(b, warmup.over)?;
        let zero = b.scalar(DType::F32, 0.0)?;
        let behind = b.sub(self.done, length)?;
        let later = Place {
            done: b.binary(Binary::Max, behind, zero)?,
            total: b.sub(self.total, length)?,
            epoch: self.epoch,
        };
        let then = later.rates(b, &warmup.then)?;
        let part = share(b, self.done, length)?;
        let risen = b.scale(part, 1.0 - warmup.start)?;
        let factor = b.shift(risen, warmup.start)?;
        let line = b.scale(factor, warmup.then.rate())?;
        let rising = b.compare(Comparison::Less, self.done, length)?;
        Ok(Rates { rate: b.select(rising, line, then.rate)?, momentum: then.momentum })
    }

    /// A time in updates.
    fn length(&self, b: &mut Builder, time: Time) -> Result<NodeId> {
        match (time.clock, self.epoch) {
            (Clock::Updates, _) => b.scalar(DType::F32, time.amount),
            (Clock::Epochs, Some(epoch)) => b.scale(epoch, time.amount),
            (Clock::Epochs, None) => Err(InferError::new("a time in epochs needs the steps of an epoch")),
        }
    }

    /// How many whole times have passed.
    fn whole(&self, b: &mut Builder, time: Time) -> Result<NodeId> {
        let length = self.length(b, time)?;
        let quotient = b.div(self.done, length)?;
        b.unary(Unary::Floor, quotient)
    }

    /// How many of the times have passed.
    fn count_past(&self, b: &mut Builder, times: &[Time]) -> Result<NodeId> {
        let mut count = b.scalar(DType::F32, 0.0)?;
        for &time in times {
            let end = self.length(b, time)?;
            let past = b.compare(Comparison::GreaterEqual, self.done, end)?;
            let past = b.cast(past, DType::F32)?;
            count = b.add(count, past)?;
        }
        Ok(count)
    }

    /// The share of the period at hand that has passed. Periods are `p, p * growth, p * growth^2, …` long.
    fn part_of_period(&self, b: &mut Builder, period: Time, growth: f64) -> Result<NodeId> {
        let first = self.length(b, period)?;
        if growth <= 1.0 {
            let quotient = b.div(self.done, first)?;
            let whole = b.unary(Unary::Floor, quotient)?;
            return b.sub(quotient, whole);
        }
        let time = b.div(self.done, first)?;
        let (mut start, mut length) = (b.scalar(DType::F32, 0.0)?, b.scalar(DType::F32, 1.0)?);
        let (mut end, mut next) = (1.0, growth);
        for _ in 0..RESTARTS {
            if end > f64::from(i32::MAX) {
                break;
            }
            let (restart, period) = (b.scalar(DType::F32, end)?, b.scalar(DType::F32, next)?);
            let past = b.compare(Comparison::GreaterEqual, time, restart)?;
            start = b.select(past, restart, start)?;
            length = b.select(past, period, length)?;
            end += next;
            next *= growth;
        }
        let done = b.sub(time, start)?;
        share(b, done, length)
    }
}

/// `rate * factor^count`
fn raised(b: &mut Builder, rate: f64, factor: f64, count: NodeId) -> Result<NodeId> {
    let factor = power(b, factor, count)?;
    b.scale(factor, rate)
}

/// `x^power` of a number in 0..=1.
fn polynomial(b: &mut Builder, x: NodeId, power: f64) -> Result<NodeId> {
    if power == 1.0 {
        return Ok(x);
    }
    let exponent = b.scalar(DType::F32, power)?;
    b.binary(Binary::Power, x, exponent)
}
