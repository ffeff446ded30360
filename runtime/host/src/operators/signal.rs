//! Windows and filter banks: `HannWindow`, `HammingWindow`, `BlackmanWindow`, `MelWeightMatrix`.

use crate::call::{Call, Outcome, one};
use crate::element::Element;
use crate::error::{Result, invalid};
use crate::index::{count, dim};
use crate::operator::{Operator, onnx};
use crate::tensor::Tensor;
use std::f64::consts::PI;

pub(super) const ROWS: &[Operator] = &[
    onnx("HannWindow", 17, hann),
    onnx("HammingWindow", 17, hamming),
    onnx("BlackmanWindow", 17, blackman),
    onnx("MelWeightMatrix", 17, mel_weights),
];

/// A sum of cosines: `weights[k] * cos(2 pi k i / n)`.
fn window(call: &Call<'_>, weights: [f64; 3]) -> Outcome {
    let length = dim(call.input(0)?.integer()?)?;
    let dims = vec![length];
    let period = if call.flag("periodic", true)? { length } else { length.saturating_sub(1) };
    let value = |index: usize| {
        let angle = 2.0 * PI * index as f64 / period.max(1) as f64;
        weights.iter().enumerate().map(|(order, weight)| weight * (order as f64 * angle).cos()).sum()
    };
    let element = call.element("output_datatype")?.unwrap_or(Element::F32);
    one(Tensor::of_floats(element, dims.clone(), (0..count(&dims)?).map(value))?)
}

fn hann(call: &Call<'_>) -> Outcome {
    window(call, [0.5, -0.5, 0.0])
}

fn hamming(call: &Call<'_>) -> Outcome {
    window(call, [25.0 / 46.0, -21.0 / 46.0, 0.0])
}

fn blackman(call: &Call<'_>) -> Outcome {
    window(call, [0.42, -0.5, 0.08])
}

fn mel(hertz: f64) -> f64 {
    2595.0 * (hertz / 700.0).ln_1p() / std::f64::consts::LN_10
}

fn mel_weights(call: &Call<'_>) -> Outcome {
    let bands = dim(call.input(0)?.integer()?)?;
    let length = dim(call.input(1)?.integer()?)?;
    let rate = call.input(2)?.integer()?;
    if rate <= 0 {
        return Err(invalid(format!("a sample rate is {rate}")));
    }
    let (low, high) = (mel(call.input(3)?.float()?), mel(call.input(4)?.float()?));
    let bins = length / 2 + 1;
    let dims = vec![bins, bands];
    let mut weights = vec![0.0; count(&dims)?];
    let step = (high - low) / (bands + 2) as f64;
    let edge = |band: usize| -> Result<usize> {
        let hertz = 700.0 * ((low + band as f64 * step) / 2595.0 * std::f64::consts::LN_10).exp_m1();
        let bin = ((length + 1) as f64 * hertz / rate as f64).floor();
        let inside = (0.0..bins as f64).contains(&bin);
        if inside {
            Ok(bin as usize)
        } else {
            Err(invalid(format!("{hertz:.1} Hz are outside of the spectrum")))
        }
    };
    for band in 0..bands {
        let (left, centre, right) = (edge(band)?, edge(band + 1)?, edge(band + 2)?);
        if left == centre {
            weights[centre * bands + band] = 1.0;
        }
        for bin in left..=centre {
            if centre > left {
                weights[bin * bands + band] = (bin - left) as f64 / (centre - left) as f64;
            }
        }
        for bin in centre..right {
            weights[bin * bands + band] = (right - bin) as f64 / (right - centre) as f64;
        }
    }
    let element = call.element("output_datatype")?.unwrap_or(Element::F32);
    one(Tensor::of_floats(element, dims, weights)?)
}
