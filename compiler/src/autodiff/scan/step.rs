//! One step of a scan with its derivative behind it.

use super::super::tape::{Rule, Tape, needed_from};
use super::super::{apply, remark};
use dlc_ir::{Function, NodeId, Op, Scan};
use dlc_types::{IndexVec, index::EntityIndex};
use std::collections::BTreeMap;

/// A scan's body with gradient nodes behind its own.
pub(super) struct Step {
    /// All nodes: those of the body first, with their numbers.
    pub(super) function: Function,
    /// How many nodes the body has.
    pub(super) own: usize,
    /// Values that differ from step to step.
    pub(super) varies: IndexVec<NodeId, bool>,
    /// Carries with a gradient.
    pub(super) active: Vec<usize>,
    /// For these, the gradient of what a step leaves.
    pub(super) carry_seeds: Vec<NodeId>,
    /// The gradient of what a step gives, by number of the result.
    pub(super) result_seeds: BTreeMap<usize, NodeId>,
    /// Gradients of carries that a step finds, of slices and of invariants, by operand.
    pub(super) gradients: BTreeMap<usize, NodeId>,
}

impl Step {
    /// Differentiates the body by everything that carries a gradient of an operand that is needed.
    pub(super) fn differentiate(
        tape: &Tape,
        scan: &Scan,
        operands: &[NodeId],
        slots: &[Option<NodeId>],
    ) -> Rule<Step> {
        let body = &scan.body;
        let mut carries: Vec<bool> = operands[..scan.carries].iter().map(|&id| tape.needs(id)).collect();
        let starts = |carries: &[bool], id: NodeId| {
            let operand = (0..operands.len()).find(|&operand| scan.reader(operand) == Some(id));
            operand.is_some_and(|operand| {
                carries.get(operand).copied().unwrap_or_else(|| tape.needs(operands[operand]))
            })
        };
        // A carry that takes in what has a gradient has one from the next step on.
        let needed = loop {
            let needed = needed_from(body, &|id| starts(&carries, id));
            let reached = |carry: usize| scan.next(carry).is_some_and(|next| needed[next]);
            let more: Vec<bool> = (0..scan.carries).map(|carry| carries[carry] || reached(carry)).collect();
            if more == carries {
                break needed;
            }
            carries = more;
        };
        let active: Vec<usize> = (0..scan.carries)
            .filter(|&carry| carries[carry] && tape.build.ty(operands[carry]).dtype.is_float())
            .collect();
        let mut inner = Tape::new(body, needed);
        let mut carry_seeds = Vec::new();
        for &carry in &active {
            let ty = tape.build.ty(operands[carry]).clone();
            let seed = inner.build.input(&format!("gradient.{}", Scan::carry(carry)), ty)?;
            carry_seeds.push(seed);
            if let Some(next) = scan.next(carry) {
                inner.contribute(next, seed)?;
            }
        }
        let mut result_seeds = BTreeMap::new();
        for (number, value) in scan.results().into_iter().enumerate() {
            if slots[scan.carries + number].is_none() || !inner.needs(value) {
                continue;
            }
            let ty = inner.build.ty(value).clone();
            let seed = inner.build.input(&format!("gradient.{}", Scan::result(number)), ty)?;
            result_seeds.insert(number, seed);
            inner.contribute(value, seed)?;
        }
        let mut gradients = BTreeMap::new();
        for (id, node) in body.nodes.iter().rev() {
            if !inner.is_reached(id) {
                continue;
            }
            inner.build.set_origin(remark(body, id));
            let slots = inner.collect(id)?;
            if let Op::Input { .. } = node.op {
                let operand = (0..operands.len()).find(|&operand| scan.reader(operand) == Some(id));
                gradients.extend(operand.zip(slots.into_iter().flatten().next()));
            } else {
                apply(&mut inner, &node.op, id, &node.operands, &slots)?;
            }
        }
        let function = inner.build.finish();
        let varies = varying(&function, scan, operands.len());
        let own = body.nodes.len();
        Ok(Step { function, own, varies, active, carry_seeds, result_seeds, gradients })
    }

    /// Whether a value is one of the step's own, not of its derivative.
    pub(super) fn is_own(&self, id: NodeId) -> bool {
        let node = &self.function.nodes[id];
        id.as_usize() < self.own || matches!(node.op, Op::Project(_)) && self.is_own(node.operands[0])
    }
}

/// For every node whether it may differ from step to step.
fn varying(function: &Function, scan: &Scan, operands: usize) -> IndexVec<NodeId, bool> {
    let invariants: Vec<NodeId> =
        (scan.carries + scan.slices..operands).filter_map(|operand| scan.reader(operand)).collect();
    let mut varies: IndexVec<NodeId, bool> = IndexVec::new();
    for (id, node) in function.nodes.iter() {
        let begins = matches!(node.op, Op::Input { .. }) && !invariants.contains(&id);
        varies.push(begins || node.operands.iter().any(|&operand| varies[operand]));
    }
    varies
}
