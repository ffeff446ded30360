//! Loss and metrics of many batches, from what the engine gives for each.
//!
//! A report is the loss and the elements of every metric's port, one behind the other. A [`Layout`] knows which of
//! them belong to which metric and how they add up over batches; a [`Tally`] holds what was added up, in `f64`;
//! [`Tally::finish`] makes the metrics of it. What a metric means stands with its formula: [`confusion`],
//! [`ranking`], and the two of squared errors here.

mod confusion;
mod ranking;

pub use confusion::Confusion;
pub use ranking::{Curve, Ranking};

use crate::report::Measures;
use dlc_recipe::{Average, Measure, Metric};
use dlc_runtime::abi::{FunctionInterface, Port, PortRole};

/// One value or tensor of a report.
#[derive(Clone, Debug)]
struct Part {
    name: String,
    measure: Measure,
    port: Port,
}

/// What a function reports: the loss, then the metrics.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    parts: Vec<Part>,
    /// Names of the classes, where the data tells them.
    classes: Vec<String>,
}

/// What one part adds up to.
#[derive(Clone, Debug, PartialEq)]
enum Sum {
    /// Sums over samples, or counts.
    Totals(Vec<f64>),
    /// Scores and classes of all samples, row by row.
    Rows(Vec<f32>),
}

/// What a report's parts add up to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tally {
    sums: Vec<Sum>,
    samples: u64,
}

/// Everything that an evaluation says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluated {
    /// Loss and metrics that are numbers.
    pub measures: Measures,
    /// Confusion matrices by the metric's name.
    pub confusions: Vec<(String, Confusion)>,
    /// The order of scores, by the metric's name.
    pub rankings: Vec<(String, Ranking)>,
}

impl Evaluated {
    /// The confusion matrix, if there is one; metrics that follow from decisions mostly share it.
    pub fn confusion(&self) -> Option<&Confusion> {
        self.confusions.first().map(|(_, confusion)| confusion)
    }
}

impl Layout {
    /// The report of a function; ports that the recipe does not know are means.
    pub(crate) fn new(function: &FunctionInterface, metrics: &[Metric], classes: &[String]) -> Layout {
        let of_role = |role| function.outputs.iter().filter(move |port| port.role == role);
        let part = |port: &Port| {
            let known =
                metrics.iter().find(|metric| metric.name == port.name && port.role == PortRole::Metric);
            let measure = known.map_or(Measure::Mean, |metric| metric.measure);
            Part { name: port.name.clone(), measure, port: port.clone() }
        };
        let parts = of_role(PortRole::Loss).chain(of_role(PortRole::Metric)).map(part).collect();
        Layout { parts, classes: classes.to_vec() }
    }

    /// Values in a report for a batch.
    pub(crate) fn length(&self, batch: usize) -> usize {
        self.parts.iter().map(|part| part.port.elements(batch)).sum()
    }

    /// Names of the numbers that [`Tally::finish`] gives, in their order.
    pub(crate) fn names(&self) -> Vec<String> {
        Tally::new(self).finish(self).measures.0.into_iter().map(|(name, _)| name).collect()
    }

    fn class(&self, class: usize) -> String {
        self.classes.get(class).cloned().unwrap_or_else(|| class.to_string())
    }
}

impl Tally {
    pub(crate) fn new(layout: &Layout) -> Tally {
        let sum = |part: &Part| match part.measure {
            Measure::AreaUnderCurve | Measure::AveragePrecision => Sum::Rows(Vec::new()),
            _ => Sum::Totals(vec![0.0; part.port.elements(1)]),
        };
        Tally { sums: layout.parts.iter().map(sum).collect(), samples: 0 }
    }

    /// Adds a batch's report.
    pub(crate) fn add(&mut self, layout: &Layout, report: &[f32], samples: usize) {
        let mut rest = report;
        let before = self.samples as f64;
        for (part, sum) in layout.parts.iter().zip(&mut self.sums) {
            let (values, behind) = rest.split_at(part.port.elements(samples).min(rest.len()));
            rest = behind;
            match (sum, part.measure) {
                (Sum::Rows(rows), _) => rows.extend_from_slice(values),
                (Sum::Totals(totals), Measure::Mean | Measure::RootMeanSquare) => {
                    for (total, &value) in totals.iter_mut().zip(values) {
                        *total += f64::from(value) * samples as f64;
                    }
                }
                (Sum::Totals(totals), Measure::RSquared) => {
                    add_moments(totals, before, values, samples as f64)
                }
                (Sum::Totals(totals), _) => {
                    for (total, &value) in totals.iter_mut().zip(values) {
                        *total += f64::from(value);
                    }
                }
            }
        }
        self.samples += samples as u64;
    }

