//! Which weights go: those of the least magnitude (Han, Pool, Tran, Dally, "Learning both Weights and Connections for
//! Efficient Neural Networks", NIPS 2015).

use super::Scope;
use crate::{DriverError, Result};
use std::collections::BTreeMap;

/// For each tensor which of its elements stay, when a share of `sparsity` goes. Of equal magnitudes the first go.
///
/// # Errors
/// A tensor of which nothing would be left.
pub(super) fn masks(
    weights: &BTreeMap<String, Vec<f64>>,
    sparsity: f64,
    scope: Scope,
) -> Result<BTreeMap<String, Vec<bool>>> {
    let all: Vec<(&String, &Vec<f64>)> = weights.iter().collect();
    let mut masks: Vec<Vec<bool>> = all.iter().map(|(_, values)| vec![true; values.len()]).collect();
    let ranges: Vec<std::ops::Range<usize>> = match scope {
        Scope::Layer => (0..all.len()).map(|tensor| tensor..tensor + 1).collect(),
        Scope::Global => std::iter::once(0..all.len()).collect(),
    };
    for range in ranges {
        let mut order: Vec<(f64, usize, usize)> = range
            .flat_map(|tensor| {
                all[tensor].1.iter().enumerate().map(move |(at, value)| (value.abs(), tensor, at))
            })
            .collect();
        let count = (sparsity * order.len() as f64).round() as usize;
        if count == 0 {
            continue;
        }
        let by_size = |a: &(f64, usize, usize), b: &(f64, usize, usize)| {
            a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2))
        };
        let last = (count - 1).min(order.len() - 1);
        order.select_nth_unstable_by(last, by_size);
        for &(_, tensor, at) in &order[..=last] {
            masks[tensor][at] = false;
        }
    }
    if let Some(empty) = masks.iter().position(|mask| !mask.contains(&true)) {
        return Err(DriverError::User(format!(
            "nothing would be left of `{}` at a sparsity of {sparsity}; lower it, spare the layer with `--keep`, or \
             take the same share of every layer with `--scope layer`",
            all[empty].0
        )));
    }
    Ok(all.into_iter().map(|(name, _)| name.clone()).zip(masks).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn weights() -> BTreeMap<String, Vec<f64>> {
        [("a", vec![0.1, -0.2, 0.3, -0.4]), ("b", vec![1.0, -2.0, 2.0, 0.0])]
            .map(|(name, values)| (name.to_owned(), values))
            .into()
    }

    #[test]
    fn the_least_go() {
        let layer = masks(&weights(), 0.5, Scope::Layer).unwrap();
        assert_eq!(layer["a"], [false, false, true, true]);
        assert_eq!(layer["b"], [false, true, true, false]);
        let global = masks(&weights(), 0.5, Scope::Global).unwrap();
        assert_eq!(global["a"], [false, false, false, true]);
        assert_eq!(global["b"], [true, true, true, false]);
    }

    #[test]
    fn nothing_is_left_without_a_word() {
        assert!(masks(&weights(), 0.7, Scope::Global).unwrap_err().to_string().contains("`a`"));
        assert!(masks(&weights(), 0.99, Scope::Layer).is_err());
        assert!(masks(&weights(), 0.01, Scope::Layer).unwrap().values().flatten().all(|&stays| stays));
    }
}
