//! A whole model as graph functions, for what is compiled ahead or trained.
//!
//! All nodes become one function, in which no input has a value but those that are given ahead: shapes may depend
//! on these, on initializers and on declared extents, and on nothing that is fed. Float initializers of more than
//! one element are parameters,
//! the running statistics of batch-norm are states; both keep their names, and their values stay in the file.
//! One symbolic extent is the batch; all others are bound before, and no size is invented.
//!
//! What stops a node is told for all nodes at once; control flow and the host's operators do stop one.

mod declared;
mod layers;

use crate::convert::{AtHand, Hand, LeafKind, Purpose, Region, Stop, Whole, find};
use crate::uses::needed;
use crate::{Array, Document, Node};
use dlc_ir::{Declaration, Function, NodeId};
use dlc_types::Dim;
use std::collections::BTreeMap;

/// How a model is converted.
#[derive(Clone, Debug, Default)]
pub struct NetworkOptions {
    /// Sizes of symbolic extents; `INPUT.AXIS` names one that has no name.
    pub dims: BTreeMap<String, usize>,
    /// Values of inputs that are given ahead: they are constants, and no inputs any more. They fit what the model
    /// declares.
    pub bound: BTreeMap<String, Array>,
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

/// What conversion cannot do by itself.
pub trait Calculus {
    /// Evaluates a small function without inputs for a batch; its only output. `None` where that cannot be done.
    fn evaluate(&self, function: &Function, batch: usize) -> Option<Array>;

    /// The function with the gradient of its loss with respect to each of these parameters or inputs, as
    /// [`Hand::differentiate`] gives it.
    ///
    /// # Errors
    /// Why that cannot be done.
    fn differentiate(&self, function: &Function, parameters: &[String]) -> Result<Function, String>;
}

/// The values around the region.
struct Outside<'d> {
    document: &'d Document,
    inputs: &'d [Declaration],
    bound: &'d BTreeMap<String, Array>,
    calculus: &'d dyn Calculus,
}

impl Hand for Outside<'_> {
    fn value(&self, name: &str) -> Option<AtHand> {
        let known = self.bound.get(name).or_else(|| self.document.graph.initializers.get(name));
        if let Some(array) = known {
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

    fn is_constant(&self, name: &str) -> bool {
        self.bound.contains_key(name)
    }

    fn evaluate(&self, function: &Function, batch: usize) -> Option<Array> {
        self.calculus.evaluate(function, batch)
    }

    fn differentiate(&self, function: &Function, parameters: &[String]) -> Result<Function, String> {
        self.calculus.differentiate(function, parameters)
    }
}

/// Converts a whole model.
///
/// # Errors
/// Extents without a size, inputs that are no tensors of numbers, layers that do not exist; nodes that cannot be
/// part of one function.
pub fn network<'d>(
    document: &'d Document,
    options: &NetworkOptions,
    calculus: &dyn Calculus,
) -> Result<Network, NetworkError<'d>> {
    let foreign = declared::not_compiled(document, &options.bound);
    if !foreign.is_empty() {
        return Err(NetworkError::NotCompiled(foreign));
    }
    let inputs = declared::declarations(document, options).map_err(NetworkError::Invalid)?;
    let outside = Outside { document, inputs: &inputs, bound: &options.bound, calculus };
    let purpose = if options.training { Purpose::Training } else { Purpose::Inference };
    let mut region = Region::for_purpose("predict", &outside, purpose);
    let mut stopped = Vec::new();
    for position in needed(&document.graph) {
        let node = &document.graph.nodes[position];
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
    let cuts = layers::values(document, &options.layers).map_err(NetworkError::Invalid)?;
    let outputs: Vec<String> = document.graph.outputs.iter().map(|output| output.name.clone()).collect();
    let marked: Vec<String> =
        cuts.values().flat_map(|(input, output)| [input.clone(), output.clone()]).collect();
    let Whole { function, leaves, marks } = region.finish_network(&outputs, &marked).map_err(|name| {
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
