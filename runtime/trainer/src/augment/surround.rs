//! What a changed picture shows where there is no source.

use dlc_recipe::{Augment, Surround};

/// What lies beyond a picture.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Beyond {
    /// One value for all channels, or one per channel.
    Values(Vec<f32>),
    /// The nearest pixel.
    Edge,
    /// The picture mirrored at its outermost pixels.
    Reflect,
}

impl Beyond {
    /// What a field's steps say, else 0. Class numbers cannot be told by a step: `no_class` stands there.
    pub(crate) fn of(steps: &[(usize, Augment)], no_class: Option<f32>) -> Beyond {
        let told = steps.iter().rev().find_map(|(_, step)| match step {
            Augment::Surround(surround) => Some(surround),
            _ => None,
        });
        match (told, no_class) {
            (Some(Surround::Edge), _) => Beyond::Edge,
            (Some(Surround::Reflect), _) => Beyond::Reflect,
            (_, Some(number)) => Beyond::Values(vec![number]),
            (Some(Surround::Values(values)), None) => {
                Beyond::Values(values.iter().map(|&value| value as f32).collect())
            }
            (None, None) => Beyond::Values(vec![0.0]),
        }
    }

    /// Whether there are as many values as channels, where there are several.
    pub(crate) fn fits(&self, channels: usize) -> bool {
        !matches!(self, Beyond::Values(values) if values.len() != 1 && values.len() != channels)
    }

    /// The value where nothing of the source is shown, and where something was erased.
    pub(crate) fn value(&self, channel: usize) -> f32 {
        match self {
            Beyond::Values(values) => values.get(channel).or(values.first()).copied().unwrap_or(0.0),
            Beyond::Edge | Beyond::Reflect => 0.0,
        }
    }

    /// The pixel, of `side` in a row or column, that is shown at a place within or beyond them.
    pub(crate) fn pixel(&self, place: i64, side: usize) -> Option<usize> {
        let last = side as i64 - 1;
        if (0..=last).contains(&place) {
            return Some(place as usize);
        }
        match self {
            Beyond::Values(_) => None,
            _ if side == 0 => None,
            Beyond::Edge => Some(place.clamp(0, last) as usize),
            Beyond::Reflect if last == 0 => Some(0),
            Beyond::Reflect => {
                let place = place.rem_euclid(2 * last);
                Some(place.min(2 * last - place) as usize)
            }
        }
    }
}
