//! Random changes of training pictures.
//!
//! Every draw is a pure function of (seed, epoch, sample, number of the step): the same picture whoever
//! prepares it. All spatial steps of a sample become one map from places of the result to places of the
//! source (see `map`), all steps that change light one chain of linear functions, so that a picture goes
//! from its source straight into the batch.

mod light;
mod map;
mod mixing;
mod render;
mod surround;

pub(crate) use light::Light;
pub(crate) use map::Map;
pub(crate) use mixing::Mixing;
pub(crate) use render::{Rectangle, Source, render};
pub(crate) use surround::Beyond;

use crate::{Result, TrainError};
use dlc_recipe::Augment;
use dlc_types::random::{Stream, random_bits};

/// Names this use of the seed.
const STREAM: u32 = 0xD1C0_0002;

/// The draws of one epoch.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    key: u64,
}

impl Draws {
    /// Those of an epoch under a seed.
    pub fn new(seed: u64, epoch: usize) -> Draws {
        let word = |index| u64::from(random_bits(seed, STREAM, epoch as u32, index));
        Draws { key: word(0) << 32 | word(1) }
    }

    /// The draws of a step for a sample.
    pub fn of(self, sample: usize, step: usize) -> Stream {
        Stream::new(self.key, sample as u32, step as u32)
    }
}

/// What happens to one sample.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// From places of the result to places of the source.
    pub(crate) map: Map,
    /// Height and width of the result.
    pub(crate) size: (usize, usize),
    pub(crate) light: Light,
    /// What is covered, in places of the result.
    pub(crate) erased: Vec<Rectangle>,
}

fn between(stream: &mut Stream, low: f64, high: f64) -> f64 {
    low + (high - low) * f64::from(stream.unit())
}

fn happens(stream: &mut Stream, probability: f64) -> bool {
    f64::from(stream.unit()) < probability
}

impl Change {
    fn none(size: (usize, usize)) -> Change {
        Change { map: Map::IDENTITY, size, light: Light::default(), erased: Vec::new() }
    }

    /// The change of a training sample by numbered steps; sizes were checked by [`size_after`].
    pub(crate) fn drawn(
        steps: &[(usize, Augment)],
        size: (usize, usize),
        draws: Draws,
        sample: usize,
    ) -> Change {
        let mut change = Change::none(size);
        for (number, step) in steps {
            let mut stream = draws.of(sample, *number);
            change.spatial_step(step, &mut stream);
            match step {
                Augment::RandomBrightness { by } => {
                    change.light.brighten(between(&mut stream, 1.0 - by, 1.0 + by));
                }
                Augment::RandomContrast { by } => {
                    change.light.contrast(between(&mut stream, 1.0 - by, 1.0 + by));
                }
                Augment::RandomErasing { probability, area, ratio } if happens(&mut stream, *probability) => {
                    change.erased.push(Rectangle::drawn(change.size, *area, *ratio, &mut stream));
                }
                _ => {}
            }
        }
        change
    }

    fn spatial_step(&mut self, step: &Augment, stream: &mut Stream) {
        let (height, width) = self.size;
        match step {
            Augment::RandomCrop { size, padding } => {
                let room = |side: usize, wanted: usize| (side + 2 * padding - wanted + 1) as u32;
                let top = stream.below(room(height, size.0)) as usize;
                let left = stream.below(room(width, size.1)) as usize;
                let from = |place: usize| place as f64 - *padding as f64;
                self.map = self.map.after(Map::moved(from(top), from(left)));
                self.move_erased(top as i64 - *padding as i64, left as i64 - *padding as i64);
                self.size = *size;
            }
            Augment::RandomFlip { probability, vertical } if happens(stream, *probability) => {
                self.map = self.map.after(Map::mirrored(self.size, *vertical));
                let size = self.size;
                self.erased.iter_mut().for_each(|one| one.mirror(size, *vertical));
            }
            Augment::RandomRotation { degrees } => {
                let angle = between(stream, -degrees, *degrees).to_radians();
                self.map = self.map.after(Map::turned(self.size, angle));
            }
            Augment::RandomZoom { least, most } => {
                self.map = self.map.after(Map::zoomed(self.size, between(stream, *least, *most)));
            }
            Augment::RandomShift { height: tall, width: wide } => {
                let mut pixels = |side: usize, share: f64| {
                    let most = (side as f64 * share).floor().min(f64::from(i32::MAX)) as u32;
                    i64::from(stream.below(2 * most + 1)) - i64::from(most)
                };
                let (down, right) = (pixels(height, *tall), pixels(width, *wide));
                self.map = self.map.after(Map::moved(-down as f64, -right as f64));
                self.move_erased(-down, -right);
            }
            _ => {}
        }
    }

