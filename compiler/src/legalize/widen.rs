//! Arithmetic on narrow elements as arithmetic on wide ones.
//!
//! Integers of less than 32 bits are computed in `i32` and wrapped, which is what their own arithmetic gives:
//! sums, products and bits depend on lower bits alone, and everything else is exact in `i32`. The 16-bit
//! floats are computed in `f32` and rounded once per op, sums included.

use super::{LegalizeError, copy, rebuild};
use dlc_ir::{Binary, Builder, Function, InferError, NodeId, Op, Reduction, ScatterKind, Type, WindowKind};
use dlc_types::{DType, TensorType};

/// The same function with narrow elements loaded, moved, selected, converted and stored alone.
pub fn widen(function: &Function) -> Result<Function, LegalizeError> {
    if function.has_scan() {
        return widen_nodes(&function.with_bodies(widen)?);
    }
    widen_nodes(function)
}

fn widen_nodes(function: &Function) -> Result<Function, LegalizeError> {
    let is_narrow = |ty: &Type| match ty {
        Type::Tensor(ty) => ty.dtype.is_narrow(),
        Type::Tuple(types) => types.iter().any(|ty| ty.dtype.is_narrow()),
    };
    if !function.nodes.values().any(|node| is_narrow(&node.ty)) {
        return Ok(function.clone());
    }
    rebuild(function, |build, id, operands| {
        let node = &function.nodes[id];
        let narrow = is_narrow(&node.ty)
            || node.operands.iter().any(|&operand| is_narrow(&function.nodes[operand].ty));
        if !narrow || moves(&node.op) {
            return copy(build, &node.op, &node.ty, operands);
        }
        match (&node.op, &node.ty) {
            // The tuple's elements are wide by now, but for those of a scan.
            (Op::Project(index), Type::Tensor(ty)) => {
                let element = build.project(operands[0], *index)?;
                build.cast(element, ty.dtype)
            }
            (op, ty) => computed(build, op, ty, operands),
        }
    })
}

/// Whether the op does no arithmetic on its elements.
fn moves(op: &Op) -> bool {
    match op {
        Op::Input { .. }
        | Op::Parameter { .. }
        | Op::State { .. }
        | Op::Constant(_)
        | Op::Select
        | Op::Cast(_)
        | Op::Bitcast(_)
        | Op::Broadcast { .. }
        | Op::Reshape
        | Op::Transpose { .. }
        | Op::Slice { .. }
        | Op::Pad { .. }
        | Op::Dilate { .. }
        | Op::Reverse { .. }
        | Op::Concat { .. }
        | Op::Gather { .. }
        | Op::GatherAlong { .. }
        | Op::Scan(_) => true,
        Op::Scatter { kind, .. } => *kind == ScatterKind::Set,
        Op::Iota { .. }
        | Op::Extent(_)
        | Op::Random { .. }
        | Op::Unary(_)
        | Op::Binary(_)
        | Op::Compare(_)
        | Op::Reduce { .. }
        | Op::ArgReduce { .. }
        | Op::Cumulative { .. }
        | Op::Contract(_)
        | Op::Convolve(_)
        | Op::ReduceWindow { .. }
        | Op::WindowArgMax { .. }
        | Op::WindowScatter { .. }
        | Op::ArgSort { .. }
        | Op::BatchNorm { .. }
        | Op::Softmax { .. }
        | Op::LogSoftmax { .. }
        | Op::Project(_) => false,
    }
}

/// The op on wide operands, and a tensor's result in its own type again.
fn computed(build: &mut Builder, op: &Op, ty: &Type, operands: &[NodeId]) -> Result<NodeId, InferError> {
    let mut wide = Vec::with_capacity(operands.len());
    for &operand in operands {
        let dtype = build.ty(operand).dtype.computed_in();
        wide.push(build.cast(operand, dtype)?);
    }
    let Type::Tensor(ty) = ty else { return build.add_node(op.clone(), &wide) };
    let declared = TensorType::new(ty.dtype.computed_in(), ty.shape.clone());
    let result = build.declare(op.clone(), &wide, declared)?;
    let result = within(build, op, ty.dtype, result)?;
    build.cast(result, ty.dtype)
}

/// The largest or smallest of no integer at all is an extreme of the wide type, and becomes that of the narrow
/// one.
fn within(build: &mut Builder, op: &Op, dtype: DType, result: NodeId) -> Result<NodeId, InferError> {
    let (least, greatest) = dtype.extremes();
    let (function, bound) = match op {
        _ if !dtype.is_integer() => return Ok(result),
        Op::Reduce { kind: Reduction::Max, .. } | Op::ReduceWindow { kind: WindowKind::Max, .. } => {
            (Binary::Max, least)
        }
        Op::Reduce { kind: Reduction::Min, .. } => (Binary::Min, greatest),
        _ => return Ok(result),
    };
    let bound = build.splat_like(result, bound)?;
    build.binary(function, result, bound)
}
