//! Puts copies where a contraction cannot read its operand in place.
//!
//! Input: a verified function without composite ops. Output: the same function with some operands of
//! contractions and convolutions copied (an identity reshape, listed in [`Prepared::copies`]). Stands
//! before layouts are chosen, because each copy is a value with a layout of its own.
//!
//! A convolution reads its input through transposes of a value that we lay out ourselves, since the
//! zeros around the input belong to that value's buffer; inputs of the function, parameters and
//! constants have no such border. Its kernel must have output channels innermost, and one with many of them
//! is copied into blocks of some. A contraction reads
//! through any view, but the last axis of its result must be innermost in the operand it comes from.

mod blocks;
mod readable;

use super::view::base_of;
use super::words::{self, Words};
use super::{LowerOptions, Threads, winograd};
use blocks::{block_of_columns, block_of_outputs};
use dlc_ir::{Contraction, Function, Node, NodeId, Op, OutputRole, Type};
use dlc_types::{DType, Dim, Shape, TensorType};
use readable::{input_is_readable, is_innermost, kernel_is_readable, told_by_strides};
use std::collections::BTreeMap;

pub(crate) use blocks::blocked_kernel;
pub(super) use readable::{base_axis, merged_groups};

/// A function with the copies that lowering asked for.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    /// The function.
    pub function: Function,
    /// Identity reshapes that are copies, with the order of axes that each must have, if any.
    pub copies: BTreeMap<NodeId, Option<Vec<usize>>>,
    /// Copies by what they copy in which order.
    shared: BTreeMap<(NodeId, Vec<usize>), NodeId>,
    /// Whether the function changes parameters.
    trains: bool,
    /// What runs the program.
    pub threads: Threads,
    /// Copies of the function's inputs that convolutions read.
    inputs: BTreeMap<NodeId, NodeId>,
    /// Values in types of parts: by value, type and order.
    pub(super) parts: BTreeMap<(NodeId, DType, Vec<usize>), NodeId>,
    /// Contractions and convolutions that are computed in words.
    pub words: BTreeMap<NodeId, Words>,
    /// Convolutions that are computed by tiles.
    pub tiled: BTreeMap<NodeId, winograd::Plan>,
}

impl Prepared {
    /// Whether a value is more than a view of another: a copy, or no movement op at all.
    pub(crate) fn is_base(&self, node: NodeId) -> bool {
        self.copies.contains_key(&node) || !is_movement(&self.function.nodes[node].op)
    }
}

/// Whether an op only shows its operand through other strides.
pub(super) fn is_movement(op: &Op) -> bool {
    matches!(
        op,
        Op::Transpose { .. } | Op::Reverse { .. } | Op::Slice { .. } | Op::Reshape | Op::Broadcast { .. }
    )
}

