//! Emits the computation of one element of a value into a kernel body.
//!
//! The element is named by an index form per logical axis. A stored value is loaded; any other is
//! computed from its operands at the coordinates that its op maps them to. Each (value, coordinates)
//! pair is emitted once per kernel.

use super::Lowering;
use super::elementary::composed;
use super::error::LowerError;
use super::nest::Nest;
use super::recompute::recomputed;
use super::view::{pieces, view_of};
use dlc_ir::{NodeId, Op};
use dlc_kernel::{Affine, Guard, IndexExpr, ScalarOp, Var};
use dlc_types::{DType, Dim, Shape};
use std::collections::{BTreeMap, BTreeSet};

/// Emits values into one kernel.
pub(crate) struct Emitter<'a, 'b> {
    lowering: &'a Lowering<'b>,
    /// The kernel.
    pub(crate) nest: Nest,
    known: BTreeMap<(NodeId, Vec<Affine>), Var>,
    /// A value that is computed even though it is stored: the one this kernel is for.
    root: Option<NodeId>,
    /// Stored values that are computed again.
    recomputed: BTreeSet<NodeId>,
}

impl<'a, 'b> Emitter<'a, 'b> {
    /// An emitter into an empty kernel that computes `root`.
    pub(crate) fn new(lowering: &'a Lowering<'b>, root: Option<NodeId>) -> Self {
        let mut emitter = Emitter {
            lowering,
            nest: Nest::new(),
            known: BTreeMap::new(),
            root,
            recomputed: BTreeSet::new(),
        };
        if let Some(root) = root {
            emitter.recompute(&[root], &[]);
        }
        emitter
    }

    /// Chooses what to compute again in a kernel of these values, beside some that it has anyway.
    pub(crate) fn recompute(&mut self, roots: &[NodeId], bound: &[NodeId]) {
        self.recomputed = recomputed(self.lowering, roots, self.root, bound);
    }

    /// What the kernel is a part of.
    pub(crate) fn lowering(&self) -> &'a Lowering<'b> {
        self.lowering
    }

    /// Makes the element of `id` at these coordinates a value that the kernel starts with.
    pub(crate) fn bind(&mut self, id: NodeId, at: &[Affine], dtype: DType) -> Var {
        let value = self.nest.given(dtype);
        self.known.insert((id, at.to_vec()), value);
        value
    }

    /// Makes a value that the kernel has computed the element of `id` at these coordinates.
    pub(crate) fn know(&mut self, id: NodeId, at: &[Affine], value: Var) {
        self.known.insert((id, at.to_vec()), value);
    }

    /// The element of `id` at these coordinates.
    pub(crate) fn value(&mut self, id: NodeId, at: &[Affine]) -> Result<Var, LowerError> {
        let key = (id, at.to_vec());
        if let Some(&known) = self.known.get(&key) {
            return Ok(known);
        }
        let value = if self.lowering.stored[id] && self.root != Some(id) && !self.recomputed.contains(&id) {
            self.load(id, at, None)?
        } else {
            self.compute(id, at)?
        };
        self.known.insert(key, value);
        Ok(value)
    }

    /// The element of a stored value that this kernel computes beside its root, for the root to use.
    pub(crate) fn value_of_pair(&mut self, id: NodeId, at: &[Affine]) -> Result<Var, LowerError> {
        let value = self.compute(id, at)?;
        self.known.insert((id, at.to_vec()), value);
        Ok(value)
    }

    /// Loads an element of a stored value.
    pub(crate) fn load(
        &mut self,
        id: NodeId,
        at: &[Affine],
        guard: Option<Guard>,
    ) -> Result<Var, LowerError> {
        if let Op::Constant(literal) = &self.lowering.node(id).op
            && let (Some(value), None) = (literal.as_scalar(), &guard)
            && literal.ty.shape.rank() == 0
            && !matches!(literal.ty.dtype, DType::I64 | DType::U64)
        {
            return Ok(self.nest.number(literal.ty.dtype, value));
        }
        let place = self.lowering.place(id)?;
        let layout = &place.layout;
        let index = element(layout.origin, &layout.strides, at);
        let dtype = self.lowering.ty(id).dtype;
        let operand = self.nest.operand(place.buffer, &operand_name(self.lowering, id), dtype, false);
        Ok(self.nest.load(operand, index, guard))
    }

