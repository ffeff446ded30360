//! Scaling: every numeric transform of a field composed into one affine map.
//!
//! `(x - offset) * factor`, with one pair per unit. Units are the extents of a prefix of a sample's axes:
//! none (one pair for all), the channels, or all of them. The model's functions compute the map, so that
//! whoever calls them feeds raw values: as constants where the text tells all numbers, else as states
//! `data.scaling.FIELD.offset` and `.factor`, which the trainer fits on the training split and which are
//! saved with every checkpoint.

use crate::{Data, Field, Transform};

/// Names of the states begin so.
pub const SCALING: &str = "data.scaling.";

/// Over what one pair of offset and factor holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalingPlan {
    /// Extents of offset and factor: the first axes of a sample.
    pub dims: Vec<usize>,
    /// Channels of a sample.
    pub channels: usize,
    /// Whether the training split decides.
    pub fitted: bool,
}

/// An affine map per unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    /// Subtracted first.
    pub offset: Vec<f64>,
    /// Multiplied with the difference.
    pub factor: Vec<f64>,
}

/// What the training split holds of one unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    /// Least value.
    pub least: f64,
    /// Greatest value.
    pub greatest: f64,
    /// Mean.
    pub mean: f64,
    /// Root of the mean squared distance from the mean.
    pub deviation: f64,
}

/// The names of the states of a field.
pub fn scaling_states(field: &str) -> [String; 2] {
    [format!("{SCALING}{field}.offset"), format!("{SCALING}{field}.factor")]
}

impl Data {
    /// The steps of a field that compute with its values.
    fn arithmetic<'a>(&'a self, field: &'a str) -> impl Iterator<Item = &'a Transform> {
        let steps = self.transform.iter().filter(move |(name, step)| name == field && !step.is_spatial());
        steps.map(|(_, step)| step)
    }

    /// Whether, and over which units, a field is scaled. An error says what does not fit.
    pub fn scaling_plan(&self, field: &Field) -> Result<Option<ScalingPlan>, String> {
        if self.arithmetic(&field.name).next().is_none() {
            return Ok(None);
        }
        let dims: Option<Vec<usize>> = field.ty.shape.dims().iter().skip(1).map(|dim| dim.fixed()).collect();
        let dims = dims.ok_or_else(|| format!("`{}` has no fixed size per sample", field.name))?;
        if !field.ty.dtype.is_float() {
            return Err(format!("`{}` is {}; transforms compute with floats", field.name, field.ty));
        }
        let pictures = self.source.gives_pictures();
        let channels = match dims.as_slice() {
            [_, _] if pictures => 1,
            [] => 1,
            [channels, ..] => *channels,
        };
        let per_channel = if channels == 1 { Vec::new() } else { vec![channels] };
        let mut plan = ScalingPlan { dims: Vec::new(), channels, fitted: false };
        for step in self.arithmetic(&field.name) {
            let wanted = match step {
                Transform::Normalize { mean, std } => match mean.len().max(std.len()) {
                    1 => Vec::new(),
                    length if length == channels => per_channel.clone(),
                    _ => dims.clone(),
                },
                Transform::MinMax { per_channel: by_channel }
                | Transform::Standardize { per_channel: by_channel } => {
                    plan.fitted = true;
                    if pictures || *by_channel { per_channel.clone() } else { dims.clone() }
                }
                _ => Vec::new(),
            };
            if wanted.len() > plan.dims.len() {
                plan.dims = wanted;
            }
        }
        Ok(Some(plan))
    }
}

impl ScalingPlan {
    /// Number of units.
    pub fn units(&self) -> usize {
        self.dims.iter().product()
    }

    /// One value per unit from a list of one, of one per channel, or of one per unit.
    fn spread(&self, values: &[f64], what: &str, field: &str) -> Result<Vec<f64>, String> {
        let units = self.units();
        match values.len() {
            1 => Ok(vec![values[0]; units]),
            length if length == units => Ok(values.to_vec()),
            length if length == self.channels && units.is_multiple_of(length.max(1)) => {
                Ok((0..units).map(|unit| values[unit / (units / length)]).collect())
            }
            length => Err(format!(
                "normalize has {length} values of {what} for `{field}`, which has {} channels",
                self.channels
            )),
        }
    }

    /// The composed map of a field's steps. `statistics` has one entry per unit where the plan is fitted.
    pub fn compose(&self, data: &Data, field: &str, statistics: &[Statistics]) -> Result<Scaling, String> {
        let units = self.units();
        let mut scaling = Scaling { offset: vec![0.0; units], factor: vec![1.0; units] };
        for step in data.arithmetic(field) {
            match step {
                Transform::Normalize { mean, std } => {
                    let mean = self.spread(mean, "mean", field)?;
                    let std = self.spread(std, "std", field)?;
                    for (unit, (mean, std)) in mean.into_iter().zip(std).enumerate() {
                        scaling.then(unit, mean, std.recip());
                    }
                }
                Transform::Scale { divisor } => {
                    (0..units).for_each(|unit| scaling.then(unit, 0.0, divisor.recip()));
                }
                Transform::MinMax { .. } | Transform::Standardize { .. } => {
                    for (unit, statistics) in statistics.iter().enumerate().take(units) {
                        scaling.fit(unit, step, statistics);
                    }
                }
                _ => {}
            }
        }
        let usable = |&value: &f64| value.is_finite();
        if scaling.offset.iter().all(usable) && scaling.factor.iter().all(|f| usable(f) && *f != 0.0) {
            return Ok(scaling);
        }
        Err(format!("the transform of `{field}` divides by zero or is not finite"))
    }
}

impl Scaling {
    /// Puts `(y - offset) * factor` behind what is there.
    fn then(&mut self, unit: usize, offset: f64, factor: f64) {
        self.offset[unit] += offset / self.factor[unit];
        self.factor[unit] *= factor;
    }

    /// Appends a fitted step; a unit that never varies is only shifted.
    fn fit(&mut self, unit: usize, step: &Transform, statistics: &Statistics) {
        let map = |value: f64| (value - self.offset[unit]) * self.factor[unit];
        let spread = |range: f64| if range > 0.0 { range.recip() } else { 1.0 };
        let (offset, factor) = if matches!(step, Transform::MinMax { .. }) {
            let (a, b) = (map(statistics.least), map(statistics.greatest));
            (a.min(b), spread((a - b).abs()))
        } else {
            (map(statistics.mean), spread(statistics.deviation * self.factor[unit].abs()))
        };
        self.then(unit, offset, factor);
    }
}