/// Copies operands where needed.
pub(super) fn prepare(function: &Function, options: &LowerOptions) -> Prepared {
    let empty = Function { name: function.name.clone(), ..Function::default() };
    let mut prepared = Prepared {
        function: empty,
        copies: BTreeMap::new(),
        shared: BTreeMap::new(),
        inputs: BTreeMap::new(),
        trains: function.outputs.iter().any(|output| output.role == OutputRole::Parameter),
        threads: options.threads,
        parts: BTreeMap::new(),
        words: BTreeMap::new(),
        tiled: BTreeMap::new(),
    };
    let wished = words::wished(function, options.byte_products);
    let mut moved: BTreeMap<NodeId, NodeId> = BTreeMap::new();
    for (id, node) in function.nodes.iter() {
        let plan = winograd::plan(function, id, options);
        let mut operands: Vec<NodeId> = node.operands.iter().map(|operand| moved[operand]).collect();
        prepared.read_copied_inputs(&node.op, &mut operands);
        // Of a value that a product reads in a type of parts, others read the same.
        if let (Op::Cast(_), Some((dtype, order))) =
            (&node.op, node.operands.first().and_then(|id| wished.get(id)))
        {
            operands[0] = prepared.in_parts(operands[0], *dtype, order);
        }
        let in_words = prepared.words(function, id, &mut operands, options.byte_products);
        match &node.op {
            _ if in_words.is_some() => {}
            Op::Convolve(convolution) => {
                operands[0] = single_channel_apart(&mut prepared, operands[0], convolution.groups);
                if !input_is_readable(&prepared, operands[0], convolution.groups) {
                    let input = operands[0];
                    operands[0] = copied_input(&mut prepared, input, convolution.groups);
                    prepared.note_copied_input(input, operands[0]);
                }
                if plan.is_some() {
                    // Read once by a kernel of its own, in any order.
                    if !told_by_strides(&prepared, operands[1]) {
                        operands[1] = prepared.copy(operands[1], None);
                    }
                } else if let Some(block) = block_of_outputs(&prepared, operands[1], convolution.groups) {
                    let taps = 2..prepared.shape(operands[1]).rank();
                    let rows: Vec<usize> = taps.chain([1]).collect();
                    operands[1] = prepared.blocked(operands[1], 0, block, &rows);
                } else if !kernel_is_readable(&prepared, operands[1]) {
                    operands[1] = prepared.copy(operands[1], None);
                }
            }
            Op::Contract(contraction) => prepare_contraction(&mut prepared, contraction, &mut operands),
            Op::Scan(scan) => prepare_scan(&mut prepared, scan.carries, &mut operands),
            _ => {}
        }
        let new = prepared.function.nodes.push(Node { operands, ..node.clone() });
        prepared.tiled.extend(plan.map(|plan| (new, plan)));
        prepared.words.extend(in_words.map(|words| (new, words)));
        moved.insert(id, new);
    }
    for output in &function.outputs {
        let value = moved[&output.value];
        prepared.function.outputs.push(dlc_ir::Output { value, ..output.clone() });
    }
    prepared
}

impl Prepared {
    /// A copy of a value; those that ask for one order share it.
    fn copy(&mut self, node: NodeId, order: Option<Vec<usize>>) -> NodeId {
        if let Some(&copy) = order.as_ref().and_then(|order| self.shared.get(&(node, order.clone()))) {
            return copy;
        }
        let Node { ty, origin, .. } = self.function.nodes[node].clone();
        let copy = self.function.nodes.push(Node { op: Op::Reshape, operands: vec![node], ty, origin });
        self.shared.extend(order.clone().map(|order| ((node, order), copy)));
        self.copies.insert(copy, order);
        copy
    }

    fn note_copied_input(&mut self, input: NodeId, copy: NodeId) {
        if matches!(self.function.nodes[input].op, Op::Input { .. }) {
            self.inputs.insert(input, copy);
        }
    }

    /// Lets an op that works place by place, or shows axes in another order, read the copy of an input that a
    /// convolution reads: in the order of the values beside it, and with the border that other convolutions need.
    fn read_copied_inputs(&self, op: &Op, operands: &mut [NodeId]) {
        if op.is_elementwise() || matches!(op, Op::Transpose { .. } | Op::Convolve(_)) {
            for operand in operands {
                *operand = self.inputs.get(operand).copied().unwrap_or(*operand);
            }
        }
    }

    /// The value whose buffer a view shows.
    pub(crate) fn base(&self, node: NodeId) -> NodeId {
        base_of(&self.function, node, &|node| self.is_base(node))
    }

    fn shape(&self, node: NodeId) -> &Shape {
        &self.function.tensor_type(node).shape
    }
}

