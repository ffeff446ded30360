//! Composite ops, by their definitions: batch normalisation, softmax, log-softmax.

use crate::elementwise::larger;
use crate::offsets::Split;
use crate::{Data, InterpError, Result, Tensor};

fn floats<'a>(op: &str, x: &'a Tensor) -> Result<&'a [f64]> {
    match &x.data {
        Data::Float(values) => Ok(values),
        _ => Err(InterpError::Unverified { op: op.to_owned(), rule: "has operands that are floats" }),
    }
}

/// Normalised x, mean and biased variance per channel.
pub(crate) fn batch_norm(
    x: &Tensor,
    scale: &Tensor,
    shift: &Tensor,
    axis: usize,
    epsilon: f64,
) -> Result<Vec<Tensor>> {
    let (values, scale, shift) =
        (floats("batch_norm", x)?, floats("batch_norm", scale)?, floats("batch_norm", shift)?);
    let Split { outer, length, inner } = Split::at(&x.dims, axis);
    let count = (outer * inner) as f64;
    let mut normalised = values.to_vec();
    let (mut means, mut variances) = (Vec::with_capacity(length), Vec::with_capacity(length));
    for channel in 0..length {
        let rows = || (0..outer).map(|block| (block * length + channel) * inner);
        let elements = || rows().flat_map(|start| &values[start..start + inner]);
        let mean = elements().sum::<f64>() / count;
        let variance = elements().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        for start in rows() {
            for value in &mut normalised[start..start + inner] {
                *value = (*value - mean) / (variance + epsilon).sqrt() * scale[channel] + shift[channel];
            }
        }
        means.push(mean);
        variances.push(variance);
    }
    Ok(vec![
        Tensor::new(x.dtype, &x.dims, Data::Float(normalised))?,
        Tensor::new(x.dtype, &[length], Data::Float(means))?,
        Tensor::new(x.dtype, &[length], Data::Float(variances))?,
    ])
}

pub(crate) fn softmax(x: &Tensor, axis: usize) -> Result<Data> {
    along_lines(floats("softmax", x)?, &Split::at(&x.dims, axis), |line| {
        let largest = line.iter().copied().fold(f64::NEG_INFINITY, larger);
        line.iter_mut().for_each(|value| *value = (*value - largest).exp());
        let sum: f64 = line.iter().sum();
        line.iter_mut().for_each(|value| *value /= sum);
    })
}

pub(crate) fn log_softmax(x: &Tensor, axis: usize) -> Result<Data> {
    along_lines(floats("log_softmax", x)?, &Split::at(&x.dims, axis), |line| {
        let largest = line.iter().copied().fold(f64::NEG_INFINITY, larger);
        let sum: f64 = line.iter().map(|value| (value - largest).exp()).sum();
        line.iter_mut().for_each(|value| *value = *value - largest - sum.ln());
    })
}

/// Replaces each line along the axis.
fn along_lines(values: &[f64], split: &Split, replace: impl Fn(&mut [f64])) -> Result<Data> {
    let mut result = values.to_vec();
    let mut line = vec![0.0; split.length];
    for start in split.lines() {
        for (position, value) in line.iter_mut().enumerate() {
            *value = result[start + position * split.inner];
        }
        replace(&mut line);
        for (position, &value) in line.iter().enumerate() {
            result[start + position * split.inner] = value;
        }
    }
    Ok(Data::Float(result))
}
