//! The order of all scores, and what follows from it: receiver operating characteristic, precision over recall.
//!
//! Equal scores stand at one threshold. Of several classes each is told from the rest; means take the classes for
//! which the value is defined: the area under the characteristic needs samples of the class and of another, average
//! precision samples of the class. Without any the value is not a number.

/// Points of a curve, from the highest threshold to the lowest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// The class that is told from the rest.
    pub class: String,
    /// `(x, y)`.
    pub points: Vec<(f64, f64)>,
    /// The number that the legend tells.
    pub value: f64,
}

/// Scores of one class with their truth, from the highest to the lowest.
type Ordered = Vec<(f32, bool)>;

/// The scores of all samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    classes: Vec<(String, Ordered)>,
}

/// Numbers of true and false samples at each threshold.
fn counts(ordered: &Ordered) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    let (mut right, mut wrong) = (0.0, 0.0);
    for (position, &(score, truth)) in ordered.iter().enumerate() {
        if truth {
            right += 1.0
        } else {
            wrong += 1.0
        }
        let last_of_its_score = ordered.get(position + 1).is_none_or(|&(next, _)| next != score);
        if last_of_its_score {
            points.push((right, wrong));
        }
    }
    points
}

/// The mean of what is a number.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.filter(|value| !value.is_nan()).fold((0.0, 0u32), |(s, n), v| (s + v, n + 1));
    if count == 0 { f64::NAN } else { sum / f64::from(count) }
}

impl Ranking {
    /// Of rows with `width - 1` scores and the class; one score alone is that of class 1.
    pub(crate) fn new(rows: &[f32], width: usize, names: &[String]) -> Ranking {
        let scores = width.saturating_sub(1);
        let ordered = |column: usize, class: f32| {
            let row = |row: &[f32]| (row[column], row[scores] == class);
            let mut ordered: Ordered = rows.chunks_exact(width.max(1)).map(row).collect();
            ordered.sort_by(|a, b| b.0.total_cmp(&a.0));
            ordered
        };
        let name = |class: usize| names.get(class).cloned().unwrap_or_else(|| class.to_string());
        let classes = match scores {
            1 => vec![(name(1), ordered(0, 1.0))],
            2 => vec![(name(1), ordered(1, 1.0))],
            _ => (0..scores).map(|class| (name(class), ordered(class, class as f32))).collect(),
        };
        Ranking { classes }
    }

    /// The share of true samples found over the share of false ones taken, per class.
    pub fn characteristics(&self) -> Vec<Curve> {
        let curve = |(name, ordered): &(String, Ordered)| {
            let counts = counts(ordered);
            let (positive, negative) = counts.last().copied().unwrap_or((0.0, 0.0));
            let points = counts.iter().map(|(right, wrong)| (wrong / negative, right / positive));
            let points: Vec<(f64, f64)> = std::iter::once((0.0, 0.0)).chain(points).collect();
            let steps = points.windows(2).map(|two| (two[1].0 - two[0].0) * (two[1].1 + two[0].1) / 2.0);
            let value = steps.sum();
            Curve { class: name.clone(), points, value }
        };
        self.classes.iter().map(curve).collect()
    }

    /// Precision over recall, per class.
    pub fn precision_over_recall(&self) -> Vec<Curve> {
        let curve = |(name, ordered): &(String, Ordered)| {
            let counts = counts(ordered);
            let positive = counts.last().map_or(0.0, |last| last.0);
            let points = counts.iter().map(|(right, wrong)| (right / positive, right / (right + wrong)));
            let points: Vec<(f64, f64)> = points.collect();
            let mut before = 0.0;
            let mut value = 0.0;
            for (recall, precision) in &points {
                value += (recall - before) * precision;
                before = *recall;
            }
            let value = if positive == 0.0 { f64::NAN } else { value };
            Curve { class: name.clone(), points, value }
        };
        self.classes.iter().map(curve).collect()
    }

    /// The area under the receiver operating characteristic.
    pub fn area_under_curve(&self) -> f64 {
        mean(self.characteristics().iter().map(|curve| curve.value))
    }

    /// The area under the steps of precision over recall.
    pub fn average_precision(&self) -> f64 {
        mean(self.precision_over_recall().iter().map(|curve| curve.value))
    }
}
