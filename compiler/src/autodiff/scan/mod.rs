//! The derivative of a scan: a scan in the other direction.
//!
//! The body is differentiated as a function of its own, with the gradients of what a step leaves and gives as its
//! seeds. What that needs of the step's own values is either there anyway (carries, slices, invariants), or cheap and
//! computed again, or stacked by the forward scan ([`residuals`]), which gets results for it.
//!
//! The gradient of a carry is a carry of the reverse scan, the gradient of a slice one of its results. The gradient
//! of an invariant is a sum over steps: where a step's share is a contraction of two of its values, as for weights,
//! both are stacked and one contraction behind the loop sums over the steps, too ([`invariants`]).

mod invariants;
mod residuals;
mod step;

use super::tape::{Rule, Tape};
use dlc_ir::{Builder, Function, NodeId, Output, OutputRole, Scan, ScanBuilder, Type};
use invariants::Summed;
use residuals::{Leaf, Residuals};
use std::collections::BTreeMap;
use step::Step;

/// `(last carries, results) = scan(first carries, slices, invariants)`
pub(super) fn scan(
    tape: &mut Tape,
    node: NodeId,
    scan: &Scan,
    operands: &[NodeId],
    slots: &[Option<NodeId>],
) -> Rule {
    let step = Step::differentiate(tape, scan, operands, slots)?;
    let gradient = |operand: usize| step.gradients.get(&operand).copied();
    let slices: Vec<(usize, NodeId)> = (scan.carries..scan.carries + scan.slices)
        .filter(|&operand| tape.needs(operands[operand]))
        .filter_map(|operand| Some((operand, gradient(operand)?)))
        .collect();
    let sums: Vec<(usize, NodeId, Option<Summed>)> = (scan.carries + scan.slices..operands.len())
        .filter_map(|operand| {
            let gradient = gradient(operand)?;
            Some((operand, gradient, invariants::plan(&step, gradient)))
        })
        .collect();
    let mut stacked: Vec<NodeId> = slices.iter().map(|&(_, value)| value).collect();
    let mut wanted: Vec<NodeId> = step.active.iter().filter_map(|&carry| gradient(carry)).collect();
    for (_, gradient, plan) in &sums {
        match plan {
            Some(plan) => plan.values(&step, &mut stacked),
            None => wanted.push(*gradient),
        }
    }
    wanted.extend(&stacked);
    let residuals = Residuals::of(&step, scan, &wanted);
    let outside = save(tape, node, scan, operands, slots, &step, &residuals)?;
    let mut back =
        Back { step: &step, build: ScanBuilder::new(scan.steps, !scan.reverse), inside: BTreeMap::new() };
    back.begin(tape, operands, slots)?;
    let totals = back.totals(tape, operands, &sums)?;
    back.values(tape, operands, &residuals, &outside)?;
    back.leave(&totals)?;
    let mut results: BTreeMap<NodeId, usize> = BTreeMap::new();
    for &value in &stacked {
        if !outside.contains_key(&value) && !results.contains_key(&value) {
            results.insert(value, back.build.result(back.inside[&value]));
        }
    }
    let (last, given) = back.build.finish(&mut tape.build)?;
    for (number, &carry) in step.active.iter().enumerate() {
        tape.contribute(operands[carry], last[number])?;
    }
    let known = |value: NodeId| match outside.get(&value) {
        Some(&outer) => Some(outer),
        None => results.get(&value).map(|&number| given[number]),
    };
    for (operand, value) in slices {
        if let Some(gradient) = known(value) {
            tape.contribute(operands[operand], gradient)?;
        }
    }
    let mut totals = totals.into_iter();
    for (operand, _, plan) in &sums {
        let gradient = match plan {
            Some(plan) => plan.build(&mut tape.build, &step, &known)?,
            None => match totals.next() {
                Some((number, _, _)) => last[number],
                None => continue,
            },
        };
        tape.contribute(operands[*operand], gradient)?;
    }
    Ok(())
}

