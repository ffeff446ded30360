//! What is known of the candidates: `trials.csv`, and whether a folder holds this search.
//!
//! The table is written after every trial, so that a search that ended early goes on behind the last one. It holds no
//! times: equal searches write equal files. `search.json` holds what the trials depend on; a folder with
//! another one is refused, since its numbers could not be compared.

use super::space::Candidate;
use crate::{DriverError, Result};
use dlc_runtime::write_atomically;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A candidate and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trial {
    /// Its number, from 1.
    pub number: usize,
    /// The settings, as pairs.
    pub settings: Candidate,
    /// Epochs that it was trained for.
    pub epochs: usize,
    /// Best value of each fold, or of the one run; empty before the first rung, and where training diverged.
    pub values: Vec<f64>,
}

impl Trial {
    /// The mean of the values; `None` without any.
    pub fn score(&self) -> Option<f64> {
        let count = self.values.len();
        (count > 0).then(|| self.values.iter().sum::<f64>() / count as f64)
    }
}

/// The trials of a folder.
pub(super) struct Trials {
    path: PathBuf,
    pub trials: Vec<Trial>,
}

impl Trials {
    /// Begins, or goes on with what the folder holds. `identity` is all that the numbers depend on.
    pub(super) fn open(
        folder: &Path,
        identity: &serde_json::Value,
        candidates: Vec<Candidate>,
    ) -> Result<Trials> {
        std::fs::create_dir_all(folder)
            .map_err(|cause| DriverError::File { path: folder.to_owned(), cause })?;
        let described = folder.join("search.json");
        let path = folder.join("trials.csv");
        let text = format!("{identity:#}\n");
        let trials = candidates.into_iter().zip(1..);
        let trials =
            trials.map(|(settings, number)| Trial { number, settings, epochs: 0, values: Vec::new() });
        let mut trials = Trials { path, trials: trials.collect() };
        match std::fs::read_to_string(&described) {
            Ok(known) if known == text => trials.read()?,
            Ok(_) => {
                return Err(DriverError::User(format!(
                    "{} holds another search: its model, settings, values or data differ; choose another folder with \
                     `--out`, or remove it",
                    folder.display()
                )));
            }
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                write_atomically(&described, text.as_bytes())?;
            }
            Err(cause) => return Err(DriverError::File { path: described, cause }),
        }
        Ok(trials)
    }

    fn broken(&self, what: &str) -> DriverError {
        DriverError::User(format!("{}: {what}; remove the folder to begin anew", self.path.display()))
    }

    /// Takes what the table knows.
    fn read(&mut self) -> Result<()> {
        let file = match std::fs::File::open(&self.path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(cause) => return Err(DriverError::File { path: self.path.clone(), cause }),
        };
        let mut reader = csv::Reader::from_reader(file);
        let rows: Vec<csv::StringRecord> = reader
            .records()
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| self.broken(&error.to_string()))?;
        for row in rows {
            let number: Option<usize> = row.get(0).and_then(|cell| cell.parse().ok());
            let epochs: Option<usize> = row.iter().nth_back(1).and_then(|cell| cell.parse().ok());
            let values = row.iter().next_back().unwrap_or_default().split_whitespace().map(str::parse);
            let values: std::result::Result<Vec<f64>, _> = values.collect();
            let trial = number.and_then(|number| self.trials.get_mut(number.checked_sub(1)?));
            let (Some(trial), Some(epochs), Ok(values)) = (trial, epochs, values) else {
                return Err(self
                    .broken(&format!("the row `{}` is no trial", row.iter().collect::<Vec<_>>().join(","))));
            };
            (trial.epochs, trial.values) = (epochs, values);
        }
        Ok(())
    }

    /// Writes the table.
    pub(super) fn write(&self) -> Result<()> {
        let fault =
            |error: csv::Error| DriverError::Bug(format!("the table of trials cannot be made: {error}"));
        let mut writer = csv::Writer::from_writer(Vec::new());
        let keys = self.trials.first().map(|trial| trial.settings.iter().map(|(key, _)| key.as_str()));
        let mut header = vec!["trial"];
        header.extend(keys.into_iter().flatten());
        header.extend(["score", "epochs", "values"]);
        writer.write_record(&header).map_err(fault)?;
        for trial in self.trials.iter().filter(|trial| trial.epochs > 0) {
            let mut row = vec![trial.number.to_string()];
            row.extend(trial.settings.iter().map(|(_, value)| value.clone()));
            row.push(trial.score().map(|score| score.to_string()).unwrap_or_default());
            row.push(trial.epochs.to_string());
            row.push(trial.values.iter().map(f64::to_string).collect::<Vec<_>>().join(" "));
            writer.write_record(&row).map_err(fault)?;
        }
        let bytes = writer.into_inner().map_err(|error| DriverError::Bug(error.to_string()))?;
        Ok(write_atomically(&self.path, &bytes)?)
    }

    /// Numbers (from 0) of the trials, best first; those without a score last. Equals stand in their order.
    pub(super) fn ranked(&self, falling: bool) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.trials.len()).collect();
        let badness = |&index: &usize| match self.trials[index].score() {
            Some(score) if falling => score,
            Some(score) => -score,
            None => f64::INFINITY,
        };
        // Those that got farther are compared among themselves.
        order.sort_by(|a, b| {
            let reached = |&index: &usize| std::cmp::Reverse(self.trials[index].epochs);
            reached(a).cmp(&reached(b)).then(badness(a).total_cmp(&badness(b)))
        });
        order
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn candidates() -> Vec<Candidate> {
        let with = |value: &str| vec![("train.optimizer".to_owned(), value.to_owned())];
        vec![with("sgd(lr = 0.1, momentum = 0.9)"), with("adam(lr = 1)"), with("adam(lr = 2)")]
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let identity = serde_json::json!({"model": "m"});
        let mut trials = Trials::open(folder.path(), &identity, candidates()).unwrap();
        (trials.trials[0].epochs, trials.trials[0].values) = (3, vec![0.1, 0.300_000_000_000_000_04]);
        trials.trials[1].epochs = 3;
        trials.write().unwrap();
        let again = Trials::open(folder.path(), &identity, candidates()).unwrap();
        assert_eq!(again.trials, trials.trials);
        assert_eq!(again.ranked(true), [0, 1, 2]);
        let other = Trials::open(folder.path(), &serde_json::json!({"model": "n"}), candidates());
        assert!(other.is_err_and(|error| error.to_string().contains("another search")));
        std::fs::write(folder.path().join("trials.csv"), "trial,k,score,epochs,values\n9,1,1,1,1\n").unwrap();
        assert!(Trials::open(folder.path(), &identity, candidates()).is_err());
    }

    #[test]
    fn the_best_come_first() {
        let mut trials = Trials { path: PathBuf::new(), trials: Vec::new() };
        for (number, (epochs, value)) in
            [(1, Some(0.2)), (4, Some(0.9)), (4, None), (4, Some(0.3))].iter().enumerate()
        {
            trials.trials.push(Trial {
                number: number + 1,
                settings: Vec::new(),
                epochs: *epochs,
                values: value.iter().copied().collect(),
            });
        }
        assert_eq!(trials.ranked(true), [3, 1, 2, 0]);
        assert_eq!(trials.ranked(false), [1, 3, 2, 0]);
    }
}
