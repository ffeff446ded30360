//! TopK, and running sums and products: CumSum, CumProd.
//!
//! History: `k` became an input with opset 10, `largest` and `sorted` came with 11; CumProd came with 26.

use super::{Context, Operator, Stop};
use dlc_ir::{NodeId, Op, Reduction};
use dlc_types::DType;

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("TopK", 1, top_k),
    Operator::new("CumSum", 11, |context| cumulative(context, Reduction::Sum)),
    Operator::new("CumProd", 26, |context| cumulative(context, Reduction::Product)),
];

/// Always in order, which the unordered form allows.
fn top_k(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (x, k) = (context.input(0)?, context.need_int(1)?);
    let axis = context.int_or("axis", -1)?;
    let axis = context.axis(axis, context.rank(x))?;
    let size = context.fixed(context.shape(x)[axis], "an axis")?;
    let k = usize::try_from(k).ok().filter(|&k| k <= size);
    let Some(k) = k else {
        return Err(context.invalid(format!("an axis of {size} elements has not so many to choose")));
    };
    let descending = context.flag("largest", true)?;
    let places = context.builder().add_node(Op::ArgSort { axis, descending }, &[x])?;
    let places = context.part(places, axis, 0, k)?;
    let values = context.builder().add_node(Op::GatherAlong { axis }, &[x, places])?;
    context.set_output(0, values)?;
    let places = context.builder().cast(places, DType::I64)?;
    context.set_output(1, places)
}

fn cumulative(context: &mut Context<'_, '_>, kind: Reduction) -> Result<(), Stop> {
    let (mut x, axis) = (context.input(0)?, context.need_int(1)?);
    let axis = context.axis(axis, context.rank(x))?;
    let reverse = context.flag("reverse", false)?;
    if context.flag("exclusive", false)? {
        x = without_own(context, x, axis, kind, reverse)?;
    }
    let result = context.builder().add_node(Op::Cumulative { kind, axis, reverse }, &[x])?;
    context.set_output(0, result)
}

/// The elements one place on in the direction of the running; the first one is the neutral element.
fn without_own(
    context: &mut Context<'_, '_>,
    x: NodeId,
    axis: usize,
    kind: Reduction,
    reverse: bool,
) -> Result<NodeId, Stop> {
    let shape = context.shape(x);
    let size = context.fixed(shape[axis], "an axis")?;
    if size == 0 {
        return Ok(x);
    }
    let rest = context.part(x, axis, usize::from(reverse), size - 1)?;
    let (mut low, mut high) = (vec![0; shape.rank()], vec![0; shape.rank()]);
    let place = if reverse { &mut high } else { &mut low };
    place[axis] = 1;
    let neutral = if kind == Reduction::Product { 1.0 } else { 0.0 };
    let dtype = context.dtype(x);
    let neutral = context.builder().scalar(dtype, neutral)?;
    Ok(context.builder().add_node(Op::Pad { low, high }, &[rest, neutral])?)
}
