//! What of a model can begin with a tensor of a file.

use dlc_ir::{Function, Model, Op};
use dlc_types::TensorType;

/// What belongs to the data, and is fitted on it, begins so.
const OF_DATA: &str = "data.";

/// A parameter, or a state of a layer.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Its path.
    pub name: String,
    /// Its type.
    pub ty: TensorType,
    /// Its extents.
    pub dims: Vec<usize>,
    /// Whether it is a dense layer's matrix `[inputs, units]`, which others hold the other way round.
    pub dense: bool,
}

/// All places in the model's order.
pub(super) fn places(model: &Model) -> Vec<Place> {
    let parameters = model.parameters.iter().map(|one| (&one.name, &one.ty));
    let states = model.states.iter().filter(|one| !one.name.starts_with(OF_DATA));
    let all = parameters.chain(states.map(|one| (&one.name, &one.ty)));
    let place = |(name, ty): (&String, &TensorType)| Place {
        name: name.clone(),
        ty: ty.clone(),
        dims: ty.shape.at(1),
        dense: name.ends_with(".weight") && ty.shape.rank() == 2 && is_dense(&model.predict, name),
    };
    all.map(place).collect()
}

/// Whether a product sums over the first axis of a matrix.
fn is_dense(function: &Function, name: &str) -> bool {
    let is_matrix = |node: &dlc_ir::Node, operand: usize| {
        let read = node.operands.get(operand).map(|&id| &function.nodes[id].op);
        matches!(read, Some(Op::Parameter { name: known }) if known == name)
    };
    function.nodes.values().any(|node| match &node.op {
        Op::Contract(axes) => {
            let [(left, right)] = axes.contract.as_slice() else { return false };
            *right == 0 && is_matrix(node, 1) || *left == 0 && is_matrix(node, 0)
        }
        _ => false,
    })
}
