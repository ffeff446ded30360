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
                header.push(',');
                header.push_str(&quoted(&format!("{part}_{name}")));
            }
        }
        header.push('\n');
        // A file that cannot be read is one that begins anew.
        let before = if done > 0 { std::fs::read_to_string(path).unwrap_or_default() } else { String::new() };
        let mut text = header;
        if let Some(rows) = before.strip_prefix(&text) {
            let epoch = |line: &str| line.split(',').next().and_then(|cell| cell.parse::<usize>().ok());
            for line in rows.lines().filter(|line| epoch(line).is_some_and(|epoch| epoch <= done)) {
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
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(self.text.as_bytes());
        // What this wrote itself is UTF-8.
        let header = reader.headers().cloned().unwrap_or_default();
        let mut columns: Vec<(String, Vec<f64>)> =
            header.iter().map(|name| (name.to_owned(), Vec::new())).collect();
        for row in reader.records().filter_map(std::result::Result::ok) {
            for ((_, values), cell) in columns.iter_mut().zip(&row) {
                values.push(cell.parse().unwrap_or(f64::NAN));
            }
        }
        columns
    }
}

/// A cell as CSV has it (RFC 4180): names of classes are anybody's.
fn quoted(cell: &str) -> String {
    if cell.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::report::Measures;

    #[test]
    fn names_of_classes_shift_no_column() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let names = ["loss", "recall.salt, pepper", "recall.\"x\"\ny"].map(str::to_owned);
        let values =
            |first: f64| Measures(names.iter().cloned().zip([first, first + 1.0, first + 2.0]).collect());
        let report = |epoch: usize| EpochReport {
            epoch,
            lr: None,
            seconds: 0.0,
            train: values(epoch as f64),
            validation: None,
        };
        let mut table = MetricsTable::open(&path, &names, None, 0);
        table.add(&report(1)).unwrap();
        table.add(&report(2)).unwrap();
        // One goes on behind its first row.
        let mut table = MetricsTable::open(&path, &names, None, 1);
        table.add(&report(2)).unwrap();
        let columns = table.columns();
        let told: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(told, ["epoch", "lr", "train_loss", "train_recall.salt, pepper", "train_recall.\"x\"\ny"]);
        assert_eq!((&columns[3].1, &columns[4].1), (&vec![2.0, 3.0], &vec![3.0, 4.0]));
    }
}
