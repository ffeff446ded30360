//! What classifiers and regressors do with their scores at the end.

use crate::call::unknown_choice;
use crate::error::Result;

/// The transformation of a row of scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PostTransform {
    None,
    Softmax,
    Logistic,
    SoftmaxZero,
    Probit,
}

impl PostTransform {
    pub(super) fn named(name: &str) -> Result<PostTransform> {
        Ok(match name {
            "NONE" => PostTransform::None,
            "SOFTMAX" => PostTransform::Softmax,
            "LOGISTIC" => PostTransform::Logistic,
            "SOFTMAX_ZERO" => PostTransform::SoftmaxZero,
            "PROBIT" => PostTransform::Probit,
            other => return Err(unknown_choice("post_transform", other)),
        })
    }

    /// By the number that newer operators use.
    pub(super) fn numbered(number: i64) -> Result<PostTransform> {
        Ok(match number {
            0 => PostTransform::None,
            1 => PostTransform::Softmax,
            2 => PostTransform::Logistic,
            3 => PostTransform::SoftmaxZero,
            4 => PostTransform::Probit,
            other => return Err(unknown_choice("post_transform", &other.to_string())),
        })
    }

    /// Transforms one row in place.
    pub(super) fn apply(self, row: &mut [f64]) {
        match self {
            PostTransform::None => {}
            PostTransform::Logistic => {
                row.iter_mut().for_each(|score| *score = 1.0 / (1.0 + (-*score).exp()))
            }
            PostTransform::Probit => row.iter_mut().for_each(|score| *score = probit(*score)),
            PostTransform::Softmax | PostTransform::SoftmaxZero => {
                let greatest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                // Scores of about zero stay zero in the second form.
                let zero = |score: f64| self == PostTransform::SoftmaxZero && score.abs() <= 1e-7;
                row.iter_mut().for_each(|score| {
                    *score = if zero(*score) { 0.0 } else { (*score - greatest).exp() };
                });
                let sum: f64 = row.iter().sum();
                let share = |score: f64| if sum == 0.0 { 0.5 } else { score / sum };
                row.iter_mut().for_each(|score| *score = share(*score));
            }
        }
    }
}

/// The quantile of the normal distribution, by Winitzki's approximation of the inverse error function, which the
/// definition's implementations use.
fn probit(chance: f64) -> f64 {
    let value = 2.0 * chance - 1.0;
    let log = ((1.0 - value) * (1.0 + value)).ln();
    if log == f64::NEG_INFINITY {
        return 0.0;
    }
    let first = 2.0 / (std::f64::consts::PI * 0.147) + 0.5 * log;
    let inverse = (-first + (first * first - log / 0.147).sqrt()).sqrt();
    std::f64::consts::SQRT_2 * inverse.copysign(value)
}

/// The place of the greatest score, the first of equals.
pub(super) fn best(row: &[f64]) -> usize {
    let better = |best: usize, at: usize| if row[at] > row[best] { at } else { best };
    (0..row.len()).fold(0, better)
}
