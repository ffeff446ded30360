//! The learning rate at a step, as the compiled step computes it, for reports.
//!
//! One-cycle with cosine annealing, for step `s` (from 0) of `T`, with `e = warmup * T - 1` and
//! `cosine(a, b, p) = b + (a - b) / 2 * (1 + cos(pi * p))`:
//!
//! ```text
//! s <= e:  cosine(max / div, max, s / e)
//! s >  e:  cosine(max, max / div / final_div, min(1, (s - e) / (T - 1 - e)))
//! ```
//!
//! Source: PyTorch's `OneCycleLR`; Smith, Topin, "Super-Convergence", 2018.

use dlc_ir::Schedule;

/// Shortest phase, so that a phase of one step divides by no zero.
const TINY: f64 = 1e-6;

/// The learning rate at step `step` (from 0) of `total`.
pub fn rate_at(schedule: &Schedule, step: usize, total: usize) -> f64 {
    match *schedule {
        Schedule::Constant(rate) => rate,
        Schedule::OneCycle { max, warmup, div, final_div, .. } => {
            let (step, last) = (step as f64, total as f64 - 1.0);
            let turn = warmup * total as f64 - 1.0;
            let first = max / div;
            if step <= turn {
                cosine(first, max, step / turn.max(TINY))
            } else {
                cosine(max, first / final_div, (step - turn) / (last - turn).max(TINY))
            }
        }
    }
}

fn cosine(from: f64, to: f64, share: f64) -> f64 {
    to + (from - to) / 2.0 * (1.0 + (std::f64::consts::PI * share.min(1.0)).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cycle_rises_to_the_maximum_and_falls_to_the_end() {
        let schedule =
            Schedule::OneCycle { max: 0.4, warmup: 0.25, div: 25.0, final_div: 1e4, momentum: None };
        let rate = |step| rate_at(&schedule, step, 100);
        let close = |a: f64, b: f64| assert!((a - b).abs() <= 1e-12, "{a} {b}");
        close(rate(0), 0.016);
        close(rate(12), 0.208);
        close(rate(24), 0.4);
        close(rate(99), 0.016 / 1e4);
        close(rate(500), 0.016 / 1e4);
        close(rate_at(&Schedule::Constant(0.1), 7, 9), 0.1);
    }
}
