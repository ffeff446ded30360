//! Elementwise values that are computed in the kernel of the contraction that they read: bias,
//! normalisation by known statistics, activation, residual addition.
//!
//! A stored elementwise value takes a contraction in when that contraction is read by its kernel alone, at
//! the same element, and nothing else wants to see it: then the sum never goes to memory. The contraction
//! must be of the kind that completes each sum in one go ([`super::contraction`], plain or divided); a
//! convolution in phases stores each phase apart and is left alone. Updates of parameters are not fused:
//! they run last, and would keep the contraction's operands alive until then.

use super::contraction::ScheduledDim;
use super::error::LowerError;
use super::expression::Emitter;
use super::prepare::Prepared;
use super::{Lowering, is_persistent};
use dlc_ir::{NodeId, Op};
use dlc_kernel::{Affine, BufferId, Epilogue, Operand};
use dlc_types::{DType, IndexVec};
use std::collections::{BTreeMap, BTreeSet};

/// For every value that takes a contraction in, that contraction; those are no longer stored.
pub(crate) fn fuse(prepared: &Prepared, stored: &mut IndexVec<NodeId, bool>) -> BTreeMap<NodeId, NodeId> {
    let function = &prepared.function;
    let users = function.users();
    let mut kept_apart: BTreeSet<NodeId> =
        function.outputs.iter().filter(|output| is_persistent(output)).map(|output| output.value).collect();
    let wanted: BTreeSet<NodeId> = function.outputs.iter().map(|output| output.value).collect();
    let mut fused = BTreeMap::new();
    for (id, node) in function.nodes.iter().rev() {
        let completes = match &node.op {
            Op::Contract(contraction) => contraction.contract.len() == 1,
            Op::Convolve(convolution) => {
                convolution.input_dilation.iter().all(|&dilation| dilation == 1)
                    && function.tensor_type(node.operands[1]).shape[1].fixed().is_some()
            }
            _ => false,
        };
        if !completes || wanted.contains(&id) {
            continue;
        }
        if let Some(root) = single_reader(prepared, &users, stored, id)
            && kept_apart.insert(root)
        {
            stored[id] = false;
            fused.insert(root, id);
        }
    }
    fused
}

/// The stored value whose kernel is the only one that reads `id`, if all ways there are elementwise.
fn single_reader(
    prepared: &Prepared,
    users: &IndexVec<NodeId, Vec<NodeId>>,
    stored: &IndexVec<NodeId, bool>,
    id: NodeId,
) -> Option<NodeId> {
    let mut readers = BTreeSet::new();
    let mut pending: Vec<NodeId> = users[id].clone();
    while let Some(user) = pending.pop() {
        if !prepared.function.nodes[user].op.is_elementwise() {
            return None;
        }
        if stored[user] {
            readers.insert(user);
        } else {
            pending.extend(&users[user]);
        }
    }
    let reader = readers.first().copied().filter(|_| readers.len() == 1)?;
    let same = prepared.function.tensor_type(reader) == prepared.function.tensor_type(id);
    same.then_some(reader)
}

/// What a contraction kernel is made of beside its dimensions.
pub(crate) struct Parts {
    pub(crate) operands: Vec<Operand>,
    pub(crate) arguments: Vec<BufferId>,
    pub(crate) epilogue: Option<Epilogue>,
}

/// The operands of a contraction kernel and, for a fusion of (contraction, stored value), the statements
/// that make the one from the other.
pub(crate) fn parts(
    lowering: &Lowering<'_>,
    fusion: Option<(NodeId, NodeId)>,
    dims: &[ScheduledDim],
    buffers: [BufferId; 3],
    dtype: DType,
) -> Result<Parts, LowerError> {
    let mut emitter = Emitter::new(lowering, fusion.map(|(_, stored)| stored));
    for (buffer, (name, writes)) in
        buffers.into_iter().zip([("lanes", false), ("rows", false), ("result", true)])
    {
        emitter.nest.new_operand(buffer, name, dtype, writes);
    }
    let Some((contraction, stored)) = fusion else {
        let (operands, arguments, _) = emitter.nest.into_parts();
        return Ok(Parts { operands, arguments, epilogue: None });
    };
    let mut at = vec![Affine::constant(0); lowering.ty(stored).shape.rank()];
    let mut coordinates = Vec::new();
    for scheduled in dims {
        let var = emitter.nest.coordinate(scheduled.dim.extent);
        coordinates.push(var);
        if let Some((axis, distance)) = scheduled.along {
            at[axis].add_term(var, distance);
        }
    }
    let sum = emitter.bind(contraction, &at, dtype);
    let value = emitter.value(stored, &at)?;
    emitter.store(stored, &at, value)?;
    let (operands, arguments, statements) = emitter.nest.into_parts();
    Ok(Parts {
        operands,
        arguments,
        epilogue: Some(Epilogue { coordinates, value: sum, statements, sums: Vec::new() }),
    })
}
