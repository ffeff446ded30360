//! Which of a run's checkpoints is the best.
//!
//! By the metric that the recipe names, else by the loss. Less is better for losses and errors, more for
//! everything else. A value that is not finite is never the best.

use crate::report::Measures;
use crate::{Result, TrainError};
use dlc_recipe::Recipe;

/// What decides which checkpoint is best.
pub(crate) struct Monitor {
    /// What is watched.
    pub name: String,
    /// Whether less is better.
    falling: bool,
    /// By how much a value must differ from the best one to be better.
    min_delta: f64,
}

impl Monitor {
    /// By the recipe, among what training reports.
    pub(crate) fn new(recipe: &Recipe, names: &[String]) -> Result<Monitor> {
        let name = match &recipe.monitor {
            Some(name) => name.as_str(),
            None => names.first().map_or("loss", String::as_str),
        };
        let name = name.strip_prefix("validation.").or(name.strip_prefix("validation_")).unwrap_or(name);
        if !names.iter().any(|known| known == name) {
            return Err(TrainError::Recipe(format!(
                "monitor names `{name}`, but training reports: {}",
                names.join(", ")
            )));
        }
        let falling = is_falling(name, names);
        let min_delta = recipe.early_stop.map_or(0.0, |rule| rule.min_delta);
        Ok(Monitor { name: name.to_owned(), falling, min_delta })
    }

    /// The watched value.
    pub(crate) fn watched(&self, measures: &Measures) -> Option<f64> {
        measures.get(&self.name)
    }

    /// Whether less is better.
    pub(crate) fn is_falling(&self) -> bool {
        self.falling
    }

    /// The watched value, if it is better than the best so far by more than the least difference.
    pub(crate) fn better(&self, measures: &Measures, best: Option<(f64, usize)>) -> Option<f64> {
        let value = measures.get(&self.name).filter(|value| value.is_finite())?;
        let gain = |best: f64| if self.falling { best - value } else { value - best };
        let better = best.is_none_or(|(best, _)| gain(best) > self.min_delta);
        better.then_some(value)
    }
}

/// Whether less of a metric is better, among all that are reported, the loss first.
pub fn is_falling(name: &str, names: &[String]) -> bool {
    names.first().is_some_and(|loss| loss == name)
        || ["loss", "error", "mae", "mse", "rmse", "entropy", "perplexity"]
            .iter()
            .any(|kind| name.contains(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_fall_and_accuracies_rise() {
        let measures = |value| Measures(vec![("m".to_owned(), value)]);
        let monitor = |falling| Monitor { name: "m".to_owned(), falling, min_delta: 0.0 };
        assert_eq!(monitor(true).better(&measures(1.0), None), Some(1.0));
        assert_eq!(monitor(true).better(&measures(0.5), Some((1.0, 1))), Some(0.5));
        assert_eq!(monitor(true).better(&measures(1.0), Some((1.0, 1))), None);
        assert_eq!(monitor(false).better(&measures(0.5), Some((1.0, 1))), None);
        assert_eq!(monitor(false).better(&measures(2.0), Some((1.0, 1))), Some(2.0));
        assert_eq!(monitor(false).better(&measures(f64::NAN), None), None);
        let patient = Monitor { name: "m".to_owned(), falling: true, min_delta: 0.25 };
        assert_eq!(patient.better(&measures(0.75), Some((1.0, 1))), None);
        assert_eq!(patient.better(&measures(0.5), Some((1.0, 1))), Some(0.5));
    }
}
