//! Training as it is seen: a bar with the time that is left, one line per epoch.

use crate::console;
use crate::table::seconds;
use dlc_driver::{EpochReport, Observer, StepReport};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// The bar covers the whole run, so that its estimate does too.
pub(crate) struct TrainingProgress {
    bar: ProgressBar,
    json: bool,
    epochs: usize,
    epoch: usize,
    /// Steps of finished epochs.
    before: u64,
    speed: Speed,
    /// When a line was written last, where there is no bar.
    told: Instant,
}

/// Without a bar, a line within an epoch tells at most this often how it goes.
const SILENCE: Duration = Duration::from_secs(20);

/// Samples per second of the last while.
struct Speed {
    since: Instant,
    samples: usize,
    last: Option<f64>,
}

impl Speed {
    /// How long samples are counted before the speed is renewed.
    const WINDOW: Duration = Duration::from_millis(1500);

    fn new() -> Speed {
        Speed { since: Instant::now(), samples: 0, last: None }
    }

    fn add(&mut self, samples: usize) {
        self.samples += samples;
        let passed = self.since.elapsed();
        if passed >= Self::WINDOW {
            self.last = Some(self.samples as f64 / passed.as_secs_f64());
            (self.since, self.samples) = (Instant::now(), 0);
        }
    }

    fn per_second(&self) -> Option<f64> {
        let passed = self.since.elapsed().as_secs_f64();
        self.last.or_else(|| (passed > 0.05).then(|| self.samples as f64 / passed))
    }
}

/// The bar; indicatif hides it where stderr is no terminal.
const TEMPLATE: &str = "{prefix} {wide_bar} {pos}/{len} steps, {msg}, {eta} left";

impl TrainingProgress {
    pub(crate) fn new(json: bool) -> TrainingProgress {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        TrainingProgress {
            bar,
            json,
            epochs: 0,
            epoch: 0,
            before: 0,
            speed: Speed::new(),
            told: Instant::now(),
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self, text: &str) {
        self.bar.suspend(|| if self.json { console::data(text) } else { eprintln!("{text}") });
    }
}

impl Observer for TrainingProgress {
    fn data_ready(&mut self, training: usize, validation: usize, test: usize) {
        if !self.json {
            self.line(&format!(
                "{training} samples for training, {validation} for validation, {test} for the test"
            ));
        }
    }

    fn epoch_started(&mut self, epoch: usize, epochs: usize, done: usize, steps: usize) {
        (self.epoch, self.epochs) = (epoch, epochs);
        // Time between epochs is none of training's.
        self.speed = Speed { last: self.speed.last, ..Speed::new() };
        self.before = (epoch.saturating_sub(1) as u64).saturating_mul(steps as u64);
        let position = self.before.saturating_add(done as u64);
        self.bar.set_prefix(format!("epoch {epoch}/{epochs}"));
        if self.bar.length().is_none() {
            self.bar.set_length((epochs as u64).saturating_mul(steps as u64));
            self.bar.set_position(position);
            // A resumed run's estimate counts from here.
            self.bar.reset_eta();
        }
    }

    fn step(&mut self, step: &StepReport) {
        let position = self.before.saturating_add(step.done as u64);
        self.speed.add(step.samples);
        self.bar.set_position(position);
        let mut text = format!("loss {:.4}", step.loss);
        if let Some(lr) = step.lr {
            text.push_str(&format!(", lr {lr:.2e}"));
        }
        let speed = self.speed.per_second();
        if let Some(speed) = speed {
            text.push_str(&format!(", {speed:.0} samples/s"));
        }
        if self.bar.is_hidden() && !self.json && self.told.elapsed() >= SILENCE {
            self.told = Instant::now();
            let left = speed.map_or(String::new(), |speed| {
                let rest = self.bar.length().unwrap_or(0).saturating_sub(position) as f64;
                format!(", {} left", seconds(rest * step.samples as f64 / speed.max(1e-9)))
            });
            eprintln!(
                "epoch {}/{}  step {}/{}  {text}{left}",
                self.epoch, self.epochs, step.done, step.steps
            );
        }
        self.bar.set_message(text);
    }

    fn told(&mut self, line: &str) {
        if self.json {
            self.bar.suspend(|| eprintln!("{}", serde_json::json!({ "note": line })));
        } else {
            self.line(line);
        }
    }

    fn note(&mut self, text: &str) {
        self.bar.set_message(text.to_owned());
    }

    fn epoch_finished(&mut self, report: &EpochReport) {
        if self.json {
            match serde_json::to_string(report) {
                Ok(text) => self.line(&text),
                Err(error) => eprintln!("error: the report cannot be written as JSON: {error}"),
            }
            return;
        }
        let mut text = format!("epoch {}/{}", report.epoch, self.epochs);
        let parts = [("", Some(&report.train)), ("validation ", report.validation.as_ref())];
        for (part, measures) in parts {
            let scalars = measures.iter().flat_map(|measures| &measures.0);
            for (name, value) in scalars {
                text.push_str(&format!("  {part}{name} {value:.4}"));
            }
        }
        if let Some(lr) = report.lr {
            text.push_str(&format!("  lr {lr:.3e}"));
        }
        text.push_str(&format!("  {}", seconds(report.seconds)));
        self.line(&text);
    }
}
