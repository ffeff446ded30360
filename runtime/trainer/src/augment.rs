//! Random changes of training pictures, drawn by seed, epoch and sample: the same picture whoever
//! prepares it.

use crate::{Result, TrainError};
use dlc_recipe::Augment;
use dlc_types::random::{Stream, random_bits};

/// Names this use of the seed.
const STREAM: u32 = 0xD1C0_0002;

/// A picture of any element type: planes of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Planes<T> {
    /// Number of planes.
    pub channels: usize,
    /// Height and width.
    pub size: (usize, usize),
    /// Channel, row, column.
    pub values: Vec<T>,
}

/// The draws for one sample in one epoch.
pub fn draws(seed: u64, epoch: usize, sample: usize) -> Stream {
    let word = |index| u64::from(random_bits(seed, STREAM, epoch as u32, index));
    Stream::new(word(0) << 32 | word(1), sample as u32, STREAM)
}

/// The size after these steps; `training` or as evaluation sees it. An error where a step cannot be done.
pub fn size_after(steps: &[Augment], size: (usize, usize), training: bool) -> Result<(usize, usize)> {
    steps.iter().try_fold(size, |now, step| match step {
        Augment::RandomFlip { probability } if (0.0..=1.0).contains(probability) => Ok(now),
        Augment::RandomFlip { probability } => {
            Err(TrainError::Recipe(format!("random_flip has probability {probability}, outside 0..=1")))
        }
        Augment::RandomCrop { size, .. } if !training => Ok(if fits(*size, now) { *size } else { now }),
        Augment::RandomCrop { size, padding } => {
            let twice = padding.checked_mul(2);
            let pad = |side: usize| twice.and_then(|twice| side.checked_add(twice)).unwrap_or(0);
            if fits(*size, (pad(now.0), pad(now.1))) && *padding < 1 << 16 {
                return Ok(*size);
            }
            Err(TrainError::Recipe(format!(
                "random_crop cannot cut {}x{} out of {}x{} with {padding} pixels of padding",
                size.0, size.1, now.0, now.1
            )))
        }
    })
}

fn fits(size: (usize, usize), within: (usize, usize)) -> bool {
    size.0 > 0 && size.1 > 0 && size.0 <= within.0 && size.1 <= within.1
}

/// Cuts out `size` at (top, left) of the picture with `padding` zeros on each side.
fn crop<T: Copy + Default>(
    picture: &mut Planes<T>,
    scratch: &mut Vec<T>,
    size: (usize, usize),
    padding: usize,
    (top, left): (usize, usize),
) {
    let (height, width) = picture.size;
    scratch.clear();
    scratch.resize(picture.channels * size.0 * size.1, T::default());
    let from_column = left.max(padding) - padding;
    let to_column = padding.saturating_sub(left);
    let columns = size.1.saturating_sub(to_column).min(width.saturating_sub(from_column));
    for channel in 0..picture.channels {
        for row in 0..size.0 {
            let Some(from_row) = (top + row).checked_sub(padding).filter(|&from| from < height) else {
                continue;
            };
            let from = (channel * height + from_row) * width + from_column;
            let to = (channel * size.0 + row) * size.1 + to_column;
            scratch[to..to + columns].copy_from_slice(&picture.values[from..from + columns]);
        }
    }
    std::mem::swap(&mut picture.values, scratch);
    picture.size = size;
}

/// Applies the steps to a training picture; sizes were checked by [`size_after`].
pub fn augment<T: Copy + Default>(
    picture: &mut Planes<T>,
    scratch: &mut Vec<T>,
    steps: &[Augment],
    draws: &mut Stream,
) {
    for step in steps {
        match step {
            Augment::RandomFlip { probability } => {
                if f64::from(draws.unit()) < *probability {
                    for row in picture.values.chunks_exact_mut(picture.size.1.max(1)) {
                        row.reverse();
                    }
                }
            }
            Augment::RandomCrop { size, padding } => {
                let room = |side: usize, wanted: usize| (side + 2 * padding - wanted + 1) as u32;
                let top = draws.below(room(picture.size.0, size.0)) as usize;
                let left = draws.below(room(picture.size.1, size.1)) as usize;
                crop(picture, scratch, *size, *padding, (top, left));
            }
        }
    }
}

