//! Factors of small integers as kernels read them: words of 32 bits.
//!
//! Stands with [`super::prepare`]: where a contraction or convolution has a [`crate::words::Form`], its operands become
//! values in the parts' type with layouts of their own.
//!
//! - The *packed* one, as a rule the weights, is a copy `[outer…, columns / block, words, block, parts]` in
//!   memory: the words of a few columns stand together, and what is behind the last part is zero. It is computed in
//!   the prologue where it does not change between calls.
//! - The *other* one has the summed axis innermost, with a border that fills the last word. What reads it as a
//!   number may read it there, so that the kernel before stores it in this form and no other.
//! - Where both have one sign and bytes are multiplied, the other one's bits are turned in the kernel, which adds
//!   ±128 to every part, borders included. The *correction*, the sum of each column of the packed one, makes up for it.
//!
//! The function keeps its meaning: behind the packed copy stands what unpacks it, which nobody computes.

mod product;

use super::layout::channels_last;
use super::prepare::Prepared;
use crate::words::{Form, form};
use dlc_ir::{Contraction, Function, Literal, Node, NodeId, Op, Origin, Reduction, Type};
use dlc_types::{DType, Dim, Shape, TensorType};
use std::collections::BTreeMap;

pub(crate) use product::{Sources, contraction_product, convolution_sources};

/// Columns of a block, by preference: four of the widest vectors.
const COLUMNS: [usize; 2] = [64, 32];

/// How a contraction or convolution reads its factors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) form: Form,
    /// The packed copy.
    pub(crate) packed: NodeId,
    /// Axes of the packed operand in the order of the copy's first axes: all but columns and the summed one.
    pub(crate) outer: Vec<usize>,
    /// Columns of a block.
    pub(crate) block: usize,
    /// Words along the summed axis.
    pub(crate) words: usize,
    /// The other factor.
    pub(crate) other: NodeId,
    /// What makes up for turned bits.
    pub(crate) correction: Option<Correction>,
}

/// What is added to every sum: a number that depends on the packed operand alone, times a factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Correction {
    /// Sums over the packed operand's summed axes.
    pub(crate) sums: NodeId,
    /// For each of its axes the axis of the result.
    pub(crate) axes: Vec<usize>,
    pub(crate) factor: i64,
}

/// The values that kernels read in a type of parts, found before the copies are made: by value, the type and the
/// order of axes.
pub(super) fn wished(function: &Function, bytes: bool) -> BTreeMap<NodeId, (DType, Vec<usize>)> {
    let mut wished = BTreeMap::new();
    for (id, node) in function.nodes.iter() {
        let Some(form) = form(function, id, bytes) else { continue };
        let other = node.operands[1 - form.packed];
        if let Some(value) = widened(function, other) {
            wished.entry(value).or_insert_with(|| (form.other_type, other_order(function, node, &form)));
        }
    }
    wished
}

/// The narrow value that a value is the cast of.
fn widened(function: &Function, id: NodeId) -> Option<NodeId> {
    let node = &function.nodes[id];
    let from = *node.operands.first()?;
    (node.op == Op::Cast(DType::I32) && function.tensor_type(from).dtype.is_narrow()).then_some(from)
}

/// The order of the axes of the factor that is not packed: the summed one innermost.
fn other_order(function: &Function, node: &Node, form: &Form) -> Vec<usize> {
    let rank = function.tensor_type(node.operands[1 - form.packed]).shape.rank();
    match &node.op {
        Op::Contract(contraction) => {
            let axis = |pair: &(usize, usize)| if form.packed == 1 { pair.0 } else { pair.1 };
            let batch: Vec<usize> = contraction.batch.iter().map(axis).collect();
            let summed: Vec<usize> = contraction.contract.iter().map(axis).collect();
            let free = (0..rank).filter(|axis| !batch.contains(axis) && !summed.contains(axis));
            batch.iter().copied().chain(free).chain(summed.iter().copied()).collect()
        }
        _ => channels_last(rank),
    }
}

impl Prepared {
    fn push(&mut self, op: Op, operand: NodeId, ty: TensorType, origin: &Origin) -> NodeId {
        let (operands, ty, origin) = (vec![operand], Type::Tensor(ty), origin.clone());
        self.function.nodes.push(Node { op, operands, ty, origin })
    }

    /// A value in a type of parts and an order of axes, in a place of its own.
    pub(super) fn in_parts(&mut self, value: NodeId, dtype: DType, order: &[usize]) -> NodeId {
        let key = (value, dtype, order.to_vec());
        if let Some(&known) = self.parts.get(&key) {
            return known;
        }
        let Node { ty, origin, .. } = self.function.nodes[value].clone();
        let Type::Tensor(ty) = ty else { return value };
        let made = self.push(Op::Cast(dtype), value, TensorType::new(dtype, ty.shape), &origin);
        self.copies.insert(made, Some(order.to_vec()));
        self.parts.insert(key, made);
        made
    }