    fn compute(&mut self, id: NodeId, at: &[Affine]) -> Result<Var, LowerError> {
        let node = self.lowering.node(id);
        let ty = self.lowering.ty(id);
        let dtype = ty.dtype;
        let operands = node.operands.clone();
        match &node.op {
            Op::Constant(literal) => self.constant(id, literal),
            Op::Extent(dim) => Ok(self.nest.op(dtype, ScalarOp::Extent(*dim), &[])),
            Op::Iota { axis } => Ok(self.nest.form_value(dtype, &at[*axis])),
            Op::Random { stream } => {
                let seed = self.value(operands[0], &[])?;
                let step = self.value(operands[1], &[])?;
                let flat = row_major(&ty.shape, at).ok_or_else(|| {
                    self.lowering.unsupported(id, "a random tensor whose batch is not outermost")
                })?;
                let index = self.nest.form_value(DType::I64, &flat);
                Ok(self.nest.op(DType::F32, ScalarOp::Random { stream: *stream }, &[seed, step, index]))
            }
            Op::Unary(_) | Op::Binary(_) | Op::Compare(_) | Op::Select | Op::Cast(_) | Op::Bitcast(_) => {
                let args =
                    operands.iter().map(|&operand| self.value(operand, at)).collect::<Result<Vec<_>, _>>()?;
                if let Op::Unary(function) = node.op
                    && let Some(value) = composed(&mut self.nest, function, args[0])
                {
                    return Ok(value);
                }
                let op = scalar_op(&node.op)
                    .ok_or_else(|| LowerError::Internal(format!("{} has no scalar form", node.op.name())))?;
                Ok(self.nest.op(dtype, op, &args))
            }
            Op::Gather { axis } => self.gather(operands[0], operands[1], *axis, at),
            Op::GatherAlong { axis } => {
                let chosen = self.value(operands[1], at)?;
                let length = self.lowering.ty(operands[0]).shape[*axis];
                let clamped = self.nest.index(IndexExpr::Clamped(chosen, Affine::extent(length)));
                let mut coordinates = at.to_vec();
                coordinates[*axis] = Affine::var(clamped);
                self.load(operands[0], &coordinates, None)
            }
            Op::Pad { low, .. } => self.pad(id, operands[0], operands[1], low, at),
            Op::Dilate { factors } => self.dilate(operands[0], factors, at),
            Op::Broadcast { .. }
            | Op::Transpose { .. }
            | Op::Slice { .. }
            | Op::Reverse { .. }
            | Op::Reshape => self.moved(id, at),
            _ => Err(LowerError::Internal(format!("{} {id} is computed in place", node.op.name()))),
        }
    }

    fn constant(&mut self, id: NodeId, literal: &dlc_ir::Literal) -> Result<Var, LowerError> {
        match (&literal.elements, literal.ty.dtype) {
            (dlc_ir::literal::Elements::Int(values), dtype) if values.len() == 1 => {
                Ok(self.nest.op(dtype, ScalarOp::Integer(values[0]), &[]))
            }
            _ => match literal.as_scalar() {
                Some(value) => Ok(self.nest.number(literal.ty.dtype, value)),
                None => Err(LowerError::Internal(format!("constant tensor {id} has no place"))),
            },
        }
    }

    /// A value that shows its operand through other coordinates.
    fn moved(&mut self, id: NodeId, at: &[Affine]) -> Result<Var, LowerError> {
        let lowering = self.lowering;
        let root = self.root;
        let layout_of = |node: NodeId| {
            let seen = lowering.stored[node] && root != Some(node);
            seen.then(|| lowering.places[node].as_ref().map(|place| &place.layout)).flatten()
        };
        if let Some(view) = view_of(lowering.function(), id, &layout_of) {
            let place = lowering.place(view.base)?;
            let index = element(view.offset, &view.strides, at);
            let dtype = lowering.ty(view.base).dtype;
            let name = operand_name(lowering, view.base);
            let operand = self.nest.operand(place.buffer, &name, dtype, false);
            return Ok(self.nest.load(operand, index, None));
        }
        let operand = lowering.node(id).operands[0];
        let coordinates = self.operand_coordinates(id, operand, at)?;
        self.value(operand, &coordinates)
    }

