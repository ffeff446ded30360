//! An ONNX model as one program, ahead of all inputs: for `check`, `compile`, `inspect`, `compare`, `bench`
//! and `profile`.
//!
//! All nodes are converted to one region, in which no input has a value. Large float initializers become
//! parameters, whose values stay in the file until a session takes them. A symbol that stands for the
//! leading extent of inputs, and nowhere else, is the batch; all others must be bound. No size is invented.

use super::control;
use super::convert::array_of_tensor;
use super::executor::unknown;
use super::missing::Missing;
use super::needs::needed;
use crate::{DriverError, Loaded, Result};
use dlc_ir::{Declaration, Function, Initializer, Model, Op, Parameter};
use dlc_onnx::convert::{AtHand, Hand, Region, Stop};
use dlc_onnx::{Array, Document, Extent, ValueInfo, ValueType};
use dlc_types::{Diagnostics, Dim, Shape, SourceMap, TensorType};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Initializers have values, inputs have types.
struct Declared<'a> {
    document: &'a Document,
    inputs: BTreeMap<&'a str, AtHand>,
}

impl Hand for Declared<'_> {
    fn value(&self, name: &str) -> Option<AtHand> {
        if let Some(array) = self.document.graph.initializers.get(name) {
            let dims = array.dims().iter().map(|&size| Dim::Fixed(size)).collect();
            let element = array.element();
            return Some(AtHand::Tensor { element, dims, array: Some(array.clone()), fixed: true });
        }
        self.inputs.get(name).cloned()
    }

    fn evaluate(&self, function: &Function) -> Option<Array> {
        let results = dlc_interp::evaluate(function, 1, &|_| None).ok()?;
        array_of_tensor(results.first()?).ok()
    }
}

/// Loads an ONNX model as one program. `dims` binds symbols of the inputs' extents to numbers.
///
/// # Errors
/// A file that is no sound model, an extent that nobody tells, and all that this version cannot do.
pub fn load_onnx(path: &Path, dims: &[(String, usize)]) -> Result<Loaded> {
    let document = dlc_onnx::load(path)?;
    let hand = Declared { inputs: input_types(&document, dims)?, document: &document };
    let mut region = Region::new("predict", &hand).closed();
    convert(&document, &mut region)?;
    let mut names = Vec::new();
    for output in &document.graph.outputs {
        let fault = |stop: Stop| {
            let what = format!(
                "{}: the output `{}` is of a type that no kernel computes",
                document.file, output.name
            );
            match stop {
                Stop::Invalid(what) => DriverError::User(format!("{}: {what}", document.file)),
                _ => DriverError::Unsupported(what),
            }
        };
        region.require(&output.name).map_err(fault)?;
        names.push(output.name.clone());
    }
    let (function, _) = region.finish(&names);
    let weights = weights(&document, &function);
    let model = model_of(&document, function, &hand)?;
    dlc_ir::verify::verify_model(&model).map_err(|error| DriverError::Bug(error.to_string()))?;
    Ok(Loaded {
        model,
        recipe: None,
        folder: path.parent().unwrap_or_else(|| Path::new("")).to_owned(),
        sources: SourceMap::default(),
        diagnostics: Diagnostics::default(),
        weights,
    })
}

