//! ONNX files as models of the language: what `model m = onnx("file.onnx")` asks for.

use super::convert::array_of_tensor;
use super::missing::Missing;
use crate::DriverError;
use dlc_dsl::{ImportedNetwork, Importer, NetworkRequest};
use dlc_ir::{Function, Initializer, Model};
use dlc_onnx::convert::Stop;
use dlc_onnx::{Array, Document, NetworkError, NetworkOptions};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Reads files and keeps them, so that each is decoded once and weights can be had afterwards.
#[derive(Debug, Default)]
pub(crate) struct OnnxImporter {
    documents: RefCell<BTreeMap<PathBuf, Rc<Document>>>,
    fault: RefCell<Option<DriverError>>,
}

impl OnnxImporter {
    /// Why the last import failed, where that is more than the user's mistake.
    pub(crate) fn unsupported(&self) -> Option<DriverError> {
        self.fault.borrow_mut().take().filter(|error| error.exit_code() == 4)
    }

    /// The values that came with the model's parameters and states.
    pub(crate) fn weights(&self, model: &Model) -> BTreeMap<String, Array> {
        let given = |initializer: &Initializer| matches!(initializer, Initializer::Given);
        let parameters = model.parameters.iter().map(|one| (&one.name, &one.initializer));
        let states = model.states.iter().map(|one| (&one.name, &one.initializer));
        let names = parameters.chain(states).filter(|(_, initializer)| given(initializer));
        let documents = self.documents.borrow();
        let find = |name: &String| {
            documents.values().find_map(|document| document.graph.initializers.get(name).cloned())
        };
        names.filter_map(|(name, _)| Some((name.clone(), find(name)?))).collect()
    }

    fn document(&self, path: &Path) -> Result<Rc<Document>, DriverError> {
        if let Some(known) = self.documents.borrow().get(path) {
            return Ok(Rc::clone(known));
        }
        let document = Rc::new(dlc_onnx::load(path)?);
        self.documents.borrow_mut().insert(path.to_owned(), Rc::clone(&document));
        Ok(document)
    }

    fn network(&self, request: NetworkRequest<'_>) -> Result<ImportedNetwork, DriverError> {
        let document = self.document(request.path)?;
        let dims = request.dims.iter();
        let options = NetworkOptions {
            dims: dims
                .filter_map(|(name, &size)| Some((name.clone(), usize::try_from(size).ok()?)))
                .collect(),
            training: request.training,
            layers: request.layers.to_vec(),
        };
        let network = dlc_onnx::network(&document, &options, &oracle);
        let network = network.map_err(|error| failure(&document, error))?;
        let layers = network.layers.into_iter().map(|(name, layer)| (name, (layer.input, layer.output)));
        Ok(ImportedNetwork { function: network.function, inputs: network.inputs, layers: layers.collect() })
    }
}

impl Importer for OnnxImporter {
    fn import(&self, request: NetworkRequest<'_>) -> Result<ImportedNetwork, String> {
        self.network(request).map_err(|error| {
            let text = error.to_string();
            *self.fault.borrow_mut() = Some(error);
            text
        })
    }
}

/// The only output of a function without inputs.
fn oracle(function: &Function, batch: usize) -> Option<Array> {
    let results = dlc_interp::evaluate(function, batch, &|_| None).ok()?;
    array_of_tensor(results.first()?).ok()
}

fn failure(document: &Document, error: NetworkError<'_>) -> DriverError {
    let stopped = match error {
        NetworkError::Invalid(lines) => return DriverError::User(lines.join("\n")),
        NetworkError::Stopped(stopped) => stopped,
    };
    let mut missing = Missing::default();
    for (node, stop) in stopped {
        match stop {
            Stop::Invalid(what) => {
                return DriverError::User(format!("{}: {}: {what}", document.file, node.label()));
            }
            Stop::UnknownOperator => missing.unknown(node),
            Stop::NotDone(what) => missing.not_done(node, &what),
            Stop::NeedsValue(name) => {
                let what =
                    format!("depends on the value of `{name}`, which is known only in a run (see `dlc run`)");
                missing.not_done(node, &what);
            }
            Stop::Waiting(_) => {}
            Stop::Host => missing.not_done(node, "is done by the host, in `dlc run` alone"),
        }
    }
    missing.error(&document.file)
}