    fn operand_coordinates(
        &mut self,
        id: NodeId,
        operand: NodeId,
        at: &[Affine],
    ) -> Result<Vec<Affine>, LowerError> {
        let from = self.lowering.ty(operand).shape.clone();
        let to = &self.lowering.ty(id).shape;
        match &self.lowering.node(id).op {
            Op::Broadcast { axes } => Ok(axes
                .iter()
                .enumerate()
                .map(
                    |(axis, &target)| {
                        if from[axis] == to[target] { at[target].clone() } else { Affine::constant(0) }
                    },
                )
                .collect()),
            Op::Transpose { permutation } => {
                let mut result = vec![Affine::default(); permutation.len()];
                for (axis, &source) in permutation.iter().enumerate() {
                    result[source] = at[axis].clone();
                }
                Ok(result)
            }
            Op::Slice { starts, strides, .. } => Ok((0..at.len())
                .map(|axis| at[axis].times(strides[axis] as i64).offset(starts[axis] as i64))
                .collect()),
            Op::Reverse { axes } => Ok((0..at.len())
                .map(|axis| {
                    if axes.contains(&axis) {
                        Affine::extent(from[axis]).offset(-1).plus(&at[axis].times(-1))
                    } else {
                        at[axis].clone()
                    }
                })
                .collect()),
            Op::Reshape => {
                let to = to.clone();
                self.reshaped_coordinates(&from, &to, at)
                    .ok_or_else(|| self.lowering.unsupported(id, format!("a reshape from {from} to {to}")))
            }
            other => Err(LowerError::Internal(format!("{} moves nothing", other.name()))),
        }
    }

    /// Coordinates in the old shape of an element of the new one: within each piece of equal products
    /// the position is put together from the new axes and taken apart into the old ones.
    fn reshaped_coordinates(&mut self, old: &Shape, new: &Shape, at: &[Affine]) -> Option<Vec<Affine>> {
        let mut result = vec![Affine::default(); old.rank()];
        for piece in pieces(old, new)? {
            let new_piece = Shape(new.dims()[piece.new.clone()].to_vec());
            let position = row_major(&new_piece, &at[piece.new.clone()])?;
            let long: Vec<usize> = piece.old.clone().filter(|&axis| old[axis] != Dim::Fixed(1)).collect();
            let mut rest = position;
            for (count, &axis) in long.iter().enumerate().rev() {
                if count == 0 {
                    result[axis] = rest.clone();
                } else {
                    let length = i64::try_from(old[axis].fixed()?).ok()?;
                    result[axis] = Affine::var(self.nest.index(IndexExpr::Remainder(rest.clone(), length)));
                    rest = Affine::var(self.nest.index(IndexExpr::Quotient(rest, length)));
                }
            }
        }
        Some(result)
    }

    fn gather(
        &mut self,
        data: NodeId,
        indices: NodeId,
        axis: usize,
        at: &[Affine],
    ) -> Result<Var, LowerError> {
        let index_rank = self.lowering.ty(indices).shape.rank();
        let chosen = self.value(indices, &at[axis..axis + index_rank])?;
        let length = self.lowering.ty(data).shape[axis];
        let clamped = self.nest.index(IndexExpr::Clamped(chosen, Affine::extent(length)));
        let mut coordinates = at[..axis].to_vec();
        coordinates.push(Affine::var(clamped));
        coordinates.extend_from_slice(&at[axis + index_rank..]);
        self.load(data, &coordinates, None)
    }

