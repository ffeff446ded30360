//! Lowering the learning rate when the watched value stands still.
//!
//! The compiled step multiplies its rate with the state `train.rate_factor`, which is 1 at first and is set
//! here at the ends of epochs. PyTorch's ReduceLROnPlateau with a relative threshold.

use crate::{Engine, Result, TrainError};
use dlc_recipe::Plateau;
use dlc_runtime::abi::ElementType;
use dlc_runtime::{HostTensor, RuntimeError};

const RATE_FACTOR: &str = "train.rate_factor";
const EPOCH_STEPS: &str = "train.epoch_steps";

/// Tells the compiled step how many steps an epoch has, where it counts epochs.
pub(crate) fn set_epoch_steps(engine: &mut dyn Engine, steps: usize) -> Result<()> {
    if !engine.interface().tensors.iter().any(|tensor| tensor.name == EPOCH_STEPS) {
        return Ok(());
    }
    let steps = i32::try_from(steps).map_err(|_| TrainError::Recipe(format!("an epoch of {steps} steps")))?;
    let bytes = steps.to_ne_bytes().to_vec();
    Ok(engine.set_tensor(EPOCH_STEPS, &HostTensor { element: ElementType::I32, dims: Vec::new(), bytes })?)
}

/// What is known at the end of an epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standstill {
    /// The value to beat.
    pub best: Option<f64>,
    /// Epochs since it was beaten.
    pub bad: usize,
    /// Epochs in which nothing is counted yet.
    pub resting: usize,
    /// What the schedule's rate is multiplied with.
    pub factor: f64,
}

impl Default for Standstill {
    fn default() -> Standstill {
        Standstill { best: None, bad: 0, resting: 0, factor: 1.0 }
    }
}

impl Standstill {
    /// Takes the watched value of an epoch in.
    fn advance(&mut self, plateau: &Plateau, value: f64, falling: bool) {
        let beaten = |best: f64| {
            if falling {
                value < best * (1.0 - plateau.threshold)
            } else {
                value > best * (1.0 + plateau.threshold)
            }
        };
        if self.best.is_none_or(beaten) {
            self.best = Some(value);
            self.bad = 0;
        } else {
            self.bad += 1;
        }
        if self.resting > 0 {
            self.resting -= 1;
            self.bad = 0;
        }
        if self.bad > plateau.patience {
            self.factor = (self.factor * plateau.factor).max(plateau.least);
            self.resting = plateau.cooldown;
            self.bad = 0;
        }
    }

    /// The same, and tells the engine.
    pub(crate) fn watch(
        &mut self,
        plateau: &Plateau,
        value: f64,
        falling: bool,
        engine: &mut dyn Engine,
    ) -> Result<()> {
        self.advance(plateau, value, falling);
        let factor = HostTensor::from_f32(&[], &[self.factor as f32])?;
        Ok(engine.set_tensor(RATE_FACTOR, &factor)?)
    }

    /// As a tensor of a checkpoint: best (NaN for none), bad, resting, factor.
    pub(crate) fn saved(&self) -> std::result::Result<HostTensor, RuntimeError> {
        let best = self.best.unwrap_or(f64::NAN);
        HostTensor::from_f64(&[4], &[best, self.bad as f64, self.resting as f64, self.factor])
    }

    /// Reads it back; `None` for what cannot be.
    pub(crate) fn read(tensor: &HostTensor) -> Option<Standstill> {
        let values = tensor.f64_values().ok()?;
        let &[best, bad, resting, factor] = values.as_slice() else { return None };
        let count =
            |value: f64| (value >= 0.0 && value.fract() == 0.0 && value < 1e15).then_some(value as usize);
        let best = (!best.is_nan()).then_some(best);
        (0.0..=1.0).contains(&factor).then_some(())?;
        Some(Standstill { best, bad: count(bad)?, resting: count(resting)?, factor })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn factors(plateau: &Plateau, falling: bool, values: &[f64]) -> Vec<f64> {
        let mut standstill = Standstill::default();
        let one = |&value: &f64| {
            standstill.advance(plateau, value, falling);
            assert_eq!(Standstill::read(&standstill.saved().unwrap()), Some(standstill));
            standstill.factor
        };
        values.iter().map(one).collect()
    }

    /// Figures of torch.optim.lr_scheduler.ReduceLROnPlateau over a rate of 1.
    #[test]
    fn as_pytorch_does() {
        let plateau = Plateau { factor: 0.5, patience: 1, threshold: 0.1, cooldown: 2, least: 0.2 };
        let values = [1.0, 0.95, 0.93, 0.92, 0.91, 0.905, 0.904, 0.5, 0.49, 0.48, 0.47, 0.46, 0.46, 0.46];
        let expected = [1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2];
        assert_eq!(factors(&plateau, true, &values), expected);
        let rising: Vec<f64> = [0.1, 0.2, 0.2, 0.2, 0.2, 0.3].to_vec();
        let plain = Plateau { factor: 0.1, patience: 1, threshold: 1e-4, cooldown: 0, least: 0.0 };
        assert_eq!(factors(&plain, false, &rising), [1.0, 1.0, 1.0, 0.1, 0.1, 0.1]);
    }

    #[test]
    fn wrong_tensors_are_not_read() {
        for values in
            [[1.0, -1.0, 0.0, 1.0], [1.0, 0.5, 0.0, 1.0], [1.0, 0.0, 0.0, f64::NAN], [1.0, 0.0, 0.0, 2.0]]
        {
            assert_eq!(Standstill::read(&HostTensor::from_f64(&[4], &values).unwrap()), None, "{values:?}");
        }
        assert_eq!(Standstill::read(&HostTensor::from_f64(&[1], &[1.0]).unwrap()), None);
    }
}
