//! Functions as graphs for Graphviz: `dlc compile --emit dot`.
//!
//! petgraph writes the DOT text. Externals are boxes, constants are plain, outputs have a node of their
//! own; an edge is labelled with the operand's position where its user has several.

use crate::{Function, NodeId, Op};
use petgraph::dot::{Config, Dot};
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::BTreeMap;

/// What Graphviz shows as one node.
#[derive(Debug)]
struct Vertex {
    label: String,
    shape: &'static str,
}

/// The function in Graphviz' DOT language, the same text for the same function.
pub fn dot(function: &Function) -> String {
    let graph = graph(function);
    let edge_label = |_, edge: petgraph::graph::EdgeReference<'_, Option<usize>>| {
        edge.weight().map_or(String::new(), |position| format!("label=\"{position}\""))
    };
    let vertex_label = |_, (_, vertex): (NodeIndex, &Vertex)| {
        format!("label=\"{}\" shape={}", escaped(&vertex.label), vertex.shape)
    };
    let config = [Config::EdgeNoLabel, Config::NodeNoLabel];
    format!("{:?}", Dot::with_attr_getters(&graph, &config, &edge_label, &vertex_label))
}

fn graph(function: &Function) -> DiGraph<Vertex, Option<usize>> {
    let mut graph = DiGraph::new();
    let mut places: BTreeMap<NodeId, NodeIndex> = BTreeMap::new();
    for (id, node) in function.nodes.iter() {
        let shape = match &node.op {
            op if op.is_external() => "box",
            Op::Constant(_) => "plain",
            _ => "ellipse",
        };
        let op = match &node.op {
            Op::Constant(literal) if literal.as_scalar().is_none() => "constant".to_owned(),
            op => op.to_string(),
        };
        let origin =
            if node.origin.path.is_empty() { String::new() } else { format!("\n{}", node.origin.path) };
        let place = graph.add_node(Vertex { label: format!("{id} {op}\n{}{origin}", node.ty), shape });
        places.insert(id, place);
        for (position, operand) in node.operands.iter().enumerate() {
            if let Some(&from) = places.get(operand) {
                graph.add_edge(from, place, (node.operands.len() > 1).then_some(position));
            }
        }
    }
    for output in &function.outputs {
        let label = format!("{} {}", output.role.name(), output.name);
        let place = graph.add_node(Vertex { label, shape: "doubleoctagon" });
        if let Some(&from) = places.get(&output.value) {
            graph.add_edge(from, place, None);
        }
    }
    graph
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::dot;
    use crate::text::parse;
    use expect_test::expect;

    #[test]
    #[allow(clippy::unwrap_used, reason = "tests")]
    fn nodes_edges_and_outputs() {
        let text = "fn f {
            %0: f32[N, 2] = input \"x\"
            %1: f32[N, 2] = sub(%0, %0) @ \"zero\"
            output output \"y\" %1
        }";
        expect![[r#"
            digraph {
                0 [ label="%0 input \"x\"\nf32[N, 2]" shape=box]
                1 [ label="%1 sub\nf32[N, 2]\nzero" shape=ellipse]
                2 [ label="output y" shape=doubleoctagon]
                0 -> 1 [ label="0"]
                0 -> 1 [ label="1"]
                1 -> 2 [ ]
            }
        "#]]
        .assert_eq(&dot(&parse(text).unwrap()));
    }
}
