//! Weights that the file holds in nodes: a large `Constant` of the main graph becomes an initializer of the name of
//! its value, so that it is a parameter and stays in the file as other weights do.

use crate::{Attribute, Document, Node};

/// Elements from which a constant is a weight: smaller ones are shapes, scales, limits and the like.
const WEIGHT_FROM: usize = 65;

/// Moves large constants to the initializers. Names are checked before.
pub(crate) fn hoist(document: &mut Document) {
    let graph = &mut document.graph;
    let nodes = std::mem::take(&mut graph.nodes);
    for node in nodes {
        match weight(&node) {
            Some((name, array)) => {
                graph.initializers.insert(name, array);
            }
            None => graph.nodes.push(node),
        }
    }
}

/// Name and value of a node that is a weight.
fn weight(node: &Node) -> Option<(String, crate::Array)> {
    let [output] = node.outputs.as_slice() else { return None };
    if node.op_type != "Constant" || !node.domain.is_empty() || output.is_empty() {
        return None;
    }
    match node.attributes.get("value")? {
        Attribute::Tensor(array)
            if array.len() >= WEIGHT_FROM
                && array.element().dtype().is_some_and(|dtype| dtype.is_float()) =>
        {
            Some((output.clone(), array.clone()))
        }
        _ => None,
    }
}
