//! Which elements of an axis, with which weights, make up each element of the axis resized.
//!
//! Plain numbers only; [`super::resize`] makes a graph of them. Coordinates and weights are those of the operator's
//! specification: the neighbour left of a coordinate is preferred where the coordinate is a whole number, places
//! beyond the ends count as the ends.

/// How an axis is resized.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// Elements before.
    pub input: usize,
    /// Elements after.
    pub output: usize,
    /// Elements after per element before, which need not be exact.
    pub scale: f64,
    /// The part of the input that the output spans, in 0 … 1; of `tf_crop_and_resize` alone.
    pub region: (f64, f64),
}

/// How a coordinate of the output is told in those of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coordinates {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
    /// Of opset 11, for nearest neighbours.
    TfHalfPixelForNn,
    TfCropAndResize,
}

/// Which neighbour is nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nearest {
    RoundPreferFloor,
    RoundPreferCeil,
    Floor,
    Ceil,
}

/// How neighbours are weighted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Filter {
    Nearest(Nearest),
    Linear { antialias: bool },
    Cubic { a: f64, antialias: bool },
}

/// Per element of the output: the elements of the input with their weights, as many for each; and whether the
/// coordinate is outside of the input, where `tf_crop_and_resize` puts another value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Taps {
    pub taps: Vec<Vec<(usize, f64)>>,
    pub outside: Vec<bool>,
}

impl Axis {
    /// The coordinate in the input of element `x` of the output. In single precision a scale such as 0.6, which is
    /// told as `f32`, gives the whole numbers that were meant.
    fn coordinate(&self, coordinates: Coordinates, x: f64, single: bool) -> f64 {
        let (scale, input) = (self.scale, self.input as f64);
        let output = scale * input;
        let scaled = |x: f64| if single { f64::from(x as f32 / scale as f32) } else { x / scale };
        let half_pixel = scaled(x + 0.5) - 0.5;
        match coordinates {
            Coordinates::HalfPixel => half_pixel,
            Coordinates::HalfPixelSymmetric => {
                let adjustment = self.output as f64 / output;
                input / 2.0 * (1.0 - adjustment) + half_pixel
            }
            Coordinates::PytorchHalfPixel if output == 1.0 => -0.5,
            Coordinates::PytorchHalfPixel => half_pixel,
            Coordinates::AlignCorners if output == 1.0 => 0.0,
            Coordinates::AlignCorners => x * (input - 1.0) / (output - 1.0),
            Coordinates::Asymmetric => scaled(x),
            Coordinates::TfHalfPixelForNn => scaled(x + 0.5),
            Coordinates::TfCropAndResize => {
                let (start, end) = self.region;
                let length = (end - start) * (input - 1.0);
                let inside = if output == 1.0 { length / 2.0 } else { x * length / (output - 1.0) };
                inside + start * (input - 1.0)
            }
        }
    }

    /// How many taps an element of the output has at most.
    pub(super) fn weights(&self, filter: Filter) -> usize {
        let spread = |reach: f64| (2.0 * (reach / self.scale.min(1.0)).ceil() + 2.0) as usize;
        match filter {
            Filter::Nearest(_) => 1,
            Filter::Linear { antialias: false } => 2,
            Filter::Cubic { antialias: false, .. } => 4,
            Filter::Linear { antialias: true } => spread(1.0),
            Filter::Cubic { antialias: true, .. } => spread(2.0),
        }
    }

    /// The taps of every element of the output. The input is not empty.
    pub(super) fn taps(&self, coordinates: Coordinates, filter: Filter, exclude_outside: bool) -> Taps {
        let last = self.input as i64 - 1;
        let single = matches!(filter, Filter::Nearest(_));
        let mut result = Taps { taps: Vec::new(), outside: Vec::new() };
        for x in 0..self.output {
            let place = self.coordinate(coordinates, x as f64, single);
            // Far out all places count as the ends, and whole numbers stay exact.
            let place = if place.is_nan() { 0.0 } else { place.clamp(-1e9, 1e9) };
            let floor = place.floor();
            let (base, ratio) = if place == floor { (floor - 1.0, 1.0) } else { (floor, place - floor) };
            let (first, mut weights) = filter.weights(ratio, self.scale);
            let first = base as i64 + first;
            if exclude_outside {
                for (position, weight) in weights.iter_mut().enumerate() {
                    if !(0..=last).contains(&(first + position as i64)) {
                        *weight = 0.0;
                    }
                }
                normalize(&mut weights);
            }
            let tap = |(position, &weight): (usize, &f64)| {
                ((first + position as i64).clamp(0, last) as usize, weight)
            };
            result.taps.push(weights.iter().enumerate().map(tap).collect());
            let outside = coordinates == Coordinates::TfCropAndResize && (place < 0.0 || place > last as f64);
            result.outside.push(outside);
        }
        result
    }
}

