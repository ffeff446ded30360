//! Which learning rate to begin with: a short run whose rate grows from step to step.
//!
//! Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017. The loss is smoothed; the rate at which it
//! falls fastest is a good greatest rate. The run ends when the loss is four times the least one, or no number.

use crate::evaluate::{Feed, slices};
use crate::loader::{Pass, each_batch, epoch_order, steps_per_epoch};
use crate::pictures::{Line, Lines, Picture};
use crate::prepare::{Preparation, PreparedData};
use crate::report::{Observer, StepReport};
use crate::{Engine, Result, RunOptions, TrainError};
use dlc_recipe::Recipe;
use dlc_runtime::write_atomically;
use serde::Serialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Share of the smoothed loss that a step keeps.
const SMOOTHING: f64 = 0.9;
/// How many times the least loss ends the run.
const DIVERGED: f64 = 4.0;

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RatePoint {
    /// Its learning rate.
    pub lr: f64,
    /// Its loss.
    pub loss: f64,
    /// The loss smoothed over the steps before.
    pub smoothed: f64,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RateReport {
    /// The rate at which the smoothed loss falls fastest; `None` if it never falls.
    pub suggestion: Option<f64>,
    /// All steps.
    pub points: Vec<RatePoint>,
    /// The picture.
    pub picture: PathBuf,
}

/// Trains for `steps` steps with the rates of the options, from initial values, and writes `learning_rates.csv` and a
/// picture into their folder. Checkpoints are neither read nor written.
pub fn find_rate(
    recipe: &Recipe,
    folder: &Path,
    engine: &mut dyn Engine,
    options: &RunOptions,
    steps: usize,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<RateReport> {
    let seed = options.seed.unwrap_or(recipe.seed);
    let data = PreparedData::open(recipe, &Preparation { folder, options, seed, saved: None })?;
    let feed = Feed::new(engine, "train", &data, &recipe.metrics)?;
    options.initial.begin(engine, seed)?;
    engine.set_total_steps(steps)?;
    data.teach(engine)?;
    let points = sweep(recipe, engine, &data, &feed, (options, seed, steps), observer, stop)?;
    std::fs::create_dir_all(&options.out)
        .map_err(|cause| TrainError::File { path: options.out.clone(), cause })?;
    let mut text = "lr,loss,smoothed\n".to_owned();
    for point in &points {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{},{},{}", point.lr, point.loss, point.smoothed);
    }
    write_atomically(&options.out.join("learning_rates.csv"), text.as_bytes())?;
    let found = steepest(&points);
    let picture = draw(&points, found)?;
    picture.write(&options.out)?;
    let suggestion = found.and_then(|place| points.get(place)).map(|point| point.lr);
    Ok(RateReport { suggestion, points, picture: options.out.join(format!("{}.svg", picture.name)) })
}

fn sweep(
    recipe: &Recipe,
    engine: &mut dyn Engine,
    data: &PreparedData,
    feed: &Feed,
    (options, seed, steps): (&RunOptions, u64, usize),
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<Vec<RatePoint>> {
    let batch = recipe.data.batch;
    let per_epoch = steps_per_epoch(data.parts.training.len(), batch);
    let mut points: Vec<RatePoint> = Vec::new();
    let (mut average, mut least) = (0.0, f64::INFINITY);
    let mut report = vec![0.0f32; feed.layout.length(batch)];
    observer.epoch_started(1, 1, 0, steps);
    let mut going = true;
    for epoch in 0.. {
        if !going || points.len() >= steps {
            break;
        }
        let mut order = epoch_order(&data.parts.training, recipe.data.shuffle, seed, epoch);
        order.truncate(per_epoch.saturating_mul(batch));
        let pass = Pass { order: &order, batch, feed: &feed.fields, random: Some((seed, epoch)) };
        each_batch(data, &pass, |batch| {
            let step = points.len();
            going = step < steps && !stop.load(Ordering::Relaxed);
            if !going {
                return Ok(false);
            }
            let lr = options.rate_at.as_ref().map_or(f64::NAN, |rate| (rate.0)(step, steps, per_epoch));
            let report = &mut report[..feed.layout.length(batch.samples)];
            engine.train_step(batch.samples, &slices(&batch.inputs), report)?;
            let loss = f64::from(report.first().copied().unwrap_or(f32::NAN));
            average = SMOOTHING * average + (1.0 - SMOOTHING) * loss;
            let smoothed = average / (1.0 - SMOOTHING.powf(step as f64 + 1.0));
            least = f64::min(least, smoothed);
            going = smoothed.is_finite() && (step < 10 || smoothed <= DIVERGED * least.max(0.0));
            if loss.is_finite() {
                points.push(RatePoint { lr, loss, smoothed });
                let (done, loss) = (step + 1, loss as f32);
                observer.step(&StepReport { done, steps, loss, lr: Some(lr), samples: batch.samples });
            }
            Ok(going)
        })?;
    }
    Ok(points)
}

/// The place where the smoothed loss falls fastest over the logarithm of the rate, between its beginning and its
/// least value.
fn steepest(points: &[RatePoint]) -> Option<usize> {
    const REACH: usize = 3;
    let least = (0..points.len()).min_by(|&a, &b| points[a].smoothed.total_cmp(&points[b].smoothed))?;
    let slope = |place: usize| {
        let (before, behind) = (points[place - REACH], points[place + REACH]);
        (behind.smoothed - before.smoothed) / (behind.lr / before.lr).ln()
    };
    let last = least.min(points.len().saturating_sub(REACH + 1));
    let place = (REACH..=last).min_by(|&a, &b| slope(a).total_cmp(&slope(b)))?;
    (slope(place) < 0.0).then_some(place)
}

fn draw(points: &[RatePoint], found: Option<usize>) -> Result<Picture> {
    let line = |label: &str, value: fn(&RatePoint) -> f64| Line {
        label: label.to_owned(),
        points: points.iter().map(|point| (point.lr.log10(), value(point))).collect(),
    };
    // The last steps' losses would press all others to the floor.
    let lines = Lines {
        lines: vec![line("", |point| point.smoothed)],
        x: "learning rate".to_owned(),
        y: "smoothed loss".to_owned(),
        logarithmic: true,
        mark: found.and_then(|place| points.get(place)).map(|point| (point.lr.log10(), point.smoothed)),
        ..Lines::default()
    };
    Picture::of("learning_rates", "Loss over a growing learning rate", &lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steepest_fall_is_found() {
        let point = |place: usize| {
            let x = place as f64 / 10.0;
            // A fall around x = 5, a rise from x = 8.
            let smoothed = 2.0 - 1.0 / (1.0 + (-3.0 * (x - 5.0)).exp()) + (x - 8.0).max(0.0).powi(2);
            RatePoint { lr: 10f64.powf(x - 8.0), loss: smoothed, smoothed }
        };
        let points: Vec<RatePoint> = (0..100).map(point).collect();
        assert_eq!(steepest(&points), Some(50));
        assert_eq!(steepest(&points[..4]), None);
        assert_eq!(steepest(&[]), None);
        let rising: Vec<RatePoint> =
            (0..40).map(|place| RatePoint { smoothed: f64::from(place), ..point(place as usize) }).collect();
        assert_eq!(steepest(&rising), None);
    }
}
