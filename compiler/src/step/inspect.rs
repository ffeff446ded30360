//! A look into the training step: the values of its layers and the gradients of its parameters, as outputs.

use super::{StepError, trainable};
use crate::autodiff::differentiate;
use dlc_ir::{Function, Model, NodeId, Op, Output, OutputRole, Type};
use std::collections::BTreeMap;

/// The forward function of training with the value of every layer (role [`OutputRole::Output`], by the layer's path, in
/// the order of their computation) and the gradient of every trainable parameter. It changes neither parameters nor
/// states.
pub fn inspection(model: &Model) -> Result<Function, StepError> {
    let Some(forward) = &model.forward else {
        return Err(StepError::NoTraining { model: model.name.clone() });
    };
    let mut forward = forward.clone();
    forward.outputs.retain(|output| output.role == OutputRole::Loss);
    let mut forward = forward.without_dead_nodes();
    let layers = layers(&forward);
    for (name, value) in layers {
        forward.outputs.push(Output { role: OutputRole::Output, name, value });
    }
    let mut function = differentiate(&forward, &trainable(model))?;
    function.name = "inspect".to_owned();
    Ok(function.without_dead_nodes())
}

/// The last float tensor of every stretch of nodes with one path, in the order of the nodes. A path that comes back
/// (unnamed layers of one binding) is numbered: `x`, `x#2`.
fn layers(function: &Function) -> Vec<(String, NodeId)> {
    let mut stretches: Vec<(&str, NodeId)> = Vec::new();
    for (id, node) in function.nodes.iter() {
        let is_float = matches!(&node.ty, Type::Tensor(ty) if ty.dtype.is_float());
        let is_value = is_float && !node.op.is_external() && !matches!(node.op, Op::Constant(_));
        let path = node.origin.path.as_str();
        if !is_value || path.is_empty() {
            continue;
        }
        match stretches.last_mut() {
            Some((last, value)) if *last == path => *value = id,
            _ => stretches.push((path, id)),
        }
    }
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let numbered = stretches.into_iter().map(|(path, id)| {
        let count = seen.entry(path).or_default();
        *count += 1;
        let name = if *count == 1 { path.to_owned() } else { format!("{path}#{count}") };
        (name, id)
    });
    numbered.collect()
}
