//! What the training split holds of every unit of a field.

use crate::Result;
use crate::dataset::Column;
use dlc_recipe::Statistics;

/// What leaves a unit as it is under every fitted step.
const AS_IT_IS: Statistics = Statistics { least: 0.0, greatest: 1.0, mean: 0.0, deviation: 1.0 };

/// Least, greatest, mean and deviation of every unit over some samples; units that are `fixed` stay as
/// they are.
pub(super) fn statistics(
    column: &Column,
    units: usize,
    fixed: &[bool],
    samples: &[usize],
) -> Result<Vec<Statistics>> {
    let empty = Statistics { least: f64::INFINITY, greatest: f64::NEG_INFINITY, mean: 0.0, deviation: 0.0 };
    let mut all = vec![empty; units];
    let mut counts = vec![0u64; units];
    each_value(column, units, samples, |unit, value| {
        let statistics = &mut all[unit];
        statistics.least = statistics.least.min(value);
        statistics.greatest = statistics.greatest.max(value);
        statistics.mean += value;
        counts[unit] += 1;
    })?;
    for (statistics, &count) in all.iter_mut().zip(&counts) {
        statistics.mean /= count.max(1) as f64;
    }
    // A second pass keeps the deviation exact where the mean is large.
    each_value(column, units, samples, |unit, value| {
        let difference = value - all[unit].mean;
        all[unit].deviation += difference * difference;
    })?;
    for (unit, (statistics, &count)) in all.iter_mut().zip(&counts).enumerate() {
        statistics.deviation = (statistics.deviation / count.max(1) as f64).sqrt();
        if statistics.least == statistics.greatest {
            statistics.deviation = 0.0;
        }
        if fixed.get(unit) == Some(&true) || count == 0 {
            *statistics = AS_IT_IS;
        }
    }
    Ok(all)
}

fn each_value(
    column: &Column,
    units: usize,
    samples: &[usize],
    mut visit: impl FnMut(usize, f64),
) -> Result<()> {
    let units = units.max(1);
    let mut scratch = Vec::new();
    for &sample in samples {
        match column {
            Column::Pictures(pictures) => {
                let bytes = pictures.read(sample, &mut scratch)?;
                for (unit, part) in bytes.chunks_exact((bytes.len() / units).max(1)).enumerate() {
                    part.iter().for_each(|&byte| visit(unit.min(units - 1), f64::from(byte) / 255.0));
                }
            }
            Column::Numbers { values, width } => {
                let share = (width / units).max(1);
                for (place, &value) in values[sample * width..][..*width].iter().enumerate() {
                    visit((place / share).min(units - 1), f64::from(value));
                }
            }
            Column::Array(array) => {
                let (share, mut place) = ((array.width() / units).max(1), 0);
                array.each_float(sample, &mut scratch, |value| {
                    visit((place / share).min(units - 1), value);
                    place += 1;
                })?;
            }
            Column::Integers { .. } | Column::Texts(_) => {}
        }
    }
    Ok(())
}

/// The mean of what is there of every number of a row; NaN where nothing is.
pub(super) fn means(values: &[f32], width: usize, samples: &[usize]) -> Vec<f32> {
    let (mut sums, mut counts) = (vec![0.0f64; width], vec![0u64; width]);
    for &sample in samples {
        for (unit, &value) in values[sample * width..][..width].iter().enumerate() {
            if !value.is_nan() {
                sums[unit] += f64::from(value);
                counts[unit] += 1;
            }
        }
    }
    let mean = |(sum, count): (f64, u64)| if count == 0 { f32::NAN } else { (sum / count as f64) as f32 };
    sums.into_iter().zip(counts).map(mean).collect()
}
