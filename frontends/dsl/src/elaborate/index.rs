//! `x[…]` on lists and tensors.

use super::Elaborator;
use crate::ast::{Expr, Slice, Subscript};
use crate::codes;
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{NodeId, Op};
use dlc_types::{Dim, Shape, Span};

/// What a subscript takes of one axis.
struct Taken {
    start: usize,
    limit: usize,
    step: usize,
    /// Whether the axis vanishes.
    single: bool,
}

const WHOLE: Taken = Taken { start: 0, limit: usize::MAX, step: 1, single: false };

impl Elaborator<'_> {
    pub(super) fn index(&mut self, value: Value, subscripts: &[Subscript], span: Span) -> Eval<Value> {
        match &value {
            Value::Tensor(node) => self.slice_tensor(*node, subscripts, span).map(Value::Tensor),
            Value::List(list) => {
                let items = list.items();
                match subscripts {
                    [Subscript::At(index)] => {
                        let at = self.position(index, items.len())?;
                        items.get(at).cloned().ok_or(crate::report::Poison)
                    }
                    [subscript] => {
                        let taken = self.taken(subscript, items.len())?;
                        let limit = taken.limit.min(items.len());
                        let range = items.get(taken.start..limit).unwrap_or(&[]);
                        self.list(range.iter().step_by(taken.step).cloned().collect(), span)
                    }
                    _ => self.fail_at(codes::RANK, "a list has one axis", span, "one index expected"),
                }
            }
            other => {
                let message = format!("{} cannot be indexed", other.describe(&self.builder));
                self.fail_at(codes::KIND, message, span, "not a tensor or list")
            }
        }
    }

    fn slice_tensor(&mut self, node: NodeId, subscripts: &[Subscript], span: Span) -> Eval<NodeId> {
        let ty = self.builder.ty(node).clone();
        if subscripts.len() > ty.shape.rank() {
            let message = format!("{} indices for a tensor {ty}", subscripts.len());
            return self.fail_at(codes::RANK, message, span, format!("it has {} axes", ty.shape.rank()));
        }
        let mut taken = Vec::new();
        for (axis, &dim) in ty.shape.dims().iter().enumerate() {
            taken.push(match (subscripts.get(axis), dim) {
                (None, _) => WHOLE,
                (Some(Subscript::Slice(slice)), _)
                    if slice.start.is_none() && slice.limit.is_none() && slice.step.is_none() =>
                {
                    WHOLE
                }
                (Some(subscript), Dim::Fixed(size)) => self.taken(subscript, size)?,
                (Some(_), Dim::Batch(_)) => {
                    let message = format!("the batch axis of {ty} cannot be cut");
                    return self.fail_at(codes::SHAPE, message, span, "write `:` for the batch axis");
                }
            });
        }
        let op = Op::Slice {
            starts: taken.iter().map(|taken| taken.start).collect(),
            limits: taken
                .iter()
                .zip(ty.shape.dims())
                .map(|(taken, dim)| dim.fixed().map_or(usize::MAX, |size| taken.limit.min(size)))
                .collect(),
            strides: taken.iter().map(|taken| taken.step).collect(),
        };
        let sliced = self.build(span, |builder| builder.add_node(op, &[node]))?;
        let dims = self.builder.shape(sliced).dims().iter().zip(&taken);
        let shape = Shape(dims.filter(|(_, taken)| !taken.single).map(|(&dim, _)| dim).collect());
        self.build(span, |builder| builder.reshape(sliced, shape))
    }

    fn taken(&mut self, subscript: &Subscript, size: usize) -> Eval<Taken> {
        match subscript {
            Subscript::At(index) => {
                let start = self.position(index, size)?;
                Ok(Taken { start, limit: start.saturating_add(1), step: 1, single: true })
            }
            Subscript::Slice(slice) => {
                let Slice { start, limit, step, span } = &**slice;
                let start = self.bound(start.as_ref(), size, 0)?;
                let limit = self.bound(limit.as_ref(), size, size)?;
                let step = match step {
                    None => 1,
                    Some(step) => match self.expr(step)? {
                        Value::Int(value) if value >= 1 => usize::try_from(value).unwrap_or(usize::MAX),
                        other => {
                            let message =
                                format!("a step is at least 1, not {}", other.describe(&self.builder));
                            return self.fail_at(codes::RANGE, message, step.span, "not a step");
                        }
                    },
                };
                if start >= limit {
                    let message = format!("the slice {start}:{limit} of an axis of {size} is empty");
                    return self.fail_at(codes::RANGE, message, *span, "takes nothing");
                }
                Ok(Taken { start, limit, step, single: false })
            }
        }
    }

    fn whole_number(&mut self, expr: &Expr) -> Eval<i64> {
        match self.expr(expr)? {
            Value::Int(value) => Ok(value),
            other => {
                let message = format!("an index is a whole number, not {}", other.describe(&self.builder));
                self.fail_at(codes::KIND, message, expr.span, "not an index")
            }
        }
    }

    /// An index; negative ones count from the end.
    fn position(&mut self, index: &Expr, size: usize) -> Eval<usize> {
        let value = self.whole_number(index)?;
        let length = i64::try_from(size).unwrap_or(i64::MAX);
        let position = if value < 0 { value.saturating_add(length) } else { value };
        match usize::try_from(position) {
            Ok(position) if position < size => Ok(position),
            _ => {
                let message = format!("the index {value} is outside of an axis of {size}");
                self.fail_at(codes::RANGE, message, index.span, "outside")
            }
        }
    }

    /// A bound of a slice.
    fn bound(&mut self, bound: Option<&Expr>, size: usize, default: usize) -> Eval<usize> {
        let Some(expr) = bound else { return Ok(default) };
        let value = self.whole_number(expr)?;
        let length = i64::try_from(size).unwrap_or(i64::MAX);
        let position = if value < 0 { value.saturating_add(length) } else { value };
        match usize::try_from(position) {
            Ok(position) if position <= size => Ok(position),
            _ => {
                let message = format!("the bound {value} is outside of an axis of {size}");
                self.fail_at(codes::RANGE, message, expr.span, "outside")
            }
        }
    }
}
