//! Replaces calls of the model's own functions by their bodies.
//!
//! Inner values get names that no other value has; references to attributes become the call's attributes,
//! or the function's defaults, or vanish. The nodes of a body have the opset that the function names, not
//! that of the model; upgrading comes first, so it does not matter any more here.

use crate::document::Function;
use crate::{Attribute, Document, Graph, Node, OnnxError};
use std::collections::{BTreeMap, BTreeSet};

/// Calls within calls that are followed.
const DEPTH_LIMIT: usize = 64;

/// Nodes that a model may have after inlining: functions that call each other can grow without bound.
const NODE_LIMIT: usize = 1 << 20;

/// Inlines all functions of the model.
///
/// # Errors
/// A function that calls itself, or a call that does not fit its function.
pub fn inline_functions(document: &mut Document) -> Result<(), OnnxError> {
    let functions = std::mem::take(&mut document.functions);
    if functions.is_empty() {
        return Ok(());
    }
    let by_name = functions.iter().map(|function| {
        ((function.domain.as_str(), function.name.as_str(), function.overload.as_str()), function)
    });
    let mut inliner = Inliner { functions: by_name.collect(), calls: 0, nodes: 0 };
    inliner
        .graph(&mut document.graph, 0)
        .map_err(|what| OnnxError::Invalid { file: document.file.clone(), what })
}

struct Inliner<'a> {
    functions: BTreeMap<(&'a str, &'a str, &'a str), &'a Function>,
    calls: usize,
    nodes: usize,
}

impl Inliner<'_> {
    fn graph(&mut self, graph: &mut Graph, depth: usize) -> Result<(), String> {
        graph.nodes = self.nodes(std::mem::take(&mut graph.nodes), depth)?;
        Ok(())
    }

    fn nodes(&mut self, nodes: Vec<Node>, depth: usize) -> Result<Vec<Node>, String> {
        let mut result = Vec::with_capacity(nodes.len());
        for mut node in nodes {
            for graph in node.graphs_mut() {
                self.graph(graph, depth)?;
            }
            let key = (node.domain.as_str(), node.op_type.as_str(), node.overload.as_str());
            match self.functions.get(&key).copied() {
                Some(_) if depth >= DEPTH_LIMIT => {
                    return Err(format!("{}: calls are nested too deeply", node.label()));
                }
                Some(function) => {
                    let body = self.call(&node, function)?;
                    result.extend(self.nodes(body, depth + 1)?);
                }
                None => result.push(node),
            }
            self.nodes += 1;
            if self.nodes > NODE_LIMIT {
                return Err("the functions of the model make more nodes than can be held".to_owned());
            }
        }
        Ok(result)
    }

    /// The body of a function with the call's names and attributes.
    fn call(&mut self, node: &Node, function: &Function) -> Result<Vec<Node>, String> {
        if node.inputs.len() > function.inputs.len() || node.outputs.len() > function.outputs.len() {
            return Err(format!("{}: it has more inputs or outputs than its function", node.label()));
        }
        self.calls += 1;
        let mut renaming =
            Renaming { names: BTreeMap::new(), prefix: format!("{}@{}", function.name, self.calls) };
        for (position, formal) in function.inputs.iter().enumerate() {
            let actual = node.inputs.get(position).cloned().unwrap_or_default();
            renaming.names.insert(formal.clone(), actual);
        }
        let mut passed = Vec::new();
        for (position, formal) in function.outputs.iter().enumerate() {
            let actual = node.outputs.get(position).cloned().unwrap_or_default();
            match renaming.names.get(formal) {
                // A result that is an argument.
                Some(argument) => passed.push(identity(argument, &actual)),
                None if actual.is_empty() => {}
                None => {
                    renaming.names.insert(formal.clone(), actual);
                }
            }
        }
        let mut attributes = function.defaults.clone();
        attributes.extend(node.attributes.iter().map(|(name, value)| (name.clone(), value.clone())));
        let mut body = function.nodes.clone();
        for inner in &mut body {
            resolve(inner, &attributes)?;
            renaming.node(inner);
            let outer = if node.name.is_empty() { &node.op_type } else { &node.name };
            inner.name =
                if inner.name.is_empty() { String::new() } else { format!("{outer}/{}", inner.name) };
        }
        body.extend(passed.into_iter().filter(|node| !node.outputs[0].is_empty()));
        Ok(body)
    }
}

fn identity(input: &str, output: &str) -> Node {
    Node {
        op_type: "Identity".to_owned(),
        inputs: vec![input.to_owned()],
        outputs: vec![output.to_owned()],
        opset: crate::upgrade::NEWEST,
        ..Node::default()
    }
}

/// Puts the call's attributes in the place of references.
fn resolve(node: &mut Node, given: &BTreeMap<String, Attribute>) -> Result<(), String> {
    let mut resolved = BTreeMap::new();
    for (name, attribute) in std::mem::take(&mut node.attributes) {
        match attribute {
            Attribute::Reference(outer) => {
                resolved.extend(given.get(&outer).map(|value| (name, value.clone())));
            }
            other => {
                resolved.insert(name, other);
            }
        }
    }
    node.attributes = resolved;
    for graph in node.graphs_mut() {
        graph.nodes.iter_mut().try_for_each(|inner| resolve(inner, given))?;
    }
    Ok(())
}

struct Renaming {
    names: BTreeMap<String, String>,
    prefix: String,
}

impl Renaming {
    fn name(&self, name: &mut String) {
        if name.is_empty() {
            return;
        }
        *name = match self.names.get(name.as_str()) {
            Some(other) => other.clone(),
            None => format!("{}/{name}", self.prefix),
        };
    }

    fn node(&self, node: &mut Node) {
        node.inputs.iter_mut().chain(&mut node.outputs).for_each(|name| self.name(name));
        for graph in node.graphs_mut() {
            self.graph(graph);
        }
    }

    /// A graph inside of the body. Its own names are renamed as all others, but those that hide a formal
    /// name of the function, which are its own.
    fn graph(&self, graph: &mut Graph) {
        let own: BTreeSet<&str> = graph
            .inputs
            .iter()
            .map(|info| info.name.as_str())
            .chain(graph.initializers.keys().map(String::as_str))
            .chain(graph.nodes.iter().flat_map(|node| node.outputs.iter().map(String::as_str)))
            .collect();
        let names = self.names.iter().filter(|(name, _)| !own.contains(name.as_str()));
        let inner = Renaming {
            names: names.map(|(name, other)| (name.clone(), other.clone())).collect(),
            prefix: self.prefix.clone(),
        };
        for info in graph.inputs.iter_mut().chain(&mut graph.outputs).chain(&mut graph.value_info) {
            inner.name(&mut info.name);
        }
        graph.initializers = std::mem::take(&mut graph.initializers)
            .into_iter()
            .map(|(mut name, array)| {
                inner.name(&mut name);
                (name, array)
            })
            .collect();
        graph.nodes.iter_mut().for_each(|node| inner.node(node));
    }
}
