//! ONNX files as models of the language: what `model m = onnx("file.onnx")` asks for.

use super::convert::array_of_tensor;
use super::missing::Missing;
use super::{control, host, is_onnx};
use crate::DriverError;
use dlc_dsl::{ImportedNetwork, Importer, NetworkRequest};
use dlc_ir::{Function, Initializer, Model};
use dlc_onnx::convert::Stop;
use dlc_onnx::{Array, Document, Extent, NetworkError, NetworkOptions, ValueInfo, ValueType};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Why a node of the host's is in the way.
const HOSTED: &str = "it is done by the host, in `dlc run` alone";

/// Elements that a value may have.
const MOST_ELEMENTS: usize = 1 << 40;

/// Reads files and keeps them, so that each is decoded once and weights can be had afterwards.
#[derive(Debug, Default)]
pub(crate) struct OnnxImporter {
    documents: RefCell<BTreeMap<PathBuf, Rc<Document>>>,
    fault: RefCell<Option<DriverError>>,
    /// The file as the user named it, if it is what is loaded and no text imports it.
    named: Option<PathBuf>,
}

impl OnnxImporter {
    /// For a file that is loaded: an ONNX file, or a text that may import some.
    pub(crate) fn of(path: &Path) -> OnnxImporter {
        OnnxImporter { named: is_onnx(path).then(|| path.to_owned()), ..OnnxImporter::default() }
    }

    /// Why the last import failed, where no diagnostic in the user's text tells it well.
    pub(crate) fn failure(&self) -> Option<DriverError> {
        let plain = self.named.is_some();
        self.fault.borrow_mut().take().filter(|error| plain || error.exit_code() == 4)
    }

    /// That the file can be trained as flags tell: one input with a free batch, one output.
    ///
    /// # Errors
    /// What is in the way, and how the model is exported without it.
    pub(crate) fn check_trainable(
        &self,
        path: &Path,
        settings: &[(String, String)],
    ) -> Result<(), DriverError> {
        let document = dlc_onnx::load(path)?;
        let graph = &document.graph;
        let fed: Vec<&ValueInfo> =
            graph.inputs.iter().filter(|input| !graph.initializers.contains_key(&input.name)).collect();
        let fault = |what: String| Err(DriverError::User(format!("{}: {what}", document.file)));
        for (kind, infos) in [("inputs", &fed), ("outputs", &graph.outputs.iter().collect())] {
            if infos.len() != 1 {
                let names: Vec<&str> = infos.iter().map(|info| info.name.as_str()).collect();
                return fault(format!(
                    "it has {} {kind} ({}), and flags can tell the training of one input and one output: write a \
                     model file with `model m(…) -> (…) = onnx(\"…\")` and a `train` section",
                    infos.len(),
                    names.join(", ")
                ));
            }
        }
        let (input, output) = (&fed[0].name, &graph.outputs[0].name);
        match &fed[0].ty {
            ValueType::Tensor { dims: Some(dims), .. } => match dims.first() {
                Some(Extent::Fixed(size)) => fault(format!(
                    "the batch of its input `{input}` is fixed to {size}, and training needs one that is free: export the \
                     model with a dynamic first axis (in PyTorch `torch.onnx.export(…, \
                     dynamic_axes={{\"{input}\": {{0: \"batch\"}}, \"{output}\": {{0: \"batch\"}}}})`)"
                )),
                Some(Extent::Symbol(symbol))
                    if settings.iter().any(|(key, _)| *key == format!("dim.{symbol}")) =>
                {
                    fault(format!(
                        "`{symbol}` is the batch of its input `{input}`, which training needs to be free: leave `--dim {symbol}=…` out"
                    ))
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
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
        let document = Rc::new(dlc_onnx::load(self.named.as_deref().unwrap_or(path))?);
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
        check_sizes(&document, &network.function)?;
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

/// That no node gives more than memory could hold.
fn check_sizes(document: &Document, function: &Function) -> Result<(), DriverError> {
    for node in function.nodes.values() {
        let Some(ty) = node.ty.tensor() else { continue };
        let elements = ty.shape.at(1).iter().fold(1_usize, |product, &size| product.saturating_mul(size));
        if elements > MOST_ELEMENTS {
            let (file, path) = (&document.file, &node.origin.path);
            return Err(DriverError::User(format!("{file}: node `{path}`: its value is {ty}, too large")));
        }
    }
    Ok(())
}

/// The only output of a function without inputs.
fn oracle(function: &Function, batch: usize) -> Option<Array> {
    let results = dlc_interp::evaluate(function, batch, &|_| None).ok()?;
    array_of_tensor(results.first()?).ok()
}

fn failure(document: &Document, error: NetworkError<'_>) -> DriverError {
    let stopped = match error {
        NetworkError::Invalid(lines) => return DriverError::User(lines.join("\n")),
        NetworkError::NotCompiled(lines) => return DriverError::Unsupported(lines.join("\n")),
        NetworkError::Stopped(stopped) => stopped,
    };
    let mut missing = Missing::default();
    for (node, stop) in stopped {
        match stop {
            Stop::Invalid(what) => {
                return DriverError::User(format!("{}: {}: {what}", document.file, node.label()));
            }
            Stop::UnknownOperator if control::is_control(node) => {
                missing.not_done(node, "control flow, which `dlc run` alone can follow");
            }
            Stop::UnknownOperator if host::knows(node) => missing.not_done(node, HOSTED),
            Stop::UnknownOperator => missing.unknown(node),
            Stop::NotDone(what) => missing.not_done(node, &what),
            Stop::NeedsValue(name) => {
                let what =
                    format!("depends on the value of `{name}`, which is known only in a run (see `dlc run`)");
                missing.not_done(node, &what);
            }
            Stop::Waiting(_) => {}
            Stop::Host => missing.not_done(node, HOSTED),
        }
    }
    missing.listed(&format!("{} cannot be compiled as a whole:", document.file))
}
