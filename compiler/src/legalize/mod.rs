//! Legalization: what lowering has no kernels for, told in ops that it has kernels for.
//!
//! - [`widen`], before composite ops are expanded: arithmetic on elements of less than 32 bits becomes
//!   arithmetic on 32 bits between casts. Behind it narrow types are loaded, moved, selected, converted and
//!   stored, and nothing else.
//! - [`legalize`], before lowering: products of integers that have no form in words (`words`), and padding
//!   with a computed value.
//!
//! Functions that need neither stay as they are, node for node.

mod padding;
mod product;
mod widen;

pub use widen::widen;

use crate::words;
use dlc_ir::{Builder, Function, InferError, NodeId, Op, Type};
use dlc_types::{DType, IndexVec};
use thiserror::Error;

/// A node whose other form cannot be built: a bug in dlc.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("the legal form of `{path}` does not fit: {source}; this is a bug in dlc")]
pub struct LegalizeError {
    /// Origin of the node.
    pub path: String,
    /// The shape rule that was broken.
    pub source: InferError,
}

/// The same function without padding by a computed value, and with no contractions and convolutions of integers but those
/// of small ones that kernels compute in words.
pub fn legalize(function: &Function) -> Result<Function, LegalizeError> {
    if function.has_scan() {
        return legalize_nodes(&function.with_bodies(legalize)?);
    }
    legalize_nodes(function)
}

fn legalize_nodes(function: &Function) -> Result<Function, LegalizeError> {
    let has_form = |id: NodeId| words::form(function, id, false).is_some();
    let is_legal = |id: NodeId| match &function.nodes[id].op {
        Op::Contract(_) => function.tensor_type(id).dtype.is_float() || has_form(id),
        // Along the batch there is no form, which lowering says.
        Op::Convolve(_) => {
            let input = function.tensor_type(function.nodes[id].operands[0]);
            input.dtype.is_float() || input.shape.dims()[1..].iter().any(|dim| dim.is_batch()) || has_form(id)
        }
        Op::Pad { .. } => matches!(function.nodes[function.nodes[id].operands[1]].op, Op::Constant(_)),
        _ => true,
    };
    if function.nodes.indices().all(is_legal) {
        return Ok(function.clone());
    }
    rebuild(function, |build, id, operands| {
        let node = &function.nodes[id];
        match &node.op {
            _ if is_legal(id) => copy(build, &node.op, &node.ty, operands),
            Op::Contract(_) | Op::Convolve(_) if words::is_exact_in_floats(function, id) => {
                in_floats(build, &node.op, operands)
            }
            Op::Contract(contraction) => product::contract(build, contraction, operands),
            Op::Convolve(convolution) => {
                product::convolve(build, convolution, operands, &function.tensor_type(id).shape)
            }
            Op::Pad { low, .. } => {
                padding::pad(build, operands, low, &function.tensor_type(id).shape, &node.op)
            }
            op => copy(build, op, &node.ty, operands),
        }
    })
}

/// The same computed in floats, which hold every sum.
fn in_floats(build: &mut Builder, op: &Op, operands: &[NodeId]) -> Result<NodeId, InferError> {
    let dtype = build.ty(operands[0]).dtype;
    let floats = operands.iter().map(|&operand| build.cast(operand, DType::F32));
    let floats = floats.collect::<Result<Vec<NodeId>, InferError>>()?;
    let result = build.add_node(op.clone(), &floats)?;
    build.cast(result, dtype)
}

/// A node as it was, on other operands.
fn copy(build: &mut Builder, op: &Op, ty: &Type, operands: &[NodeId]) -> Result<NodeId, InferError> {
    match ty {
        Type::Tensor(ty) => build.declare(op.clone(), operands, ty.clone()),
        Type::Tuple(_) => build.add_node(op.clone(), operands),
    }
}

/// Builds a function node by node; `make` is given a node and its operands in the new function.
fn rebuild(
    function: &Function,
    mut make: impl FnMut(&mut Builder, NodeId, &[NodeId]) -> Result<NodeId, InferError>,
) -> Result<Function, LegalizeError> {
    let mut build = Builder::new(function.name.clone());
    let mut moved: IndexVec<NodeId, NodeId> = IndexVec::new();
    for (id, node) in function.nodes.iter() {
        build.set_origin(node.origin.clone());
        let operands: Vec<NodeId> = node.operands.iter().map(|&operand| moved[operand]).collect();
        let made = make(&mut build, id, &operands);
        moved.push(made.map_err(|source| LegalizeError { path: node.origin.path.clone(), source })?);
    }
    for output in &function.outputs {
        build.output(output.role, output.name.clone(), moved[output.value]);
    }
    Ok(build.finish())
}
