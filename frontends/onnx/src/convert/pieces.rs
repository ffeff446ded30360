//! Taking values apart, joining them, and the shapes between.
//!
//! What many families need: parts along an axis, reshapes that keep a batch extent, counting along axes.

use super::{Context, Stop};
use dlc_ir::{NodeId, Op};
use dlc_types::{DType, Dim, Shape, TensorType};

impl Context<'_, '_> {
    /// `length` elements along an axis, from `start` on.
    pub(super) fn part(
        &mut self,
        x: NodeId,
        axis: usize,
        start: usize,
        length: usize,
    ) -> Result<NodeId, Stop> {
        self.strided_part(x, axis, start, length, 1)
    }

    /// `length` elements along an axis, from `start` on, `stride` apart.
    pub(super) fn strided_part(
        &mut self,
        x: NodeId,
        axis: usize,
        start: usize,
        length: usize,
        stride: usize,
    ) -> Result<NodeId, Stop> {
        let shape = self.shape(x);
        self.axis(axis as i64, shape.rank())?;
        if start == 0 && stride == 1 && shape[axis] == Dim::Fixed(length) {
            return Ok(x);
        }
        let rank = shape.rank();
        let (mut starts, mut limits, mut strides) = (vec![0; rank], vec![usize::MAX; rank], vec![1; rank]);
        let reach = if length == 0 { 0 } else { (length - 1).saturating_mul(stride).saturating_add(1) };
        (starts[axis], limits[axis], strides[axis]) = (start, start + reach.min(usize::MAX - start), stride);
        Ok(self.builder().add_node(Op::Slice { starts, limits, strides }, &[x])?)
    }

    /// The elements at one place of an axis, which vanishes.
    pub(super) fn element_at(&mut self, x: NodeId, axis: usize, place: usize) -> Result<NodeId, Stop> {
        let part = self.part(x, axis, place, 1)?;
        let mut dims = self.shape(part).0;
        dims.remove(axis);
        Ok(self.builder().reshape(part, Shape(dims))?)
    }

    /// All of them in a row along an axis; parts without elements add nothing.
    pub(super) fn joined(&mut self, parts: &[NodeId], axis: usize) -> Result<NodeId, Stop> {
        for &part in parts {
            self.axis(axis as i64, self.rank(part))?;
        }
        let full: Vec<NodeId> =
            parts.iter().copied().filter(|&part| self.shape(part)[axis] != Dim::Fixed(0)).collect();
        match full.as_slice() {
            [] => parts.first().copied().ok_or_else(|| self.invalid("there is nothing to join")),
            [only] => Ok(*only),
            several => Ok(self.builder().add_node(Op::Concat { axis }, several)?),
        }
    }

    /// The value with an axis of extent 1 before its axis of that number.
    pub(super) fn with_axis(&mut self, x: NodeId, axis: usize) -> Result<NodeId, Stop> {
        let mut dims = self.shape(x).0;
        self.axis(axis as i64, dims.len() + 1)?;
        dims.insert(axis, Dim::Fixed(1));
        Ok(self.builder().reshape(x, Shape(dims))?)
    }

    /// The value in another shape.
    pub(super) fn shaped(&mut self, x: NodeId, dims: &[Dim]) -> Result<NodeId, Stop> {
        Ok(self.builder().reshape(x, Shape(dims.to_vec()))?)
    }

    /// The coordinate along an axis of each element of a shape.
    pub(super) fn count(&mut self, shape: &Shape, axis: usize, dtype: DType) -> Result<NodeId, Stop> {
        let ty = TensorType::new(dtype, shape.clone());
        Ok(self.builder().declare(Op::Iota { axis }, &[], ty)?)
    }

    /// An extent that must be a number; `what` names it.
    pub(super) fn fixed(&self, dim: Dim, what: &str) -> Result<usize, Stop> {
        dim.fixed().ok_or_else(|| self.not_done(format!("{what} of {dim}, which depends on the batch")))
    }
}