    /// What was added up, to be saved; rows are not kept, since no training step has them.
    pub(crate) fn saved(&self) -> (Vec<f64>, u64) {
        let totals = self.sums.iter().flat_map(|sum| match sum {
            Sum::Totals(totals) => totals.as_slice(),
            Sum::Rows(_) => &[],
        });
        (totals.copied().collect(), self.samples)
    }

    /// What was saved, if it fits the layout.
    pub(crate) fn restored(layout: &Layout, totals: &[f64], samples: u64) -> Option<Tally> {
        let mut tally = Tally { samples, ..Tally::new(layout) };
        let mut rest = totals;
        for sum in &mut tally.sums {
            if let Sum::Totals(own) = sum {
                let (values, behind) = rest.split_at_checked(own.len())?;
                own.copy_from_slice(values);
                rest = behind;
            }
        }
        rest.is_empty().then_some(tally)
    }

    /// The metrics.
    pub(crate) fn finish(&self, layout: &Layout) -> Evaluated {
        let mut evaluated = Evaluated::default();
        let samples = self.samples.max(1) as f64;
        for (part, sum) in layout.parts.iter().zip(&self.sums) {
            let mut number = |name: String, value: f64| evaluated.measures.0.push((name, value));
            match (sum, part.measure) {
                (Sum::Totals(totals), Measure::Mean) => {
                    number(part.name.clone(), totals.iter().sum::<f64>() / samples);
                }
                (Sum::Totals(totals), Measure::Share) => {
                    let (right, all) =
                        (totals.first().copied().unwrap_or(0.0), totals.get(1).copied().unwrap_or(0.0));
                    number(part.name.clone(), if all == 0.0 { 0.0 } else { right / all });
                }
                (Sum::Totals(totals), Measure::RootMeanSquare) => {
                    let roots = totals.iter().map(|total| (total / samples).sqrt());
                    number(part.name.clone(), roots.sum::<f64>() / totals.len().max(1) as f64);
                }
                (Sum::Totals(totals), Measure::RSquared) => {
                    number(part.name.clone(), r_squared(totals, self.samples));
                }
                (Sum::Totals(counts), measure) => {
                    let confusion = Confusion::new(counts, &layout.classes);
                    match confusion.measure(measure) {
                        Some(values) if average_of(measure) == Some(Average::PerClass) => {
                            for (class, value) in values.into_iter().enumerate() {
                                number(format!("{}.{}", part.name, layout.class(class)), value);
                            }
                        }
                        Some(values) => {
                            number(part.name.clone(), values.first().copied().unwrap_or(f64::NAN))
                        }
                        None => {}
                    }
                    evaluated.confusions.push((part.name.clone(), confusion));
                }
                (Sum::Rows(rows), measure) => {
                    let ranking = Ranking::new(rows, part.port.elements(1), &layout.classes);
                    let value = if measure == Measure::AreaUnderCurve {
                        ranking.area_under_curve()
                    } else {
                        ranking.average_precision()
                    };
                    number(part.name.clone(), value);
                    evaluated.rankings.push((part.name.clone(), ranking));
                }
            }
        }
        evaluated
    }
}

fn average_of(measure: Measure) -> Option<Average> {
    match measure {
        Measure::Precision(average)
        | Measure::Recall(average)
        | Measure::F1(average)
        | Measure::IntersectionOverUnion(average) => Some(average),
        _ => None,
    }
}

/// Adds a batch's `[4, k]` means to totals over `before` samples: the sum of squared errors, the mean of the target,
/// the sum of its squared distances from that mean, and nothing. Chan, Golub, LeVeque, "Updating Formulae and a
/// Pairwise Algorithm for Computing Sample Variances", 1979.
fn add_moments(totals: &mut [f64], before: f64, values: &[f32], samples: f64) {
    let outputs = totals.len() / 4;
    let all = before + samples;
    for output in 0..outputs {
        let value =
            |row: usize| values.get(row * outputs + output).map_or(f64::NAN, |&value| f64::from(value));
        let difference = value(1) + value(2) - totals[outputs + output];
        totals[output] += value(0) * samples;
        totals[outputs + output] += difference * samples / all;
        totals[2 * outputs + output] += value(3) * samples + difference * difference * before * samples / all;
    }
}

/// Mean over outputs of `1 - errors / spread`; where the target does not vary, 1 if there is no error, else 0. Of
/// fewer than two samples it is not defined.
fn r_squared(totals: &[f64], samples: u64) -> f64 {
    let outputs = totals.len() / 4;
    if samples < 2 || outputs == 0 {
        return f64::NAN;
    }
    let of = |output: usize| match (totals[output], totals[2 * outputs + output]) {
        (0.0, 0.0) => 1.0,
        (_, 0.0) => 0.0,
        (errors, spread) => 1.0 - errors / spread,
    };
    (0..outputs).map(of).sum::<f64>() / outputs as f64
}

#[cfg(test)]
mod tests;
