//! Finding the layers of a function.

use super::Names;
use super::channels::{Channels, Step, steps_behind};
use super::computations::Computations;
use super::sign::never_negative;
use dlc_ir::{Contraction, Convolution, Function, Model, NodeId, Op};
use dlc_types::{DType, Dim, IndexVec};
use std::collections::BTreeMap;

/// Products that one sum may have: `u8` times `i8` is at most 255 · 127, and sums are `i32`.
const LONGEST_SUM: usize = i32::MAX as usize / (255 * 127);

/// A layer of `predict` that can be computed with integers.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Path of the layer, numbered where several have it; unique.
    pub name: String,
    /// Such as `conv2d`, `depthwise conv2d`, `dense`.
    pub kind: String,
    /// Name of the parameter that most of the weights come from.
    pub parameter: String,
    /// Shape of the weights.
    pub dims: Vec<usize>,
    /// Axes of the weights that are channels of the output, ascending.
    pub axes: Vec<usize>,
    /// Number among the values that layers read ([`super::inputs`]); layers that read one value share it.
    pub input: usize,
    /// Whether the input is never negative, whatever is fed.
    pub never_negative: bool,
    /// Names of its tensors in the quantised model.
    pub names: Names,
    pub(super) product: NodeId,
    pub(super) end: NodeId,
    pub(super) x: NodeId,
    pub(super) weight: NodeId,
    pub(super) channels: Channels,
    pub(super) steps: Vec<Step>,
    /// The computation behind `end`, in whatever function.
    pub(super) end_number: usize,
    /// The computation of the input.
    pub(super) x_number: usize,
}

/// A product with weights that stays in `f32`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unquantized {
    /// Path of the layer.
    pub name: String,
    /// Such as `conv2d`.
    pub kind: String,
    /// Why.
    pub reason: String,
}

/// The products with weights of a model's `predict`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// Those that integers can compute, in the order of their computation.
    pub layers: Vec<Layer>,
    /// Those that they cannot.
    pub others: Vec<Unquantized>,
    /// Number of different values that the layers read.
    pub inputs: usize,
}

/// What a node depends on, if nothing is fed to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fixed {
    /// Constants and states.
    Plain,
    /// Parameters, too: the one with most elements among them.
    Weights(NodeId),
}

/// For every node what it depends on; `None` where it depends on what is fed, or on the batch.
pub(super) fn fixed_values(function: &Function) -> IndexVec<NodeId, Option<Fixed>> {
    let elements = |id: NodeId| {
        let dims = function.nodes[id].ty.tensor().and_then(|ty| ty.shape.as_fixed());
        dims.map_or(0, |dims| dims.iter().fold(1, |product: usize, &size| product.saturating_mul(size)))
    };
    let mut known: IndexVec<NodeId, Option<Fixed>> = IndexVec::new();
    for (id, node) in function.nodes.iter() {
        let sized = node.ty.tensor().is_some_and(|ty| !ty.shape.has_batch());
        let fixed = match &node.op {
            Op::Parameter { .. } => Some(Fixed::Weights(id)),
            Op::State { .. } | Op::Constant(_) | Op::Iota { .. } => Some(Fixed::Plain),
            Op::Input { .. } | Op::Extent(_) | Op::Random { .. } => None,
            _ => node.operands.iter().try_fold(Fixed::Plain, |all, &operand| {
                Some(match (all, known[operand]?) {
                    (Fixed::Weights(a), Fixed::Weights(b)) if elements(b) > elements(a) => Fixed::Weights(b),
                    (Fixed::Plain, other) => other,
                    (all, _) => all,
                })
            }),
        };
        known.push(fixed.filter(|_| sized));
    }
    known
}

fn spatial(kind: &str, axes: usize) -> String {
    format!("{kind}conv{axes}d")
}

fn kind_of(function: &Function, node: NodeId, weight: NodeId) -> String {
    match &function.nodes[node].op {
        Op::Convolve(convolution) => {
            let axes = convolution.strides.len();
            let per_group = function.tensor_type(weight).shape.dims().get(1).copied();
            match convolution.groups {
                _ if convolution.input_dilation.iter().any(|&factor| factor > 1) => {
                    spatial("transposed ", axes)
                }
                1 => spatial("", axes),
                _ if per_group == Some(Dim::Fixed(1)) => spatial("depthwise ", axes),
                _ => spatial("grouped ", axes),
            }
        }
        Op::Contract(contraction) if contraction.batch.is_empty() => "dense".to_owned(),
        _ => "batched dense".to_owned(),
    }
}

