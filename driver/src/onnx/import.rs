//! ONNX files as models of the language: what `model m = onnx("file.onnx")` asks for.

use super::missing::Missing;
use super::{control, feed, hand, host, is_onnx};
use crate::DriverError;
use dlc_dsl::{ImportedNetwork, Importer, NetworkRequest};
use dlc_ir::{Function, Initializer, Model};
use dlc_onnx::convert::Stop;
use dlc_onnx::{Array, Calculus, Document, Extent, NetworkError, NetworkOptions, ValueInfo, ValueType, uses};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What settings that give inputs ahead begin with.
const BIND: &str = "bind.";

/// Why a node of the host's is in the way.
const HOSTED: &str = "it is done by the host, in `dlc run` alone";

/// Elements that a value may have.
const MOST_ELEMENTS: usize = 1 << 40;

/// A file with the values of its inputs that are given ahead.
#[derive(Debug)]
struct Imported {
    document: Document,
    bound: BTreeMap<String, Array>,
}

/// Reads files and keeps them, so that each is decoded once and weights can be had afterwards.
#[derive(Debug, Default)]
pub(crate) struct OnnxImporter {
    files: RefCell<BTreeMap<PathBuf, Rc<Imported>>>,
    /// Inputs that are given ahead, with the files of their values.
    binds: Vec<(String, PathBuf)>,
    fault: RefCell<Option<DriverError>>,
    /// The file as the user named it, if it is what is loaded and no text imports it.
    named: Option<PathBuf>,
}

impl OnnxImporter {
    /// For a file that is loaded: an ONNX file, or a text that may import some. Of the settings it takes those
    /// that give inputs ahead, `bind.NAME=FILE`.
    pub(crate) fn of(path: &Path, settings: &[(String, String)]) -> OnnxImporter {
        let binds = settings
            .iter()
            .filter_map(|(key, file)| Some((key.strip_prefix(BIND)?.to_owned(), PathBuf::from(file))));
        let named = is_onnx(path).then(|| path.to_owned());
        OnnxImporter { named, binds: binds.collect(), ..OnnxImporter::default() }
    }

    /// Settings that are not its own.
    pub(crate) fn others(settings: &[(String, String)]) -> Vec<(String, String)> {
        settings.iter().filter(|(key, _)| !key.starts_with(BIND)).cloned().collect()
    }

    /// Files that were read.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.files.borrow().keys().cloned().collect()
    }

    /// That every value that is given ahead has an input, once all files are read.
    pub(crate) fn check_binds(&self) -> Result<(), DriverError> {
        let files = self.files.borrow();
        let lost = self
            .binds
            .iter()
            .find(|(name, _)| !files.values().any(|imported| imported.bound.contains_key(name.as_str())));
        match (lost, files.values().next()) {
            (None, _) => Ok(()),
            (Some((name, _)), Some(imported)) => Err(feed::stranger(&imported.document, name)),
            (Some((name, _)), None) => Err(DriverError::User(format!(
                "`--bind {name}` is for the inputs of ONNX files, and there is none here"
            ))),
        }
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
        let given = |name: &String| {
            graph.initializers.contains_key(name) || self.binds.iter().any(|(bound, _)| bound == name)
        };
        let fed: Vec<&ValueInfo> = graph.inputs.iter().filter(|input| !given(&input.name)).collect();
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
        let files = self.files.borrow();
        let find = |name: &String| {
            files.values().find_map(|imported| imported.document.graph.initializers.get(name).cloned())
        };
        names.filter_map(|(name, _)| Some((name.clone(), find(name)?))).collect()
    }

    fn file(&self, path: &Path) -> Result<Rc<Imported>, DriverError> {
        if let Some(known) = self.files.borrow().get(path) {
            return Ok(Rc::clone(known));
        }
        let document = dlc_onnx::load(self.named.as_deref().unwrap_or(path))?;
        let has = |name: &str| document.graph.inputs.iter().any(|input| input.name == name);
        if let Some((name, _)) = self.binds.iter().find(|(name, _)| self.named.is_some() && !has(name)) {
            return Err(feed::stranger(&document, name));
        }
        let bound = feed::bound(&document, &self.binds)?;
        let imported = Rc::new(Imported { document, bound });
        self.files.borrow_mut().insert(path.to_owned(), Rc::clone(&imported));
        Ok(imported)
    }

    fn network(&self, request: NetworkRequest<'_>) -> Result<ImportedNetwork, DriverError> {
        let imported = self.file(request.path)?;
        let document = &imported.document;
        let dims = request.dims.iter();
        let options = NetworkOptions {
            dims: dims
                .filter_map(|(name, &size)| Some((name.clone(), usize::try_from(size).ok()?)))
                .collect(),
            bound: imported.bound.clone(),
            training: request.training,
            layers: request.layers.to_vec(),
        };
        let network = dlc_onnx::network(document, &options, &Ahead);
        let network = network.map_err(|error| failure(document, error))?;
        check_sizes(document, &network.function)?;
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

/// The oracle and autodiff for what is converted ahead.
struct Ahead;

impl Calculus for Ahead {
    fn evaluate(&self, function: &Function, batch: usize) -> Option<Array> {
        hand::evaluate(function, batch)
    }

    fn differentiate(&self, function: &Function, parameters: &[String]) -> Result<Function, String> {
        hand::differentiate(function, parameters)
    }
}

/// That a value is known in a run alone, and which inputs would tell it if they were given ahead.
fn unknown_value(document: &Document, name: &str) -> String {
    let graph = &document.graph;
    let sources = uses::inputs_of(graph, name);
    let tells = |input: &&ValueInfo| {
        // What is computed from samples is not known ahead, and samples are floats.
        let is_number = match &input.ty {
            ValueType::Tensor { element: Some(element), .. } => {
                element.dtype().is_some_and(|dtype| !dtype.is_float())
            }
            _ => false,
        };
        input.name == name || (is_number && sources.contains(input.name.as_str()))
    };
    let fed = graph.inputs.iter().filter(|input| !graph.initializers.contains_key(&input.name));
    let binds: Vec<String> = fed.filter(tells).map(|input| format!("--bind {}=@FILE", input.name)).collect();
    let way = match binds.as_slice() {
        [] => "see `dlc run`".to_owned(),
        _ => format!("give it ahead as `{}`, or see `dlc run`", binds.join(" ")),
    };
    format!("depends on the value of `{name}`, which is known only in a run ({way})")
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
            Stop::NeedsValue(name) => missing.not_done(node, &unknown_value(document, &name)),
            Stop::Waiting(_) => {}
            Stop::Host => missing.not_done(node, HOSTED),
        }
    }
    missing.listed(&format!("{} cannot be compiled as a whole:", document.file))
}
