//! A look into the training step: the values of its layers and the gradients of its parameters, as outputs.

use super::{StepError, trainable};
use crate::autodiff::differentiate;
use dlc_ir::{Function, Model, NodeId, Op, Output, OutputRole, Type};
use std::collections::BTreeMap;

/// The forward function of training with the value of every layer (role [`OutputRole::Output`], by the layer's path, in
/// the order of their computation) and the gradient of every trainable parameter. It changes neither parameters nor
/// states. A layer's value is the last one that was made at its path.
pub fn inspection(model: &Model) -> Result<Function, StepError> {
    let Some(forward) = &model.forward else {
        return Err(StepError::NoTraining { model: model.name.clone() });
    };
    let mut forward = forward.clone();
    forward.outputs.retain(|output| output.role == OutputRole::Loss);
    let layers = layers(&forward);
    for (name, value) in layers {
        forward.outputs.push(Output { role: OutputRole::Output, name, value });
    }
    let mut function = differentiate(&forward, &trainable(model))?;
    function.name = "inspect".to_owned();
    Ok(function.without_dead_nodes())
}

/// The last float tensor of every path, in the order of the nodes.
fn layers(function: &Function) -> Vec<(String, NodeId)> {
    let mut last: BTreeMap<&str, NodeId> = BTreeMap::new();
    for (id, node) in function.nodes.iter() {
        let is_float = matches!(&node.ty, Type::Tensor(ty) if ty.dtype.is_float());
        let is_value = is_float && !node.op.is_external() && !matches!(node.op, Op::Constant(_));
        if is_value && !node.origin.path.is_empty() {
            last.insert(&node.origin.path, id);
        }
    }
    let mut layers: Vec<(String, NodeId)> =
        last.into_iter().map(|(path, id)| (path.to_owned(), id)).collect();
    layers.sort_by_key(|(_, id)| *id);
    layers
}
