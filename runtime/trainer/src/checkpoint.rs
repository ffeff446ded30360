//! A run's checkpoint: parameters and states, the fitted scaling, and how far the run is.
//!
//! All of it is tensors in one safetensors file: the engine's own, with the fitted scaling among its states,
//! what the trainer learned of the data (see [`crate::Fitted`]), and `trainer.*` for the progress. A file from
//! elsewhere, with weights alone, has no progress and cannot be resumed, but evaluated.

use crate::fitted::{Fitted, is_fitted};
use crate::metrics::{Layout, Tally};
use crate::plateau::Standstill;
use crate::{Result, TrainError};
use dlc_runtime::{Checkpoint, HostTensor, RuntimeError};
use dlc_types::DType;
use std::path::Path;

/// Names that belong to the progress begin so.
const PROGRESS: &str = "trainer.";

/// How far a run is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Epochs of the whole run.
    pub epochs: usize,
    /// Epochs done.
    pub epoch: usize,
    /// Training steps of an epoch.
    pub steps_per_epoch: usize,
    /// Steps done of the epoch that follows the finished ones.
    pub step: usize,
    /// Seed of the run.
    pub seed: u64,
    /// The best value so far and the epoch (from 1) that had it.
    pub best: Option<(f64, usize)>,
    /// What is known of the watched value, where the learning rate depends on it.
    pub standstill: Option<Standstill>,
    /// Sums of loss and metrics over the samples of the epoch that is not finished.
    pub sums: Vec<f64>,
    /// Samples in `sums`.
    pub samples: u64,
}

/// What a checkpoint's file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedRun {
    /// The engine's parameters and states.
    pub model: Checkpoint,
    /// What training learned of its data.
    pub fitted: Fitted,
    /// How far the run was.
    pub progress: Option<Progress>,
}

fn integer(value: usize) -> HostTensor {
    HostTensor::scalar_i64(i64::try_from(value).unwrap_or(i64::MAX))
}

impl Progress {
    /// What the epoch that is not finished has added up to.
    pub(crate) fn tally(&self, layout: &Layout) -> Tally {
        Tally::restored(layout, &self.sums, self.samples).unwrap_or_else(|| Tally::new(layout))
    }

    /// Puts the progress into a checkpoint.
    pub fn save(&self, checkpoint: &mut Checkpoint) -> Result<()> {
        let mut put = |name: &str, tensor| checkpoint.tensors.insert(format!("{PROGRESS}{name}"), tensor);
        put("epochs", integer(self.epochs));
        put("epoch", integer(self.epoch));
        put("steps_per_epoch", integer(self.steps_per_epoch));
        put("step", integer(self.step));
        put("seed", HostTensor::scalar_i64(self.seed.cast_signed()));
        if let Some((value, epoch)) = self.best {
            put("best", HostTensor::scalar_f64(value));
            put("best_epoch", integer(epoch));
        }
        if let Some(standstill) = &self.standstill {
            put("standstill", standstill.saved()?);
        }
        if self.step > 0 {
            put("sums", HostTensor::from_f64(&[self.sums.len()], &self.sums)?);
            put("samples", HostTensor::scalar_i64(self.samples.cast_signed()));
        }
        Ok(())
    }

    fn read(tensors: &Checkpoint) -> std::result::Result<Option<Progress>, RuntimeError> {
        let find = |name: &str| tensors.tensors.get(&format!("{PROGRESS}{name}"));
        let damaged =
            |name: &str| RuntimeError::DamagedCheckpoint(format!("`{PROGRESS}{name}` is missing or wrong"));
        let number = |name: &str| -> std::result::Result<i64, RuntimeError> {
            let values = find(name).ok_or_else(|| damaged(name))?.i64_values()?;
            values.first().copied().ok_or_else(|| damaged(name))
        };
        let count = |name: &str| usize::try_from(number(name)?).map_err(|_| damaged(name));
        if find("epoch").is_none() {
            return Ok(None);
        }
        let best = match find("best") {
            Some(best) => {
                let value = best.f64_values()?.first().copied().ok_or_else(|| damaged("best"))?;
                Some((value, count("best_epoch")?))
            }
            None => None,
        };
        let standstill = match find("standstill") {
            Some(tensor) => Some(Standstill::read(tensor).ok_or_else(|| damaged("standstill"))?),
            None => None,
        };
        let step = count("step")?;
        let sums = match find("sums") {
            Some(sums) => sums.f64_values()?,
            None if step > 0 => return Err(damaged("sums")),
            None => Vec::new(),
        };
        let (epochs, epoch, steps_per_epoch) = (count("epochs")?, count("epoch")?, count("steps_per_epoch")?);
        let total = epochs.checked_mul(steps_per_epoch).filter(|&total| i32::try_from(total).is_ok());
        let agree = [
            ("epochs", total.is_some()),
            ("epoch", epoch <= epochs),
            ("step", step <= steps_per_epoch),
            ("best_epoch", best.is_none_or(|(_, best)| best <= epoch)),
        ];
        if let Some((name, _)) = agree.iter().find(|(_, agrees)| !agrees) {
            return Err(damaged(name));
        }
        Ok(Some(Progress {
            epochs,
            epoch,
            steps_per_epoch,
            step,
            seed: number("seed")?.cast_unsigned(),
            best,
            standstill,
            sums,
            samples: if step > 0 { number("samples")?.cast_unsigned() } else { 0 },
        }))
    }
}

