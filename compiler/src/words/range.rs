//! Which integers a value can hold, as far as casts, constants and simple arithmetic tell.

use dlc_ir::literal::Elements;
use dlc_ir::{Binary, Function, NodeId, Op, Unary};
use dlc_types::DType;

/// How far back a value is followed.
const STEPS: usize = 24;

/// The least and the greatest number that a value can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    least: i64,
    greatest: i64,
}

impl Range {
    fn of_type(dtype: DType) -> Option<Range> {
        let (least, greatest) = match dtype {
            DType::Bool => (0, 1),
            DType::I8 | DType::U8 | DType::I16 | DType::U16 => dtype.integer_range(),
            _ => return None,
        };
        Some(Range { least, greatest })
    }

    /// Whether a narrow type holds all numbers of the range.
    pub(super) fn fits(self, dtype: DType) -> bool {
        Range::of_type(dtype).is_some_and(|of| of.least <= self.least && self.greatest <= of.greatest)
    }

    /// The greatest magnitude.
    pub(super) fn magnitude(self) -> i128 {
        i128::from(self.least.unsigned_abs().max(self.greatest.unsigned_abs()))
    }

    fn with(self, other: Range) -> Range {
        Range { least: self.least.min(other.least), greatest: self.greatest.max(other.greatest) }
    }
}

/// The range of an integer value; nothing where only its type is known, and that is no narrow one.
pub(super) fn of(function: &Function, id: NodeId) -> Option<Range> {
    follow(function, id, STEPS)
}

fn follow(function: &Function, id: NodeId, steps: usize) -> Option<Range> {
    let node = &function.nodes[id];
    let dtype = node.ty.tensor()?.dtype;
    let known = steps.checked_sub(1).and_then(|steps| told(function, id, steps));
    // Numbers that a wide type would wrap are not followed: no range below is near its ends.
    known.or_else(|| Range::of_type(dtype)).filter(|range| range.magnitude() < 1 << 31)
}

/// What the op says beyond the type.
fn told(function: &Function, id: NodeId, steps: usize) -> Option<Range> {
    let node = &function.nodes[id];
    let dtype = function.tensor_type(id).dtype;
    let operand = |position: usize| follow(function, *node.operands.get(position)?, steps);
    let found = match &node.op {
        Op::Constant(literal) => match &literal.elements {
            Elements::Int(values) => Range { least: *values.iter().min()?, greatest: *values.iter().max()? },
            Elements::Bool(_) => Range::of_type(DType::Bool)?,
            Elements::Float(_) => return None,
        },
        Op::Cast(_) => {
            let from = function.nodes[*node.operands.first()?].ty.tensor()?.dtype;
            if from.is_float() {
                return None;
            }
            operand(0)?
        }
        Op::Broadcast { .. }
        | Op::Reshape
        | Op::Transpose { .. }
        | Op::Slice { .. }
        | Op::Reverse { .. }
        | Op::Gather { .. }
        | Op::GatherAlong { .. } => operand(0)?,
        Op::Dilate { .. } => operand(0)?.with(Range { least: 0, greatest: 0 }),
        Op::Pad { .. } => operand(0)?.with(operand(1)?),
        Op::Select => operand(1)?.with(operand(2)?),
        Op::Concat { .. } => {
            let ranges: Option<Vec<Range>> = (0..node.operands.len()).map(operand).collect();
            ranges?.into_iter().reduce(Range::with)?
        }
        Op::Binary(function) => binary(*function, operand(0)?, operand(1)?)?,
        Op::Unary(Unary::Negate) => {
            let Range { least, greatest } = operand(0)?;
            Range { least: greatest.checked_neg()?, greatest: least.checked_neg()? }
        }
        Op::Unary(Unary::Relu) => {
            let Range { least, greatest } = operand(0)?;
            Range { least: least.max(0), greatest: greatest.max(0) }
        }
        _ => return None,
    };
    // What a narrow type would wrap is anything of that type.
    match Range::of_type(dtype) {
        Some(_) if found.fits(dtype) => Some(found),
        Some(whole) => Some(whole),
        None => Some(found),
    }
}

fn binary(function: Binary, a: Range, b: Range) -> Option<Range> {
    Some(match function {
        Binary::Add => {
            Range { least: a.least.checked_add(b.least)?, greatest: a.greatest.checked_add(b.greatest)? }
        }
        Binary::Subtract => {
            Range { least: a.least.checked_sub(b.greatest)?, greatest: a.greatest.checked_sub(b.least)? }
        }
        Binary::Max => Range { least: a.least.max(b.least), greatest: a.greatest.max(b.greatest) },
        Binary::Min => Range { least: a.least.min(b.least), greatest: a.greatest.min(b.greatest) },
        _ => return None,
    })
}