    /// Gives a node that multiplies small integers operands in words; `operands` become what the node reads, in
    /// `i32`. Nothing where it has no such form.
    pub(super) fn words(
        &mut self,
        function: &Function,
        id: NodeId,
        operands: &mut [NodeId],
        bytes: bool,
    ) -> Option<Words> {
        let form = form(function, id, bytes)?;
        let node = &function.nodes[id];
        let order = other_order(function, node, &form);
        let (packed_side, other_side) = (form.packed, 1 - form.packed);
        let other = match widened(&self.function, operands[other_side]) {
            Some(value)
                if self.copies.get(&value) == Some(&Some(order.clone())) && self.is_of(value, &form) =>
            {
                value
            }
            Some(value) => self.in_parts(value, form.other_type, &order),
            None => self.in_parts(operands[other_side], form.other_type, &order),
        };
        operands[other_side] = self.wide(other, &node.origin);
        let weights = operands[packed_side];
        let correction = form.turns.then(|| self.correction(node, weights, &form));
        let (packed, outer, block) = self.pack(node, weights, &form)?;
        let length = self.tensor(weights).shape[form.summed.0].fixed()?;
        let words = length.div_ceil(form.parts());
        operands[packed_side] = self.unpacked(packed, weights, &outer, &form, &node.origin);
        Some(Words { form, packed, outer, block, words, other, correction })
    }

    fn is_of(&self, value: NodeId, form: &Form) -> bool {
        self.tensor(value).dtype == form.other_type
    }

    fn tensor(&self, node: NodeId) -> &TensorType {
        self.function.tensor_type(node)
    }

    fn wide(&mut self, value: NodeId, origin: &Origin) -> NodeId {
        let ty = TensorType::new(DType::I32, self.tensor(value).shape.clone());
        self.push(Op::Cast(DType::I32), value, ty, origin)
    }

    /// The sums of the packed operand over its summed axes.
    fn correction(&mut self, node: &Node, weights: NodeId, form: &Form) -> Correction {
        let shape = self.tensor(weights).shape.clone();
        let (summed, axes) = match &node.op {
            Op::Contract(contraction) => kept_axes(contraction, form.packed, &shape, node),
            _ => ((1..shape.rank()).collect(), vec![1]),
        };
        let kept = (0..shape.rank()).filter(|axis| !summed.contains(axis)).map(|axis| shape[axis]);
        let ty = TensorType::new(DType::I32, Shape(kept.collect()));
        let op = Op::Reduce { kind: Reduction::Sum, axes: summed };
        let sums = self.push(op, weights, ty, &node.origin);
        // Turned bits of a signed number are 128 more, those of another 128 less.
        let factor = if form.other_type == DType::I8 { -128 } else { 128 };
        Correction { sums, axes, factor }
    }

    /// The packed copy, the axes that come first in it, and the columns of a block.
    fn pack(&mut self, node: &Node, weights: NodeId, form: &Form) -> Option<(NodeId, Vec<usize>, usize)> {
        let shape = self.tensor(weights).shape.clone();
        let (columns, summed) = (form.columns, form.summed.0);
        let (count, length) = (shape[columns].fixed()?, shape[summed].fixed()?);
        let (within, groups) = match &node.op {
            Op::Contract(contraction) => {
                let axis = |pair: &(usize, usize)| if form.packed == 0 { pair.0 } else { pair.1 };
                (contraction.contract.iter().map(axis).filter(|&axis| axis != summed).collect(), 1)
            }
            Op::Convolve(convolution) => ((2..shape.rank()).collect::<Vec<usize>>(), convolution.groups),
            _ => return None,
        };
        let before =
            (0..shape.rank()).filter(|axis| ![columns, summed].contains(axis) && !within.contains(axis));
        let outer: Vec<usize> = before.chain(within.iter().copied()).collect();
        let per_group = count / groups;
        let divides = |block: &usize| per_group.is_multiple_of(*block) && per_group > *block;
        let block = COLUMNS.into_iter().find(divides).unwrap_or(per_group);
        let parts = form.parts();
        let full = length.next_multiple_of(parts);
        let origin = node.origin.clone();
        let mut value = self.narrowed(weights, form.packed_type, &origin);
        if full > length {
            value = self.padded(value, summed, full, &origin);
        }
        let permutation: Vec<usize> = outer.iter().copied().chain([columns, summed]).collect();
        let dims: Vec<Dim> = permutation.iter().map(|&axis| self.tensor(value).shape[axis]).collect();
        let ty = TensorType::new(form.packed_type, Shape(dims.clone()));
        let moved = self.push(Op::Transpose { permutation }, value, ty, &origin);
        let mut split = dims[..outer.len()].to_vec();
        split.extend([count / block, block, full / parts, parts].map(Dim::Fixed));
        let packed = self.push(Op::Reshape, moved, TensorType::new(form.packed_type, Shape(split)), &origin);
        let (first, inner) = (outer.len() - within.len(), outer.len());
        let order = (0..first).chain([inner]).chain(first..inner).chain([inner + 2, inner + 1, inner + 3]);
        self.copies.insert(packed, Some(order.collect()));
        Some((packed, outer, block))
    }

