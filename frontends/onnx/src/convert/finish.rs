//! A region's end: the function of the values that are wanted.

use super::LeafKind;
use super::region::{Region, Slot};
use dlc_ir::{Function, NodeId, OutputRole};
use std::collections::{BTreeMap, BTreeSet};

/// The function of a whole model.
#[derive(Clone, Debug)]
pub struct Whole {
    /// The function.
    pub function: Function,
    /// What its parameters, states and inputs are.
    pub leaves: BTreeMap<String, LeafKind>,
    /// Where the marked values are in it, by name.
    pub marks: BTreeMap<String, NodeId>,
}

/// The leaves that the function reads.
fn live_leaves(mut leaves: BTreeMap<String, LeafKind>, function: &Function) -> BTreeMap<String, LeafKind> {
    let live: BTreeSet<&str> = function.externals().map(|(_, name)| name).collect();
    leaves.retain(|name, _| live.contains(name.as_str()));
    leaves
}

impl Region<'_> {
    /// The function that computes these values, in the order of their names; dead nodes are gone. Names that
    /// the region does not compute by nodes are left out.
    pub fn finish(mut self, wanted: &[String]) -> (Function, BTreeMap<String, LeafKind>) {
        let wanted: BTreeSet<&String> = wanted.iter().collect();
        for name in wanted {
            if let Some(Slot::Node(id)) = self.slots.get(name) {
                self.builder.output(OutputRole::Output, name.clone(), *id);
            }
        }
        let function = self.builder.finish().without_dead_nodes();
        let leaves = live_leaves(self.leaves, &function);
        (function, leaves)
    }

    /// The function of a whole model: its outputs, then the next values of states.
    ///
    /// # Errors
    /// The name of an output or marked value that is not there.
    pub fn finish_network(mut self, outputs: &[String], marked: &[String]) -> Result<Whole, String> {
        for (names, role) in [(outputs, OutputRole::Output), (marked, OutputRole::Metric)] {
            for name in names {
                let id = self.node(name).map_err(|_| name.clone())?;
                self.builder.output(role, name.clone(), id);
            }
        }
        for (name, id) in std::mem::take(&mut self.updates) {
            self.builder.output(OutputRole::State, name, id);
        }
        let mut function = self.builder.finish().without_dead_nodes();
        let mut marks = BTreeMap::new();
        function.outputs.retain(|output| {
            let is_mark = output.role == OutputRole::Metric;
            if is_mark {
                marks.insert(output.name.clone(), output.value);
            }
            !is_mark
        });
        let leaves = live_leaves(self.leaves, &function);
        Ok(Whole { function, leaves, marks })
    }
}
