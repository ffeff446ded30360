//! Random samples for a model without data: the same for the same seed.

use super::{Column, Dataset, LabelColumn, sample_elements};
use crate::{Result, TrainError};
use dlc_recipe::Data;
use dlc_types::random::Stream;
use std::path::Path;

/// Names this use of the seed; the field's number follows.
const STREAM: u32 = 0xD1C0_0100;

/// A standard normal number (Box, Muller, 1958).
fn normal(stream: &mut Stream) -> f32 {
    let radius = (-2.0 * f64::from(1.0 - stream.unit()).ln()).sqrt();
    let angle = std::f64::consts::TAU * f64::from(stream.unit());
    (radius * angle.cos()) as f32
}

/// Float fields standard normal, integer fields uniform below `classes`.
pub(crate) fn make(data: &Data, samples: usize, classes: usize, seed: u64) -> Result<Dataset> {
    if samples == 0 {
        return Err(TrainError::Recipe("synthetic data needs at least one sample".to_owned()));
    }
    let bound = u32::try_from(classes.max(1)).unwrap_or(u32::MAX);
    let mut columns = Vec::new();
    for (number, field) in data.fields.iter().enumerate() {
        let elements = sample_elements(field)?;
        let too_large =
            || TrainError::Recipe(format!("{samples} samples of `{}` do not fit into memory", field.name));
        let total = samples.checked_mul(elements).ok_or_else(too_large)?;
        let mut stream = Stream::new(seed, STREAM + number as u32, 0);
        columns.push(if field.ty.dtype.is_float() {
            let mut values = Vec::new();
            values.try_reserve_exact(total).map_err(|_| too_large())?;
            values.extend((0..total).map(|_| normal(&mut stream)));
            Column::Numbers { values, width: elements }
        } else {
            let mut values = Vec::new();
            values.try_reserve_exact(total).map_err(|_| too_large())?;
            values.extend((0..total).map(|_| i64::from(stream.below(bound))));
            Column::Integers { values, width: elements }
        });
    }
    let labels = data
        .fields
        .len()
        .checked_sub(1)
        .filter(|&last| last > 0 && matches!(columns.get(last), Some(Column::Integers { .. })));
    Ok(Dataset {
        labels: labels.map(|column| LabelColumn { column, ignore: None }),
        ..Dataset::new(Path::new("synthetic data"), samples, columns)
    })
}
