//! Decisions that fell differently in the compiled run and in the oracle's: the sign of a rectifier's
//! input, the place of a maximum, a comparison. They are why gradients of deep nets differ end to end.

use super::stored::Memory;
use crate::Result;
use dlc_interp::{Data, Tensor, Values, evaluate_nodes};
use dlc_ir::{Function, NodeId, Op, Unary};

/// Values that decide.
pub(crate) fn decisions(function: &Function) -> Vec<NodeId> {
    let deciding = function.nodes.iter().filter(|(_, node)| {
        let operand = node.operands.first().and_then(|&operand| function.nodes[operand].ty.tensor());
        let float = operand.is_some_and(|ty| ty.dtype.is_float());
        float
            && matches!(
                node.op,
                Op::Unary(Unary::Relu) | Op::Compare(_) | Op::WindowArgMax { .. } | Op::ArgReduce { .. }
            )
    });
    deciding.map(|(id, _)| id).collect()
}

/// How many elements of the decisions differ between the run and the oracle's values.
pub(crate) fn count(memory: &Memory<'_>, decisions: &[NodeId], oracle: &Values) -> Result<usize> {
    let mut flipped = 0;
    for &id in decisions {
        let compiled = if memory.holds(id) {
            memory.read(id)?
        } else {
            let (known, _) = memory.sources(id)?;
            let mut values = evaluate_nodes(&memory.lowered.function, memory.batch, &known, &[id])?;
            let Some(tensor) = values.remove(&id).and_then(|mut tensors| tensors.pop()) else { continue };
            tensor
        };
        if let Some([oracle]) = oracle.get(&id).map(Vec::as_slice) {
            flipped += differing(&compiled, oracle);
        }
    }
    Ok(flipped)
}

fn differing(a: &Tensor, b: &Tensor) -> usize {
    match (&a.data, &b.data) {
        (Data::Float(a), Data::Float(b)) => {
            a.iter().zip(b).filter(|(a, b)| (**a > 0.0) != (**b > 0.0)).count()
        }
        (Data::Int(a), Data::Int(b)) => a.iter().zip(b).filter(|(a, b)| a != b).count(),
        (Data::Bool(a), Data::Bool(b)) => a.iter().zip(b).filter(|(a, b)| a != b).count(),
        _ => 0,
    }
}