/// A copy of a convolution's input. Where groups are merged with channels, as in the gradient of a grouped
/// kernel, the copy is of the value before: merged with the batch, its elements have no place that could
/// be computed from a coordinate without dividing by the batch.
fn copied_input(prepared: &mut Prepared, input: NodeId, groups: usize) -> NodeId {
    let Some(split) = merged_groups(prepared, input, groups).filter(|_| groups > 1) else {
        return prepared.copy(input, None);
    };
    let copy = prepared.copy(split, None);
    let merge = Node { operands: vec![copy], ..prepared.function.nodes[input].clone() };
    prepared.function.nodes.push(merge)
}

/// An input of one channel whose groups were merged with the batch, `[groups, n, …]` to `[1, groups * n, …]`, by
/// way of `[1, groups, n, …]`: the form that [`merged_groups`] knows.
fn single_channel_apart(prepared: &mut Prepared, input: NodeId, groups: usize) -> NodeId {
    let node = prepared.function.nodes[input].clone();
    if groups == 1 || prepared.is_base(input) || !matches!(node.op, Op::Reshape) {
        return input;
    }
    let Type::Tensor(ty) = &node.ty else { return input };
    let from = prepared.shape(node.operands[0]);
    let merged = from.rank() == ty.shape.rank()
        && ty.shape[0] == Dim::Fixed(1)
        && from[0] == Dim::Fixed(groups)
        && from.dims()[2..] == ty.shape.dims()[2..];
    if !merged {
        return input;
    }
    let dims = std::iter::once(Dim::Fixed(1)).chain(from.dims().iter().copied()).collect();
    let apart = Type::Tensor(TensorType::new(ty.dtype, Shape(dims)));
    let apart = prepared.function.nodes.push(Node { ty: apart, ..node.clone() });
    prepared.function.nodes.push(Node { operands: vec![apart], ..node })
}

/// The steps of a scan read its operands, but for the first carries, as if they lay row-major.
fn prepare_scan(prepared: &mut Prepared, carries: usize, operands: &mut [NodeId]) {
    for operand in operands.iter_mut().skip(carries) {
        let last = prepared.shape(*operand).rank().checked_sub(1);
        let lanes_fit = last.is_none_or(|axis| is_innermost(prepared, *operand, axis));
        if !told_by_strides(prepared, *operand) || !lanes_fit {
            let order = (0..prepared.shape(*operand).rank()).collect();
            *operand = prepared.copy(*operand, Some(order));
        }
    }
}

fn prepare_contraction(prepared: &mut Prepared, contraction: &Contraction, operands: &mut [NodeId]) {
    let pick = |side: usize, pairs: &[(usize, usize)]| -> Vec<usize> {
        pairs.iter().map(|pair| if side == 0 { pair.0 } else { pair.1 }).collect()
    };
    let free = |side: usize, rank: usize| -> Vec<usize> {
        let bound = [pick(side, &contraction.batch), pick(side, &contraction.contract)].concat();
        (0..rank).filter(|axis| !bound.contains(axis)).collect()
    };
    let ranks = [prepared.shape(operands[0]).rank(), prepared.shape(operands[1]).rank()];
    let innermost =
        [1, 0].into_iter().find_map(|side| free(side, ranks[side]).last().map(|&axis| (side, axis)));
    for side in [0, 1] {
        let node = operands[side];
        let lanes_axis = innermost.filter(|&(owner, _)| owner == side).map(|(_, axis)| axis);
        let lanes_fit = lanes_axis.is_none_or(|axis| is_innermost(prepared, node, axis));
        if !told_by_strides(prepared, node) || !lanes_fit {
            let (batch, summed) = (pick(side, &contraction.batch), pick(side, &contraction.contract));
            operands[side] = prepared.copy(node, Some([batch, summed, free(side, ranks[side])].concat()));
        }
    }
    let summed = pick(1, &contraction.contract);
    if let ([axis], true) = (free(1, ranks[1]).as_slice(), contraction.batch.is_empty())
        && innermost == Some((1, *axis))
        && let Some(block) = block_of_columns(prepared, operands[1], *axis)
    {
        operands[1] = prepared.blocked(operands[1], *axis, block, &summed);
    }
}
