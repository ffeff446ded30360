//! Weights that a run begins with: a safetensors file of dlc, of PyTorch, or of another system with names to be told.
//!
//! Nothing is taken by chance. Every value of the model either begins with exactly one tensor of the file, or begins
//! anew because `skip` says so; anything else is an error, and all of them are told at once. Tensors of the file that
//! nothing begins with are a warning. Only parameters and the states of layers are taken: optimiser, counters and
//! everything that the data teaches belong to a run, and this one is another.

mod conventions;
mod layout;
mod matching;
mod places;
mod report;

pub use report::{StartReport, Taken};

use crate::{DriverError, Loaded, Result};
use dlc_ir::Model;
use dlc_ir::training::AVERAGE;
use dlc_recipe::{SCALING, Start};
use dlc_runtime::{Checkpoint, HostTensor};
use dlc_trainer::InitialTensors;
use dlc_types::{Diagnostic, Diagnostics};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Code of weights that do not fit the model.
const MISFIT: &str = "DLC0504";
/// Code of files that are not there.
const MISSING: &str = "DLC0503";
/// Faults that are told before the rest is counted.
const NAMED: usize = 12;

/// The values that a run begins with.
#[derive(Clone, Debug)]
pub(crate) struct Started {
    tensors: Arc<BTreeMap<String, HostTensor>>,
    pub(crate) report: StartReport,
}

impl Started {
    /// The first value of a parameter or state; that of an average is the value itself.
    pub(crate) fn tensor(&self, name: &str) -> Option<&HostTensor> {
        let averaged = || self.tensors.get(name.strip_suffix(AVERAGE)?.strip_suffix('.')?);
        self.tensors.get(name).or_else(averaged)
    }
}

/// Reads the file and gives every value of the model its tensor.
fn begin(model: &Model, start: &Start, folder: &Path) -> std::result::Result<Started, Diagnostic> {
    let path = folder.join(&start.path);
    let file = path.display().to_string();
    let at = |diagnostic: Diagnostic| match start.span {
        Some(span) => diagnostic.at(span, "to begin with"),
        None => diagnostic,
    };
    let checkpoint = read(&path).map_err(|(problem, help)| {
        let fault = at(Diagnostic::error(MISFIT, format!("the weights {file} cannot be read: {problem}")));
        Diagnostic { help, ..fault }
    })?;
    matched(model, start, checkpoint, file).map_err(at)
}

/// Whether a file of these bytes fits a model, by names, shapes and layouts: what would become of its tensors.
///
/// # Errors
/// What `dlc train` would tell of the file, without a place.
pub fn fit_weights(
    model: &Model,
    start: &Start,
    bytes: &[u8],
) -> std::result::Result<StartReport, Diagnostic> {
    let (file, read) = (start.path.clone(), tensors(bytes));
    let checkpoint = read.map_err(|(problem, help)| Diagnostic {
        help,
        ..Diagnostic::error(MISFIT, format!("the weights {file} cannot be read: {problem}"))
    })?;
    matched(model, start, checkpoint, file).map(|started| started.report)
}

/// Gives every value of the model its tensor of a file of that name.
fn matched(
    model: &Model,
    start: &Start,
    checkpoint: Checkpoint,
    file: String,
) -> std::result::Result<Started, Diagnostic> {
    let found = matching::matched(model, start, checkpoint);
    if found.faults.is_empty() {
        let report = StartReport {
            file,
            taken: found.tensors.len(),
            fresh: found.fresh,
            unused: found.unused,
            values: found.taken,
        };
        return Ok(Started { tensors: Arc::new(found.tensors), report });
    }
    let mut fault =
        Diagnostic::error(MISFIT, format!("the weights {file} do not fit the model `{}`", model.name));
    let rest = found.faults.len().saturating_sub(NAMED);
    fault.notes = found.faults.into_iter().take(NAMED).collect();
    if rest > 0 {
        fault.notes.push(format!("and {rest} more like these"));
    }
    Err(fault.help(
        "`names = [\"FILE'S -> MODEL'S\"]` renames tensors of the file, `skip = [\"PATH\"]` lets values of the \
         model begin anew",
    ))
}

/// The file's tensors, or why there are none and what to do.
fn read(path: &Path) -> std::result::Result<Checkpoint, (String, Option<String>)> {
    tensors(&std::fs::read(path).map_err(|cause| (cause.to_string(), None))?)
}

/// The tensors of a file of these bytes.
fn tensors(bytes: &[u8]) -> std::result::Result<Checkpoint, (String, Option<String>)> {
    // A ZIP archive, or a pickle of protocol 2.
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\x80\x02") {
        let help =
            "write one with `safetensors.torch.save_file(model.state_dict(), \"weights.safetensors\")`";
        return Err(("this is PyTorch's own format, not safetensors".to_owned(), Some(help.to_owned())));
    }
    let checkpoint = Checkpoint::from_bytes(bytes).map_err(|cause| (cause.to_string(), None))?;
    if checkpoint.tensors.is_empty() {
        return Err(("the file holds no tensor".to_owned(), None));
    }
    Ok(checkpoint)
}

