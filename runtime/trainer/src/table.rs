//! `metrics.csv`: one row per epoch. It holds no times, so equal runs write equal files.

use crate::Result;
use crate::report::EpochReport;
use dlc_runtime::write_atomically;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The table, with the rows so far.
#[derive(Debug)]
pub(crate) struct MetricsTable {
    path: PathBuf,
    text: String,
}

impl MetricsTable {
    /// Begins the table, or goes on behind the rows of the first `done` epochs when the file there has
    /// the same columns.
    pub(crate) fn open(
        path: &Path,
        training: &[String],
        validation: Option<&[String]>,
        done: usize,
    ) -> MetricsTable {
        let mut header = "epoch,lr".to_owned();
        for (part, names) in [("train", Some(training)), ("validation", validation)] {
            for name in names.unwrap_or_default() {
                // Writing to a string cannot fail.
                let _ = write!(header, ",{part}_{name}");
            }
        }
        let mut text = format!("{header}\n");
        // A file that cannot be read is one that begins anew.
        let before = if done > 0 { std::fs::read_to_string(path).unwrap_or_default() } else { String::new() };
        let mut lines = before.lines();
        if lines.next() == Some(header.as_str()) {
            let epoch = |line: &str| line.split(',').next().and_then(|cell| cell.parse::<usize>().ok());
            for line in lines.filter(|line| epoch(line).is_some_and(|epoch| epoch <= done)) {
                text.push_str(line);
                text.push('\n');
            }
        }
        MetricsTable { path: path.to_owned(), text }
    }

    /// Adds an epoch's row and writes the file.
    pub(crate) fn add(&mut self, report: &EpochReport) -> Result<()> {
        let lr = report.lr.map(|lr| lr.to_string()).unwrap_or_default();
        let _ = write!(self.text, "{},{lr}", report.epoch);
        let measures = report.train.0.iter().chain(report.validation.iter().flat_map(|m| &m.0));
        for (_, value) in measures {
            let _ = write!(self.text, ",{value}");
        }
        self.text.push('\n');
        Ok(write_atomically(&self.path, self.text.as_bytes())?)
    }

    /// The columns with their values; an empty cell is not a number.
    pub(crate) fn columns(&self) -> Vec<(String, Vec<f64>)> {
        let mut lines = self.text.lines();
        let mut columns: Vec<(String, Vec<f64>)> = lines
            .next()
            .into_iter()
            .flat_map(|header| header.split(','))
            .map(|name| (name.to_owned(), Vec::new()))
            .collect();
        for line in lines {
            for ((_, values), cell) in columns.iter_mut().zip(line.split(',')) {
                values.push(cell.parse().unwrap_or(f64::NAN));
            }
        }
        columns
    }
}
