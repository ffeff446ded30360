//! Graphs of a node that become part of the region around it.

use super::Stop;
use super::body::within;
use super::region::{Region, Slot};
use crate::Graph;
use dlc_ir::NodeId;
use std::collections::BTreeSet;

/// Names of values that the graph makes, which hide those of the same name around it.
fn own_names(graph: &Graph) -> BTreeSet<&str> {
    let inputs = graph.inputs.iter().map(|input| &input.name);
    let results = graph.nodes.iter().flat_map(|node| &node.outputs);
    inputs.chain(graph.initializers.keys()).chain(results).map(String::as_str).collect()
}

impl Region<'_> {
    /// Converts a graph of one input and one output in the midst of the region.
    pub(super) fn inlined(&mut self, graph: &Graph, value: NodeId) -> Result<NodeId, Stop> {
        if graph.outputs.len() != 1 {
            return Err(Stop::Invalid("an inner graph must have one output".to_owned()));
        }
        match self.scoped(graph, &[Slot::Node(value)])?.remove(0) {
            Slot::Node(id) | Slot::Known(_, Some(id)) => Ok(id),
            Slot::Known(array, None) => self.constant(&array),
        }
    }

    /// Converts a graph in the midst of the region, with these values as its inputs; the values of its outputs. Its
    /// inner values are forgotten; what it made of values around it stays.
    pub(super) fn scoped(&mut self, graph: &Graph, inputs: &[Slot]) -> Result<Vec<Slot>, Stop> {
        if graph.inputs.len() != inputs.len() {
            let (own, given) = (graph.inputs.len(), inputs.len());
            return Err(Stop::Invalid(format!("its graph has {own} inputs, and is given {given}")));
        }
        let outside = self.slots.clone();
        self.know(&graph.initializers);
        for (info, slot) in graph.inputs.iter().zip(inputs) {
            self.slots.insert(info.name.clone(), slot.clone());
        }
        let converted = graph
            .nodes
            .iter()
            .try_for_each(|node| self.convert(node).map_err(|stop| within(stop, node)))
            .and_then(|()| graph.outputs.iter().map(|output| self.value(&output.name)).collect());
        let inside = std::mem::replace(&mut self.slots, outside);
        let own = own_names(graph);
        self.slots.extend(inside.into_iter().filter(|(name, _)| !own.contains(name.as_str())));
        converted
    }

    /// A value as it stands.
    fn value(&mut self, name: &str) -> Result<Slot, Stop> {
        match self.slot(name) {
            Some(slot) => Ok(slot),
            None => self.node(name).map(Slot::Node),
        }
    }
}
