//! Mixing samples. Source: Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", 2018.

use super::Draws;
use dlc_types::random::Stream;

/// With whom a sample is mixed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mixing {
    /// The other sample's number among those of the training split.
    pub(crate) other: usize,
    /// The sample's own share.
    pub(crate) share: f32,
}

impl Mixing {
    /// The draw of a step for a sample, out of `samples` for the other one.
    pub(crate) fn drawn(alpha: f64, draws: Draws, sample: usize, step: usize, samples: usize) -> Mixing {
        let mut stream = draws.of(sample, step);
        let other = stream.below(u32::try_from(samples).unwrap_or(u32::MAX)) as usize;
        let (a, b) = (gamma(alpha, &mut stream), gamma(alpha, &mut stream));
        let share = if a + b > 0.0 { a / (a + b) } else { 0.5 };
        Mixing { other, share: share as f32 }
    }
}

/// A number in (0, 1].
fn positive(stream: &mut Stream) -> f64 {
    1.0 - f64::from(stream.unit())
}

/// A draw of the gamma distribution with scale 1.
/// Source: Marsaglia, Tsang, "A Simple Method for Generating Gamma Variables", 2000.
fn gamma(shape: f64, stream: &mut Stream) -> f64 {
    if shape < 1.0 {
        return gamma(shape + 1.0, stream) * positive(stream).powf(shape.recip());
    }
    let d = shape - 1.0 / 3.0;
    let c = (9.0 * d).sqrt().recip();
    loop {
        let radius = (-2.0 * positive(stream).ln()).sqrt();
        let x = radius * (std::f64::consts::TAU * positive(stream)).cos();
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && positive(stream).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_the_mean_and_variance_of_the_distribution() {
        for alpha in [0.2f64, 1.0, 4.0] {
            let draws = Draws::new(1, 2);
            let count = 4000;
            let shares: Vec<f64> = (0..count)
                .map(|sample| f64::from(Mixing::drawn(alpha, draws, sample, 0, 10).share))
                .collect();
            let mean = shares.iter().sum::<f64>() / f64::from(count as u32);
            let variance = shares.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / f64::from(count as u32);
            // Beta(a, a) has the mean 1/2 and the variance 1 / (4 (2 a + 1)).
            let expected = 0.25 / (2.0 * alpha + 1.0);
            assert!((mean - 0.5).abs() < 0.025, "{alpha}: {mean}");
            assert!((variance / expected - 1.0).abs() < 0.1, "{alpha}: {variance} for {expected}");
        }
    }
}
