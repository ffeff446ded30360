//! Which values a node reads, those that its inner graphs take from around it included, and which nodes the
//! outputs of a graph need.

use crate::{Graph, Node};
use std::collections::BTreeSet;

/// Names that the node reads.
pub fn reads(node: &Node) -> BTreeSet<&str> {
    let mut names: BTreeSet<&str> =
        node.inputs.iter().filter(|name| !name.is_empty()).map(String::as_str).collect();
    names.extend(node.named_values());
    for (_, graph) in node.graphs() {
        names.extend(captured(graph));
    }
    names
}

/// Names that a graph takes from around it.
pub fn captured(graph: &Graph) -> BTreeSet<&str> {
    let mut own: BTreeSet<&str> = graph.inputs.iter().map(|input| input.name.as_str()).collect();
    own.extend(graph.initializers.keys().map(String::as_str));
    let mut taken = BTreeSet::new();
    for node in &graph.nodes {
        taken.extend(reads(node).into_iter().filter(|name| !own.contains(name)));
        own.extend(node.outputs.iter().map(String::as_str));
    }
    taken.extend(graph.outputs.iter().map(|output| output.name.as_str()).filter(|name| !own.contains(name)));
    taken
}

/// Positions of the nodes that the outputs need, in order.
pub fn needed(graph: &Graph) -> Vec<usize> {
    let mut wanted: BTreeSet<&str> = graph.outputs.iter().map(|output| output.name.as_str()).collect();
    let mut positions = Vec::new();
    for (position, node) in graph.nodes.iter().enumerate().rev() {
        if node.outputs.iter().any(|name| wanted.contains(name.as_str())) {
            wanted.extend(reads(node));
            positions.push(position);
        }
    }
    positions.reverse();
    positions
}

/// The inputs of a graph that a value is computed from.
pub fn inputs_of<'g>(graph: &'g Graph, name: &'g str) -> BTreeSet<&'g str> {
    let mut wanted = BTreeSet::from([name]);
    for node in graph.nodes.iter().rev() {
        if node.outputs.iter().any(|output| wanted.contains(output.as_str())) {
            wanted.extend(reads(node));
        }
    }
    graph.inputs.iter().map(|input| input.name.as_str()).filter(|input| wanted.contains(input)).collect()
}