/// So that they sum to 1.
fn normalize(weights: &mut [f64]) {
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
}

impl Filter {
    /// The offset of the first neighbour from the one left of the coordinate, and the weights of the neighbours.
    /// `ratio` is how far right of that one the coordinate is, in (0, 1].
    fn weights(self, ratio: f64, scale: f64) -> (i64, Vec<f64>) {
        let spread = |reach: f64| {
            let scale = scale.min(1.0);
            ((-reach / scale).floor() as i64 + 1, scale)
        };
        match self {
            Filter::Nearest(nearest) => {
                let right = ratio == 1.0
                    || match nearest {
                        Nearest::RoundPreferFloor => ratio > 0.5,
                        Nearest::RoundPreferCeil => ratio >= 0.5,
                        Nearest::Floor => false,
                        Nearest::Ceil => true,
                    };
                (i64::from(right), vec![1.0])
            }
            Filter::Linear { antialias: false } => (0, vec![1.0 - ratio, ratio]),
            Filter::Linear { antialias: true } => {
                let (first, scale) = spread(1.0);
                let weight = |place: i64| (1.0 - ((place as f64 - ratio) * scale).abs()).clamp(0.0, 1.0);
                let mut weights: Vec<f64> = (first..2 - first).map(weight).collect();
                normalize(&mut weights);
                (first, weights)
            }
            Filter::Cubic { a, antialias: false } => {
                (-1, [-1.0, 0.0, 1.0, 2.0].map(|place: f64| cubic(a, place - ratio)).to_vec())
            }
            Filter::Cubic { a, antialias: true } => {
                let (first, scale) = spread(2.0);
                let weight = |place: i64| cubic(a, scale * (place as f64 - ratio));
                let mut weights: Vec<f64> = (first..2 - first).map(weight).collect();
                normalize(&mut weights);
                (first, weights)
            }
        }
    }
}

/// Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 29, 1981.
fn cubic(a: f64, distance: f64) -> f64 {
    let x = distance.abs();
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(input: usize, output: usize) -> Axis {
        Axis { input, output, scale: output as f64 / input as f64, region: (0.0, 1.0) }
    }

    #[test]
    fn nearest_neighbours_prefer_the_left() {
        let taps = axis(2, 5).taps(Coordinates::HalfPixel, Filter::Nearest(Nearest::RoundPreferFloor), false);
        let places: Vec<usize> = taps.taps.iter().map(|tap| tap[0].0).collect();
        assert_eq!(places, [0, 0, 0, 1, 1]);
    }

    #[test]
    fn a_scale_that_is_no_binary_fraction_means_what_it_says() {
        let axis = Axis { input: 5, output: 3, scale: f64::from(0.6_f32), region: (0.0, 1.0) };
        let taps = axis.taps(Coordinates::HalfPixel, Filter::Nearest(Nearest::Floor), false);
        let places: Vec<usize> = taps.taps.iter().map(|tap| tap[0].0).collect();
        assert_eq!(places, [0, 2, 3]);
    }

    #[test]
    fn weights_sum_to_one() {
        let filters = [
            Filter::Linear { antialias: false },
            Filter::Linear { antialias: true },
            Filter::Cubic { a: -0.75, antialias: false },
            Filter::Cubic { a: -0.5, antialias: true },
        ];
        for filter in filters {
            for (input, output) in [(7, 3), (3, 7), (5, 5), (1, 4)] {
                for tap in axis(input, output).taps(Coordinates::HalfPixel, filter, true).taps {
                    let sum: f64 = tap.iter().map(|(_, weight)| weight).sum();
                    assert!((sum - 1.0).abs() < 1e-12, "{filter:?} {input} {output}: {tap:?}");
                }
            }
        }
    }

    #[test]
    fn a_region_beyond_the_input_is_outside() {
        let axis = Axis { input: 4, output: 3, scale: 0.75, region: (0.5, 1.5) };
        let taps = axis.taps(Coordinates::TfCropAndResize, Filter::Linear { antialias: false }, false);
        assert_eq!(taps.outside, [false, false, true]);
    }
}
