//! Steps between a source and the model.

/// A step that turns raw values of one field into what the model computes with.
///
/// `Resize`, `ResizeShorter` and `CenterCrop` bring pictures to a size when they are read. All others are
/// arithmetic, which the model's functions do themselves (see [`crate::Scaling`]).
#[derive(Clone, Debug, PartialEq)]
pub enum Transform {
    /// `(x - mean) / std`, per channel of an image (or one value for all).
    Normalize {
        /// Mean per channel.
        mean: Vec<f64>,
        /// Deviation per channel.
        std: Vec<f64>,
    },
    /// `x / divisor`.
    Scale {
        /// The divisor.
        divisor: f64,
    },
    /// To 0..=1 by the least and greatest value in the training split.
    MinMax {
        /// Whether a table's values are taken per channel instead of each by itself; pictures always are.
        per_channel: bool,
    },
    /// To mean 0 and deviation 1 by the statistics of the training split.
    Standardize {
        /// Whether a table's values are taken per channel instead of each by itself; pictures always are.
        per_channel: bool,
    },
    /// Resize an image to height and width (bilinear; label maps by the nearest pixel).
    Resize {
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
    },
    /// Resize an image so that its shorter side has this length.
    ResizeShorter {
        /// Length in pixels.
        side: usize,
    },
    /// Cut the middle out of an image.
    CenterCrop {
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
    },
}

impl Transform {
    /// Whether it looks at the training split.
    pub fn is_fitted(&self) -> bool {
        matches!(self, Transform::MinMax { .. } | Transform::Standardize { .. })
    }

    /// Whether it brings a picture to a size instead of computing with its values.
    pub fn is_spatial(&self) -> bool {
        matches!(
            self,
            Transform::Resize { .. } | Transform::ResizeShorter { .. } | Transform::CenterCrop { .. }
        )
    }
}

/// What lies around a picture, where a change shows places beyond it.
#[derive(Clone, Debug, PartialEq)]
pub enum Surround {
    /// A raw value for all channels, or one per channel. Label maps have their number for no class there.
    Values(Vec<f64>),
    /// The nearest pixel of the picture.
    Edge,
    /// The picture mirrored at its outermost pixels, which are not repeated.
    Reflect,
}

/// A random change of a training sample. Places beyond the picture are 0 but for [`Augment::Surround`].
#[derive(Clone, Debug, PartialEq)]
pub enum Augment {
    /// Tells what lies beyond the picture for all steps of the field; draws nothing.
    Surround(Surround),
    /// Pads on all sides and cuts out a random piece of `size`.
    RandomCrop {
        /// Height and width of the result.
        size: (usize, usize),
        /// Pixels of padding on each side.
        padding: usize,
    },
    /// Mirrors with this probability.
    RandomFlip {
        /// The probability.
        probability: f64,
        /// Top and bottom instead of left and right.
        vertical: bool,
    },
    /// Turns around the middle by an angle drawn from both sides of 0.
    RandomRotation {
        /// The greatest angle in degrees.
        degrees: f64,
    },
    /// Enlarges around the middle by a factor drawn evenly.
    RandomZoom {
        /// The least factor.
        least: f64,
        /// The greatest.
        most: f64,
    },
    /// Moves by whole pixels, at most these shares of height and width.
    RandomShift {
        /// Share of the height.
        height: f64,
        /// Share of the width.
        width: f64,
    },
    /// Multiplies all values by a factor in `1 - by ..= 1 + by`.
    RandomBrightness {
        /// The greatest change.
        by: f64,
    },
    /// Multiplies the distance from the picture's mean by a factor in `1 - by ..= 1 + by`.
    RandomContrast {
        /// The greatest change.
        by: f64,
    },
    /// Sets a rectangle to 0 with this probability.
    RandomErasing {
        /// The probability.
        probability: f64,
        /// Least and greatest share of the area.
        area: (f64, f64),
        /// Least and greatest height per width.
        ratio: (f64, f64),
    },
    /// Mixes all fields of the sample with those of another: `s x + (1 - s) x'`, `s` of the beta
    /// distribution. Targets must be floats, class labels one-hot.
    Mixup {
        /// Both parameters of the distribution.
        alpha: f64,
    },
}

impl Augment {
    /// Whether it moves pixels; label maps move along.
    pub fn is_spatial(&self) -> bool {
        matches!(
            self,
            Augment::Surround(_)
                | Augment::RandomCrop { .. }
                | Augment::RandomFlip { .. }
                | Augment::RandomRotation { .. }
                | Augment::RandomZoom { .. }
                | Augment::RandomShift { .. }
        )
    }
}
