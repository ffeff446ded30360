//! Scans: a body sees its operands' labels, and what it leaves is what it begins with.

use super::{Flow, Given};
use crate::narrow::label::Label;
use crate::narrow::reason::Reason;
use dlc_ir::{Node, NodeId, Scan, Type};
use dlc_types::Dim;

impl Flow<'_> {
    pub(super) fn scan(&mut self, id: NodeId, node: &Node, scan: &Scan) -> Vec<Vec<Label>> {
        let mut given = Given::new();
        for (number, &operand) in node.operands.iter().enumerate() {
            let (mut labels, mut sources) = (self.labels(operand), self.sources[operand].clone());
            let is_slice = (scan.carries..scan.carries + scan.slices).contains(&number);
            if is_slice && !labels.is_empty() {
                let steps = labels.remove(0);
                self.shared.classes.block(&steps, &Reason::Steps);
                sources.remove(0);
            }
            // What a step leaves may depend on inputs from the second step on.
            let fed = number < scan.carries || self.fed[operand];
            if number < scan.carries {
                sources.iter_mut().for_each(|source| *source = None);
            }
            given.insert(scan.input(number), (labels, sources, fed));
        }
        let body = Flow::new(self.shared, &scan.body, Some(given)).run().labelled;
        let mut results = Vec::new();
        for carry in 0..scan.carries {
            let first = self.labels(node.operands[carry]);
            if let Some(next) = scan.next(carry) {
                let next = body.values[next].first().cloned().unwrap_or_default();
                self.unify_all(&first, &next);
            }
            results.push(first);
        }
        let types = match &node.ty {
            Type::Tuple(types) => types.as_slice(),
            Type::Tensor(_) => &[],
        };
        for (value, ty) in scan.results().into_iter().zip(types.iter().skip(scan.carries)) {
            let steps = ty.shape.dims().first().copied().unwrap_or(Dim::Fixed(scan.steps));
            let steps = self.shared.classes.fixed(steps, Reason::Steps);
            let own = body.values[value].first().cloned().unwrap_or_default();
            results.push([steps].into_iter().chain(own).collect());
        }
        self.labelled.bodies.insert(id, body);
        results
    }
}
