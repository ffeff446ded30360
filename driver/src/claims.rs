//! What a model file states about itself: a comment `# Reaches: accuracy >= 0.95, mae <= 48 on the test split`.
//!
//! Words from ` on ` to the line's end are for people. Which data the figures hold for is told by the file's own data
//! section, and that they hold is checked by whoever trains it.

use crate::{DriverError, Result};
use dlc_trainer::Measures;
use std::fmt;

/// A bound of one figure of a trained model.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The loss or a metric, by its name in reports.
    pub metric: String,
    /// Whether the bound is the least that it may be, rather than the most.
    pub at_least: bool,
    /// The bound itself, which holds, too.
    pub bound: f64,
}

impl Claim {
    /// All that a model's text states, in its order; none where it states nothing.
    ///
    /// # Errors
    /// A line that begins so and goes on otherwise.
    pub fn all(text: &str) -> Result<Vec<Claim>> {
        let Some(stated) = text.lines().find_map(|line| line.strip_prefix("# Reaches:")) else {
            return Ok(Vec::new());
        };
        let figures = stated.split_once(" on ").map_or(stated, |(figures, _)| figures);
        figures.split(',').map(|figure| Claim::one(figure.trim())).collect()
    }

    fn one(text: &str) -> Result<Claim> {
        let fault = || {
            let form = "write `# Reaches: METRIC >= BOUND, METRIC <= BOUND on …`";
            DriverError::User(format!("`{text}` is no figure that a file can state; {form}"))
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let [metric, relation @ (">=" | "<="), bound] = words.as_slice() else { return Err(fault()) };
        let bound = bound.parse().ok().filter(|bound: &f64| bound.is_finite()).ok_or_else(fault)?;
        Ok(Claim { metric: (*metric).to_owned(), at_least: *relation == ">=", bound })
    }

    /// The figure that was reached, and whether it keeps the claim; `None` for one that the training does not report.
    pub fn check(&self, reached: &Measures) -> Option<(f64, bool)> {
        let value = reached.get(&self.metric)?;
        Some((value, if self.at_least { value >= self.bound } else { value <= self.bound }))
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.metric, if self.at_least { ">=" } else { "<=" }, self.bound)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::Claim;

    #[test]
    fn figures_are_read_from_comments() {
        let claim = |metric: &str, at_least, bound| Claim { metric: metric.to_owned(), at_least, bound };
        let text = "dlc 1\n# Reaches: mae <= 48, r2 >= 0.3 on the test split (a mean has mae 66).\n";
        assert_eq!(Claim::all(text).unwrap(), [claim("mae", false, 48.0), claim("r2", true, 0.3)]);
        assert_eq!(Claim::all("dlc 1\n# Reaches far.\n").unwrap(), []);
    }

    #[test]
    fn what_is_no_figure_is_told() {
        for text in
            ["# Reaches: 0.95", "# Reaches: accuracy > 0.9", "# Reaches: mae <= nan", "# Reaches: f1 >= 0.9,"]
        {
            let error = Claim::all(text).unwrap_err().to_string();
            assert!(error.contains("is no figure that a file can state; write `# Reaches:"), "{error}");
        }
    }
}
