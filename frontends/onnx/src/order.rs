//! Checks names and order: every value has one source, which stands before its uses.
//!
//! A graph inside of a node sees the values around that node; its own values may take a name of the outer
//! graph over, as lexical scopes do.

use crate::{Document, Graph, Node, OnnxError};
use std::collections::{BTreeMap, BTreeSet};

/// The names that a graph can see: its own and those around it.
struct Scope<'a> {
    names: BTreeSet<&'a str>,
    outer: Option<&'a Scope<'a>>,
}

impl Scope<'_> {
    fn sees(&self, name: &str) -> bool {
        self.names.contains(name) || self.outer.is_some_and(|outer| outer.sees(name))
    }
}

/// Checks the main graph and those inside of it.
///
/// # Errors
/// The first value that is missing, is there twice, or is used before it is computed.
pub fn check_order(document: &Document) -> Result<(), OnnxError> {
    let checked = check(&document.graph, None).and_then(|()| check_outputs(&document.graph));
    checked.map_err(|what| OnnxError::Invalid { file: document.file.clone(), what })
}

/// Results of a model are told apart by their names; those of a branch or body by their places.
fn check_outputs(graph: &Graph) -> Result<(), String> {
    let mut names = BTreeSet::new();
    match graph.outputs.iter().find(|output| !names.insert(&output.name)) {
        Some(output) => Err(format!("there are two outputs `{}`", output.name)),
        None => Ok(()),
    }
}

fn check(graph: &Graph, outer: Option<&Scope<'_>>) -> Result<(), String> {
    let mut scope = Scope { names: BTreeSet::new(), outer };
    for input in &graph.inputs {
        if input.name.is_empty() {
            return Err("an input has no name".to_owned());
        }
        if !scope.names.insert(&input.name) {
            return Err(format!("there are two inputs `{}`", input.name));
        }
    }
    if graph.initializers.contains_key("") {
        return Err("an initializer has no name".to_owned());
    }
    scope.names.extend(graph.initializers.keys().map(String::as_str));
    let sources = sources(graph)?;
    for node in &graph.nodes {
        for name in node.inputs.iter().filter(|name| !name.is_empty()) {
            if !scope.sees(name) {
                return Err(unseen(graph, &sources, node, name));
            }
        }
        for (_, inner) in node.graphs() {
            check(inner, Some(&scope))?;
        }
        for name in node.outputs.iter().filter(|name| !name.is_empty()) {
            if !scope.names.insert(name) {
                return Err(format!("{}: there are two values `{name}`", node.label()));
            }
        }
    }
    for output in &graph.outputs {
        if !scope.sees(&output.name) {
            return Err(format!("the output `{}` is computed by no node", output.name));
        }
    }
    Ok(())
}

/// Value -> position of the node that computes it.
fn sources(graph: &Graph) -> Result<BTreeMap<&str, usize>, String> {
    let mut sources = BTreeMap::new();
    for (position, node) in graph.nodes.iter().enumerate() {
        for name in node.outputs.iter().filter(|name| !name.is_empty()) {
            if sources.insert(name.as_str(), position).is_some() {
                return Err(format!("{}: there are two values `{name}`", node.label()));
            }
        }
    }
    Ok(sources)
}

/// Why a name is not there: nobody computes it, a cycle, or nodes in the wrong order.
fn unseen(graph: &Graph, sources: &BTreeMap<&str, usize>, node: &Node, name: &str) -> String {
    let Some(&source) = sources.get(name) else {
        return format!("{}: its input `{name}` is computed by no node and is no input", node.label());
    };
    // Does the source depend on the node?
    let own: BTreeSet<&str> = node.outputs.iter().map(String::as_str).collect();
    let (mut seen, mut pending) = (BTreeSet::new(), vec![source]);
    while let Some(position) = pending.pop() {
        if !seen.insert(position) {
            continue;
        }
        let Some(other) = graph.nodes.get(position) else { continue };
        if other.inputs.iter().any(|input| own.contains(input.as_str())) {
            return format!("{}: it depends on itself through `{name}`", node.label());
        }
        pending.extend(other.inputs.iter().filter_map(|input| sources.get(input.as_str())));
    }
    format!("{}: its input `{name}` is computed later; nodes must stand in order", node.label())
}
