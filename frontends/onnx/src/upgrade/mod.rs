//! Brings every node to the newest form of its operator, so that converters know one form only.
//!
//! `table` lists, per operator, steps of the form (*until*, rewrite): a step is applied to nodes that were
//! written for an opset below *until*, in ascending order of it. **To add one:** write a function of the type
//! [`Rewrite`] in a file of this folder (one file per kind of change) and name it in `table`. A step works on
//! names and attributes alone, since types are not known yet; where the newest form needs what only shapes
//! tell, it leaves an attribute that the converter understands (such as `axis` of the old one-sided
//! broadcasting) or adds nodes that compute it (`Shape`, `CastLike`).
//!
//! Attributes may be references to those of a function's call: they are moved whole, never read, unless the
//! step says otherwise.

mod attributes;
mod broadcast;
mod inputs;
mod softmax;
mod table;
mod upsample;

use crate::{Attribute, Document, Graph, Node, OnnxError};

/// A number above that of every opset.
pub(crate) const NEWEST: i64 = i64::MAX;

/// A step from an old form to a newer one.
pub type Rewrite = fn(&mut Site) -> Result<(), String>;

/// A node that is being rewritten, with the nodes that the rewrite puts around it.
#[derive(Debug)]
pub struct Site<'a> {
    /// The node.
    pub node: Node,
    /// Nodes that shall stand before it.
    pub before: Vec<Node>,
    /// Nodes that shall stand behind it.
    pub after: Vec<Node>,
    fresh: &'a mut usize,
}

impl Site<'_> {
    /// A name for a value that no other value has.
    pub fn fresh(&mut self, hint: &str) -> String {
        *self.fresh += 1;
        format!("{hint}@upgrade{}", self.fresh)
    }

    /// A node of that operator in its newest form; it has one output, which is returned with it.
    pub fn make(&mut self, op_type: &str, inputs: &[&str]) -> (Node, String) {
        let output = self.fresh(op_type);
        let node = Node {
            op_type: op_type.to_owned(),
            name: self.node.name.clone(),
            inputs: inputs.iter().map(|&name| name.to_owned()).collect(),
            outputs: vec![output.clone()],
            opset: NEWEST,
            ..Node::default()
        };
        (node, output)
    }

    /// Puts a node in front that gives the attribute's value as a tensor; returns the tensor's name. `form` is
    /// `value_int`, `value_ints`, `value_float`, `value_floats`, ….
    pub fn constant(&mut self, form: &str, attribute: Attribute) -> String {
        let (mut node, output) = self.make("Constant", &[]);
        node.attributes.insert(form.to_owned(), attribute);
        self.before.push(node);
        output
    }

    /// Makes an attribute, if it is there, the input of that number.
    pub fn attribute_to_input(&mut self, name: &str, form: &str, input: usize) {
        if let Some(attribute) = self.node.attributes.remove(name) {
            let constant = self.constant(form, attribute);
            self.set_input(input, constant);
        }
    }

    /// As [`Site::attribute_to_input`], with the element type of input `like`.
    pub fn attribute_to_input_like(&mut self, name: &str, form: &str, input: usize, like: usize) {
        if let Some(attribute) = self.node.attributes.remove(name) {
            let constant = self.constant(form, attribute);
            let like = self.node.inputs.get(like).cloned().unwrap_or_default();
            let (cast, output) = self.make("CastLike", &[&constant, &like]);
            self.before.push(cast);
            self.set_input(input, output);
        }
    }

    /// Sets an input, leaving out those between.
    pub fn set_input(&mut self, input: usize, name: String) {
        while self.node.inputs.len() <= input {
            self.node.inputs.push(String::new());
        }
        self.node.inputs[input] = name;
    }
}

/// Upgrades all nodes of the model, its functions included.
///
/// # Errors
/// A node whose old form contradicts itself.
pub fn upgrade(document: &mut Document) -> Result<(), OnnxError> {
    let mut fresh = 0;
    let functions = document.functions.iter_mut().map(|function| &mut function.nodes);
    let invalid = |what: String| OnnxError::Invalid { file: document.file.clone(), what };
    for nodes in functions {
        *nodes = upgraded(std::mem::take(nodes), &mut fresh).map_err(invalid)?;
    }
    graph(&mut document.graph, &mut fresh).map_err(invalid)
}

fn graph(graph: &mut Graph, fresh: &mut usize) -> Result<(), String> {
    graph.nodes = upgraded(std::mem::take(&mut graph.nodes), fresh)?;
    Ok(())
}

fn upgraded(nodes: Vec<Node>, fresh: &mut usize) -> Result<Vec<Node>, String> {
    let mut result = Vec::with_capacity(nodes.len());
    for mut node in nodes {
        for inner in node.graphs_mut() {
            graph(inner, fresh)?;
        }
        let label = node.label();
        let mut site = Site { node, before: Vec::new(), after: Vec::new(), fresh };
        if site.node.domain.is_empty() {
            // A step may give the node another operator, which is then in its newest form.
            for (until, rewrite) in table::steps(&site.node.op_type) {
                if site.node.opset < until {
                    rewrite(&mut site).map_err(|fault| format!("{label}: {fault}"))?;
                }
            }
        }
        let Site { node, before, after, .. } = site;
        result.extend(before);
        result.push(node);
        result.extend(after);
    }
    Ok(result)
}
