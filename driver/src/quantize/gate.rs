//! Whether a quantised model is good enough, and which layers stay in `f32` so that it is.

use super::errors::Errors;
use super::network::Workbench;
use super::samples::Samples;
use super::{QuantizeSettings, Result};
use crate::Loaded;
use crate::load::quantize_fault;
use dlc_compiler::FunctionKind;
use dlc_compiler::quantize::{Plan, Survey, quantized};
use dlc_runtime::Checkpoint;
use dlc_trainer::{EvalReport, Measures, less_is_better};

/// Errors of layers and likeness of outputs are measured on so many samples at most.
pub(super) const ERROR_SAMPLES: usize = 128;

/// One of so many layers may be left in `f32` for the metric's sake, and at least one.
const LEFT_ALONE: usize = 4;

/// What a quantised model is worth.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) plan: Plan,
    /// Loss and metrics, or the likeness of outputs.
    pub(super) after: Measures,
    /// The largest drop of a metric, and whose it is.
    pub(super) drop: f64,
    pub(super) decided_by: String,
    pub(super) accepted: bool,
}

/// How much worse a measure is: the difference where more is better, as of accuracies; the relative growth where less is
/// better, as of errors, which have units.
pub(super) fn drop_of(name: &str, before: f64, after: f64) -> f64 {
    let drop = if less_is_better(name) {
        if before == 0.0 { after } else { (after - before) / before.abs() }
    } else {
        before - after
    };
    if drop.is_nan() { f64::INFINITY } else { drop }
}

/// The largest drop: of the metrics, or of the loss where there are none.
fn largest_drop(before: &Measures, after: &Measures) -> (f64, String) {
    let metrics = before.0.iter().filter(|(name, _)| name != "loss");
    let counted: Vec<&(String, f64)> =
        if before.0.len() > 1 { metrics.collect() } else { before.0.iter().collect() };
    let drops = counted.into_iter().map(|(name, value)| {
        let after = after.get(name).unwrap_or(f64::NAN);
        (drop_of(name, *value, after), name.clone())
    });
    drops.reduce(|worst, one| if one.0 > worst.0 { one } else { worst }).unwrap_or((0.0, "loss".to_owned()))
}

/// What a judgement is made of.
pub(super) struct Gate<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) bench: &'a Workbench<'a>,
    pub(super) samples: &'a Samples<'a>,
    pub(super) survey: &'a Survey,
    pub(super) values: &'a Checkpoint,
    pub(super) settings: &'a QuantizeSettings,
}

impl Gate<'_> {
    /// Loss and metrics in `f32`; `None` without data.
    pub(super) fn before(&self) -> Result<Option<EvalReport>> {
        match (&self.loaded.recipe, self.samples) {
            (Some(recipe), Samples::Data(_)) => {
                let (model, batch) = (&self.loaded.model, recipe.data.batch);
                let mut engine = self.bench.engine(model, FunctionKind::Evaluate, batch, self.values)?;
                self.samples.measure(engine.as_mut())
            }
            _ => Ok(None),
        }
    }

    fn after(&self, plan: &Plan) -> Result<Measures> {
        if let (Some(recipe), Samples::Data(_)) = (&self.loaded.recipe, self.samples) {
            let model = quantized(&self.loaded.model, plan).map_err(quantize_fault)?;
            let batch = recipe.data.batch;
            let mut engine = self.bench.engine(&model, FunctionKind::Evaluate, batch, self.values)?;
            if let Some(report) = self.samples.measure(engine.as_mut())? {
                return Ok(report.evaluated.measures);
            }
        }
        let count = self.settings.samples;
        let errors =
            Errors::measure(self.loaded, self.bench, self.samples, (self.survey, plan), self.values, count)?;
        Ok(errors.likeness())
    }

    /// Tries the plan, then leaves one layer after another in `f32`, that with the largest error first.
    pub(super) fn judge(&self, mut plan: Plan, before: &Measures, worst_first: &[String]) -> Result<Verdict> {
        let mut candidates = worst_first.iter();
        let mut may_stay = (plan.0.len() / LEFT_ALONE).max(1).min(plan.0.len().saturating_sub(1));
        loop {
            let after = self.after(&plan)?;
            let (drop, decided_by) = largest_drop(before, &after);
            let accepted = drop <= self.settings.max_drop;
            let next = if accepted || may_stay == 0 { None } else { candidates.next() };
            let Some(next) = next else {
                return Ok(Verdict { plan, after, drop, decided_by, accepted });
            };
            may_stay -= 1;
            plan.0.remove(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_differences_or_shares() {
        assert!((drop_of("accuracy", 0.9, 0.88) - 0.02).abs() < 1e-12);
        assert!((drop_of("mae", 50.0, 51.0) - 0.02).abs() < 1e-12);
        assert!(drop_of("accuracy", 0.9, 0.91) < 0.0 && drop_of("loss", 1.0, 0.9) < 0.0);
        assert_eq!(drop_of("accuracy", 0.9, f64::NAN), f64::INFINITY);
        let measures = |all: &[(&str, f64)]| {
            Measures(all.iter().map(|&(name, value)| (name.to_owned(), value)).collect())
        };
        let before = measures(&[("loss", 1.0), ("accuracy", 0.9), ("f1", 0.8)]);
        let after = measures(&[("loss", 9.0), ("accuracy", 0.89), ("f1", 0.75)]);
        let (drop, name) = largest_drop(&before, &after);
        assert!((drop - 0.05).abs() < 1e-12 && name == "f1");
        let (drop, name) = largest_drop(&measures(&[("loss", 1.0)]), &measures(&[("loss", 1.5)]));
        assert_eq!((drop, name.as_str()), (0.5, "loss"));
    }
}
