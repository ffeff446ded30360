//! Rules of the composite ops: batch normalisation, softmax, log-softmax.

use super::operands::{axis as axis_exists, float};
use super::{Result, refuse};
use dlc_types::{Shape, TensorType};

pub(super) fn batch_norm(
    [x, scale, shift]: [&TensorType; 3],
    axis: usize,
    epsilon: f64,
) -> Result<Vec<TensorType>> {
    float("batch_norm", x)?;
    axis_exists("batch_norm", x, axis)?;
    let channels = TensorType::new(x.dtype, Shape(vec![x.shape[axis]]));
    if channels.shape.has_batch() {
        refuse!("batch_norm needs a fixed channel axis, but axis {axis} of {x} depends on the batch");
    }
    if *scale != channels || *shift != channels {
        refuse!(
            "batch_norm along axis {axis} of {x} needs a scale and a shift of type {channels}, not {scale} \
             and {shift}"
        );
    }
    if !(epsilon.is_finite() && epsilon >= 0.0) {
        refuse!("batch_norm needs a finite epsilon of at least 0, not {epsilon}");
    }
    Ok(vec![x.clone(), channels.clone(), channels])
}

pub(super) fn softmax(name: &str, x: &TensorType, axis: usize) -> Result<TensorType> {
    float(name, x)?;
    axis_exists(name, x, axis)?;
    Ok(x.clone())
}
