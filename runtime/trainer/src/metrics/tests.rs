//! Metrics that no table of one target can show: several outputs, named classes, tallies that were saved.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use dlc_runtime::abi::{ElementType, Extent};

fn layout(name: &str, measure: Measure, dims: &[Extent]) -> Layout {
    let port = |name: &str, role, dims: &[Extent]| Port {
        name: name.to_owned(),
        role,
        element: ElementType::F32,
        dims: dims.to_vec(),
    };
    let function = FunctionInterface {
        name: "evaluate".to_owned(),
        arena_bytes: 0,
        thread_bytes: 0,
        cleared: Vec::new(),
        keeps_persistent: true,
        inputs: Vec::new(),
        outputs: vec![port(name, PortRole::Metric, dims), port("loss", PortRole::Loss, &[])],
    };
    Layout::new(&function, &[Metric { name: name.to_owned(), measure }], &[])
}

fn fixed(scale: usize) -> Extent {
    Extent { scale, batch: false }
}

/// Targets and predictions of one sample.
type Sample = ([f32; 2], [f32; 2]);

/// Targets and predictions of two outputs, in batches of three and two.
const SAMPLES: [Sample; 5] = [
    ([1.0, 10.0], [1.5, 10.0]),
    ([2.0, 10.0], [2.0, 11.0]),
    ([4.0, 13.0], [3.0, 13.0]),
    ([0.0, 12.0], [0.5, 10.0]),
    ([3.0, 9.0], [3.0, 9.5]),
];

/// What the compiled function gives for some samples: `[4, 2]`.
fn moments(samples: &[Sample]) -> Vec<f32> {
    let mean = |of: &dyn Fn(&Sample) -> f32| samples.iter().map(of).sum::<f32>() / samples.len() as f32;
    let mut rows = vec![0.0; 8];
    for output in 0..2 {
        let origin = samples.iter().map(|sample| sample.0[output]).fold(f32::MIN, f32::max);
        let distance = mean(&|sample| sample.0[output] - origin);
        rows[output] = mean(&|sample| (sample.0[output] - sample.1[output]).powi(2));
        rows[2 + output] = origin;
        rows[4 + output] = distance;
        rows[6 + output] = mean(&|sample| (sample.0[output] - origin - distance).powi(2));
    }
    rows
}

/// Figures of scikit-learn for the samples above.
const RMSE: f64 = 0.786208817050563;
const R2: f64 = 0.6819444444444445;

#[test]
fn several_outputs_are_averaged() {
    let r2 = layout("r2", Measure::RSquared, &[fixed(4), fixed(2)]);
    let rmse = layout("rmse", Measure::RootMeanSquare, &[fixed(2)]);
    let (mut a, mut b) = (Tally::new(&r2), Tally::new(&rmse));
    for samples in [&SAMPLES[..3], &SAMPLES[3..]] {
        let rows = moments(samples);
        a.add(&r2, &[&[0.0], rows.as_slice()].concat(), samples.len());
        b.add(&rmse, &[0.0, rows[0], rows[1]], samples.len());
        // A tally that was saved in between goes on.
        let (totals, count) = a.saved();
        a = Tally::restored(&r2, &totals, count).unwrap();
    }
    let value = |evaluated: Evaluated, name| evaluated.measures.get(name).unwrap();
    assert!((value(a.finish(&r2), "r2") - R2).abs() < 1e-6);
    assert!((value(b.finish(&rmse), "rmse") - RMSE).abs() < 1e-6);
    assert_eq!(Tally::restored(&r2, &[0.0; 3], 1), None);
}

#[test]
fn counts_are_added_and_named() {
    let mut layout = layout("f1", Measure::F1(Average::PerClass), &[fixed(2), fixed(2)]);
    layout.classes = vec!["cat".to_owned()];
    assert_eq!(layout.names(), ["loss", "f1.cat", "f1.1"]);
    let mut tally = Tally::new(&layout);
    tally.add(&layout, &[1.0, 2.0, 0.0, 1.0, 1.0], 4);
    tally.add(&layout, &[4.0, 1.0, 0.0, 0.0, 1.0], 2);
    let evaluated = tally.finish(&layout);
    assert_eq!(evaluated.measures.get("loss"), Some(2.0));
    assert_eq!(evaluated.confusion().unwrap().counts, [3, 0, 1, 2]);
    assert!((evaluated.measures.get("f1.cat").unwrap() - 6.0 / 7.0).abs() < 1e-12);
}
