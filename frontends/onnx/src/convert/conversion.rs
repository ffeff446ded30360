//! Cast, CastLike and Identity.
//!
//! History: the target of Cast was a name before opset 6; `saturate` came with 19 and is about float8 alone.

use super::{Context, Operator, Stop};
use crate::Element;

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("Cast", 1, cast),
    Operator::new("CastLike", 15, cast_like),
    Operator::new("Identity", 1, |context| context.pass(0, 0)),
];

fn convert(context: &mut Context<'_, '_>, target: Element) -> Result<(), Stop> {
    let (source, _) = context.input_type(0)?;
    if source == target {
        return context.pass(0, 0);
    }
    let dtype = target.dtype().ok_or(Stop::Host)?;
    let x = context.input(0)?;
    let result = context.builder().cast(x, dtype)?;
    context.set_output(0, result)
}

fn cast(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let target = context.element("to")?.ok_or_else(|| context.invalid("its attribute `to` is missing"))?;
    convert(context, target)
}

fn cast_like(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (target, _) = context.input_type(1)?;
    convert(context, target)
}
