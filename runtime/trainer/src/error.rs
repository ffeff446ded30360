//! What can go wrong around a training run, each told in one sentence.

use crate::dataset::table::TableFault;
use dlc_runtime::RuntimeError;
use std::path::PathBuf;

/// Every failure of this crate.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message names each field")]
pub enum TrainError {
    /// A data file or folder that does not exist.
    #[error("the data {what} {} does not exist; --data PATH can name another", .path.display())]
    MissingData { what: &'static str, path: PathBuf },
    /// A file that cannot be read or written.
    #[error("{}: {cause}", .path.display())]
    File { path: PathBuf, cause: std::io::Error },
    /// A table that is not what the recipe says.
    #[error("{}: {fault}", .path.display())]
    Table { path: PathBuf, fault: TableFault },
    /// A file that does not consist of whole records.
    #[error(
        "{}: the file has {found} bytes, but {name}'s files consist of records of {record} bytes \
         (expected {expected}); is it cut short?",
        .path.display()
    )]
    Truncated { path: PathBuf, name: &'static str, record: usize, expected: usize, found: usize },
    /// A label that the source or the model does not know.
    #[error("{}: {place} has the label {label}, outside 0..{classes}", .path.display())]
    Label { path: PathBuf, place: String, label: i64, classes: usize },
    /// A file of numbers that is not what it should be.
    #[error("{}: {place}: {problem}", .path.display())]
    Format { path: PathBuf, place: String, problem: String },
    /// A picture that cannot be used.
    #[error("{}: {problem}", .path.display())]
    Image { path: PathBuf, problem: String },
    /// A folder without what it should hold.
    #[error("{}: {problem}", .path.display())]
    Folder { path: PathBuf, problem: String },
    /// Data, recipe and model do not go together.
    #[error("{0}")]
    Recipe(String),
    /// A model's input that no field of the data section feeds.
    #[error(
        "the function `{function}` needs the input `{input}`, which the data section does not give; \
         it gives: {available}"
    )]
    MissingField { function: String, input: String, available: String },
    /// Training diverged.
    #[error(
        "the {what} is {value} at step {step} of epoch {epoch}{}; training stopped, and the checkpoints \
         written before are untouched (a lower learning rate or scaled inputs may help)",
        .origin.as_ref().map(|origin| format!(": {origin}")).unwrap_or_default()
    )]
    NotFinite { what: String, value: f64, epoch: usize, step: usize, origin: Option<String> },
    /// A picture of a run that cannot be drawn.
    #[error("the picture `{name}` cannot be drawn: {problem}")]
    Picture { name: String, problem: String },
    /// A checkpoint that cannot be resumed in this way.
    #[error("{}: {problem}", .path.display())]
    Resume { path: PathBuf, problem: String },
    /// A checkpoint without what the model fits on data.
    #[error(
        "{}: the checkpoint does not hold `{state}`, which is fitted on training data; these weights were not trained \
         with this data section. Train from them (`dlc train --start {}`) and take what comes of it, or write the \
         numbers into the text: `normalize(mean, std)`",
        .path.display(), .path.display()
    )]
    Unscaled { path: PathBuf, state: String },
    /// A failure of the engine or of a checkpoint.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A failure of the engine or of a checkpoint, with the file.
    #[error("{}: {cause}", .path.display())]
    Checkpoint { path: PathBuf, cause: RuntimeError },
}