/// What evaluation does in the place of the random steps: the middle where they cut out a piece.
pub fn middle<T: Copy + Default>(picture: &mut Planes<T>, scratch: &mut Vec<T>, steps: &[Augment]) {
    for step in steps {
        if let Augment::RandomCrop { size, .. } = step
            && fits(*size, picture.size)
            && *size != picture.size
        {
            let corner = ((picture.size.0 - size.0) / 2, (picture.size.1 - size.1) / 2);
            crop(picture, scratch, *size, 0, corner);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn picture() -> Planes<u8> {
        Planes { channels: 2, size: (3, 4), values: (1..=24).collect() }
    }

    #[test]
    fn a_crop_takes_what_is_there_and_zeros_beyond() {
        let mut scratch = Vec::new();
        let mut cut = picture();
        crop(&mut cut, &mut scratch, (2, 2), 0, (1, 2));
        assert_eq!(cut.values, [7, 8, 11, 12, 19, 20, 23, 24]);
        let mut cut = picture();
        crop(&mut cut, &mut scratch, (3, 4), 1, (0, 0));
        assert_eq!(cut.values[..12], [0, 0, 0, 0, 0, 1, 2, 3, 0, 5, 6, 7]);
        let mut cut = picture();
        crop(&mut cut, &mut scratch, (3, 4), 1, (2, 2));
        assert_eq!(cut.values[..12], [6, 7, 8, 0, 10, 11, 12, 0, 0, 0, 0, 0]);
        let mut far = picture();
        crop(&mut far, &mut scratch, (2, 2), 5, (0, 0));
        assert_eq!(far.values, [0; 8]);
    }

    #[test]
    fn pictures_follow_seed_epoch_and_sample_alone() {
        let steps =
            [Augment::RandomCrop { size: (3, 4), padding: 2 }, Augment::RandomFlip { probability: 0.5 }];
        let make = |seed, epoch, sample| {
            let mut made = picture();
            augment(&mut made, &mut Vec::new(), &steps, &mut draws(seed, epoch, sample));
            made.values
        };
        assert_eq!(make(1, 2, 3), make(1, 2, 3));
        let many: std::collections::BTreeSet<_> = (0..5)
            .flat_map(|epoch| (0..20).map(move |sample| (epoch, sample)))
            .map(|(e, s)| make(1, e, s))
            .collect();
        assert!(many.len() > 20, "{}", many.len());
        let differing = (0..20).filter(|&sample| make(1, 0, sample) != make(2, 0, sample)).count();
        assert!(differing > 10);
    }

    #[test]
    fn flips_come_as_often_as_asked() {
        let flipped = |probability| {
            let steps = [Augment::RandomFlip { probability }];
            let is_flipped = |sample: &usize| {
                let mut made = picture();
                augment(&mut made, &mut Vec::new(), &steps, &mut draws(9, 0, *sample));
                made.values[..4] == [4, 3, 2, 1]
            };
            (0..2000).filter(is_flipped).count()
        };
        assert_eq!((flipped(0.0), flipped(1.0)), (0, 2000));
        assert!(flipped(0.3).abs_diff(600) < 70);
    }

    #[test]
    fn evaluation_takes_the_middle() {
        let steps = [Augment::RandomCrop { size: (1, 2), padding: 0 }];
        let mut cut = picture();
        middle(&mut cut, &mut Vec::new(), &steps);
        assert_eq!((cut.size, &cut.values[..]), ((1, 2), &[6, 7, 18, 19][..]));
        assert_eq!(size_after(&steps, (3, 4), false).unwrap(), (1, 2));
        let larger = [Augment::RandomCrop { size: (5, 5), padding: 1 }];
        assert_eq!(size_after(&larger, (3, 4), true).unwrap(), (5, 5));
        assert_eq!(size_after(&larger, (3, 4), false).unwrap(), (3, 4));
        let wrong = [Augment::RandomCrop { size: (6, 5), padding: 1 }];
        assert!(size_after(&wrong, (3, 4), true).is_err());
        let huge = [Augment::RandomCrop { size: (6, 5), padding: usize::MAX }];
        assert!(size_after(&huge, (3, 4), true).is_err());
    }
}
