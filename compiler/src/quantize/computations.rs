//! Which nodes of several functions compute the same.

use dlc_ir::{Function, NodeId};
use dlc_types::IndexVec;
use std::collections::BTreeMap;

/// Numbers of computations: two nodes have one number if op, type and the numbers of their operands agree.
#[derive(Default)]
pub(super) struct Computations {
    numbers: BTreeMap<(String, Vec<usize>), usize>,
}

impl Computations {
    /// The number of every node.
    pub(super) fn of(&mut self, function: &Function) -> IndexVec<NodeId, usize> {
        let mut all: IndexVec<NodeId, usize> = IndexVec::new();
        for node in function.nodes.values() {
            let operands: Vec<usize> = node.operands.iter().map(|&operand| all[operand]).collect();
            let next = self.numbers.len();
            let key = (format!("{:?} {}", node.op, node.ty), operands);
            all.push(*self.numbers.entry(key).or_insert(next));
        }
        all
    }
}
