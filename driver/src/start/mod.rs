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

use crate::{DriverError, Loaded, Result};
use dlc_ir::Model;
use dlc_ir::training::AVERAGE;
use dlc_recipe::{SCALING, Start};
use dlc_runtime::{Checkpoint, HostTensor};
use dlc_trainer::InitialTensors;
use dlc_types::{Diagnostic, Diagnostics};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Code of weights that do not fit the model.
const MISFIT: &str = "DLC0504";
/// Code of files that are not there.
const MISSING: &str = "DLC0503";
/// Faults, or names, that are told before the rest is counted.
const NAMED: usize = 12;

/// What became of a file of weights.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StartReport {
    /// The file.
    pub file: String,
    /// How many values of the model begin with a tensor of it.
    pub taken: usize,
    /// Values of the model that begin anew, as `skip` says.
    pub fresh: Vec<String>,
    /// Tensors of the file that nothing begins with.
    pub unused: Vec<String>,
}

impl StartReport {
    /// What the user is told: first what happened, then what may be a mistake.
    pub fn lines(&self) -> Vec<String> {
        let all = self.taken + self.fresh.len();
        let mut text = format!("{} of {all} values begin with {}", self.taken, self.file);
        if !self.fresh.is_empty() {
            text.push_str(&format!("; anew begin {}", listed(&self.fresh)));
        }
        let mut lines = vec![text];
        lines.extend(self.warning().map(|warning| format!("warning: {warning}")));
        lines
    }

    fn warning(&self) -> Option<String> {
        let number = self.unused.len();
        let (are, them) =
            if number == 1 { ("tensor", "begins with it") } else { ("tensors", "begins with them") };
        (number > 0)
            .then(|| format!("{number} {are} of {}: nothing {them}: {}", self.file, listed(&self.unused)))
    }
}

/// Names in a message.
fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
    let rest = names.len() - shown.len();
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

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
    let found = matching::matched(model, start, checkpoint);
    if found.faults.is_empty() {
        let report =
            StartReport { file, taken: found.tensors.len(), fresh: found.fresh, unused: found.unused };
        return Ok(Started { tensors: Arc::new(found.tensors), report });
    }
    let mut fault =
        at(Diagnostic::error(MISFIT, format!("the weights {file} do not fit the model `{}`", model.name)));
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
    let bytes = std::fs::read(path).map_err(|cause| (cause.to_string(), None))?;
    // A ZIP archive, or a pickle of protocol 2.
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\x80\x02") {
        let help =
            "write one with `safetensors.torch.save_file(model.state_dict(), \"weights.safetensors\")`";
        return Err(("this is PyTorch's own format, not safetensors".to_owned(), Some(help.to_owned())));
    }
    let checkpoint = Checkpoint::from_bytes(&bytes).map_err(|cause| (cause.to_string(), None))?;
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
