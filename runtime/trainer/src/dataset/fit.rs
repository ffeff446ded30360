//! Bringing pictures to a size: the spatial transforms of a field.

use super::picture::LARGEST_SIDE;
use crate::{Result, TrainError};
use dlc_recipe::{Data, Transform};
use image::DynamicImage;
use image::imageops::FilterType;

/// The spatial steps of a field, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fit(Vec<Transform>);

impl Fit {
    /// Those of a field, with sizes checked.
    pub(crate) fn of(data: &Data, field: &str) -> Result<Fit> {
        let steps = data.transform.iter().filter(|(name, step)| name == field && step.is_spatial());
        let steps: Vec<Transform> = steps.map(|(_, step)| step.clone()).collect();
        for step in &steps {
            let (height, width) = match *step {
                Transform::Resize { height, width } | Transform::CenterCrop { height, width } => {
                    (height, width)
                }
                Transform::ResizeShorter { side } => (side, side),
                _ => continue,
            };
            let fits = |side: usize| side > 0 && side <= LARGEST_SIDE as usize;
            if !fits(height) || !fits(width) {
                return Err(TrainError::Recipe(format!("pictures cannot be resized to {height}x{width}")));
            }
        }
        Ok(Fit(steps))
    }

    /// A resize to one size.
    pub fn to(size: (usize, usize)) -> Fit {
        Fit(vec![Transform::Resize { height: size.0, width: size.1 }])
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The size of a picture after the steps.
    pub fn size(&self, from: (usize, usize)) -> (usize, usize) {
        self.0.iter().fold(from, |size, step| match *step {
            Transform::Resize { height, width } => (height, width),
            Transform::ResizeShorter { side } => shorter(size, side),
            Transform::CenterCrop { height, width } => (height.min(size.0), width.min(size.1)),
            _ => size,
        })
    }

    /// Applies the steps; `nearest` keeps the values of single pixels.
    pub(crate) fn apply(&self, mut image: DynamicImage, nearest: bool) -> DynamicImage {
        let filter = if nearest { FilterType::Nearest } else { FilterType::Triangle };
        let mut size = (image.height() as usize, image.width() as usize);
        for step in &self.0 {
            let next = Fit(vec![step.clone()]).size(size);
            if next == size {
                continue;
            }
            // Sizes were checked against `LARGEST_SIDE`, or follow from such and a picture's own.
            let (height, width) = (next.0 as u32, next.1 as u32);
            image = if matches!(step, Transform::CenterCrop { .. }) {
                let (top, left) = ((size.0 - next.0) / 2, (size.1 - next.1) / 2);
                image.crop_imm(left as u32, top as u32, width, height)
            } else {
                image.resize_exact(width, height, filter)
            };
            size = next;
        }
        image
    }
}

/// The size with the shorter side of that length, in proportion.
fn shorter((height, width): (usize, usize), side: usize) -> (usize, usize) {
    let longer = |long: usize, short: usize| {
        // A very long picture is kept within bounds.
        (side * long / short.max(1)).clamp(1, LARGEST_SIDE as usize)
    };
    if height <= width { (side, longer(width, height)) } else { (longer(height, width), side) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_the_steps() {
        let shorter = Transform::ResizeShorter { side: 256 };
        let middle = Transform::CenterCrop { height: 224, width: 224 };
        let fit = Fit(vec![shorter.clone(), middle]);
        assert_eq!(fit.size((512, 768)), (224, 224));
        assert_eq!(Fit(vec![shorter.clone()]).size((512, 768)), (256, 384));
        assert_eq!(Fit(vec![shorter.clone()]).size((301, 300)), (256, 256));
        assert_eq!(Fit(vec![shorter]).size((1, 20_000)), (256, 20_000));
        let ramp = image::GrayImage::from_fn(6, 4, |x, y| image::Luma([(10 * y + x) as u8]));
        let cut = Fit(vec![Transform::CenterCrop { height: 2, width: 2 }]);
        assert_eq!(cut.apply(ramp.clone().into(), false).into_luma8().into_raw(), [12, 13, 22, 23]);
        let half = Fit::to((2, 3)).apply(ramp.into(), true).into_luma8().into_raw();
        assert!(half.iter().all(|value| [11, 13, 15, 31, 33, 35].contains(value)), "{half:?}");
    }
}
