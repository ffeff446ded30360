//! Estimated operations of a launch, and sizes of values.

use crate::groups::{LaunchGroup, is_arithmetic};
use dlc_compiler::CompiledFunction;
use dlc_ir::{Function, NodeId, Op};
use dlc_kernel::{Body, Launch};
use dlc_types::TensorType;

fn product(sizes: impl IntoIterator<Item = usize>) -> u64 {
    sizes.into_iter().fold(1, |product: u64, size| product.saturating_mul(size as u64))
}

fn elements(ty: &TensorType, batch: usize) -> u64 {
    product(ty.shape.at(batch))
}

/// Bytes of a value for a batch of `batch`.
pub(super) fn value_bytes(ty: &TensorType, batch: usize) -> u64 {
    elements(ty, batch).saturating_mul(ty.dtype.size() as u64)
}

/// Operations of one launch: two for each product of a contraction, one for each element of any other op
/// (for each operand's element of a reduction).
pub(super) fn launch_operations(
    function: &CompiledFunction,
    launch: usize,
    group: &LaunchGroup,
    batch: usize,
) -> u64 {
    let program = &function.lowered.program;
    let multiplies = |launch: &&Launch| matches!(program.kernels[launch.kernel].body, Body::Contraction(_));
    let contraction = program.launches.get(launch).filter(multiplies);
    let products = contraction.map_or(0, |launch| dlc_kernel::launch_operations(program, launch, batch));
    let graph = &function.lowered.function;
    let others = group.members.iter().map(|&id| element_operations(graph, id, batch));
    others.fold(products, u64::saturating_add)
}

fn element_operations(function: &Function, id: NodeId, batch: usize) -> u64 {
    let node = &function.nodes[id];
    let own = node.ty.tensor().map_or(0, |ty| elements(ty, batch));
    match &node.op {
        Op::Contract(_) | Op::Convolve(_) => 0,
        op if !is_arithmetic(op) => 0,
        Op::Reduce { .. } | Op::ArgReduce { .. } => {
            node.operands.first().map_or(0, |&operand| elements(function.tensor_type(operand), batch))
        }
        Op::ReduceWindow { window, .. } | Op::WindowArgMax { window } | Op::WindowScatter { window } => {
            own.saturating_mul(product(window.sizes.iter().copied()))
        }
        _ => own,
    }
}
