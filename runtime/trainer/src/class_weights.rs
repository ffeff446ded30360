//! What classes count in the loss, by how often the training split has them.

use crate::dataset::{Column, Dataset};
use crate::{Result, TrainError};

/// How often each class stands in some samples; what is no class does not count.
fn counts(dataset: &Dataset, samples: &[usize], classes: usize) -> Result<Vec<u64>> {
    let Some(labels) = dataset.labels else {
        return Err(TrainError::Recipe("balanced class weights need class labels".to_owned()));
    };
    let mut counts = vec![0u64; classes];
    let mut count = |label: i64| {
        if let Some(slot) = usize::try_from(label).ok().and_then(|label| counts.get_mut(label)) {
            *slot += u64::from(labels.ignore != Some(label));
        }
    };
    let mut scratch = Vec::new();
    for &sample in samples {
        match &dataset.columns[labels.column] {
            Column::Integers { values, width } => {
                values[sample * width..][..*width].iter().for_each(|&label| count(label));
            }
            Column::Pictures(maps) => {
                maps.read(sample, &mut scratch)?.iter().for_each(|&label| count(i64::from(label)));
            }
            Column::Array(array) => {
                array.each_integer(sample, &mut scratch, |label| count(label.unwrap_or(-1)))?;
            }
            Column::Numbers { .. } | Column::Texts(_) => {}
        }
    }
    Ok(counts)
}

/// `samples / (classes * samples of the class)`, as scikit-learn's `balanced`; a class without samples
/// counts 0.
pub(crate) fn balanced(dataset: &Dataset, samples: &[usize], classes: usize) -> Result<Vec<f64>> {
    let counts = counts(dataset, samples, classes)?;
    let total: u64 = counts.iter().sum();
    let weight = |&count: &u64| {
        if count == 0 { 0.0 } else { total as f64 / (classes as f64 * count as f64) }
    };
    Ok(counts.iter().map(weight).collect())
}