    /// Rectangles move along where the result shows what stood `down` and `right` of its places.
    fn move_erased(&mut self, down: i64, right: i64) {
        self.erased.iter_mut().for_each(|one| one.shift(-down, -right));
    }

    /// What evaluation does in the place of the random steps: the middle where they cut out a piece.
    pub(crate) fn middle(steps: &[(usize, Augment)], size: (usize, usize)) -> Change {
        let mut change = Change::none(size);
        for (_, step) in steps {
            if let Augment::RandomCrop { size, .. } = step
                && fits(*size, change.size)
                && *size != change.size
            {
                let corner = ((change.size.0 - size.0) / 2, (change.size.1 - size.1) / 2);
                change.map = change.map.after(Map::moved(corner.0 as f64, corner.1 as f64));
                change.size = *size;
            }
        }
        change
    }
}

fn within(value: f64, low: f64, high: f64, what: &str) -> Result<()> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(TrainError::Recipe(format!("{what} is {value}, outside {low}..={high}")))
}

/// That a step's numbers can be drawn from.
fn check(step: &Augment) -> Result<()> {
    match step {
        Augment::RandomFlip { probability, .. } => {
            within(*probability, 0.0, 1.0, "random_flip's probability")
        }
        Augment::RandomRotation { degrees } => within(*degrees, 0.0, 180.0, "random_rotation's angle"),
        Augment::RandomZoom { least, most } => {
            within(*least, 0.01, 100.0, "random_zoom's least factor")?;
            within(*most, *least, 100.0, "random_zoom's greatest factor")
        }
        Augment::RandomShift { height, width } => {
            within(*height, 0.0, 1.0, "random_shift's height")?;
            within(*width, 0.0, 1.0, "random_shift's width")
        }
        Augment::RandomBrightness { by } => within(*by, 0.0, 1.0, "random_brightness's change"),
        Augment::RandomContrast { by } => within(*by, 0.0, 1.0, "random_contrast's change"),
        Augment::RandomErasing { probability, area, ratio } => {
            within(*probability, 0.0, 1.0, "random_erasing's probability")?;
            within(area.0, 0.0, 1.0, "random_erasing's least area")?;
            within(area.1, area.0, 1.0, "random_erasing's greatest area")?;
            within(ratio.0, 0.01, 100.0, "random_erasing's least ratio")?;
            within(ratio.1, ratio.0, 100.0, "random_erasing's greatest ratio")
        }
        Augment::Mixup { alpha } => within(*alpha, 1e-3, 1e3, "mixup's alpha"),
        Augment::Surround(_) | Augment::RandomCrop { .. } => Ok(()),
    }
}

/// The size after these steps; `training` or as evaluation sees it. An error where a step cannot be done.
pub fn size_after(
    steps: &[(usize, Augment)],
    size: (usize, usize),
    training: bool,
) -> Result<(usize, usize)> {
    steps.iter().try_fold(size, |now, (_, step)| {
        check(step)?;
        let Augment::RandomCrop { size, padding } = step else { return Ok(now) };
        if !training {
            return Ok(if fits(*size, now) { *size } else { now });
        }
        let twice = padding.checked_mul(2);
        let pad = |side: usize| twice.and_then(|twice| side.checked_add(twice)).unwrap_or(0);
        if fits(*size, (pad(now.0), pad(now.1))) && *padding < 1 << 16 {
            return Ok(*size);
        }
        Err(TrainError::Recipe(format!(
            "random_crop cannot cut {}x{} out of {}x{} with {padding} pixels of padding",
            size.0, size.1, now.0, now.1
        )))
    })
}

fn fits(size: (usize, usize), within: (usize, usize)) -> bool {
    size.0 > 0 && size.1 > 0 && size.0 <= within.0 && size.1 <= within.1
}

#[cfg(test)]
mod tests;
