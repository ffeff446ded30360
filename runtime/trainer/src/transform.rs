//! Scaling: every numeric transform of a field composed into one affine map.
//!
//! `(x - offset) * factor`, with one pair per unit: a channel of a picture, an element of a table row.
//! Fitted steps (`min_max`, `standardize`) look at the training split alone. The composed map is saved
//! with the checkpoint under `data.scaling.FIELD.offset` and `.factor` (`f64`), so that prediction uses
//! what training fitted.

use crate::{Result, TrainError};
use dlc_recipe::Transform;
use dlc_runtime::{Checkpoint, HostTensor};

/// Names in a checkpoint that belong to scaling begin so.
pub(crate) const PREFIX: &str = "data.scaling.";

/// An affine map per unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    /// Subtracted first.
    pub offset: Vec<f64>,
    /// Multiplied with the difference.
    pub factor: Vec<f64>,
}

/// What the training split holds of one unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statistics {
    pub(crate) least: f64,
    pub(crate) greatest: f64,
    pub(crate) mean: f64,
    pub(crate) deviation: f64,
}

/// Whether a field's steps need the statistics of the training split.
pub(crate) fn needs_statistics(steps: &[&Transform]) -> bool {
    steps.iter().any(|step| matches!(step, Transform::MinMax | Transform::Standardize))
}

/// One value per unit from a list of one, of one per channel, or of one per unit.
fn spread(values: &[f64], units: usize, channels: usize, what: &str, field: &str) -> Result<Vec<f64>> {
    match values.len() {
        1 => Ok(vec![values[0]; units]),
        length if length == units => Ok(values.to_vec()),
        length if length == channels && units.is_multiple_of(length.max(1)) => {
            Ok((0..units).map(|unit| values[unit / (units / length)]).collect())
        }
        length => Err(TrainError::Recipe(format!(
            "normalize has {length} values of {what} for `{field}`, which has {channels} channels"
        ))),
    }
}

impl Scaling {
    fn identity(units: usize) -> Scaling {
        Scaling { offset: vec![0.0; units], factor: vec![1.0; units] }
    }

    /// Puts `(y - offset) * factor` behind what is there.
    fn then(&mut self, unit: usize, offset: f64, factor: f64) {
        self.offset[unit] += offset / self.factor[unit];
        self.factor[unit] *= factor;
    }

    /// The composed map of a field's steps; `None` where no step changes numbers. `statistics` has one
    /// entry per unit if [`needs_statistics`].
    pub(crate) fn compose(
        field: &str,
        steps: &[&Transform],
        (units, channels): (usize, usize),
        statistics: &[Statistics],
    ) -> Result<Option<Scaling>> {
        let mut scaling = Scaling::identity(units);
        let mut any = false;
        for step in steps {
            match step {
                Transform::Resize { .. } => continue,
                Transform::Normalize { mean, std } => {
                    let mean = spread(mean, units, channels, "mean", field)?;
                    let std = spread(std, units, channels, "std", field)?;
                    for (unit, (mean, std)) in mean.into_iter().zip(std).enumerate() {
                        scaling.then(unit, mean, std.recip());
                    }
                }
                Transform::Scale { divisor } => {
                    (0..units).for_each(|unit| scaling.then(unit, 0.0, divisor.recip()));
                }
                Transform::MinMax | Transform::Standardize => {
                    for (unit, statistics) in statistics.iter().enumerate().take(units) {
                        scaling.fit(unit, step, statistics);
                    }
                }
            }
            any = true;
        }
        if !any {
            return Ok(None);
        }
        let usable = |&value: &f64| value.is_finite();
        if scaling.offset.iter().all(usable) && scaling.factor.iter().all(|f| usable(f) && *f != 0.0) {
            return Ok(Some(scaling));
        }
        Err(TrainError::Recipe(format!("the transform of `{field}` divides by zero or is not finite")))
    }

    /// Appends a fitted step; a unit that never varies is only shifted.
    fn fit(&mut self, unit: usize, step: &Transform, statistics: &Statistics) {
        let map = |value: f64| (value - self.offset[unit]) * self.factor[unit];
        let spread = |range: f64| if range > 0.0 { range.recip() } else { 1.0 };
        let (offset, factor) = if matches!(step, Transform::MinMax) {
            let (a, b) = (map(statistics.least), map(statistics.greatest));
            (a.min(b), spread((a - b).abs()))
        } else {
            (map(statistics.mean), spread(statistics.deviation * self.factor[unit].abs()))
        };
        self.then(unit, offset, factor);
    }

    /// The map of one value.
    pub fn apply(&self, unit: usize, value: f64) -> f32 {
        ((value - self.offset[unit]) * self.factor[unit]) as f32
    }

    /// Puts the map into a checkpoint.
    pub fn save(&self, field: &str, checkpoint: &mut Checkpoint) -> Result<()> {
        for (part, values) in [("offset", &self.offset), ("factor", &self.factor)] {
            let tensor = HostTensor::from_f64(&[values.len()], values)?;
            checkpoint.tensors.insert(format!("{PREFIX}{field}.{part}"), tensor);
        }
        Ok(())
    }

    /// The map that a checkpoint holds for a field, with its number of units checked.
    pub fn saved(field: &str, units: usize, checkpoint: &Checkpoint) -> Result<Option<Scaling>> {
        let part = |part: &str| {
            let name = format!("{PREFIX}{field}.{part}");
            let Some(tensor) = checkpoint.tensors.get(&name) else { return Ok(None) };
            let values = tensor.f64_values()?;
            if values.len() != units || values.iter().any(|value| !value.is_finite()) {
                return Err(TrainError::Recipe(format!(
                    "the checkpoint's `{name}` holds {} values; the field `{field}` needs {units} finite ones",
                    values.len()
                )));
            }
            Ok(Some(values))
        };
        match (part("offset")?, part("factor")?) {
            (Some(offset), Some(factor)) => Ok(Some(Scaling { offset, factor })),
            _ => Ok(None),
        }
    }
}