/// All nodes that the outputs need; what is missing is told in one list.
fn convert(document: &Document, region: &mut Region<'_>) -> Result<()> {
    let mut missing = Missing::default();
    unknown(&document.graph, &mut missing);
    for position in needed(&document.graph) {
        let node = &document.graph.nodes[position];
        if control::is_control(node) {
            missing.not_done(node, "control flow in one program; `dlc run` can run it");
            continue;
        }
        match region.convert(node) {
            Ok(()) | Err(Stop::Waiting(_) | Stop::UnknownOperator) => {}
            Err(Stop::Invalid(what)) => {
                return Err(DriverError::User(format!("{}: {}: {what}", document.file, node.label())));
            }
            Err(Stop::NotDone(case)) => missing.not_done(node, &case),
            Err(Stop::Host) => missing.not_done(node, "in one program; `dlc run` can run it"),
            Err(Stop::NeedsValue(name)) => {
                missing.not_done(node, &format!("without the value of `{name}`, which only a run tells"));
            }
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(missing.error(&document.file)) }
}

fn inputs(document: &Document) -> impl Iterator<Item = &ValueInfo> {
    document.graph.inputs.iter().filter(|input| !document.graph.initializers.contains_key(&input.name))
}

/// The types of all inputs that have no initializer.
fn input_types<'a>(document: &'a Document, bound: &[(String, usize)]) -> Result<BTreeMap<&'a str, AtHand>> {
    let batch = batch_symbol(document, bound);
    let mut used = BTreeSet::new();
    let mut types = BTreeMap::new();
    for input in inputs(document) {
        let ValueType::Tensor { element: Some(element), dims: Some(dims) } = &input.ty else {
            types.insert(input.name.as_str(), AtHand::Other);
            continue;
        };
        let extent = |dim: &Extent| match dim {
            Extent::Fixed(size) => Ok(Dim::Fixed(*size)),
            Extent::Symbol(symbol) => match bound.iter().find(|(name, _)| name == symbol) {
                Some((_, size)) => Ok(Dim::Fixed(*size)),
                None if batch.as_deref() == Some(symbol) => Ok(Dim::N),
                None => Err(format!("`{symbol}` is not told: give it as `--dim {symbol}=SIZE`")),
            },
            Extent::Unknown => Err("an extent is not told, not even by a name".to_owned()),
        };
        used.extend(dims.iter().filter_map(|dim| match dim {
            Extent::Symbol(symbol) => Some(symbol.as_str()),
            _ => None,
        }));
        let dims: std::result::Result<Vec<Dim>, String> = dims.iter().map(extent).collect();
        let dims = dims.map_err(|what| {
            DriverError::User(format!("{}: the input `{}` ({}): {what}", document.file, input.name, input.ty))
        })?;
        let value = AtHand::Tensor { element: *element, dims, array: None, fixed: false };
        types.insert(input.name.as_str(), value);
    }
    match bound.iter().find(|(name, _)| !used.contains(name.as_str())) {
        Some((name, _)) => {
            Err(DriverError::User(format!("{}: no input has an extent `{name}`", document.file)))
        }
        None => Ok(types),
    }
}

/// The one symbol that leads inputs and stands nowhere else in them.
fn batch_symbol(document: &Document, bound: &[(String, usize)]) -> Option<String> {
    let (mut leading, mut inner) = (BTreeSet::new(), BTreeSet::new());
    for input in inputs(document) {
        let ValueType::Tensor { dims: Some(dims), .. } = &input.ty else { continue };
        for (axis, dim) in dims.iter().enumerate() {
            match dim {
                Extent::Symbol(symbol) if axis == 0 => leading.insert(symbol.clone()),
                Extent::Symbol(symbol) => inner.insert(symbol.clone()),
                _ => false,
            };
        }
    }
    leading.retain(|symbol| !inner.contains(symbol) && !bound.iter().any(|(name, _)| name == symbol));
    if leading.len() == 1 { leading.pop_first() } else { None }
}

/// Values of the function's parameters.
fn weights(document: &Document, function: &Function) -> BTreeMap<String, Array> {
    let parameters = function.nodes.values().filter_map(|node| match &node.op {
        Op::Parameter { name } => Some((name.clone(), document.graph.initializers.get(name)?.clone())),
        _ => None,
    });
    parameters.collect()
}

/// Inputs that no node reads belong to the signature, too.
fn model_of(document: &Document, function: Function, hand: &Declared<'_>) -> Result<Model> {
    let mut declared = Vec::new();
    for input in inputs(document) {
        let Some(AtHand::Tensor { element, dims, .. }) = hand.value(&input.name) else { continue };
        let Some(dtype) = element.dtype() else { continue };
        declared.push(Declaration { name: input.name.clone(), ty: TensorType::new(dtype, Shape(dims)) });
    }
    let parameters = function.nodes.values().filter_map(|node| match &node.op {
        Op::Parameter { name } => Some(Parameter {
            name: name.clone(),
            ty: node.ty.tensor()?.clone(),
            initializer: Initializer::Constant(0.0),
            trainable: true,
            span: None,
        }),
        _ => None,
    });
    let name = if document.graph.name.is_empty() { "model" } else { &document.graph.name };
    Ok(Model {
        name: name.to_owned(),
        inputs: declared,
        targets: Vec::new(),
        parameters: parameters.collect(),
        states: Vec::new(),
        predict: function,
        evaluate: None,
        forward: None,
        training: None,
    })
}
