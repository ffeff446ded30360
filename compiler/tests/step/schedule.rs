use crate::model::{Session, WEIGHTS, assert_close, gradient, model};
use dlc_ir::{Optimizer, Schedule};
use std::f64::consts::PI;

const MAX: f64 = 0.1;
const DIV: f64 = 25.0;
const FINAL_DIV: f64 = 1e4;

/// Rate and share of the way from the high to the low momentum, as the loop over phases in PyTorch's
/// `OneCycleLR` computes them.
fn one_cycle(step: f64, total: f64, warmup: f64) -> (f64, f64) {
    let (initial, last) = (MAX / DIV, MAX / DIV / FINAL_DIV);
    let phases = [(warmup * total - 1.0, initial, MAX, 0.0, 1.0), (total - 1.0, MAX, last, 1.0, 0.0)];
    let anneal = |from: f64, to: f64, share: f64| to + (from - to) / 2.0 * (1.0 + (PI * share).cos());
    let mut start = 0.0;
    for (number, &(end, from, to, low_from, low_to)) in phases.iter().enumerate() {
        if step <= end || number == 1 {
            let share = (step - start) / (end - start);
            return (anneal(from, to, share), anneal(low_from, low_to, share));
        }
        start = end;
    }
    unreachable!("the second phase takes all steps");
}

fn schedule(warmup: f64, momentum: Option<(f64, f64)>) -> Schedule {
    Schedule::OneCycle { rate: MAX, warmup, div: DIV, final_div: FINAL_DIV, momentum }
}

#[test]
fn known_rates() {
    // Start, peak and end of 20 steps with a third of 6 going up: max / div, max, max / div / final_div.
    let rates = [0.0, 5.0, 19.0].map(|step| one_cycle(step, 20.0, 0.3).0);
    assert_close(&rates, &[0.004, 0.1, 4e-7]);
}

#[test]
fn rates_of_plain_descent() {
    let plain = Optimizer::Sgd { momentum: 0.0, nesterov: false };
    for (warmup, total) in [(0.3, 20), (0.25, 7), (0.5, 4), (0.1, 5)] {
        let mut session = Session::new(&model(plain.clone(), schedule(warmup, None)), total);
        let mut weights = WEIGHTS;
        for step in 0..total {
            session.step();
            let rate = one_cycle(step as f64, total as f64, warmup).0;
            let slopes = gradient(weights);
            weights = [0, 1].map(|i| weights[i] - rate * slopes[i]);
            assert_close(&session.floats("w"), &weights);
        }
    }
}

#[test]
fn momentum_runs_against_the_rate() {
    let optimizer = Optimizer::Sgd { momentum: 0.9, nesterov: false };
    let mut session = Session::new(&model(optimizer, schedule(0.3, Some((0.95, 0.85)))), 12);
    let (mut weights, mut velocity) = (WEIGHTS, [0.0; 2]);
    for step in 0..12 {
        session.step();
        let (rate, share) = one_cycle(f64::from(step), 12.0, 0.3);
        let momentum = 0.95 - 0.1 * share;
        let slopes = gradient(weights);
        velocity = [0, 1].map(|i| momentum * velocity[i] + slopes[i]);
        weights = [0, 1].map(|i| weights[i] - rate * velocity[i]);
        assert_close(&session.floats("w.momentum"), &velocity);
        assert_close(&session.floats("w"), &weights);
    }
}

#[test]
fn first_moment_of_adam_follows_the_schedule() {
    let (beta2, epsilon) = (0.99, 1e-8);
    let optimizer = Optimizer::Adam { beta1: 0.9, beta2, epsilon, decoupled: false };
    let mut session = Session::new(&model(optimizer, schedule(0.4, Some((0.95, 0.85)))), 10);
    let (mut weights, mut first, mut second) = (WEIGHTS, [0.0; 2], [0.0; 2]);
    for step in 0..10 {
        session.step();
        let (rate, share) = one_cycle(f64::from(step), 10.0, 0.4);
        let beta1 = 0.95 - 0.1 * share;
        let slopes = gradient(weights);
        for i in 0..2 {
            first[i] += (1.0 - beta1) * (slopes[i] - first[i]);
            second[i] = beta2 * second[i] + (1.0 - beta2) * slopes[i] * slopes[i];
            let root = (second[i] / (1.0 - beta2.powi(step + 1))).sqrt();
            weights[i] -= rate / (1.0 - beta1.powi(step + 1)) * first[i] / (root + epsilon);
        }
        assert_close(&session.floats("w"), &weights);
    }
}

#[test]
fn odd_totals_stay_finite() {
    let plain = Optimizer::Sgd { momentum: 0.0, nesterov: false };
    for (warmup, total) in [(0.3, 0), (0.3, 1), (1.0, 1), (0.0, 3), (1.0, 3), (0.5, 2)] {
        let mut session = Session::new(&model(plain.clone(), schedule(warmup, None)), total);
        for _ in 0..total + 2 {
            let before = session.floats("w");
            session.step();
            let after = session.floats("w");
            let slope = gradient([before[0], before[1]])[0];
            let rate = (before[0] - after[0]) / slope;
            assert!((0.0..=MAX * 1.000_001).contains(&rate), "rate {rate} for {warmup} of {total}");
        }
    }
}