/// Reads a checkpoint from its bytes.
pub fn read_checkpoint(bytes: &[u8]) -> std::result::Result<SavedRun, RuntimeError> {
    let mut model = Checkpoint::from_bytes(bytes)?;
    let (mut fitted, mut progress) = (Checkpoint::default(), Checkpoint::default());
    for (name, tensor) in std::mem::take(&mut model.tensors) {
        let part = if is_fitted(&name) {
            &mut fitted
        } else if name.starts_with(PROGRESS) {
            &mut progress
        } else {
            &mut model
        };
        part.tensors.insert(name, tensor);
    }
    Ok(SavedRun { model, fitted: Fitted::read(&fitted)?, progress: Progress::read(&progress)? })
}

impl SavedRun {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<SavedRun> {
        let bytes = std::fs::read(path).map_err(|cause| TrainError::File { path: path.to_owned(), cause })?;
        read_checkpoint(&bytes).map_err(|cause| TrainError::Checkpoint { path: path.to_owned(), cause })
    }
}

/// The first number of a checkpoint that is not finite, with its tensor's name.
pub(crate) fn not_finite(checkpoint: &Checkpoint) -> Option<(&str, f64)> {
    checkpoint.tensors.iter().find_map(|(name, tensor)| {
        let dtype = DType::ALL.into_iter().find(|dtype| dtype.name() == tensor.element.name());
        let floats = dtype.filter(|dtype| dtype.is_float()).map(|dtype| dtype.floats(&tensor.bytes));
        let odd = floats.into_iter().flatten().find(|value| !value.is_finite());
        odd.map(|value| (name.as_str(), value))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn progress_comes_back() {
        let mut progress = Progress {
            epochs: 20,
            epoch: 3,
            steps_per_epoch: 7,
            step: 2,
            seed: u64::MAX - 1,
            best: Some((0.5, 2)),
            standstill: Some(Standstill { best: Some(0.5), bad: 1, resting: 0, factor: 0.1 }),
            sums: vec![1.5, 2.5],
            samples: 64,
        };
        for _ in 0..2 {
            let mut file = Checkpoint::default();
            file.tensors.insert("weight".to_owned(), HostTensor::from_f32(&[1], &[2.0]).unwrap());
            progress.save(&mut file).unwrap();
            let saved = read_checkpoint(&file.to_bytes().unwrap()).unwrap();
            assert_eq!(saved.progress.unwrap(), progress);
            assert_eq!(saved.model.tensors.len(), 1);
            (progress.step, progress.best, progress.samples) = (0, None, 0);
            progress.sums.clear();
        }
    }

    #[test]
    fn wrong_progress_is_an_error() {
        for (name, tensor) in [
            ("trainer.step", HostTensor::scalar_i64(-1)),
            ("trainer.epochs", HostTensor::from_f32(&[1], &[1.0]).unwrap()),
            ("trainer.seed", HostTensor::from_i64(&[0], &[]).unwrap()),
            ("trainer.step", HostTensor::scalar_i64(1)),
            ("trainer.step", HostTensor::scalar_i64(2)),
            ("trainer.epoch", HostTensor::scalar_i64(2)),
            ("trainer.epochs", HostTensor::scalar_i64(1 << 40)),
            ("trainer.steps_per_epoch", HostTensor::scalar_i64(i64::MAX)),
            ("trainer.best_epoch", HostTensor::scalar_i64(3)),
            ("trainer.standstill", HostTensor::from_f64(&[1], &[1.0]).unwrap()),
        ] {
            let mut file = Checkpoint::default();
            let progress = Progress {
                epochs: 1,
                epoch: 0,
                steps_per_epoch: 1,
                step: 0,
                seed: 0,
                best: Some((0.5, 0)),
                standstill: None,
                sums: vec![],
                samples: 0,
            };
            progress.save(&mut file).unwrap();
            file.tensors.insert(name.to_owned(), tensor);
            assert!(read_checkpoint(&file.to_bytes().unwrap()).is_err(), "{name}");
        }
    }
}
