//! Which keys a query sees, and what is added to its scores.

use super::super::softmax::softmax;
use super::super::{Context, Stop};
use dlc_ir::{Binary, Comparison, NodeId};
use dlc_types::{DType, Dim, Shape};

/// How far a query sees, counted from the key at its own position.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    /// Keys before, if there is a bound.
    pub left: Option<usize>,
    /// Keys behind, if there is a bound.
    pub right: Option<usize>,
}

/// The position of the first query among the keys.
#[derive(Clone, Copy, Debug)]
pub(super) enum Offset {
    /// The same in every sequence.
    Fixed(usize),
    /// `i32[batch]`
    PerSequence(NodeId),
}

/// What becomes of the scores `[batch, heads, queries, keys]` before the softmax.
#[derive(Clone, Debug, Default)]
pub(super) struct Mask {
    /// Which scores count, in the scores' shape; `None` where all do.
    pub allowed: Option<NodeId>,
    /// What is added, in the scores' shape.
    pub added: Option<NodeId>,
    /// Whether a query may see no key at all.
    pub may_be_empty: bool,
}

impl Mask {
    fn allow(&mut self, context: &mut Context<'_, '_>, more: NodeId) -> Result<(), Stop> {
        self.allowed = Some(match self.allowed {
            Some(allowed) => context.builder().binary(Binary::And, allowed, more)?,
            None => more,
        });
        Ok(())
    }

    /// The mask that is fed: bool for what counts, or numbers to add. What it lacks of keys does not count.
    pub(super) fn given(
        &mut self,
        context: &mut Context<'_, '_>,
        mask: NodeId,
        shape: &Shape,
    ) -> Result<(), Stop> {
        let dims = context.shape(mask);
        let keys = context.fixed(shape[3], "a number of keys")?;
        let Some(&last) = dims.dims().last() else {
            return Err(context.invalid("its mask has no axis"));
        };
        let length = context.fixed(last, "a mask")?;
        let mut mask = mask;
        if length < keys {
            let behind = context.count(shape, 3, DType::I32)?;
            let limit = context.builder().splat_like(behind, length as f64)?;
            let inside = context.builder().compare(Comparison::Less, behind, limit)?;
            self.allow(context, inside)?;
            let dtype = context.dtype(mask);
            let zero = context.builder().scalar(dtype, 0.0)?;
            let (low, mut high) = (vec![0; dims.rank()], vec![0; dims.rank()]);
            high[dims.rank() - 1] = keys - length;
            mask = context.builder().add_node(dlc_ir::Op::Pad { low, high }, &[mask, zero])?;
        }
        let mask = context.broadcast_to(mask, shape)?;
        self.may_be_empty = true;
        if context.dtype(mask) == DType::Bool {
            self.allow(context, mask)
        } else {
            self.added = Some(mask);
            Ok(())
        }
    }

    /// The distance of each query's own key from each key, in the shape of the scores.
    fn distance(context: &mut Context<'_, '_>, offset: Offset, shape: &Shape) -> Result<NodeId, Stop> {
        let (query, key) = (context.count(shape, 2, DType::I32)?, context.count(shape, 3, DType::I32)?);
        let position = match offset {
            Offset::Fixed(0) => query,
            Offset::Fixed(offset) => context.builder().shift(query, offset as f64)?,
            Offset::PerSequence(offset) => {
                let offset = context.builder().broadcast(offset, shape.clone(), &[0])?;
                context.builder().add(query, offset)?
            }
        };
        Ok(context.builder().sub(position, key)?)
    }

    /// No key behind the query's own, and none outside of the window.
    pub(super) fn by_distance(
        &mut self,
        context: &mut Context<'_, '_>,
        causal: bool,
        window: Window,
        offset: Offset,
        shape: &Shape,
    ) -> Result<(), Stop> {
        let right = if causal { Some(0) } else { window.right };
        if right.is_none() && window.left.is_none() {
            return Ok(());
        }
        let distance = Mask::distance(context, offset, shape)?;
        if let Some(right) = right {
            let least = context.builder().splat_like(distance, -(right as f64))?;
            let near = context.builder().compare(Comparison::GreaterEqual, distance, least)?;
            self.allow(context, near)?;
        }
        if let Some(left) = window.left {
            let most = context.builder().splat_like(distance, left as f64)?;
            let near = context.builder().compare(Comparison::LessEqual, distance, most)?;
            self.allow(context, near)?;
        }
        // Every query sees its first key where sequences are not of different lengths.
        self.may_be_empty |= window.left.is_some() || !matches!(offset, Offset::Fixed(_));
        Ok(())
    }

    /// No key behind the end of a sequence; lengths are `i32[batch]`.
    pub(super) fn by_length(
        &mut self,
        context: &mut Context<'_, '_>,
        lengths: NodeId,
        shape: &Shape,
    ) -> Result<(), Stop> {
        let key = context.count(shape, 3, DType::I32)?;
        let lengths = context.builder().broadcast(lengths, shape.clone(), &[0])?;
        let inside = context.builder().compare(Comparison::Less, key, lengths)?;
        self.may_be_empty = true;
        self.allow(context, inside)
    }

    /// The scores with what is added, and -inf where they do not count.
    pub(super) fn apply(&self, context: &mut Context<'_, '_>, scores: NodeId) -> Result<NodeId, Stop> {
        let mut scores = scores;
        let dtype = context.dtype(scores);
        if let Some(added) = self.added {
            let added = context.builder().cast(added, dtype)?;
            scores = context.builder().add(scores, added)?;
        }
        if let Some(allowed) = self.allowed {
            let never = context.builder().splat_like(scores, f64::NEG_INFINITY)?;
            scores = context.builder().select(allowed, scores, never)?;
        }
        Ok(scores)
    }

    /// The softmax along the keys; 0 for a query that sees none.
    pub(super) fn softmax(&self, context: &mut Context<'_, '_>, scores: NodeId) -> Result<NodeId, Stop> {
        let shape = context.shape(scores);
        let weights = softmax(context, scores, 3)?;
        let builder = context.builder();
        if !self.may_be_empty || shape[3] == Dim::Fixed(0) {
            return Ok(weights);
        }
        let largest = builder.reduce(dlc_ir::Reduction::Max, scores, &[3])?;
        let never = builder.splat_like(largest, f64::NEG_INFINITY)?;
        let empty = builder.compare(Comparison::Equal, largest, never)?;
        let empty = builder.broadcast_reduced(empty, shape, &[3])?;
        let zero = builder.splat_like(weights, 0.0)?;
        Ok(builder.select(empty, zero, weights)?)
    }
}
