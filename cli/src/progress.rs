//! Training as it is seen: a bar with the time that is left, one line per epoch.

use crate::console;
use crate::table::seconds;
use dlc_driver::{EpochReport, Observer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The bar covers the whole run, so that its estimate does too.
pub(crate) struct TrainingProgress {
    bar: ProgressBar,
    json: bool,
    epochs: usize,
    /// Steps of finished epochs.
    before: u64,
}

/// The bar; indicatif hides it where stderr is no terminal.
const TEMPLATE: &str = "{prefix} {wide_bar} {pos}/{len} steps, {msg}, {eta} left";

impl TrainingProgress {
    pub(crate) fn new(json: bool) -> TrainingProgress {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        TrainingProgress { bar, json, epochs: 0, before: 0 }
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
        self.epochs = epochs;
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

    fn step(&mut self, done: usize, _steps: usize, loss: f32) {
        self.bar.set_position(self.before.saturating_add(done as u64));
        self.bar.set_message(format!("loss {loss:.4}"));
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
            for (name, value) in measures.iter().flat_map(|measures| &measures.0) {
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
