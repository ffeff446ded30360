//! Trilu: the upper or lower triangle of matrices.
//!
//! History: opset 14, unchanged since.

use super::{Context, Operator, Stop};
use dlc_ir::Comparison;
use dlc_types::DType;

pub(super) const OPERATORS: &[Operator] = &[Operator::new("Trilu", 14, trilu)];

fn trilu(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    context.need_rank(x, 2)?;
    let shape = context.shape(x);
    let rank = shape.rank();
    let diagonal = if context.has_input(1) { context.need_int(1)? } else { 0 };
    let (rows, columns) = (context.size(shape[rank - 2])?, context.size(shape[rank - 1])?);
    let upper = context.flag("upper", true)?;
    // Beyond the corners nothing changes.
    let diagonal = diagonal.clamp(-(rows as i64) - 1, columns as i64 + 1);
    let row = context.iota(DType::I64, &shape, rank - 2)?;
    let column = context.iota(DType::I64, &shape, rank - 1)?;
    let builder = context.builder();
    let bound = builder.shift(row, diagonal as f64)?;
    let comparison = if upper { Comparison::GreaterEqual } else { Comparison::LessEqual };
    let inside = builder.compare(comparison, column, bound)?;
    let zero = builder.splat_like(x, 0.0)?;
    let result = builder.select(inside, x, zero)?;
    context.set_output(0, result)
}
