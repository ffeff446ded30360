//! Reading and writing at indices, and sorting.
//!
//! The graph clamps indices to the axis, which ONNX does not: a Clip stands before each, unless the indices are
//! known to fit.

use super::scope::{Scope, Value, Written, int, long, ordered_in, text};
use dlc_ir::literal::Elements;
use dlc_ir::{NodeId, Op, ScatterKind};
use dlc_types::{DType, Dim, Shape};

impl Scope<'_> {
    /// Whether a node's numbers are all in `0..size`.
    fn fits(&self, indices: NodeId, size: Dim) -> bool {
        let node = &self.function.nodes[indices];
        let operand = |place: usize| node.operands.get(place).copied();
        let shape = |id: Option<NodeId>, axis: usize| {
            let ty = self.function.nodes[id?].ty.tensor()?;
            ty.shape.dims().get(axis).copied()
        };
        match &node.op {
            Op::Constant(literal) => match (&literal.elements, size) {
                (Elements::Int(values), Dim::Fixed(size)) => {
                    values.iter().all(|&value| (0..long(size)).contains(&value))
                }
                _ => false,
            },
            Op::ArgReduce { axis, .. } | Op::ArgSort { axis, .. } => shape(operand(0), *axis) == Some(size),
            Op::Iota { axis } => shape(Some(indices), *axis) == Some(size),
            Op::Broadcast { .. } | Op::Reshape | Op::Transpose { .. } => {
                operand(0).is_some_and(|x| self.fits(x, size))
            }
            _ => false,
        }
    }

    /// The indices within the axis.
    fn clamped(&mut self, indices: NodeId, size: Dim) -> Written<String> {
        let name = self.full(indices)?;
        if self.fits(indices, size) {
            return Ok(name);
        }
        let dtype = self.ty(indices)?.dtype;
        let zero = self.scalar(dtype, 0.0)?;
        let last = match size {
            Dim::Fixed(size) => self.scalar(dtype, size.saturating_sub(1) as f64)?,
            Dim::Batch(_) => {
                let extent = self.extent_of(size, dtype)?.name;
                let one = self.scalar(dtype, 1.0)?;
                self.apply("Sub", &[&extent, &one], &[])
            }
        };
        Ok(self.apply("Clip", &[&name, &zero, &last], &[]))
    }

    /// Gather, where the indices select slices, or GatherElements, where they select elements.
    pub(super) fn gather(
        &mut self,
        operator: &str,
        [data, indices]: [NodeId; 2],
        axis: usize,
        shape: &Shape,
    ) -> Written<Value> {
        let places = self.clamped(indices, self.shape(data)?[axis])?;
        let data = self.full(data)?;
        let name = self.apply(operator, &[&data, &places], &[("axis", int(long(axis)))]);
        Ok(Value { name, dims: shape.dims().to_vec() })
    }

    /// ScatterND along the outermost axis; another one is brought there and back.
    pub(super) fn scatter(
        &mut self,
        [data, indices, updates]: [NodeId; 3],
        axis: usize,
        kind: ScatterKind,
        shape: &Shape,
    ) -> Written<Value> {
        let places = self.clamped(indices, shape[axis])?;
        let places = self.cast(&places, DType::I64);
        let depth = self.shape(indices)?.rank();
        let behind = self.long_vector(&[-1]);
        let places = self.apply("Unsqueeze", &[&places, &behind], &[]);
        let rank = shape.rank();
        let front: Vec<usize> =
            std::iter::once(axis).chain((0..rank).filter(|&other| other != axis)).collect();
        let inner = (0..axis).chain(axis + depth..rank - 1 + depth);
        let first: Vec<usize> = (axis..axis + depth).chain(inner).collect();
        let (data, updates) = (self.full(data)?, self.full(updates)?);
        let (data, updates) = (self.transpose(&data, &front), self.transpose(&updates, &first));
        let combines = match kind {
            ScatterKind::Set => "none",
            ScatterKind::Add => "add",
            ScatterKind::Multiply => "mul",
            ScatterKind::Max => "max",
            ScatterKind::Min => "min",
        };
        let name = self.apply("ScatterND", &[&data, &places, &updates], &[("reduction", text(combines))]);
        let back: Vec<usize> = (0..rank)
            .map(|other| match other.cmp(&axis) {
                std::cmp::Ordering::Less => other + 1,
                std::cmp::Ordering::Equal => 0,
                std::cmp::Ordering::Greater => other,
            })
            .collect();
        Ok(Value { name: self.transpose(&name, &back), dims: shape.dims().to_vec() })
    }

    pub(super) fn arg_sort(&mut self, x: NodeId, axis: usize, descending: bool) -> Written<Value> {
        let ty = self.ty(x)?;
        let name = self.full(x)?;
        let name = self.widened(&name, ty.dtype, ordered_in(ty.dtype));
        let count = self.extent(ty.shape[axis])?;
        let attributes =
            [("axis", int(long(axis))), ("largest", int(i64::from(descending))), ("sorted", int(1))];
        let results = self.apply_many("TopK", &[&name, &count], &attributes, 2);
        Ok(Value { name: self.cast(&results[1], DType::I32), dims: ty.shape.dims().to_vec() })
    }
}
