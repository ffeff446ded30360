//! Dividing samples into training, validation and test, by seed.
//!
//! The three parts are disjoint, together all samples, each in the order of the source.

use crate::{Result, TrainError};
use dlc_recipe::{Fold, Split};
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

/// What is divided.
#[derive(Clone, Copy, Debug, Default)]
pub struct Samples<'a> {
    /// How many samples there are.
    pub count: usize,
    /// How many samples, before those of the test, are the source's own validation split.
    pub own_validation: Option<usize>,
    /// How many of the last samples are the source's own test split.
    pub own_test: Option<usize>,
    /// Each sample's class, for a stratified division.
    pub classes: Option<&'a [i64]>,
}

/// The shares, if they fit each other and the source.
fn shares(samples: &Samples<'_>, split: &Split) -> Result<(f64, f64)> {
    let (validation, test) = (share(split.validation, "validation")?, share(split.test, "test")?);
    let fault = |what: String| Err(TrainError::Recipe(what));
    if validation + test >= 1.0 {
        return fault(format!("validation ({validation}) and test ({test}) leave nothing to train on"));
    }
    if samples.own_test.is_some() && test > 0.0 {
        return fault("the source has a test split of its own; the split's `test` must be 0".to_owned());
    }
    if samples.own_validation.is_some() && (validation > 0.0 || split.fold.is_some()) {
        let what = "the source has a validation split of its own; the split must not ask for another";
        return fault(what.to_owned());
    }
    if split.fold.is_some() && validation > 0.0 {
        return fault("a split has a share for validation or folds, not both".to_owned());
    }
    Ok((validation, test))
}

/// Divides samples by seed.
pub fn divide(samples: &Samples<'_>, split: &Split, seed: u64) -> Result<Parts> {
    let (validation, test) = shares(samples, split)?;
    let before_test = samples.count.saturating_sub(samples.own_test.unwrap_or(0));
    let divided = before_test.saturating_sub(samples.own_validation.unwrap_or(0));
    let groups: Vec<Vec<usize>> = match (split.stratified, samples.classes) {
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
    let mut parts = Parts {
        validation: (divided..before_test).collect(),
        test: (before_test..samples.count).collect(),
        ..Parts::default()
    };
    let mut stream = Stream::new(split.seed.unwrap_or(seed), STREAM, 0);
    // What rounding left over goes to the next group, so that the totals keep their shares too.
    let (mut owed_validation, mut owed_test) = (0.0, 0.0);
    let mut left = Vec::with_capacity(divided);
    for mut group in groups {
        stream.shuffle(&mut group);
        let size = group.len() as f64;
        let into_test = take(test * size, &mut owed_test).min(group.len());
        parts.test.extend(group.drain(..into_test));
        let into_validation = take(validation * size, &mut owed_validation).min(group.len());
        parts.validation.extend(group.drain(..into_validation));
        left.extend(group);
    }
    match split.fold {
        None => parts.training = left,
        Some(fold) => cut(left, fold, &mut parts)?,
    }
    parts.training.sort_unstable();
    parts.validation.sort_unstable();
    parts.test.sort_unstable();
    if parts.training.is_empty() {
        return Err(TrainError::Recipe("the training split is empty".to_owned()));
    }
    Ok(parts)
}

/// Deals samples, group after group, to the parts in turn, so that every part has its share of each group.
fn cut(samples: Vec<usize>, fold: Fold, parts: &mut Parts) -> Result<()> {
    let Fold { of, number } = fold;
    if of < 2 || number >= of {
        return Err(TrainError::Recipe(format!("fold {number} of {of} is none of 2 parts or more")));
    }
    if of > samples.len() {
        let found = samples.len();
        return Err(TrainError::Recipe(format!("{found} samples cannot be cut into {of} folds")));
    }
    for (place, sample) in samples.into_iter().enumerate() {
        let part = if place % of == number { &mut parts.validation } else { &mut parts.training };
        part.push(sample);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const SPLIT: Split = Split { validation: 0.2, test: 0.1, stratified: false, seed: None, fold: None };

    fn divide(
        count: usize,
        own_test: Option<usize>,
        classes: Option<&[i64]>,
        split: &Split,
        seed: u64,
    ) -> Result<Parts> {
        super::divide(&Samples { count, own_validation: None, own_test, classes }, split, seed)
    }

    #[test]
    fn folds_show_every_sample_once() {
        let classes: Vec<i64> = (0..103).map(|sample| i64::from(sample % 10 == 0)).collect();
        let base = Split { validation: 0.0, stratified: true, ..SPLIT };
        let folds: Vec<Parts> = (0..5)
            .map(|number| divide(103, None, Some(&classes), &base.fold(5, number), 1).unwrap())
            .collect();
        let mut seen: Vec<usize> = folds.iter().flat_map(|parts| parts.validation.clone()).collect();
        seen.extend(&folds[0].test);
        seen.sort_unstable();
        assert_eq!(seen, (0..103).collect::<Vec<_>>());
        for parts in &folds {
            assert_eq!(parts.test, folds[0].test);
            assert!((18..=19).contains(&parts.validation.len()));
            let ones = parts.validation.iter().filter(|&&sample| classes[sample] == 1).count();
            assert!((1..=3).contains(&ones), "{ones}");
            assert_eq!(parts.training.len() + parts.validation.len() + parts.test.len(), 103);
        }
        let error = |of, number| {
            divide(10, None, None, &Split { test: 0.0, ..SPLIT }.fold(of, number), 1).unwrap_err().to_string()
        };
        assert_eq!(error(11, 0), "10 samples cannot be cut into 11 folds");
        assert_eq!(error(3, 3), "fold 3 of 3 is none of 2 parts or more");
        assert!(divide(10, None, None, &Split { validation: 0.5, ..SPLIT.fold(2, 0) }, 1).is_err());
    }

    #[test]
    fn a_validation_split_of_the_source_stays() {
        let samples = Samples { count: 20, own_validation: Some(4), own_test: Some(6), classes: None };
        let none = Split::default();
        let parts = super::divide(&samples, &none, 1).unwrap();
        assert_eq!(parts.training, (0..10).collect::<Vec<_>>());
        assert_eq!(parts.validation, (10..14).collect::<Vec<_>>());
        assert_eq!(parts.test, (14..20).collect::<Vec<_>>());
        assert!(super::divide(&samples, &Split { validation: 0.1, ..none }, 1).is_err());
        assert!(super::divide(&samples, &none.fold(2, 0), 1).is_err());
    }

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
