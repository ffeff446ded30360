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

use super::view::{base_of, pieces};
use super::{LowerOptions, winograd};
use dlc_ir::{Contraction, Function, Node, NodeId, Op, OutputRole, Type};
use dlc_types::{Dim, Shape, TensorType};
use std::collections::BTreeMap;

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
    /// Copies of the function's inputs that convolutions read.
    inputs: BTreeMap<NodeId, NodeId>,
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
        tiled: BTreeMap::new(),
    };
    let mut moved: BTreeMap<NodeId, NodeId> = BTreeMap::new();
    for (id, node) in function.nodes.iter() {
        let plan = winograd::plan(function, id, options);
        let mut operands: Vec<NodeId> = node.operands.iter().map(|operand| moved[operand]).collect();
        prepared.read_copied_inputs(&node.op, &mut operands);
        match &node.op {
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
                    operands[1] = prepared.blocked(operands[1], block);
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

    /// A kernel `[O, I, taps…]` copied into blocks of outputs, `[O / block, taps…, I, block]` in memory.
    fn blocked(&mut self, kernel: NodeId, block: usize) -> NodeId {
        let Node { ty, origin, .. } = self.function.nodes[kernel].clone();
        let Type::Tensor(TensorType { dtype, shape }) = &ty else { return kernel };
        let outputs = shape[0].fixed().unwrap_or(block);
        let mut dims = vec![Dim::Fixed(outputs / block), Dim::Fixed(block)];
        dims.extend_from_slice(&shape.dims()[1..]);
        let order = std::iter::once(0).chain(3..dims.len()).chain([2, 1]).collect();
        let split = Type::Tensor(TensorType::new(*dtype, Shape(dims)));
        let reshape = |operand: NodeId, ty: Type| Node {
            op: Op::Reshape,
            operands: vec![operand],
            ty,
            origin: origin.clone(),
        };
        let copy = self.function.nodes.push(reshape(kernel, split));
        self.copies.insert(copy, Some(order));
        self.function.nodes.push(reshape(copy, ty))
    }

    /// A matrix copied into blocks along one axis, innermost: `[columns / block, summed…, block]` in memory.
    fn blocked_matrix(&mut self, matrix: NodeId, columns: usize, block: usize, summed: &[usize]) -> NodeId {
        let Node { ty, origin, .. } = self.function.nodes[matrix].clone();
        let Type::Tensor(TensorType { dtype, shape }) = &ty else { return matrix };
        let mut dims = shape.dims().to_vec();
        dims[columns] = Dim::Fixed(shape[columns].at(1) / block);
        dims.insert(columns + 1, Dim::Fixed(block));
        let summed = summed.iter().map(|&axis| if axis > columns { axis + 1 } else { axis });
        let order: Vec<usize> = std::iter::once(columns).chain(summed).chain([columns + 1]).collect();
        let split = Type::Tensor(TensorType::new(*dtype, Shape(dims)));
        let reshape = |operand: NodeId, ty: Type| Node {
            op: Op::Reshape,
            operands: vec![operand],
            ty,
            origin: origin.clone(),
        };
        if let Some(&copy) = self.shared.get(&(matrix, order.clone())) {
            return self.function.nodes.push(reshape(copy, ty));
        }
        let copy = self.function.nodes.push(reshape(matrix, split));
        self.shared.insert((matrix, order.clone()), copy);
        self.copies.insert(copy, Some(order));
        self.function.nodes.push(reshape(copy, ty))
    }

    /// The value whose buffer a view shows.
    pub(crate) fn base(&self, node: NodeId) -> NodeId {
        base_of(&self.function, node, &|node| self.is_base(node))
    }

    fn shape(&self, node: NodeId) -> &Shape {
        &self.function.tensor_type(node).shape
    }
}

fn input_is_readable(prepared: &Prepared, input: NodeId, groups: usize) -> bool {
    let base = prepared.base(input);
    let op = &prepared.function.nodes[base].op;
    if op.is_external() || matches!(op, Op::Constant(_)) {
        return false;
    }
    let rank = prepared.shape(input).rank();
    let spatial_axes_are_kept = (2..rank).all(|axis| base_axis(prepared, input, axis).is_some());
    let shown = merged_groups(prepared, input, groups).filter(|_| groups > 1).unwrap_or(input);
    spatial_axes_are_kept && told_by_strides(prepared, shown)
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

/// The axis of the base that an axis of a view is, if the way there is by transposes and by reshapes
/// that leave the trailing axes alone.
pub(super) fn base_axis(prepared: &Prepared, node: NodeId, axis: usize) -> Option<usize> {
    if prepared.is_base(node) {
        return Some(axis);
    }
    let operand = prepared.function.nodes[node].operands[0];
    match &prepared.function.nodes[node].op {
        Op::Transpose { permutation } => base_axis(prepared, operand, permutation[axis]),
        Op::Reshape => {
            let (from, to) = (prepared.shape(operand), prepared.shape(node));
            let trailing = to.rank() - axis;
            let same = trailing <= from.rank() && from.dims()[from.rank() - trailing..] == to.dims()[axis..];
            if same { base_axis(prepared, operand, from.rank() - trailing) } else { None }
        }
        _ => None,
    }
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

/// The operand of the reshape that merged `groups` with the channels of each group, if that is how the
/// channel axis of `input` came about.
pub(super) fn merged_groups(prepared: &Prepared, input: NodeId, groups: usize) -> Option<NodeId> {
    let node = &prepared.function.nodes[input];
    if prepared.is_base(input) || !matches!(node.op, Op::Reshape) {
        return None;
    }
    let shape = prepared.shape(input);
    let operand = node.operands[0];
    let from = prepared.shape(operand);
    let fits = from.rank() == shape.rank() + 1
        && from[0] == shape[0]
        && from[1] == Dim::Fixed(groups)
        && from.dims()[3..] == shape.dims()[2..];
    fits.then_some(operand)
}

/// Outputs whose weights for one input stand together, from which rows of weights lie so far apart that
/// they compete for the same places in a cache.
const FAR_APART: usize = 256;

/// The number of outputs to a block, if the kernel of a convolution is better copied into blocks: its
/// values are weights, and it has many outputs.
fn block_of_outputs(prepared: &Prepared, kernel: NodeId, groups: usize) -> Option<usize> {
    let outputs = prepared.shape(kernel)[0].fixed().filter(|&outputs| groups == 1 && outputs >= FAR_APART)?;
    let reads_weights = prepared.shape(kernel)[1].fixed().is_some();
    // Small maps have few rows to a tile, which wider blocks make up for.
    [64, 32].into_iter().find(|block| reads_weights && outputs.is_multiple_of(*block) && outputs >= 8 * block)
}

/// The blocked copy that the kernel of a convolution, or the right operand of a contraction, is a view of, if it is
/// one.
pub(crate) fn blocked_kernel(prepared: &Prepared, kernel: NodeId) -> Option<NodeId> {
    let node = &prepared.function.nodes[kernel];
    if prepared.is_base(kernel) || !matches!(node.op, Op::Reshape) {
        return None;
    }
    let copy = node.operands[0];
    let split = prepared.shape(copy).rank() == prepared.shape(kernel).rank() + 1;
    (prepared.copies.contains_key(&copy) && split).then_some(copy)
}

fn kernel_is_readable(prepared: &Prepared, kernel: NodeId) -> bool {
    let base = prepared.base(kernel);
    let op = &prepared.function.nodes[base].op;
    if base == kernel {
        return !matches!(op, Op::Input { .. } | Op::Constant(_));
    }
    let rank = prepared.shape(kernel).rank();
    !op.is_external()
        && !matches!(op, Op::Constant(_))
        && (0..rank).all(|axis| base_axis(prepared, kernel, axis).is_some())
        && base_axis(prepared, kernel, 0) == Some(1)
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
        operands[1] = prepared.blocked_matrix(operands[1], *axis, block, &summed);
    }
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

/// Columns of a block, by preference: few columns leave registers for many rows, but read the rows more often.
const COLUMNS: [usize; 3] = [64, 32, 16];
/// Bytes of a block that stay in the second cache while rows of the other operand pass.
const NEAR: usize = 512 << 10;
/// Bytes of a matrix from which its blocks pay.
const LARGE: usize = 512 << 10;

/// The columns of a block, where a matrix is better copied into blocks of columns: one that does not change between
/// calls, so that it is copied once, and whose rows compete for the same places in a cache.
fn block_of_columns(prepared: &Prepared, matrix: NodeId, columns: usize) -> Option<usize> {
    let ty = prepared.function.nodes[matrix].ty.tensor()?;
    let (count, elements) = (ty.shape[columns].fixed()?, ty.shape.elements()?.fixed()?);
    let bytes = elements.checked_mul(ty.dtype.size())?;
    let large = count >= FAR_APART && bytes >= LARGE && !prepared.trains;
    if !large || !persists(&prepared.function, matrix, 16) {
        return None;
    }
    let mut fitting = COLUMNS.into_iter().filter(|block| count.is_multiple_of(*block));
    let narrowest = fitting.clone().next_back()?;
    Some(fitting.find(|block| bytes / count * block <= NEAR).unwrap_or(narrowest))
}

/// Whether a value depends on parameters and states alone, within so many steps.
fn persists(function: &Function, id: NodeId, steps: usize) -> bool {
    let node = &function.nodes[id];
    match &node.op {
        Op::Parameter { .. } | Op::State { .. } | Op::Constant(_) => true,
        Op::Input { .. } | Op::Random { .. } | Op::Extent(_) => false,
        _ => steps > 0 && node.operands.iter().all(|&operand| persists(function, operand, steps - 1)),
    }
}

/// Whether the way from a value to its base is by strides alone in any layout of the base: reshapes
/// that merge axes depend on the layout, and a reversed batch has no fixed first element.
fn told_by_strides(prepared: &Prepared, node: NodeId) -> bool {
    if prepared.is_base(node) {
        return true;
    }
    let this = &prepared.function.nodes[node];
    let told = match &this.op {
        Op::Reshape => splits_only(prepared.shape(this.operands[0]), prepared.shape(node)),
        Op::Reverse { axes } => axes.iter().all(|&axis| !prepared.shape(node)[axis].is_batch()),
        _ => true,
    };
    told && told_by_strides(prepared, this.operands[0])
}

/// Whether a reshape does no more than divide axes.
fn splits_only(old: &Shape, new: &Shape) -> bool {
    pieces(old, new).is_some_and(|pieces| {
        pieces.iter().all(|piece| piece.old.clone().filter(|&axis| old[axis] != Dim::Fixed(1)).count() <= 1)
    })
}

/// Whether an axis is the innermost of its base when the base lies row-major.
fn is_innermost(prepared: &Prepared, node: NodeId, axis: usize) -> bool {
    if prepared.shape(node)[axis] == Dim::Fixed(1) {
        return true;
    }
    if prepared.is_base(node) {
        return match prepared.copies.get(&node) {
            Some(Some(order)) => order.last() == Some(&axis),
            _ => axis + 1 == prepared.shape(node).rank(),
        };
    }
    let operand = prepared.function.nodes[node].operands[0];
    match &prepared.function.nodes[node].op {
        Op::Transpose { permutation } => is_innermost(prepared, operand, permutation[axis]),
        _ => false,
    }
}
