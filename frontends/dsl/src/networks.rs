//! Models that come from files of other formats: `model m = onnx("file.onnx")`.
//!
//! This crate does not read such files. Whoever loads a text hands over an [`Importer`]; it is asked once for
//! inference and, where the text trains, once for training, before the sections are joined.

use crate::ast::{File, NetworkSource};
use crate::codes;
use crate::imports;
use dlc_ir::{Declaration, Function, NodeId};
use dlc_types::{Diagnostic, Diagnostics};
use std::collections::BTreeMap;
use std::path::Path;

/// A network as an importer hands it over.
#[derive(Clone, Debug)]
pub struct ImportedNetwork {
    /// The function: outputs in order, then the next values of states.
    pub function: Function,
    /// Its inputs in order.
    pub inputs: Vec<Declaration>,
    /// What the layers that were asked for read and give.
    pub layers: BTreeMap<String, (NodeId, NodeId)>,
}

/// What is asked of an importer.
#[derive(Clone, Copy, Debug)]
pub struct NetworkRequest<'a> {
    /// The file.
    pub path: &'a Path,
    /// Sizes of symbolic extents.
    pub dims: &'a BTreeMap<String, i64>,
    /// Whether the function is for training: batch statistics, and next values of states.
    pub training: bool,
    /// Layers whose place is asked for, by path.
    pub layers: &'a [String],
}

/// Reads files of other formats.
pub trait Importer {
    /// The network in a file.
    ///
    /// # Errors
    /// What is wrong with the file, or not supported, in words.
    fn import(&self, request: NetworkRequest<'_>) -> Result<ImportedNetwork, String>;
}

/// The two forms of a network.
#[derive(Clone, Debug)]
pub(crate) struct Forms {
    pub(crate) inference: ImportedNetwork,
    /// Only where the text trains.
    pub(crate) training: Option<ImportedNetwork>,
}

/// The networks of all models that come from files, by path as it is written.
pub(crate) fn import_all(
    file: &File,
    folder: Option<&Path>,
    importer: Option<&dyn Importer>,
    dims: &BTreeMap<String, i64>,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<String, Forms> {
    let mut networks = BTreeMap::new();
    for source in file.models.iter().filter_map(|model| model.network.as_ref()) {
        match forms(source, !file.train.is_empty(), folder, importer, dims) {
            Ok(forms) => {
                networks.insert(source.path.clone(), forms);
            }
            Err((code, reason)) => {
                let message = format!("\"{}\" cannot be imported: {reason}", source.path);
                diagnostics.push(Diagnostic::error(code, message).at(source.span, "this file"));
            }
        }
    }
    networks
}

fn forms(
    source: &NetworkSource,
    trains: bool,
    folder: Option<&Path>,
    importer: Option<&dyn Importer>,
    dims: &BTreeMap<String, i64>,
) -> Result<Forms, (&'static str, String)> {
    let importer = importer.ok_or((codes::IMPORT, "files of other formats are not read here".to_owned()))?;
    let path = imports::locate(&source.path, folder)?;
    let layers: Vec<String> = source.replaced.iter().map(|(layer, _)| layer.text.clone()).collect();
    let import = |training| {
        let request = NetworkRequest { path: &path, dims, training, layers: &layers };
        importer.import(request).map_err(|reason| (codes::IMPORT, reason))
    };
    Ok(Forms { inference: import(false)?, training: if trains { Some(import(true)?) } else { None } })
}
