//! Making nodes: faults of the graph's shape rules become diagnostics, sizes stay within bounds, and
//! operands of different shape are broadcast as NumPy does.

use super::Elaborator;
use crate::codes;
use crate::report::{Eval, Poison};
use crate::value::Value;
use dlc_ir::{InferError, NodeId};
use dlc_types::{DType, Diagnostic, Dim, Shape, Span, TensorType};

/// The largest extent that can be written.
pub(crate) const MAX_EXTENT: i64 = 1 << 31;
/// The largest number of axes of one tensor.
const MAX_RANK: usize = 16;
/// The largest number of elements of one tensor (per sample where the batch is an axis).
const MAX_ELEMENTS: usize = 1 << 40;

impl Elaborator<'_> {
    /// Reports a tensor that is too large to exist.
    pub(crate) fn check_size(&mut self, ty: &TensorType, span: Span) -> Eval<()> {
        if ty.shape.rank() > MAX_RANK {
            let message = format!("a tensor has {MAX_RANK} axes at most, not {}", ty.shape.rank());
            return self.fail_at(codes::TOO_LARGE, message, span, "too many axes");
        }
        match ty.shape.elements() {
            Some(Dim::Fixed(count) | Dim::Batch(count)) if count <= MAX_ELEMENTS => Ok(()),
            _ => {
                let message = format!("a tensor {ty} is too large");
                self.fail(
                    Diagnostic::error(codes::TOO_LARGE, message)
                        .at(span, "more than 2^40 elements, or the square of the batch"),
                )
            }
        }
    }

    /// The node that the builder made, or its fault as a diagnostic.
    pub(crate) fn made(&mut self, result: Result<NodeId, InferError>, span: Span) -> Eval<NodeId> {
        match result {
            Ok(node) => {
                let ty = self.builder.function().nodes[node].ty.tensor().cloned();
                if let Some(ty) = ty {
                    self.check_size(&ty, span)?;
                }
                Ok(node)
            }
            Err(error) => self.fail_at(codes::SHAPE, error.message, span, "does not fit"),
        }
    }

    /// Builds with several nodes; a fault is reported at the span.
    pub(crate) fn build(
        &mut self,
        span: Span,
        build: impl FnOnce(&mut dlc_ir::Builder) -> Result<NodeId, InferError>,
    ) -> Eval<NodeId> {
        let result = build(&mut self.builder);
        self.made(result, span)
    }

    /// The element type of a tensor.
    pub(crate) fn dtype(&self, node: NodeId) -> DType {
        self.builder.ty(node).dtype
    }

    /// Brings two tensors to one shape; `symbol` names the operation in messages.
    pub(crate) fn broadcast_pair(
        &mut self,
        symbol: &str,
        left: NodeId,
        right: NodeId,
        span: Span,
    ) -> Eval<(NodeId, NodeId)> {
        let (a, b) = (self.builder.ty(left).clone(), self.builder.ty(right).clone());
        if a.dtype != b.dtype {
            let message = format!("`{symbol}` joins {a} and {b}: the element types differ");
            return self.fail(
                Diagnostic::error(codes::ELEMENT_TYPE, message)
                    .at(span, format!("{} and {}", a.dtype, b.dtype))
                    .help(format!("convert one of them: `cast(x, \"{}\")`", a.dtype)),
            );
        }
        if a.shape == b.shape {
            return Ok((left, right));
        }
        let Some(shape) = broadcast_shape(&a.shape, &b.shape) else {
            return self.fail(misfit(symbol, &a, &b, span));
        };
        let left = self.broadcast_to(left, &shape, span)?;
        let right = self.broadcast_to(right, &shape, span)?;
        Ok((left, right))
    }

    /// Repeats a tensor over a shape, aligned at the last axis.
    pub(crate) fn broadcast_to(&mut self, node: NodeId, shape: &Shape, span: Span) -> Eval<NodeId> {
        let offset = shape.rank().checked_sub(self.builder.shape(node).rank()).ok_or(Poison)?;
        let axes: Vec<usize> = (offset..shape.rank()).collect();
        self.build(span, |builder| builder.broadcast(node, shape.clone(), &axes))
    }

    /// A number as a tensor like `like`.
    pub(crate) fn splat(&mut self, like: NodeId, value: &Value, span: Span) -> Eval<NodeId> {
        let dtype = self.dtype(like);
        let number = match value {
            Value::Bool(value) if dtype == DType::Bool => f64::from(u8::from(*value)),
            Value::Float(value) if dtype.is_integer() => {
                let message = format!("the fraction {value} meets a tensor {}", self.builder.ty(like));
                return self.fail_at(codes::ELEMENT_TYPE, message, span, "the tensor holds whole numbers");
            }
            other => match other.as_float() {
                Some(number) if dtype != DType::Bool => number,
                _ => {
                    let message = format!(
                        "{} cannot be joined with a tensor {}",
                        other.describe(&self.builder),
                        self.builder.ty(like)
                    );
                    return self.fail_at(codes::KIND, message, span, "does not fit the tensor");
                }
            },
        };
        self.build(span, |builder| builder.splat_like(like, number))
    }
}

