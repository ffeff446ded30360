//! What a run tells while it goes and when it ends.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::path::PathBuf;

/// Loss and metrics by name, in the order of the model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measures(pub Vec<(String, f64)>);

impl Measures {
    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

impl Serialize for Measures {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// One finished epoch; serialises as the JSON line of `dlc train --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EpochReport {
    /// Its number, from 1.
    pub epoch: usize,
    /// Learning rate of its last step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    /// Wall-clock seconds, validation included.
    pub seconds: f64,
    /// Means over the training samples, each measured as its batch was trained on.
    pub train: Measures,
    /// Means over the validation split, after the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<Measures>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All epochs are done.
    Finished,
    /// `stop_after` ended it; it can be resumed.
    Stopped,
    /// It got no better any more, by the recipe's rule.
    EndedEarly,
    /// The stop flag ended it, maybe inside an epoch; it can be resumed.
    Interrupted,
}

/// A run's end; serialises as the last JSON line of `dlc train --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrainReport {
    /// How the run ended.
    #[serde(skip)]
    pub outcome: Outcome,
    /// The epochs that this call finished.
    #[serde(skip)]
    pub epochs: Vec<EpochReport>,
    /// Loss and metrics of the test split by those weights, if there is one and nobody interrupted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<Measures>,
    /// The best epoch so far, earlier calls of a resumed run included.
    #[serde(skip)]
    pub best: Option<Best>,
    /// The last checkpoint, or the best one of a run that may end early.
    pub checkpoint: PathBuf,
    /// The page with the run's pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<PathBuf>,
}

/// A finished step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Steps of the epoch that are done.
    pub done: usize,
    /// Steps of an epoch.
    pub steps: usize,
    /// The step's loss.
    pub loss: f32,
    /// The learning rate of about this step.
    pub lr: Option<f64>,
    /// Samples that it was trained on.
    pub samples: usize,
}

/// The best epoch of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    /// What is watched.
    pub metric: String,
    /// Its value.
    pub value: f64,
    /// The epoch, from 1.
    pub epoch: usize,
    /// Whether less is better.
    pub falling: bool,
    /// Whether it was measured on validation samples.
    pub validation: bool,
}

/// Hears what happens; a command line draws progress with it.
pub trait Observer {
    /// Data is ready: samples for training, validation and test.
    fn data_ready(&mut self, _training: usize, _validation: usize, _test: usize) {}
    /// An epoch (from 1) of so many begins; `done` of its `steps` were done before an interruption.
    fn epoch_started(&mut self, _epoch: usize, _epochs: usize, _done: usize, _steps: usize) {}
    /// A step is done.
    fn step(&mut self, _step: &StepReport) {}
    /// Something that a user should read, such as what a run begins with.
    fn told(&mut self, _line: &str) {}
    /// Something that takes a while and is no step begins.
    fn note(&mut self, _text: &str) {}
    /// An epoch is finished and its checkpoint written.
    fn epoch_finished(&mut self, _report: &EpochReport) {}
}

/// An observer that keeps quiet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn reports_serialise_as_the_command_line_promises() {
        let measures = |loss| Measures(vec![("loss".to_owned(), loss), ("accuracy".to_owned(), 0.5)]);
        let epoch = EpochReport {
            epoch: 3,
            lr: Some(0.01),
            seconds: 1.5,
            train: measures(0.25),
            validation: Some(measures(0.75)),
        };
        assert_eq!(
            serde_json::to_string(&epoch).unwrap(),
            r#"{"epoch":3,"lr":0.01,"seconds":1.5,"train":{"loss":0.25,"accuracy":0.5},"validation":{"loss":0.75,"accuracy":0.5}}"#
        );
        let end = TrainReport {
            outcome: Outcome::Finished,
            epochs: vec![epoch],
            test: Some(measures(0.5)),
            best: None,
            checkpoint: "run/last.safetensors".into(),
            report: None,
        };
        assert_eq!(
            serde_json::to_string(&end).unwrap(),
            r#"{"test":{"loss":0.5,"accuracy":0.5},"checkpoint":"run/last.safetensors"}"#
        );
    }
}