/// A product of two operands of which one is made of parameters: (x, weights, whether the weights stand left).
fn operands(function: &Function, fixed: &IndexVec<NodeId, Option<Fixed>>, id: NodeId) -> Option<[NodeId; 2]> {
    let node = &function.nodes[id];
    let &[a, b] = node.operands.as_slice() else { return None };
    let weights = |id: NodeId| matches!(fixed[id], Some(Fixed::Weights(_)));
    match &node.op {
        Op::Convolve(_) if weights(b) && fixed[a].is_none() => Some([a, b]),
        Op::Contract(_) if weights(b) && fixed[a].is_none() => Some([a, b]),
        Op::Contract(_) if weights(a) && fixed[b].is_none() => Some([b, a]),
        _ => None,
    }
}

/// Why integers cannot compute a product.
fn obstacle(function: &Function, id: NodeId, [x, weight]: [NodeId; 2]) -> Option<String> {
    let (x_type, weight_type) = (function.tensor_type(x), function.tensor_type(weight));
    if x_type.dtype != DType::F32 || weight_type.dtype != DType::F32 {
        return Some(format!("its numbers are {}", x_type.dtype));
    }
    let Some(dims) = weight_type.shape.as_fixed() else {
        return Some("its weights depend on the batch".to_owned());
    };
    let sum = match &function.nodes[id].op {
        Op::Convolve(Convolution { input_dilation, .. }) => {
            if input_dilation.iter().any(|&factor| factor > 1) {
                return Some("it is transposed".to_owned());
            }
            dims.iter().skip(1).product::<usize>()
        }
        Op::Contract(Contraction { contract, .. }) => {
            let left = function.nodes[id].operands.first() == Some(&weight);
            contract.iter().map(|&(a, b)| dims[if left { a } else { b }]).product()
        }
        _ => return Some("it is no product".to_owned()),
    };
    (sum > LONGEST_SUM).then(|| format!("sums of {sum} products may not fit 32 bits"))
}

/// Finds the layers of a model's `predict`.
pub fn survey(model: &Model) -> Survey {
    let function = &model.predict;
    let fixed = fixed_values(function);
    let signs = never_negative(function);
    let numbers = Computations::default().of(function);
    let users = function.users();
    let mut found = Survey::default();
    let mut paths = Paths::default();
    let mut inputs: BTreeMap<usize, (usize, String)> = BTreeMap::new();
    let mut weights: BTreeMap<usize, String> = BTreeMap::new();
    for (id, node) in function.nodes.iter() {
        if let Op::Scan(scan) = &node.op
            && scan.body.nodes.values().any(|node| matches!(node.op, Op::Contract(_) | Op::Convolve(_)))
        {
            let (name, kind) = (paths.unique(&node.origin.path, "scan"), "recurrent".to_owned());
            found.others.push(Unquantized { name, kind, reason: "it is computed step by step".to_owned() });
            continue;
        }
        let Some([x, weight]) = operands(function, &fixed, id) else { continue };
        let Some(Fixed::Weights(parameter)) = fixed[weight] else { continue };
        let Op::Parameter { name: parameter } = &function.nodes[parameter].op else { continue };
        let owner = parameter.rsplit_once('.').map_or(parameter.as_str(), |(owner, _)| owner);
        let name = paths.unique(&node.origin.path, owner);
        let kind = kind_of(function, id, weight);
        let channels = Channels::of(function, id, weight);
        let (channels, dims) = match (obstacle(function, id, [x, weight]), channels) {
            (None, Some(channels)) => (channels, function.tensor_type(weight).shape.at(1)),
            (reason, _) => {
                let reason = reason.unwrap_or_else(|| "its channels stand in another order".to_owned());
                found.others.push(Unquantized { name, kind, reason });
                continue;
            }
        };
        let (end, steps) = steps_behind(function, &users, &fixed, id, &channels);
        let next = inputs.len();
        let (input, input_name) =
            inputs.entry(numbers[x]).or_insert_with(|| (next, format!("{name}.int8.input"))).clone();
        let shared = weights.entry(numbers[weight]).or_insert_with(|| format!("{name}.int8.weight")).clone();
        let names = Names {
            weight: shared,
            scale: format!("{name}.int8.scale"),
            bias: format!("{name}.int8.bias"),
            input: input_name,
        };
        found.layers.push(Layer {
            kind,
            parameter: parameter.clone(),
            dims,
            axes: channels.weight_axes.clone(),
            input,
            never_negative: signs[x],
            names,
            product: id,
            end,
            x,
            weight,
            channels,
            steps,
            end_number: numbers[end],
            x_number: numbers[x],
            name,
        });
    }
    found.inputs = inputs.len();
    found
}

/// Names that were given.
#[derive(Default)]
struct Paths(BTreeMap<String, usize>);

impl Paths {
    /// The path, or what stands for it where there is none; `#2` and so on behind one that was given before.
    fn unique(&mut self, path: &str, otherwise: &str) -> String {
        let path = if path.is_empty() { otherwise } else { path };
        let count = self.0.entry(path.to_owned()).or_default();
        *count += 1;
        if *count == 1 { path.to_owned() } else { format!("{path}#{count}") }
    }
}
