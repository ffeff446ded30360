//! A whole model as graph functions, for what is compiled ahead or trained.
//!
//! All nodes become one function, in which no input has a value: shapes may depend on initializers and on
//! declared extents, and on nothing that is fed. Float initializers of more than one element are parameters,
//! the running statistics of batch-norm are states; both keep their names, and their values stay in the file.
//! One symbolic extent is the batch; all others are bound before, and no size is invented.
//!
//! What stops a node is told for all nodes at once; control flow and the host's operators do stop one.

use crate::convert::{AtHand, Hand, LeafKind, Purpose, Region, Stop, find};
use crate::{Array, Document, Extent, Node, ValueInfo, ValueType};
use dlc_ir::{Declaration, Function, NodeId};
use dlc_types::{Dim, Shape, TensorType};
use std::collections::{BTreeMap, BTreeSet};

/// How a model is converted.
#[derive(Clone, Debug, Default)]
pub struct NetworkOptions {
    /// Sizes of symbolic extents; `INPUT.AXIS` names one that has no name.
    pub dims: BTreeMap<String, usize>,
    /// Whether batch-norm takes the statistics of the batch.
    pub training: bool,
    /// Layers whose input and output are asked for: common prefixes of initializers' names, such as `fc`.
    pub layers: Vec<String>,
}

/// Where a layer stands in a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// What it reads.
    pub input: NodeId,
    /// What it gives.
    pub output: NodeId,
}

/// A converted model.
#[derive(Clone, Debug)]
pub struct Network {
    /// The function. Its outputs are the model's in order, then, for training, the next values of states.
    pub function: Function,
    /// The model's inputs in order.
    pub inputs: Vec<Declaration>,
    /// What the function's parameters and states are.
    pub leaves: BTreeMap<String, LeafKind>,
    /// The layers that were asked for.
    pub layers: BTreeMap<String, Layer>,
}

/// Why a model is not converted.
#[derive(Clone, Debug)]
pub enum NetworkError<'d> {
    /// The user can mend it; one line each.
    Invalid(Vec<String>),
    /// Inputs that can be fed in a run alone; one line each.
    NotCompiled(Vec<String>),
    /// These nodes stop the conversion.
    Stopped(Vec<(&'d Node, Stop)>),
}

/// Elements that a tensor may have.
const MOST_ELEMENTS: usize = 1 << 40;

/// The values around the region.
struct Outside<'d> {
    document: &'d Document,
    inputs: &'d [Declaration],
    evaluate: &'d dyn Fn(&Function, usize) -> Option<Array>,
}

impl Hand for Outside<'_> {
    fn value(&self, name: &str) -> Option<AtHand> {
        if let Some(array) = self.document.graph.initializers.get(name) {
            return Some(AtHand::Tensor {
                element: array.element(),
                dims: array.dims().iter().map(|&size| Dim::Fixed(size)).collect(),
                array: Some(array.clone()),
                fixed: true,
            });
        }
        let input = self.inputs.iter().find(|input| input.name == name)?;
        Some(AtHand::Tensor {
            element: crate::Element::of(input.ty.dtype),
            dims: input.ty.shape.dims().to_vec(),
            array: None,
            fixed: false,
        })
    }

    fn evaluate(&self, function: &Function, batch: usize) -> Option<Array> {
        (self.evaluate)(function, batch)
    }
}

/// Converts a whole model. `evaluate` computes small functions without inputs, for a batch.
///
/// # Errors
/// Extents without a size, inputs that are no tensors of numbers, layers that do not exist; nodes that cannot be
/// part of one function.
pub fn network<'d>(
    document: &'d Document,
    options: &NetworkOptions,
    evaluate: &dyn Fn(&Function, usize) -> Option<Array>,
) -> Result<Network, NetworkError<'d>> {
    let foreign = not_compiled(document);
    if !foreign.is_empty() {
        return Err(NetworkError::NotCompiled(foreign));
    }
    let inputs = declarations(document, &options.dims).map_err(NetworkError::Invalid)?;
    let outside = Outside { document, inputs: &inputs, evaluate };
    let purpose = if options.training { Purpose::Training } else { Purpose::Inference };
    let mut region = Region::for_purpose("predict", &outside, purpose);
    let mut stopped = Vec::new();
    for node in needed(document) {
        match region.convert(node) {
            Ok(()) => {}
            Err(Stop::Waiting(_)) if find(&node.domain, &node.op_type).is_some() => {}
            // It could not be converted with its inputs at hand either.
            Err(Stop::Waiting(_)) => stopped.push((node, Stop::UnknownOperator)),
            Err(stop) => stopped.push((node, stop)),
        }
    }
    if !stopped.is_empty() {
        return Err(NetworkError::Stopped(stopped));
    }
    let cuts = layer_values(document, &options.layers).map_err(NetworkError::Invalid)?;
    let outputs: Vec<String> = document.graph.outputs.iter().map(|output| output.name.clone()).collect();
    let marked: Vec<String> =
        cuts.values().flat_map(|(input, output)| [input.clone(), output.clone()]).collect();
    let (function, leaves, marks) = region.finish_network(&outputs, &marked).map_err(|name| {
        NetworkError::Invalid(vec![format!("{}: nothing computes `{name}`", document.file)])
    })?;
    let layers = cuts
        .into_iter()
        .filter_map(|(layer, (input, output))| {
            Some((layer, Layer { input: *marks.get(&input)?, output: *marks.get(&output)? }))
        })
        .collect();
    Ok(Network { function, inputs, leaves, layers })
}

