//! The learning rate at a step, for reports: the expression that is compiled into the step, evaluated.

use crate::Result;
use dlc_compiler::step::learning_rate;
use dlc_interp::{Data, Tensor, evaluate};
use dlc_ir::training::{EPOCH_STEPS, RATE_FACTOR, STEP, TOTAL_STEPS};
use dlc_ir::{Function, Op, Training};
use dlc_types::DType;

/// A training's learning rate.
#[derive(Clone, Debug)]
pub struct LearningRate {
    function: Function,
}

impl LearningRate {
    /// That of all parameters without a rate of their own.
    pub fn new(training: &Training) -> Result<LearningRate> {
        Ok(LearningRate { function: learning_rate(training).map_err(dlc_compiler::CompileError::from)? })
    }

    /// The rate at step `step` (from 0) of `total`, of which an epoch has `epoch_steps`; NaN if it cannot be
    /// computed, which only a bug brings about.
    pub fn at(&self, step: usize, total: usize, epoch_steps: usize) -> f64 {
        let whole = |value: usize| {
            let value = i64::from(i32::try_from(value).unwrap_or(i32::MAX));
            Some(Tensor { dtype: DType::I32, dims: Vec::new(), data: Data::Int(vec![value]) })
        };
        let results = evaluate(&self.function, 1, &|op| match op {
            Op::State { name } if name == STEP => whole(step),
            Op::State { name } if name == TOTAL_STEPS => whole(total),
            Op::State { name } if name == EPOCH_STEPS => whole(epoch_steps),
            Op::State { name } if name == RATE_FACTOR => {
                Some(Tensor { dtype: DType::F32, dims: Vec::new(), data: Data::Float(vec![1.0]) })
            }
            _ => None,
        });
        results.ok().and_then(|tensors| tensors.first()?.to_f64().first().copied()).unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use dlc_ir::{Clock, Optimizer, Schedule, Time};

    fn rate(schedule: Schedule) -> LearningRate {
        LearningRate::new(&Training::new(Optimizer::Sgd { momentum: 0.0, nesterov: false }, schedule))
            .unwrap()
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-7 * (1.0 + b.abs()), "{a} {b}");
    }

    #[test]
    fn one_cycle_rises_to_the_maximum_and_falls_to_the_end() {
        let one_cycle =
            rate(Schedule::OneCycle { rate: 0.4, warmup: 0.25, div: 25.0, final_div: 1e4, momentum: None });
        close(one_cycle.at(0, 100, 10), 0.016);
        close(one_cycle.at(12, 100, 10), 0.208);
        close(one_cycle.at(24, 100, 10), 0.4);
        close(one_cycle.at(99, 100, 10), 0.016 / 1e4);
        close(one_cycle.at(500, 100, 10), 0.016 / 1e4);
    }

    #[test]
    fn steps_count_epochs() {
        let every = Time { amount: 3.0, clock: Clock::Epochs };
        let step = rate(Schedule::Step { rate: 0.1, every, factor: 0.1 });
        close(step.at(29, 100, 10), 0.1);
        close(step.at(30, 100, 10), 0.01);
        close(rate(Schedule::Constant { rate: 0.1 }).at(7, 9, 3), 0.1);
    }
}