/// The common shape of two shapes, if each pair of axes, counted from the last, is equal or has a 1.
fn broadcast_shape(a: &Shape, b: &Shape) -> Option<Shape> {
    let rank = a.rank().max(b.rank());
    let dim = |shape: &Shape, axis: usize| {
        (axis + shape.rank()).checked_sub(rank).map_or(Dim::Fixed(1), |axis| shape[axis])
    };
    (0..rank)
        .map(|axis| match (dim(a, axis), dim(b, axis)) {
            (x, y) if x == y => Some(x),
            (Dim::Fixed(1), other) | (other, Dim::Fixed(1)) => Some(other),
            _ => None,
        })
        .collect::<Option<Vec<Dim>>>()
        .map(Shape)
}

/// Two shapes that cannot be joined, with a guess at the cause.
fn misfit(symbol: &str, a: &TensorType, b: &TensorType, span: Span) -> Diagnostic {
    let (ra, rb) = (a.shape.rank(), b.shape.rank());
    let rank = ra.min(rb);
    let mut axes = Vec::new();
    for back in (1..=rank).rev() {
        let (x, y) = (a.shape[ra - back], b.shape[rb - back]);
        if x != y && x != Dim::Fixed(1) && y != Dim::Fixed(1) {
            axes.push(format!("axis {}: {x} against {y}", ra.max(rb) - back));
        }
    }
    let mut diagnostic = Diagnostic::error(codes::SHAPE, format!("`{symbol}` cannot join {a} and {b}"))
        .at(span, axes.join(", "))
        .note("the axes of both sides, counted from the last, must be equal or 1");
    if ra == rb && ra >= 3 && a.shape.0[..2] == b.shape.0[..2] {
        let ratio = match (a.shape[2], b.shape[2]) {
            (Dim::Fixed(x), Dim::Fixed(y)) if x > y && y > 0 && x % y == 0 => Some(x / y),
            (Dim::Fixed(x), Dim::Fixed(y)) if y > x && x > 0 && y % x == 0 => Some(y / x),
            _ => None,
        };
        if let Some(ratio) = ratio {
            let channels = a.shape[1];
            let layer = if ra == 4 { "conv2d" } else { "conv1d" };
            diagnostic = diagnostic.help(format!(
                "bring the larger one to the other's size: `{layer}({channels}, kernel = 1, stride = {ratio})` on the \
                 skip path, or drop the stride on the other"
            ));
        }
    } else if ra == rb && ra >= 3 && a.shape.0[2..] == b.shape.0[2..] {
        let layer = if ra == 4 { "conv2d" } else { "conv1d" };
        diagnostic = diagnostic
            .help(format!("bring one side to the other's channels: `{layer}({}, kernel = 1)`", b.shape[1]));
    } else {
        diagnostic = diagnostic.help("bring both to one shape with `reshape`, `transpose` or a slice");
    }
    diagnostic
}