    fn pad(
        &mut self,
        id: NodeId,
        data: NodeId,
        filler: NodeId,
        low: &[usize],
        at: &[Affine],
    ) -> Result<Var, LowerError> {
        let fill = match &self.lowering.node(filler).op {
            Op::Constant(literal) => literal.as_scalar(),
            _ => None,
        };
        let fill = fill.ok_or_else(|| self.lowering.unsupported(id, "padding with a computed value"))?;
        let shape = self.lowering.ty(data).shape.clone();
        let mut coordinates = Vec::new();
        let mut ranges = Vec::new();
        for axis in 0..shape.rank() {
            let coordinate = at[axis].clone().offset(-(low[axis] as i64));
            if let (Dim::Fixed(length), true) = (shape[axis], shape[axis] != self.lowering.ty(id).shape[axis])
            {
                ranges.push((coordinate.clone(), 0, length as i64));
            }
            coordinates.push(coordinate);
        }
        self.load(data, &coordinates, Some(Guard { ranges, fill }))
    }

    fn dilate(&mut self, data: NodeId, factors: &[usize], at: &[Affine]) -> Result<Var, LowerError> {
        let mut coordinates = Vec::new();
        let mut ranges = Vec::new();
        for (axis, &factor) in factors.iter().enumerate() {
            if factor == 1 {
                coordinates.push(at[axis].clone());
                continue;
            }
            let factor = factor as i64;
            let remainder = self.nest.index(IndexExpr::Remainder(at[axis].clone(), factor));
            ranges.push((Affine::var(remainder), 0, 1));
            coordinates.push(Affine::var(self.nest.index(IndexExpr::Quotient(at[axis].clone(), factor))));
        }
        let guard = (!ranges.is_empty()).then_some(Guard { ranges, fill: 0.0 });
        self.load(data, &coordinates, guard)
    }

    /// Stores an element of a stored value.
    pub(crate) fn store(&mut self, id: NodeId, at: &[Affine], value: Var) -> Result<(), LowerError> {
        let place = self.lowering.place(id)?;
        let index = element(place.layout.origin, &place.layout.strides, at);
        let dtype = self.lowering.ty(id).dtype;
        let operand = self.nest.operand(place.buffer, &operand_name(self.lowering, id), dtype, true);
        self.nest.store(operand, index, value);
        Ok(())
    }
}

/// The element index of coordinates.
pub(crate) fn element(origin: i64, strides: &[i64], at: &[Affine]) -> Affine {
    at.iter()
        .zip(strides)
        .fold(Affine::constant(origin), |sum, (form, &stride)| sum.plus(&form.times(stride)))
}

/// The row-major number of an element; `None` where the batch is not outermost among the long axes.
pub(crate) fn row_major(shape: &Shape, at: &[Affine]) -> Option<Affine> {
    let mut distance: i64 = 1;
    let mut sum = Affine::default();
    for axis in (0..shape.rank()).rev() {
        sum = sum.plus(&at[axis].times(distance));
        match shape[axis] {
            Dim::Fixed(length) => distance = distance.checked_mul(i64::try_from(length).ok()?)?,
            Dim::Batch(_) if shape.dims()[..axis].iter().all(|&dim| dim == Dim::Fixed(1)) => {}
            Dim::Batch(_) => return None,
        }
    }
    Some(sum)
}

/// A short name for an operand in texts.
pub(crate) fn operand_name(lowering: &Lowering<'_>, id: NodeId) -> String {
    match &lowering.node(id).op {
        Op::Input { name } | Op::Parameter { name } | Op::State { name } => name.clone(),
        _ => format!("t{}", id.to_string().trim_start_matches('%')),
    }
}

fn scalar_op(op: &Op) -> Option<ScalarOp> {
    match op {
        Op::Unary(unary) => dlc_kernel::Unary::from_name(unary.name()).map(ScalarOp::Unary),
        Op::Binary(binary) => dlc_kernel::Binary::from_name(binary.name()).map(ScalarOp::Binary),
        Op::Compare(comparison) => {
            dlc_kernel::Comparison::from_name(comparison.name()).map(ScalarOp::Compare)
        }
        Op::Select => Some(ScalarOp::Select),
        Op::Cast(_) => Some(ScalarOp::Cast),
        Op::Bitcast(_) => Some(ScalarOp::Bitcast),
        _ => None,
    }
}