/// What `dlc check` says of a file's start: a file that is not there is a warning.
pub(crate) fn check(model: &Model, start: &Start, folder: &Path) -> Option<Diagnostic> {
    let at = |diagnostic: Diagnostic| match start.span {
        Some(span) => diagnostic.at(span, "named here"),
        None => diagnostic,
    };
    let path = folder.join(&start.path);
    if !path.exists() {
        let message = format!("the weights {} do not exist", path.display());
        return Some(
            at(Diagnostic::warning(MISSING, message))
                .note("a run that begins anew reads them; all others do not")
                .help("put them there, or name another file with `dlc train --start FILE`"),
        );
    }
    match begin(model, start, folder) {
        Ok(started) => started.report.warning().map(|text| at(Diagnostic::warning(MISFIT, text))),
        Err(fault) => Some(fault),
    }
}

impl Loaded {
    /// The weights that a run begins with, if the text or a flag names some.
    pub(crate) fn started(&self) -> Result<Option<Started>> {
        let Some(start) = &self.start else { return Ok(None) };
        match begin(&self.model, start, &self.folder) {
            Ok(started) => Ok(Some(started)),
            Err(fault) => {
                let diagnostics = Diagnostics { all: vec![fault] };
                Err(DriverError::Invalid { sources: Box::new(self.sources.clone()), diagnostics })
            }
        }
    }

    /// The tensors of a checkpoint of another system by the model's names, told by the rules of the file's own `start`;
    /// `None` where the file has the model's names, or is one of dlc.
    ///
    /// # Errors
    /// A file of other names that the rules do not make the model's.
    pub(crate) fn renamed(&self, path: &Path) -> Result<Option<Arc<Checkpoint>>> {
        // A file that cannot be read is told by whoever restores it.
        let Ok(checkpoint) = Checkpoint::read(path) else { return Ok(None) };
        let of_dlc = checkpoint.tensors.keys().any(|name| conventions::is_of_run(name));
        let known = |name: &String| checkpoint.tensors.contains_key(name);
        if of_dlc || self.model.parameters.iter().all(|parameter| known(&parameter.name)) {
            return Ok(None);
        }
        let own = self.start.clone().unwrap_or_default();
        let start = Start { path: path.display().to_string(), skip: Vec::new(), span: None, ..own };
        let names: Vec<String> = checkpoint.tensors.keys().take(3).map(|name| format!("`{name}`")).collect();
        match matched(&self.model, &start, checkpoint, start.path.clone()) {
            Ok(started) => {
                let mut tensors = started.tensors.as_ref().clone();
                // Averages are the values themselves.
                let averages =
                    tensors.iter().map(|(name, tensor)| (format!("{name}.{AVERAGE}"), tensor.clone()));
                tensors.extend(averages.collect::<Vec<_>>());
                Ok(Some(Arc::new(Checkpoint { tensors, ..Checkpoint::default() })))
            }
            Err(fault) => Err(DriverError::User(format!(
                "{}: its tensors have other names than the model's ({}, …){}: say which is which in the model's `train` \
                 section, `start = checkpoint(\"…\", names = [\"FILE'S -> MODEL'S\"])`, and this command takes the file by it",
                start.path,
                names.join(", "),
                fault.notes.first().map(|note| format!("; {note}")).unwrap_or_default()
            ))),
        }
    }

    /// The same for a use without training, which nothing would teach the scaling of the data.
    pub(crate) fn started_untaught(&self) -> Result<Option<Started>> {
        let fitted = self.model.states.iter().find(|state| state.name.starts_with(SCALING));
        match (&self.start, fitted) {
            (Some(start), Some(state)) => Err(DriverError::User(format!(
                "{}: the model's `{}` is fitted on training data, and weights to start from do not hold it; train, and \
                 give what comes of it as `--checkpoint`, or write the numbers into the text: `normalize(mean, std)`",
                start.path, state.name
            ))),
            _ => self.started(),
        }
    }

    /// First values behind those of a seed: what came with the model, and in its place what a run starts from.
    pub(crate) fn initial(&self, started: Option<&Started>) -> InitialTensors {
        let Some(started) = started.cloned() else { return self.weights.initial() };
        let came = self.weights.initial();
        InitialTensors(Arc::new(move |name| match started.tensor(name) {
            Some(tensor) => Ok(Some(tensor.clone())),
            None => (came.0)(name),
        }))
    }
}
