//! The graph of an iteration as a function of its own.
//!
//! It is converted in a region of its own, whose hand gives the graph's inputs by their types and the values around
//! the node by what the outer region knows of them. What it reads of those becomes an input of its function, too.

use super::region::Region;
use super::{AtHand, Hand, Stop};
use crate::{Array, Graph, Node};
use dlc_ir::{Builder, Function, NodeId};
use std::collections::BTreeMap;

/// A converted graph.
pub(super) struct Body {
    /// The nodes; inputs have the names of values.
    pub(super) build: Builder,
    /// The graph's outputs, in order.
    pub(super) outputs: Vec<NodeId>,
    /// What is known of them without running the graph.
    pub(super) known: Vec<Option<Array>>,
}

/// What a body sees.
struct Around<'r, 'h> {
    outer: &'r Region<'h>,
    given: BTreeMap<String, AtHand>,
}

impl Hand for Around<'_, '_> {
    fn value(&self, name: &str) -> Option<AtHand> {
        if let Some(given) = self.given.get(name) {
            return Some(given.clone());
        }
        let Some((element, dims)) = self.outer.type_of(name) else {
            return self.outer.hand.value(name).map(|_| AtHand::Other);
        };
        // Parameters are known, too, but must stay what they are.
        Some(AtHand::Tensor { element, dims, array: self.outer.known_value(name), fixed: false })
    }

    fn is_constant(&self, name: &str) -> bool {
        self.outer.hand.is_constant(name)
    }

    fn evaluate(&self, function: &Function, batch: usize) -> Option<Array> {
        self.outer.hand.evaluate(function, batch)
    }

    fn differentiate(&self, function: &Function, parameters: &[String]) -> Result<Function, String> {
        self.outer.hand.differentiate(function, parameters)
    }
}

impl Region<'_> {
    /// Converts the graph of an iteration, whose inputs are these values.
    pub(super) fn body(&self, graph: &Graph, given: BTreeMap<String, AtHand>) -> Result<Body, Stop> {
        let around = Around { outer: self, given };
        let mut inner = Region::for_purpose(dlc_ir::Scan::BODY, &around, self.purpose());
        inner.know(&graph.initializers);
        for node in &graph.nodes {
            inner.convert(node).map_err(|stop| within(stop, node))?;
        }
        let mut outputs = Vec::with_capacity(graph.outputs.len());
        for output in &graph.outputs {
            outputs.push(inner.node(&output.name)?);
        }
        let known = graph.outputs.iter().map(|output| inner.known_value(&output.name)).collect();
        Ok(Body { build: inner.builder, outputs, known })
    }
}

/// Why a node of an inner graph stops the outer one.
pub(super) fn within(stop: Stop, node: &Node) -> Stop {
    match stop {
        Stop::Invalid(what) => Stop::Invalid(format!("{} of its graph: {what}", node.label())),
        Stop::NotDone(what) => Stop::NotDone(format!("{} of its graph: {what}", node.label())),
        Stop::NeedsValue(name) => Stop::NeedsValue(name),
        Stop::Waiting(name) => Stop::Waiting(name),
        Stop::Host | Stop::UnknownOperator => Stop::NotDone(format!("{} in its graph", node.label())),
    }
}
