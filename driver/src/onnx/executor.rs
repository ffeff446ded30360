//! The stages of a run.
//!
//! One stage: convert all nodes that can be converted, in order; run the region for those of its values that
//! somebody else needs; then let the host do the nodes whose inputs are at hand. Each stage does at least one
//! node, or the run ends with what is missing.

use super::missing::Missing;
use super::region::Regions;
use super::scope::{Entry, Scope};
use super::value::Value;
use super::{control, host};
use crate::{DriverError, Result, RunSettings};
use dlc_onnx::convert::{Region, Stop, find};
use dlc_onnx::uses::{needed, reads};
use dlc_onnx::{Document, Graph, Node};
use std::collections::{BTreeMap, BTreeSet};

/// Graphs within graphs that are run.
const DEPTH_LIMIT: usize = 64;

/// Nodes that were not converted, and why.
type Stuck = Vec<(usize, Stop)>;

/// What came of a node that no region computes.
enum Hosted {
    /// The values of its outputs.
    Values(Vec<Value>),
    /// Nobody knows the operator.
    Unknown,
    /// A case of it that is not done.
    NotDone(String),
}

/// Runs the graphs of one model.
pub(super) struct Executor<'a> {
    document: &'a Document,
    settings: &'a RunSettings,
    regions: Regions,
}

impl<'a> Executor<'a> {
    pub(super) fn new(document: &'a Document, settings: &'a RunSettings) -> Executor<'a> {
        Executor { document, settings, regions: Regions::default() }
    }

    /// That all operators are known, those of inner graphs included.
    pub(super) fn check_operators(&self) -> Result<()> {
        let mut missing = Missing::default();
        unknown(&self.document.graph, &mut missing);
        if missing.is_empty() { Ok(()) } else { Err(missing.error(&self.document.file)) }
    }

    /// Runs the main graph; its outputs with their names.
    pub(super) fn run(&self, fed: BTreeMap<String, Value>) -> Result<Vec<(String, Value)>> {
        let names = self.document.graph.outputs.iter().map(|output| output.name.clone());
        let values = self.graph(&self.document.graph, fed, None, 0)?;
        Ok(names.zip(values).collect())
    }

    /// The user's mistake, at a node.
    pub(super) fn invalid(&self, node: &Node, what: impl std::fmt::Display) -> DriverError {
        DriverError::User(format!("{}: {}: {what}", self.document.file, node.label()))
    }

    /// A case that is not done, at a node.
    pub(super) fn not_done(&self, node: &Node, what: &str) -> DriverError {
        let mut missing = Missing::default();
        missing.not_done(node, what);
        missing.error(&self.document.file)
    }

    /// Runs a graph on fed values; the values of its outputs.
    pub(super) fn graph(
        &self,
        graph: &Graph,
        fed: BTreeMap<String, Value>,
        outer: Option<&Scope<'_>>,
        depth: usize,
    ) -> Result<Vec<Value>> {
        if depth > DEPTH_LIMIT {
            return Err(DriverError::User(format!("{}: graphs are nested too deeply", self.document.file)));
        }
        let mut scope = Scope { values: BTreeMap::new(), outer };
        for (name, array) in &graph.initializers {
            scope.values.insert(name.clone(), Entry { value: Value::Tensor(array.clone()), fixed: true });
        }
        fed.into_iter().for_each(|(name, value)| scope.insert(&name, value));
        let mut pending = needed(graph);
        while !pending.is_empty() {
            let before = pending.len();
            pending = self.stage(graph, pending, &mut scope, depth)?;
            if pending.len() == before {
                let label = graph.nodes[pending[0]].label();
                return Err(DriverError::Bug(format!("{}: {label} cannot be run", self.document.file)));
            }
            // What nobody reads any more makes room.
            let wanted = still_wanted(graph, &pending);
            scope.values.retain(|name, _| wanted.contains(name.as_str()));
        }
        let value = |name: &str| scope.get(name).map(|entry| entry.value.clone());
        let outputs = graph.outputs.iter().map(|output| {
            value(&output.name).ok_or_else(|| {
                DriverError::Bug(format!("{}: nothing computes `{}`", self.document.file, output.name))
            })
        });
        outputs.collect()
    }

    /// One stage; what is left to do.
    fn stage(
        &self,
        graph: &Graph,
        pending: Vec<usize>,
        scope: &mut Scope<'_>,
        depth: usize,
    ) -> Result<Vec<usize>> {
        let (stuck, computed) = self.compiled_part(graph, &pending, scope)?;
        for (name, value) in computed {
            scope.insert(&name, value);
        }
        let mut missing = Missing::default();
        let mut left = Vec::new();
        for (position, stop) in stuck {
            let node = &graph.nodes[position];
            let ready = reads(node).iter().all(|name| scope.get(name).is_some());
            let again = match &stop {
                // What is no tensor has no value that a converter could use.
                Stop::NeedsValue(name) => scope.get(name).is_some_and(|entry| entry.value.tensor().is_some()),
                Stop::Waiting(_) => true,
                _ => false,
            };
            if !ready || again {
                left.push(position);
                continue;
            }
            match self.hosted_part(node, stop, scope, depth)? {
                Hosted::Values(values) => {
                    for (name, value) in node.outputs.iter().zip(values) {
                        scope.insert(name, value);
                    }
                }
                Hosted::Unknown => missing.unknown(node),
                Hosted::NotDone(case) => missing.not_done(node, &case),
            }
        }
        if missing.is_empty() { Ok(left) } else { Err(missing.error(&self.document.file)) }
    }

    /// Converts and runs what can be: the nodes that could not, and the values that are needed outside.
    fn compiled_part(
        &self,
        graph: &Graph,
        pending: &[usize],
        scope: &Scope<'_>,
    ) -> Result<(Stuck, Vec<(String, Value)>)> {
        let mut region = Region::new("predict", scope);
        let (mut stuck, mut missing) = (Vec::new(), Missing::default());
        for &position in pending {
            let node = &graph.nodes[position];
            let outcome = if control::is_control(node) { Err(Stop::Host) } else { region.convert(node) };
            match outcome {
                Ok(()) => {}
                Err(Stop::Invalid(what)) if !host::knows(node) => return Err(self.invalid(node, what)),
                Err(stop) => {
                    self.tell_missing(node, &stop, &mut missing);
                    stuck.push((position, stop));
                }
            }
        }
        if !missing.is_empty() {
            return Err(missing.error(&self.document.file));
        }
        let left: Vec<usize> = stuck.iter().map(|(position, _)| *position).collect();
        let wanted = still_wanted(graph, &left);
        let (mut values, mut names) = (Vec::new(), Vec::new());
        for name in wanted.into_iter().filter(|name| region.has(name) && !scope.values.contains_key(*name)) {
            match region.told_value(name) {
                Some(array) => values.push((name.to_owned(), Value::Tensor(array))),
                None => names.push(name.to_owned()),
            }
        }
        let (function, _) = region.finish(&names);
        let array = |name: &str| scope.get(name).and_then(|entry| entry.value.tensor().cloned());
        let results = self.regions.run(graph, function, &array, self.settings);
        let results = results.map_err(|error| match error {
            DriverError::User(what) => DriverError::User(format!("{}: {what}", self.document.file)),
            other => other,
        })?;
        values.extend(names.into_iter().zip(results.into_iter().map(Value::Tensor)));
        Ok((stuck, values))
    }

    /// What the host cannot do either, before anything is run.
    fn tell_missing(&self, node: &Node, stop: &Stop, missing: &mut Missing) {
        if host::knows(node) || control::is_control(node) {
            return;
        }
        match stop {
            Stop::NotDone(case) => missing.not_done(node, case),
            Stop::Host => missing.not_done(node, "these types of its inputs or outputs"),
            Stop::UnknownOperator => missing.unknown(node),
            Stop::NeedsValue(_) | Stop::Waiting(_) | Stop::Invalid(_) => {}
        }
    }

    /// Control flow, or the host.
    fn hosted_part(&self, node: &Node, stop: Stop, scope: &Scope<'_>, depth: usize) -> Result<Hosted> {
        if control::is_control(node) {
            return control::run(self, node, scope, depth).map(Hosted::Values);
        }
        let inputs: Vec<Option<&Value>> = node
            .inputs
            .iter()
            .map(|name| if name.is_empty() { None } else { scope.get(name).map(|entry| &entry.value) })
            .collect();
        match (host::evaluate(node, &inputs), stop) {
            (Ok(values), _) => Ok(Hosted::Values(values)),
            // The converter's words name shapes and attributes as the model has them.
            (Err(_), Stop::Invalid(what)) => Err(self.invalid(node, what)),
            (Err(host::HostFault::Invalid(what)), _) => Err(self.invalid(node, what)),
            (Err(_), Stop::NotDone(case)) => Ok(Hosted::NotDone(case)),
            (Err(host::HostFault::NotDone(case)), _) => Ok(Hosted::NotDone(case)),
            (Err(host::HostFault::Unknown), _) => Ok(Hosted::Unknown),
        }
    }
}