/// The nodes that the outputs need, in order.
fn needed(document: &Document) -> Vec<&Node> {
    let graph = &document.graph;
    let mut wanted: BTreeSet<&str> = graph.outputs.iter().map(|output| output.name.as_str()).collect();
    let mut nodes = Vec::new();
    for node in graph.nodes.iter().rev() {
        if node.outputs.iter().any(|name| wanted.contains(name.as_str())) {
            wanted.extend(node.inputs.iter().map(String::as_str));
            wanted.extend(node.captured_values());
            nodes.push(node);
        }
    }
    nodes.reverse();
    nodes
}

/// Inputs that no kernel could read: strings, sequences, the smallest element types.
fn not_compiled(document: &Document) -> Vec<String> {
    let graph = &document.graph;
    let fed = graph.inputs.iter().filter(|input| !graph.initializers.contains_key(&input.name));
    let foreign = fed.filter(|input| match &input.ty {
        ValueType::Tensor { element, .. } => element.is_some_and(|element| element.dtype().is_none()),
        ValueType::Unknown => false,
        _ => true,
    });
    let line = |input: &ValueInfo| {
        format!(
            "{}: the input `{}` is {}, which `dlc run` alone can take",
            document.file, input.name, input.ty
        )
    };
    foreign.map(line).collect()
}

/// The inputs that are fed, with the batch and the sizes that are given.
fn declarations(
    document: &Document,
    dims: &BTreeMap<String, usize>,
) -> Result<Vec<Declaration>, Vec<String>> {
    let graph = &document.graph;
    let fed = graph.inputs.iter().filter(|input| !graph.initializers.contains_key(&input.name));
    let fed: Vec<&ValueInfo> = fed.collect();
    let batch = batch_symbol(&fed, dims);
    let (mut declared, mut faults, mut used) = (Vec::new(), Vec::new(), BTreeSet::new());
    for input in fed {
        let (element, extents) = match &input.ty {
            ValueType::Tensor { element: Some(element), dims: Some(extents) } => (element, extents),
            other => {
                faults.push(format!(
                    "{}: the input `{}` is declared as {other}, without element type and axes",
                    document.file, input.name
                ));
                continue;
            }
        };
        let Some(dtype) = element.dtype() else { continue };
        let mut shape = Vec::new();
        for (axis, extent) in extents.iter().enumerate() {
            let place = format!("{}.{axis}", input.name);
            let key = match extent {
                Extent::Fixed(size) => {
                    shape.push(Dim::Fixed(*size));
                    continue;
                }
                Extent::Symbol(symbol) => symbol.as_str(),
                Extent::Unknown => place.as_str(),
            };
            match dims.get(key).or_else(|| dims.get(&place)) {
                Some(&size) => {
                    if size == 0 {
                        faults.push(format!("{}: the size of `{key}` must be 1 or more", document.file));
                    }
                    used.extend([key.to_owned(), place.clone()]);
                    shape.push(Dim::Fixed(size));
                }
                None if batch.as_deref() == Some(key) || (axis == 0 && *extent == Extent::Unknown) => {
                    shape.push(Dim::N);
                }
                None => faults.push(format!(
                    "{}: axis {axis} of the input `{}` has no size: give it as `--dim {key}=SIZE`",
                    document.file, input.name
                )),
            }
        }
        let fixed = shape.iter().map(|dim| if let Dim::Fixed(size) = dim { *size } else { 1 });
        let elements = fixed.fold(1, |product: usize, size| product.saturating_mul(size));
        if elements > MOST_ELEMENTS {
            faults.push(format!("{}: the input `{}` is {}, too large", document.file, input.name, input.ty));
        }
        declared.push(Declaration { name: input.name.clone(), ty: TensorType::new(dtype, Shape(shape)) });
    }
    faults.dedup();
    for name in dims.keys().filter(|name| !used.contains(*name)) {
        faults.push(format!("{}: no input has an extent `{name}`", document.file));
    }
    if faults.is_empty() { Ok(declared) } else { Err(faults) }
}

/// The name of the first outermost extent that has no size: the batch.
fn batch_symbol(inputs: &[&ValueInfo], dims: &BTreeMap<String, usize>) -> Option<String> {
    inputs.iter().find_map(|input| match &input.ty {
        ValueType::Tensor { dims: Some(extents), .. } => match extents.first()? {
            Extent::Symbol(symbol) if !dims.contains_key(symbol) => Some(symbol.clone()),
            _ => None,
        },
        _ => None,
    })
}

/// What each layer reads and gives, by the nodes that read initializers below its name.
fn layer_values(
    document: &Document,
    layers: &[String],
) -> Result<BTreeMap<String, (String, String)>, Vec<String>> {
    let initializers = &document.graph.initializers;
    let of_layer = |name: &str, layer: &str| {
        initializers.contains_key(name) && name.strip_prefix(layer).is_some_and(|rest| rest.starts_with('.'))
    };
    let (mut found, mut faults) = (BTreeMap::new(), Vec::new());
    for layer in layers {
        let nodes: Vec<&Node> = needed(document)
            .into_iter()
            .filter(|node| node.inputs.iter().any(|name| of_layer(name, layer)))
            .collect();
        let input = nodes.first().and_then(|node| {
            node.inputs.iter().find(|name| !name.is_empty() && !initializers.contains_key(*name))
        });
        match (input, nodes.last().and_then(|node| node.outputs.first())) {
            (Some(input), Some(output)) => {
                found.insert(layer.clone(), (input.clone(), output.clone()));
            }
            _ => {
                let names: BTreeSet<&str> = initializers
                    .keys()
                    .filter_map(|name| name.rsplit_once('.').map(|(path, _)| path))
                    .collect();
                let near = dlc_types::diagnostic::nearest(layer, names.iter().copied());
                let help = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                faults.push(format!("{}: no initializer's name begins with `{layer}.`{help}", document.file));
            }
        }
    }
    if faults.is_empty() { Ok(found) } else { Err(faults) }
}
