//! Dividing samples into training, validation and test, by seed.
//!
//! The three parts are disjoint, together all samples, each in the order of the source.

use crate::{Result, TrainError};
use dlc_recipe::Split;
use dlc_types::random::Stream;
use std::collections::BTreeMap;

/// Names this use of the seed.
const STREAM: u32 = 0xD1C0_0001;

/// Numbers of the samples of each part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// What the model learns from.
    pub training: Vec<usize>,
    /// What decides which checkpoint is best.
    pub validation: Vec<usize>,
    /// What is measured at the end.
    pub test: Vec<usize>,
}

fn share(value: f64, name: &str) -> Result<f64> {
    if (0.0..1.0).contains(&value) {
        return Ok(value);
    }
    Err(TrainError::Recipe(format!("the {name} share is {value}; it must be at least 0 and below 1")))
}

/// Rounds a share, and keeps what rounding left over.
fn take(exact: f64, owed: &mut f64) -> usize {
    let wanted = exact + *owed;
    let number = wanted.round().max(0.0);
    *owed = wanted - number;
    number as usize
}

/// Divides `samples` samples, the last `own_test` of which are the source's own test split.
/// `classes` gives each sample's class for a stratified division.
pub fn divide(
    samples: usize,
    own_test: Option<usize>,
    classes: Option<&[i64]>,
    split: &Split,
    seed: u64,
) -> Result<Parts> {
    let (validation, test) = (share(split.validation, "validation")?, share(split.test, "test")?);
    if validation + test >= 1.0 {
        return Err(TrainError::Recipe(format!(
            "validation ({validation}) and test ({test}) leave nothing to train on"
        )));
    }
    if own_test.is_some() && test > 0.0 {
        return Err(TrainError::Recipe(
            "the source has a test split of its own; the split's `test` must be 0".to_owned(),
        ));
    }
    let divided = samples.saturating_sub(own_test.unwrap_or(0));
    let groups: Vec<Vec<usize>> = match (split.stratified, classes) {
        (false, _) => vec![(0..divided).collect()],
        (true, Some(classes)) => {
            let mut groups: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
            for (sample, &class) in classes.iter().enumerate().take(divided) {
                groups.entry(class).or_default().push(sample);
            }
            groups.into_values().collect()
        }
        (true, None) => {
            return Err(TrainError::Recipe("a stratified split needs class labels".to_owned()));
        }
    };
    let mut parts = Parts { test: (divided..samples).collect(), ..Parts::default() };
    let mut stream = Stream::new(split.seed.unwrap_or(seed), STREAM, 0);
    // What rounding left over goes to the next group, so that the totals keep their shares too.
    let (mut owed_validation, mut owed_test) = (0.0, 0.0);
    for mut group in groups {
        stream.shuffle(&mut group);
        let size = group.len() as f64;
        let into_test = take(test * size, &mut owed_test).min(group.len());
        parts.test.extend(group.drain(..into_test));
        let into_validation = take(validation * size, &mut owed_validation).min(group.len());
        parts.validation.extend(group.drain(..into_validation));
        parts.training.extend(group);
    }
    parts.training.sort_unstable();
    parts.validation.sort_unstable();
    parts.test.sort_unstable();
    if parts.training.is_empty() {
        return Err(TrainError::Recipe("the training split is empty".to_owned()));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const SPLIT: Split = Split { validation: 0.2, test: 0.1, stratified: false, seed: None };

    #[test]
    fn parts_are_disjoint_complete_and_follow_the_seed() {
        let parts = divide(103, None, None, &SPLIT, 1).unwrap();
        assert_eq!((parts.validation.len(), parts.test.len()), (21, 10));
        let mut all = [&parts.training[..], &parts.validation, &parts.test].concat();
        all.sort_unstable();
        assert_eq!(all, (0..103).collect::<Vec<_>>());
        assert_eq!(parts, divide(103, None, None, &SPLIT, 1).unwrap());
        assert_ne!(parts, divide(103, None, None, &SPLIT, 2).unwrap());
        let fixed = Split { seed: Some(1), ..SPLIT };
        assert_eq!(parts, divide(103, None, None, &fixed, 2).unwrap());
    }

    #[test]
    fn classes_keep_their_shares() {
        let classes: Vec<i64> = (0..400).map(|i| if i % 4 == 0 { 1 } else { 0 }).collect();
        let stratified = Split { stratified: true, ..SPLIT };
        let parts = divide(400, None, Some(&classes), &stratified, 3).unwrap();
        let ones = |part: &[usize]| part.iter().filter(|&&sample| classes[sample] == 1).count();
        assert_eq!((parts.training.len(), ones(&parts.training)), (280, 70));
        assert_eq!((parts.validation.len(), ones(&parts.validation)), (80, 20));
        assert_eq!((parts.test.len(), ones(&parts.test)), (40, 10));
        // Many small classes: the total keeps its share although no class can exactly.
        let small: Vec<i64> = (0..400).map(|i| i / 4).collect();
        let parts = divide(400, None, Some(&small), &stratified, 3).unwrap();
        assert!(parts.test.len().abs_diff(40) <= 1 && parts.validation.len().abs_diff(80) <= 1);
        assert!(divide(400, None, None, &stratified, 3).is_err());
    }

    #[test]
    fn a_test_split_of_the_source_stays() {
        let split = Split { test: 0.0, ..SPLIT };
        let parts = divide(50, Some(10), None, &split, 1).unwrap();
        assert_eq!(parts.test, (40..50).collect::<Vec<_>>());
        assert_eq!(parts.validation.len(), 8);
        assert!(divide(50, Some(10), None, &SPLIT, 1).is_err());
        assert!(divide(50, Some(50), None, &split, 1).is_err());
        assert!(divide(50, None, None, &Split { validation: 0.95, ..SPLIT }, 1).is_err());
        assert!(divide(50, None, None, &Split { validation: f64::NAN, ..SPLIT }, 1).is_err());
    }
}
