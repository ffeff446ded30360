//! Estimated operations of a launch, and sizes of values.

use crate::groups::{LaunchGroup, is_arithmetic};
use dlc_compiler::CompiledFunction;
use dlc_ir::{Function, NodeId, Op};
use dlc_kernel::{Body, Contraction};
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
    let body = program.launches.get(launch).map(|launch| &program.kernels[launch.kernel].body);
    let products = match body {
        Some(Body::Contraction(contraction)) => contraction_operations(contraction, batch),
        _ => 0,
    };
    let graph = &function.lowered.function;
    let others = group.members.iter().map(|&id| element_operations(graph, id, batch));
    others.fold(products, u64::saturating_add)
}

fn contraction_operations(contraction: &Contraction, batch: usize) -> u64 {
    let points = product(contraction.dims.iter().map(|dim| dim.extent.at(batch)));
    points.saturating_mul(contraction.taps.len() as u64).saturating_mul(2)
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
