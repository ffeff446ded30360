//! Which channels go: those whose slices of all the kernels that compute them have the least norm together (Li, Kadav,
//! Durdanovic, Samet, Graf, "Pruning Filters for Efficient ConvNets", ICLR 2017).

use super::tensors::floats;
use super::{Norm, Scope};
use crate::Result;
use dlc_compiler::narrow::{Channels, ClassId, Group};
use dlc_runtime::HostTensor;
use std::collections::{BTreeMap, BTreeSet};

/// The channels of each class that stay.
pub(super) type Kept = BTreeMap<ClassId, BTreeSet<usize>>;

/// A class with the norms of the channels that it has left.
pub(super) struct Ranked {
    pub(super) class: ClassId,
    /// How many there were before any was taken away.
    pub(super) before: usize,
    /// Channel and norm.
    pub(super) norms: Vec<(usize, f64)>,
}

/// How a number of channels is chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub(super) sparsity: f64,
    pub(super) scope: Scope,
    /// What the number of channels is a multiple of, where there are twice as many.
    pub(super) multiple: usize,
}

/// The norms of the channels that are left of a class; `kept` tells which those are in the tensors as they are.
pub(super) fn ranked(
    channels: &Channels,
    group: &Group,
    kept: &Kept,
    tensors: &BTreeMap<String, HostTensor>,
    norm: Norm,
) -> Result<Ranked> {
    let left: Vec<usize> = match kept.get(&group.class) {
        Some(channels) => channels.iter().copied().collect(),
        None => (0..group.size).collect(),
    };
    let mut sums: BTreeMap<usize, f64> = left.iter().map(|&channel| (channel, 0.0)).collect();
    for (name, axis) in &group.producers {
        let (Some(tensor), Some(stays)) = (tensors.get(name), channels.kept_elements(name, kept)) else {
            continue;
        };
        let along = channels.channels_along(name, *axis, group.class);
        let present: Vec<Option<usize>> = along
            .iter()
            .zip(&stays[*axis])
            .filter(|(_, stays)| **stays)
            .map(|(channel, _)| *channel)
            .collect();
        let inner: usize = tensor.dims[axis + 1..].iter().product();
        let extent = tensor.dims[*axis];
        for (place, value) in floats(tensor).into_iter().enumerate() {
            let channel = present.get(place / inner.max(1) % extent.max(1)).copied().flatten();
            if let Some(sum) = channel.and_then(|channel| sums.get_mut(&channel)) {
                *sum += match norm {
                    Norm::L1 => value.abs(),
                    Norm::L2 => value * value,
                };
            }
        }
    }
    let root = |sum: f64| if norm == Norm::L2 { sum.sqrt() } else { sum };
    let norms = sums.into_iter().map(|(channel, sum)| (channel, root(sum))).collect();
    Ok(Ranked { class: group.class, before: group.size, norms })
}

/// The channels that stay.
pub(super) fn choose(all: &[Ranked], choice: Choice) -> Kept {
    let wanted: Vec<f64> = match choice.scope {
        Scope::Layer => all.iter().map(|one| one.before as f64 * (1.0 - choice.sparsity)).collect(),
        Scope::Global => across(all, choice.sparsity),
    };
    let chosen = all.iter().zip(wanted).map(|(one, wanted)| {
        let count = rounded(wanted, one.before, choice.multiple).min(one.norms.len());
        let mut order = one.norms.clone();
        // Of equal norms the last go.
        order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        (one.class, order.into_iter().take(count).map(|(channel, _)| channel).collect())
    });
    chosen.collect()
}

/// How many channels of each class are left when all are ranked together, by their norms over their class's.
fn across(all: &[Ranked], sparsity: f64) -> Vec<f64> {
    let mut order = Vec::new();
    for (number, one) in all.iter().enumerate() {
        let square: f64 = one.norms.iter().map(|(_, norm)| norm * norm).sum();
        let size = (square / one.norms.len().max(1) as f64).sqrt();
        let relative = |norm: f64| if size > 0.0 { norm / size } else { 0.0 };
        order.extend(one.norms.iter().map(|&(channel, norm)| (relative(norm), number, channel)));
    }
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(b.2.cmp(&a.2)));
    let before: usize = all.iter().map(|one| one.before).sum();
    let gone = before - order.len();
    let count = ((before as f64 * sparsity).round() as usize).saturating_sub(gone);
    let mut left: Vec<f64> = all.iter().map(|one| one.norms.len() as f64).collect();
    for &(_, number, _) in order.iter().take(count) {
        left[number] -= 1.0;
    }
    left
}

/// The number of channels nearest to a wish that kernels like: a multiple, where there are enough, and one at least.
fn rounded(wanted: f64, before: usize, multiple: usize) -> usize {
    let unit = if before >= 2 * multiple { multiple } else { 1 };
    let count = (wanted / unit as f64).round().max(1.0) as usize * unit;
    count.min(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_channels_are_multiples_where_there_are_enough() {
        for (wanted, before, expected) in [
            (8.0, 16, 8),
            (4.8, 16, 8),
            (12.0, 16, 16),
            (0.1, 64, 8),
            (44.8, 64, 48),
            (5.0, 10, 5),
            (0.2, 10, 1),
        ] {
            assert_eq!(rounded(wanted, before, 8), expected, "{wanted} of {before}");
        }
        assert_eq!(rounded(4.8, 16, 1), 5);
    }
}
