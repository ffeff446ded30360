//! ONNX models: run stage by stage.
//!
//! A model is one graph that a program could be compiled of, or it is not: shapes may depend on data, values
//! may be strings or sequences, branches may depend on results. `executor` therefore goes in stages: it
//! converts all nodes that can be converted to one region, compiles and runs it (`region`), lets the host do
//! what no kernel should compute (`host`) and control flow (`control`), and goes on with what is known now.
//! Most models are one region. What a stage knows of values outside of its region is told by `hand`; what is
//! fed is checked by `feed`; `files` reads and writes.

mod control;
mod convert;
mod executor;
mod feed;
mod files;
mod hand;
mod host;
mod import;
mod missing;
mod region;
mod scope;
mod sections;
mod value;

pub(crate) use convert::{array_of_host, host_of_array};
pub(crate) use import::OnnxImporter;
pub(crate) use sections::load_with_note;
pub use sections::{OnnxTraining, load_for_training};

use crate::{Result, RunSettings};
use executor::Executor;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::path::{Path, PathBuf};
use value::Value;

/// Whether the path is that of an ONNX file.
pub fn is_onnx(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"))
}

/// What came out of a model.
#[derive(Clone, Debug)]
pub struct OnnxRunReport {
    outputs: Vec<(String, Value)>,
    /// The files that were written.
    pub files: Vec<PathBuf>,
}

impl OnnxRunReport {
    /// The outputs in order: name, type, and the numbers of those that have numbers.
    pub fn outputs(&self) -> impl Iterator<Item = (&str, String, Option<Vec<f64>>)> {
        self.outputs.iter().map(|(name, value)| (name.as_str(), value.type_text(), value.numbers()))
    }
}

/// `{"outputs":{"y":{"type":"f32[2]","values":[…]}},"files":[…]}`
impl Serialize for OnnxRunReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let outputs: serde_json::Map<String, serde_json::Value> = self
            .outputs()
            .map(|(name, ty, values)| (name.to_owned(), serde_json::json!({ "type": ty, "values": values })))
            .collect();
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("outputs", &outputs)?;
        map.serialize_entry("files", &self.files)?;
        map.end()
    }
}

/// Runs an ONNX model once on the inputs. Seed and checkpoint of the settings are not used: the file holds
/// the weights.
pub fn run_onnx(path: &Path, settings: &RunSettings) -> Result<OnnxRunReport> {
    let document = dlc_onnx::load(path)?;
    let fed = feed::fed(&document, &settings.inputs)?;
    let executor = Executor::new(&document, settings);
    executor.check_operators()?;
    let outputs = executor.run(fed)?;
    let kind = files::Kind::of_inputs(&settings.inputs);
    let mut report = OnnxRunReport { outputs, files: Vec::new() };
    if let Some(folder) = &settings.output_dir {
        report.files = files::write(folder, &report.outputs, kind)?;
    }
    Ok(report)
}

/// An operator that can be compiled, or that the host does.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct OperatorRow {
    /// Its domain; `ai.onnx` for ONNX's own.
    pub domain: String,
    /// Its name.
    pub name: String,
    /// The first opset that had it.
    pub since: i64,
    /// The family it belongs to.
    pub family: String,
}

/// All operators that are known, by domain and name.
pub fn operators() -> Vec<OperatorRow> {
    let converted = dlc_onnx::convert::operators().values().map(|(family, operator)| OperatorRow {
        domain: if operator.domain.is_empty() { "ai.onnx" } else { operator.domain }.to_owned(),
        name: operator.name.to_owned(),
        since: operator.since,
        family: (*family).to_owned(),
    });
    let control = control::OPERATORS.iter().map(|&(name, since)| OperatorRow {
        domain: "ai.onnx".to_owned(),
        name: name.to_owned(),
        since,
        family: "control flow".to_owned(),
    });
    let host = dlc_host::operators().map(|operator| OperatorRow {
        domain: if operator.domain.is_empty() { "ai.onnx" } else { operator.domain }.to_owned(),
        name: operator.name.to_owned(),
        since: operator.since,
        family: "host".to_owned(),
    });
    let mut rows: Vec<OperatorRow> = converted.chain(control).chain(host).collect();
    // Stable: an operator that is both compiled and the host's is told as compiled.
    rows.sort_by(|a, b| (&a.domain, &a.name).cmp(&(&b.domain, &b.name)));
    rows.dedup_by(|later, first| later.domain == first.domain && later.name == first.name);
    rows
}