    /// A value of integers in a narrow type that holds them.
    fn narrowed(&mut self, value: NodeId, dtype: DType, origin: &Origin) -> NodeId {
        match widened(&self.function, value) {
            Some(narrow) if self.tensor(narrow).dtype == dtype => narrow,
            _ => {
                let ty = TensorType::new(dtype, self.tensor(value).shape.clone());
                self.push(Op::Cast(dtype), value, ty, origin)
            }
        }
    }

    /// A value with zeros behind it along an axis.
    fn padded(&mut self, value: NodeId, axis: usize, length: usize, origin: &Origin) -> NodeId {
        let TensorType { dtype, mut shape } = self.tensor(value).clone();
        let (low, mut high) = (vec![0; shape.rank()], vec![0; shape.rank()]);
        high[axis] = length - shape[axis].at(1);
        shape.0[axis] = Dim::Fixed(length);
        let zero = Literal::scalar(dtype, 0.0);
        let ty = Type::Tensor(zero.ty.clone());
        let zero = Node { op: Op::Constant(zero), operands: Vec::new(), ty, origin: origin.clone() };
        let zero = self.function.nodes.push(zero);
        let (ty, origin) = (Type::Tensor(TensorType::new(dtype, shape)), origin.clone());
        self.function.nodes.push(Node { op: Op::Pad { low, high }, operands: vec![value, zero], ty, origin })
    }

    /// What was packed, in `i32`, as a view of the copy.
    fn unpacked(
        &mut self,
        packed: NodeId,
        weights: NodeId,
        outer: &[usize],
        form: &Form,
        origin: &Origin,
    ) -> NodeId {
        let shape = self.tensor(weights).shape.clone();
        let dtype = form.packed_type;
        let length = shape[form.summed.0].at(1).next_multiple_of(form.parts());
        let order: Vec<usize> = outer.iter().copied().chain([form.columns, form.summed.0]).collect();
        let mut dims: Vec<Dim> = order.iter().map(|&axis| shape[axis]).collect();
        if let Some(last) = dims.last_mut() {
            *last = Dim::Fixed(length);
        }
        let flat = self.push(Op::Reshape, packed, TensorType::new(dtype, Shape(dims)), origin);
        let inverse: Vec<usize> =
            (0..shape.rank()).filter_map(|axis| order.iter().position(|&from| from == axis)).collect();
        let mut full = shape.clone();
        full.0[form.summed.0] = Dim::Fixed(length);
        let op = Op::Transpose { permutation: inverse };
        let mut value = self.push(op, flat, TensorType::new(dtype, full), origin);
        if shape[form.summed.0] != Dim::Fixed(length) {
            let limits = shape.dims().iter().map(|dim| dim.fixed().unwrap_or(usize::MAX)).collect();
            let (starts, strides) = (vec![0; shape.rank()], vec![1; shape.rank()]);
            let op = Op::Slice { starts, limits, strides };
            value = self.push(op, value, TensorType::new(dtype, shape), origin);
        }
        self.wide(value, origin)
    }
}

/// The summed axes of the packed operand, and for each of the others its axis of the result.
fn kept_axes(
    contraction: &Contraction,
    packed: usize,
    shape: &Shape,
    node: &Node,
) -> (Vec<usize>, Vec<usize>) {
    let axis = |pair: &(usize, usize)| if packed == 0 { pair.0 } else { pair.1 };
    let summed: Vec<usize> = contraction.contract.iter().map(axis).collect();
    let batch: Vec<usize> = contraction.batch.iter().map(axis).collect();
    let bound = |axis: &usize| summed.contains(axis) || batch.contains(axis);
    let free = (0..shape.rank()).filter(|axis| !bound(axis)).count();
    // The result: batch, free axes of the left operand, those of the right one.
    let rank = node.ty.tensor().map_or(0, |ty| ty.shape.rank());
    let mut next = if packed == 0 { batch.len() } else { rank - free };
    let mut axes = Vec::new();
    for axis in (0..shape.rank()).filter(|axis| !summed.contains(axis)) {
        axes.push(batch.iter().position(|&of| of == axis).unwrap_or_else(|| {
            next += 1;
            next - 1
        }));
    }
    (summed, axes)
}