/// Names of the values that are read by nodes which are left to do, or asked for.
fn still_wanted<'g>(graph: &'g Graph, pending: &[usize]) -> BTreeSet<&'g str> {
    let mut wanted: BTreeSet<&str> = graph.outputs.iter().map(|output| output.name.as_str()).collect();
    pending.iter().for_each(|&position| wanted.extend(reads(&graph.nodes[position])));
    wanted
}

fn unknown(graph: &Graph, missing: &mut Missing) {
    for node in &graph.nodes {
        let known =
            find(&node.domain, &node.op_type).is_some() || control::is_control(node) || host::knows(node);
        if !known {
            missing.unknown(node);
        }
        node.graphs().for_each(|(_, inner)| unknown(inner, missing));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dlc_onnx::{Attribute, ValueInfo, ValueType};

    fn node(op_type: &str, inputs: &[&str], output: &str) -> Node {
        Node {
            op_type: op_type.to_owned(),
            inputs: inputs.iter().map(|&name| name.to_owned()).collect(),
            outputs: vec![output.to_owned()],
            ..Node::default()
        }
    }

    #[test]
    fn values_are_kept_for_those_who_still_read_them() {
        let mut branch = node("If", &["c"], "z");
        let inner = Graph { nodes: vec![node("Neg", &["b"], "own")], ..Graph::default() };
        branch.attributes.insert("then_branch".to_owned(), Attribute::Graph(Box::new(inner)));
        let asked = ValueInfo { name: "y".to_owned(), ty: ValueType::Unknown };
        let nodes =
            vec![node("Relu", &["a"], "b"), node("Abs", &["b"], "y"), branch, node("Exp", &["z"], "w")];
        let graph = Graph { nodes, outputs: vec![asked], ..Graph::default() };
        let names = |pending: &[usize]| still_wanted(&graph, pending).into_iter().collect::<Vec<_>>();
        assert_eq!(names(&[1, 2, 3]), ["b", "c", "y", "z"]);
        assert_eq!(names(&[2]), ["b", "c", "y"]);
        assert_eq!(names(&[]), ["y"]);
    }
}
