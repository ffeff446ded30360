//! Integers of weights.

/// Greatest magnitude of a weight's integer: -128 is not used, so that a weight and its negative are alike.
pub const WEIGHT_LEVEL: f32 = 127.0;

/// Weights as integers.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    /// One integer per weight, row-major.
    pub integers: Vec<i8>,
    /// The step of every channel, row-major over the channels' axes; 1 where all weights of a channel are zero.
    pub steps: Vec<f32>,
    /// Norm of what rounding took away, over the norm of the weights; 0 where all weights are zero.
    pub error: f64,
}

/// For every element of a tensor of that shape the number of its channel, row-major over `axes`, which ascend.
fn channel_numbers(dims: &[usize], axes: &[usize]) -> impl Iterator<Item = usize> {
    let count: usize = dims.iter().product();
    let mut strides = vec![0; dims.len()];
    let mut stride = 1;
    for &axis in axes.iter().rev() {
        strides[axis] = stride;
        stride *= dims[axis];
    }
    let dims = dims.to_vec();
    (0..count).map(move |mut element| {
        let mut number = 0;
        for (&size, &stride) in dims.iter().zip(&strides).rev() {
            number += element % size * stride;
            element /= size;
        }
        number
    })
}

/// Rounds weights of shape `dims` to integers, with a step of its own for every index of `axes` (ascending): the
/// largest magnitude there becomes 127. Ties go to the even integer.
pub fn encode(weights: &[f32], dims: &[usize], axes: &[usize]) -> Encoded {
    let channels: usize = axes.iter().map(|&axis| dims[axis]).product();
    let mut steps = vec![0.0f32; channels];
    for (&weight, channel) in weights.iter().zip(channel_numbers(dims, axes)) {
        steps[channel] = steps[channel].max(weight.abs());
    }
    for step in &mut steps {
        let largest = *step;
        *step = largest / WEIGHT_LEVEL;
        // Subnormal steps would lose the digits that integers are made of.
        if *step < f32::MIN_POSITIVE {
            *step = 1.0;
        }
    }
    let mut integers = Vec::with_capacity(weights.len());
    let (mut lost, mut all) = (0.0f64, 0.0f64);
    for (&weight, channel) in weights.iter().zip(channel_numbers(dims, axes)) {
        let level = (weight / steps[channel]).round_ties_even().clamp(-WEIGHT_LEVEL, WEIGHT_LEVEL);
        integers.push(level as i8);
        lost += (f64::from(weight) - f64::from(level) * f64::from(steps[channel])).powi(2);
        all += f64::from(weight).powi(2);
    }
    let error = if all > 0.0 { (lost / all).sqrt() } else { 0.0 };
    Encoded { integers, steps, error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_has_a_step_of_its_own() {
        let weights = [127.0, -63.4, 0.0, 0.0, 2.5, -254.0];
        let rows = encode(&weights, &[3, 2], &[0]);
        assert_eq!(rows.integers, [127, -63, 0, 0, 1, -127]);
        assert_eq!(rows.steps, [1.0, 1.0, 2.0]);
        let columns = encode(&weights, &[3, 2], &[1]);
        assert_eq!(columns.steps, [1.0, 2.0]);
        assert_eq!(columns.integers, [127, -32, 0, 0, 2, -127]);
        // What is lost by rows: 0.4 of -63.4 and 0.5 of 2.5.
        let all: f64 = weights.iter().map(|&weight| f64::from(weight).powi(2)).sum();
        assert!((rows.error - ((0.4f64.powi(2) + 0.25) / all).sqrt()).abs() < 1e-7);
    }

    #[test]
    fn several_axes_and_none_are_channels() {
        let weights: Vec<f32> = (1..=8).map(|value| value as f32).collect();
        let outer = encode(&weights, &[2, 2, 2], &[0, 2]);
        let largest: Vec<f32> = [3.0, 4.0, 7.0, 8.0].iter().map(|value| value / 127.0).collect();
        assert_eq!(outer.steps, largest);
        assert_eq!(encode(&weights, &[8], &[]).steps, [8.0 / 127.0]);
        let tiny = encode(&[1e-45, -1e-45], &[2], &[0]);
        assert_eq!((tiny.integers, tiny.steps), (vec![0, 0], vec![1.0, 1.0]));
    }
}