/// Lets the forward scan stack what the reverse one needs; for all leaves that are stacked, the outer value.
fn save(
    tape: &mut Tape,
    node: NodeId,
    scan: &Scan,
    operands: &[NodeId],
    slots: &[Option<NodeId>],
    step: &Step,
    residuals: &Residuals,
) -> Rule<BTreeMap<NodeId, NodeId>> {
    let mut body = Function { outputs: scan.body.outputs.clone(), ..step.function.clone() };
    let mut results = scan.results();
    let mut numbers: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut outside = BTreeMap::new();
    for (&value, &leaf) in &residuals.leaves {
        match leaf {
            Leaf::Invariant(_) => {}
            Leaf::Slice(operand) => drop(outside.insert(value, operands[operand])),
            Leaf::Seed(result) => outside.extend(slots[scan.carries + result].map(|slot| (value, slot))),
            Leaf::CarrySeed => {}
            Leaf::Stacked => {
                let number = results.iter().position(|&result| result == value).unwrap_or_else(|| {
                    let name = Scan::result(results.len());
                    body.outputs.push(Output { role: OutputRole::Output, name, value });
                    results.push(value);
                    results.len() - 1
                });
                numbers.insert(value, number);
            }
        }
    }
    let saving = Scan { body: body.without_dead_nodes(), ..scan.clone() };
    tape.build.widen_scan(node, saving)?;
    for (value, number) in numbers {
        outside.insert(value, tape.projection(node, scan.carries + number)?);
    }
    Ok(outside)
}

/// A carry of the reverse scan that adds a gradient up: its number, its value in a step, and what is added.
type Total = (usize, NodeId, NodeId);

/// The reverse scan under construction.
struct Back<'a> {
    step: &'a Step,
    build: ScanBuilder,
    /// Its own value for values of the differentiated body.
    inside: BTreeMap<NodeId, NodeId>,
}

impl Back<'_> {
    /// The gradients of carries, which begin with those of the last ones.
    fn begin(&mut self, tape: &mut Tape, operands: &[NodeId], slots: &[Option<NodeId>]) -> Rule {
        for (&carry, &seed) in self.step.active.iter().zip(&self.step.carry_seeds) {
            let first = match slots[carry] {
                Some(gradient) => gradient,
                None => tape.build.splat_like(operands[carry], 0.0)?,
            };
            let value = self.build.carry(&tape.build, first)?;
            self.inside.insert(seed, value);
        }
        Ok(())
    }

    /// Carries for the gradients of invariants that are added up step by step.
    fn totals(
        &mut self,
        tape: &mut Tape,
        operands: &[NodeId],
        sums: &[(usize, NodeId, Option<Summed>)],
    ) -> Rule<Vec<Total>> {
        let mut totals = Vec::new();
        for (operand, gradient, _) in sums.iter().filter(|(_, _, plan)| plan.is_none()) {
            let zero = tape.build.splat_like(operands[*operand], 0.0)?;
            let sum = self.build.carry(&tape.build, zero)?;
            totals.push((self.step.active.len() + totals.len(), sum, *gradient));
        }
        Ok(totals)
    }

    /// Everything that the reverse step computes.
    fn values(
        &mut self,
        tape: &Tape,
        operands: &[NodeId],
        residuals: &Residuals,
        outside: &BTreeMap<NodeId, NodeId>,
    ) -> Rule {
        for &id in &residuals.order {
            if self.inside.contains_key(&id) {
                continue;
            }
            let value = match residuals.leaves.get(&id) {
                Some(&Leaf::Invariant(operand)) => self.build.invariant(&tape.build, operands[operand])?,
                Some(_) => match outside.get(&id) {
                    Some(&outer) => self.build.slice(&tape.build, outer)?,
                    None => continue,
                },
                None => self.copy(id)?,
            };
            self.inside.insert(id, value);
        }
        Ok(())
    }

    fn copy(&mut self, id: NodeId) -> Rule<NodeId> {
        let node = &self.step.function.nodes[id];
        let operands: Vec<NodeId> = node.operands.iter().map(|operand| self.inside[operand]).collect();
        self.build.step.set_origin(node.origin.clone());
        Ok(match &node.ty {
            Type::Tensor(ty) => self.build.step.declare(node.op.clone(), &operands, ty.clone())?,
            Type::Tuple(_) => self.build.step.add_node(node.op.clone(), &operands)?,
        })
    }

    /// What a step leaves: gradients of its first carries, and the sums so far.
    fn leave(&mut self, totals: &[Total]) -> Rule {
        for (number, &carry) in self.step.active.iter().enumerate() {
            let value = match self.step.gradients.get(&carry) {
                Some(gradient) => self.inside[gradient],
                None => self.build.step.splat_like(self.inside[&self.step.carry_seeds[number]], 0.0)?,
            };
            self.build.leave(number, value);
        }
        for &(number, sum, gradient) in totals {
            let next = self.build.step.add(sum, self.inside[&gradient])?;
            self.build.leave(number, next);
        }
        Ok(())
    }
}

/// A body's slice of a stacked value, moved outside: the same op on stacked operands.
fn stacked_transpose(build: &mut Builder, stacked: NodeId, permutation: &[usize]) -> Rule<NodeId> {
    let permutation: Vec<usize> = std::iter::once(0).chain(permutation.iter().map(|axis| axis + 1)).collect();
    Ok(build.transpose(stacked, &permutation)?)
}
