//! The channels of a product's output, and what scales and shifts them behind it.

use super::layers::Fixed;
use dlc_ir::{Binary, Builder, Function, InferError, NodeId, Op};
use dlc_types::{DType, IndexVec, Shape};

/// Where the channels are. All lists run over the channels' axes in the order of the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Channels {
    /// Axes of the weights, ascending.
    pub(super) weight_axes: Vec<usize>,
    /// Axes of the output, ascending.
    pub(super) output_axes: Vec<usize>,
    /// Their extents.
    pub(super) dims: Vec<usize>,
}

impl Channels {
    /// The channels of a contraction or convolution; `None` where the axes of weights and output stand in other
    /// orders.
    pub(super) fn of(function: &Function, id: NodeId, weight: NodeId) -> Option<Channels> {
        let node = &function.nodes[id];
        let dims = function.tensor_type(weight).shape.as_fixed()?;
        let contraction = match &node.op {
            Op::Convolve(_) => {
                return Some(Channels { weight_axes: vec![0], output_axes: vec![1], dims: vec![dims[0]] });
            }
            Op::Contract(contraction) => contraction,
            _ => return None,
        };
        let is_left = node.operands.first() == Some(&weight);
        let own = |&(left, right): &(usize, usize)| if is_left { left } else { right };
        let batch: Vec<usize> = contraction.batch.iter().map(own).collect();
        let summed: Vec<usize> = contraction.contract.iter().map(own).collect();
        let free = (0..dims.len()).filter(|axis| !batch.contains(axis) && !summed.contains(axis));
        let free: Vec<usize> = free.collect();
        let rank = function.tensor_type(id).shape.rank();
        let first = if is_left { batch.len() } else { rank - free.len() };
        let weight_axes: Vec<usize> = batch.iter().chain(&free).copied().collect();
        let output_axes = (0..batch.len()).chain(first..first + free.len()).collect();
        let dims = weight_axes.iter().map(|&axis| dims[axis]).collect();
        let ascending = weight_axes.is_sorted_by(|a, b| a < b);
        ascending.then_some(Channels { weight_axes, output_axes, dims })
    }

    pub(super) fn shape(&self) -> Shape {
        Shape::fixed(&self.dims)
    }

    /// A value of the channels' shape, repeated over the output.
    pub(super) fn over_output(
        &self,
        b: &mut Builder,
        x: NodeId,
        output: Shape,
    ) -> Result<NodeId, InferError> {
        b.broadcast(x, output, &self.output_axes)
    }
}

/// What is done to every channel with one number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    kind: StepKind,
    /// The numbers, as some tensor of the function.
    value: NodeId,
    /// The channels' axis of every axis of the value that is not of extent 1.
    places: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StepKind {
    Add,
    Subtract,
    SubtractFrom,
    Multiply,
    Divide,
}

/// The numbers that a value of the output's shape repeats along channels, if it does.
fn repeated(function: &Function, id: NodeId, channels: &Channels) -> Option<(NodeId, Vec<usize>)> {
    let (mut id, mut axes): (NodeId, Option<Vec<usize>>) = (id, None);
    while let Op::Broadcast { axes: outer } = &function.nodes[id].op {
        axes = Some(match axes {
            None => outer.clone(),
            Some(inner) => outer.iter().map(|&axis| inner[axis]).collect(),
        });
        id = function.nodes[id].operands[0];
    }
    let dims = function.tensor_type(id).shape.as_fixed()?;
    let axes = axes?;
    let wide = dims.iter().zip(&axes).filter(|(size, _)| **size != 1);
    let places = wide.map(|(_, axis)| channels.output_axes.iter().position(|own| own == axis));
    Some((id, places.collect::<Option<_>>()?))
}

/// The last of the scales and shifts per channel that follow a product, and all of them in order. Values between are
/// read by the next of them alone.
pub(super) fn steps_behind(
    function: &Function,
    users: &IndexVec<NodeId, Vec<NodeId>>,
    fixed: &IndexVec<NodeId, Option<Fixed>>,
    product: NodeId,
    channels: &Channels,
) -> (NodeId, Vec<Step>) {
    let (mut end, mut steps) = (product, Vec::new());
    loop {
        let is_output = function.outputs.iter().any(|output| output.value == end);
        let [user] = users[end].as_slice() else { break };
        let node = &function.nodes[*user];
        let (Op::Binary(binary), &[a, b]) = (&node.op, node.operands.as_slice()) else { break };
        let other = if a == end { b } else { a };
        let kind = match binary {
            Binary::Add => StepKind::Add,
            Binary::Multiply => StepKind::Multiply,
            Binary::Subtract if a == end => StepKind::Subtract,
            Binary::Subtract => StepKind::SubtractFrom,
            Binary::Divide if a == end => StepKind::Divide,
            _ => break,
        };
        let Some((value, places)) = repeated(function, other, channels) else { break };
        if is_output || fixed[value].is_none() {
            break;
        }
        steps.push(Step { kind, value, places });
        end = *user;
    }
    (end, steps)
}

/// The factor and the shift that all steps together are, in the channels' shape.
pub(super) fn factor_and_shift(
    b: &mut Builder,
    steps: &[Step],
    channels: &Channels,
) -> Result<[NodeId; 2], InferError> {
    let mut factor = b.splat(DType::F32, channels.shape(), 1.0)?;
    let mut shift = b.splat(DType::F32, channels.shape(), 0.0)?;
    for step in steps {
        let narrow: Vec<usize> = step.places.iter().map(|&place| channels.dims[place]).collect();
        let value = b.reshape(step.value, Shape::fixed(&narrow))?;
        let value = b.broadcast(value, channels.shape(), &step.places)?;
        match step.kind {
            StepKind::Add => shift = b.add(shift, value)?,
            StepKind::Subtract => shift = b.sub(shift, value)?,
            StepKind::SubtractFrom => {
                factor = b.neg(factor)?;
                shift = b.sub(value, shift)?;
            }
            StepKind::Multiply => {
                factor = b.mul(factor, value)?;
                shift = b.mul(shift, value)?;
            }
            StepKind::Divide => {
                factor = b.div(factor, value)?;
                shift = b.div(shift, value)?;
            }
        }
    }
    Ok([factor, shift])
}
