//! Discrete Fourier transforms: `DFT` (forward, inverse, onesided in both directions) and `STFT`.
//!
//! Real signals are transformed in double precision. Complex ones in their own, since the expected results of the conformance suite
//! are, too. What takes more than [`MOST`] products is refused.

use crate::call::{Call, Outcome, one};
use crate::element::Element;
use crate::error::{Result, invalid, unsupported};
use crate::index::{around, axis, count, dim};
use crate::operator::{Operator, onnx};
use crate::operators::fourier::{Complex, Plan, Real, work};
use crate::tensor::Tensor;

pub(super) const ROWS: &[Operator] = &[onnx("DFT", 17, transform), onnx("STFT", 17, short_time)];

/// Products of complex numbers that one node may ask for.
const MOST: usize = 1 << 32;

fn bounded(lines: usize, length: usize) -> Result<()> {
    match work(length).checked_mul(lines.max(1)) {
        Some(products) if products <= MOST => Ok(()),
        _ => Err(unsupported(format!("{lines} transforms of length {length}"))),
    }
}

/// The numbers of a tensor whose last axis has the real part, or both.
fn complex<T: Real>(data: &Tensor) -> Result<Vec<Complex<T>>> {
    let values = data.floats()?;
    match data.dims().last() {
        Some(1) => Ok(values.into_iter().map(|value| Complex::new(value, 0.0)).collect()),
        Some(2) => Ok(values.chunks_exact(2).map(|pair| Complex::new(pair[0], pair[1])).collect()),
        _ => Err(invalid(format!("dims {:?} do not end with 1 or 2", data.dims()))),
    }
}

/// The whole spectrum of a real signal from its first half.
fn mirrored<T: Real>(half: &[Complex<T>], length: usize) -> Vec<Complex<T>> {
    let at = |bin: usize| half.get(bin).copied().unwrap_or(Complex::new(0.0, 0.0));
    let whole = (0..length).map(|bin| match bin {
        _ if bin == 0 || 2 * bin == length => Complex::new(at(bin).real.wide(), 0.0),
        _ if 2 * bin < length => at(bin),
        _ => Complex { real: at(length - bin).real, imaginary: -at(length - bin).imaginary },
    });
    whole.collect()
}

fn transform(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let single = data.element() == Element::F32 && data.dims().last() == Some(&2);
    if single && !call.flag("onesided", false)? { lines::<f32>(call, data) } else { lines::<f64>(call, data) }
}

fn lines<T: Real>(call: &Call<'_>, data: &Tensor) -> Outcome {
    let Some((_, signal)) = data.dims().split_last() else {
        return Err(invalid("a scalar has no transform"));
    };
    let default = if call.version < 20 { 1 } else { -2 };
    let along = match call.optional_input(2)? {
        Some(given) => given.integer()?,
        None => call.int_or("axis", default)?,
    };
    // The last axis has real and imaginary parts, and counts where axes count from the end.
    let along = axis(along, data.dims().len())?;
    if along >= signal.len() {
        return Err(invalid("the axis is that of real and imaginary parts"));
    }
    let (inverse, onesided) = (call.flag("inverse", false)?, call.flag("onesided", false)?);
    let (outer, given, inner) = around(signal, along);
    let length = match call.optional_input(1)? {
        Some(length) => dim(length.integer()?)?,
        None if inverse && onesided => 2 * given.saturating_sub(1),
        None => given,
    };
    if length == 0 {
        return Err(invalid("a transform has length 0"));
    }
    bounded(count(&[outer, inner])?, length)?;
    let bins = if onesided && !inverse { length / 2 + 1 } else { length };
    let parts = if onesided && inverse { 1 } else { 2 };
    let mut dims = signal.to_vec();
    dims[along] = bins;
    dims.push(parts);
    let mut results = vec![0.0; count(&dims)?];
    let values = complex::<T>(data)?;
    let plan = Plan::new(length, inverse);
    let scale = T::rounded(if inverse { 1.0 / length as f64 } else { 1.0 });
    for before in 0..outer {
        for behind in 0..inner {
            let place = |at: usize| (before * given + at) * inner + behind;
            let mut line: Vec<Complex<T>> = (0..given.min(length)).map(|at| values[place(at)]).collect();
            if onesided && inverse {
                line = mirrored(&line, length);
            }
            for (bin, sum) in plan.transform(&line).into_iter().take(bins).enumerate() {
                let to = ((before * bins + bin) * inner + behind) * parts;
                let sum = sum.scaled(scale);
                results[to] = sum.real.wide();
                if parts == 2 {
                    results[to + 1] = sum.imaginary.wide();
                }
            }
        }
    }
    one(Tensor::of_floats(data.element(), dims, results)?)
}

fn short_time(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let &[batch, whole, _] = data.dims() else {
        return Err(invalid(format!("a signal has dims {:?}", data.dims())));
    };
    let step = dim(call.input(1)?.integer()?)?;
    let window = call.optional_input(2)?.map(Tensor::floats).transpose()?;
    let length = match (call.optional_input(3)?, &window) {
        (Some(length), _) => dim(length.integer()?)?,
        (None, Some(window)) => window.len(),
        (None, None) => whole,
    };
    if step == 0 || length == 0 || length > whole {
        return Err(invalid(format!("frames of {length}, {step} apart, do not fit a signal of {whole}")));
    }
    let frames = 1 + (whole - length) / step;
    bounded(count(&[batch, frames])?, length)?;
    let bins = if call.flag("onesided", true)? { length / 2 + 1 } else { length };
    let dims = vec![batch, frames, bins, 2];
    let mut results = Vec::with_capacity(count(&dims)?);
    let values = complex::<f64>(data)?;
    let plan = Plan::new(length, false);
    let weight = |at: usize| window.as_ref().map_or(1.0, |window| window.get(at).copied().unwrap_or(0.0));
    for signal in values.chunks_exact(whole) {
        for frame in 0..frames {
            let part = signal[frame * step..][..length].iter().enumerate();
            let line: Vec<Complex<f64>> = part.map(|(at, value)| value.scaled(weight(at))).collect();
            let bins = plan.transform(&line).into_iter().take(bins);
            results.extend(bins.flat_map(|bin| [bin.real, bin.imaginary]));
        }
    }
    one(Tensor::of_floats(data.element(), dims, results)?)
}
