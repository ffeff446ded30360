//! Masks of pruned parameters: weights that are zero and stay zero, whatever the rule says.
//!
//! A masked parameter has a state `PATH.mask` of bools. Its gradient is masked before anything else sees it, so that
//! norms, moments and directions are those of the weights that are left; and its new value is masked behind the rule,
//! since decay, old momenta and orthogonalisation reach every element.

use super::state;
use dlc_ir::training::MASK;
use dlc_ir::{Builder, InferError, NodeId, Origin, Training};
use dlc_types::{DType, TensorType};

/// The name of the state that holds a mask.
pub(super) fn mask_of(name: &str) -> String {
    format!("{name}.{MASK}")
}

/// The type of the mask of a tensor.
pub(super) fn mask_type(ty: &TensorType) -> TensorType {
    TensorType::new(DType::Bool, ty.shape.clone())
}

/// The value where the parameter's mask lets it be, else zero; the value itself for a parameter without a mask.
pub(super) fn masked(
    b: &mut Builder,
    training: &Training,
    name: &str,
    value: NodeId,
) -> Result<NodeId, InferError> {
    if !training.masked.iter().any(|masked| masked == name) {
        return Ok(value);
    }
    let before = b.set_origin(Origin { path: format!("mask({name})"), span: None });
    let ty = mask_type(b.ty(value));
    let mask = state(b, &mask_of(name), ty)?;
    let zero = b.splat_like(value, 0.0)?;
    let value = b.select(mask, value, zero);
    b.set_origin(before);
    value
}
