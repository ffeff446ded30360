//! Sums over steps that are taken behind the loop.
//!
//! The gradient of an invariant is the sum of the steps' shares. Where a share is a contraction of values that differ
//! from step to step, the sum is one contraction of these values stacked, in which the steps are summed over as well;
//! where it is a sum, one larger sum. What moves elements is done to the sum.

use super::super::tape::Rule;
use super::stacked_transpose;
use super::step::Step;
use dlc_ir::{Builder, Contraction, InferError, NodeId, Op, Reduction};

/// How a sum over steps is taken.
#[derive(Clone, Debug)]
pub(super) enum Summed {
    /// A contraction of stacked values.
    Contract(Contraction, [NodeId; 2]),
    /// A sum along axes of a stacked value.
    Reduce(Vec<usize>, NodeId),
    /// An op that moves elements, done to the sum.
    Moved(NodeId, Box<Summed>),
    /// The sum of two.
    Both(Box<Summed>, Box<Summed>),
}

/// How the sum over steps of a value can be taken behind the loop, if it can.
pub(super) fn plan(step: &Step, value: NodeId) -> Option<Summed> {
    let node = &step.function.nodes[value];
    match &node.op {
        Op::Contract(contraction) => {
            let operands = [node.operands[0], node.operands[1]];
            let vary = operands.iter().all(|&operand| step.varies[operand]);
            vary.then(|| Summed::Contract(contraction.clone(), operands))
        }
        Op::Reduce { kind: Reduction::Sum, axes } => {
            step.varies[node.operands[0]].then(|| Summed::Reduce(axes.clone(), node.operands[0]))
        }
        Op::Transpose { .. } | Op::Reshape => {
            Some(Summed::Moved(value, Box::new(plan(step, node.operands[0])?)))
        }
        Op::Binary(dlc_ir::Binary::Add) => {
            let [first, second] = [plan(step, node.operands[0])?, plan(step, node.operands[1])?];
            Some(Summed::Both(Box::new(first), Box::new(second)))
        }
        _ => None,
    }
}

/// What is stacked for a value: the value behind transposes, which are done to the stack.
fn behind(step: &Step, value: NodeId) -> NodeId {
    match &step.function.nodes[value].op {
        Op::Transpose { .. } => behind(step, step.function.nodes[value].operands[0]),
        _ => value,
    }
}

impl Summed {
    /// Adds the values that are stacked for it.
    pub(super) fn values(&self, step: &Step, values: &mut Vec<NodeId>) {
        match self {
            Summed::Contract(_, operands) => values.extend(operands.map(|operand| behind(step, operand))),
            Summed::Reduce(_, operand) => values.push(behind(step, *operand)),
            Summed::Moved(_, inner) => inner.values(step, values),
            Summed::Both(first, second) => {
                first.values(step, values);
                second.values(step, values);
            }
        }
    }

    /// The sum, in the outer function; `known` tells stacked values.
    pub(super) fn build(
        &self,
        build: &mut Builder,
        step: &Step,
        known: &dyn Fn(NodeId) -> Option<NodeId>,
    ) -> Rule<NodeId> {
        Ok(match self {
            Summed::Contract(Contraction { batch, contract }, operands) => {
                let left = stack(build, step, known, operands[0])?;
                let right = stack(build, step, known, operands[1])?;
                let behind = |pairs: &[(usize, usize)]| -> Vec<(usize, usize)> {
                    pairs.iter().map(|pair| (pair.0 + 1, pair.1 + 1)).collect()
                };
                let summed = [vec![(0, 0)], behind(contract)].concat();
                build.contract(left, right, &behind(batch), &summed)?
            }
            Summed::Reduce(axes, operand) => {
                let stacked = stack(build, step, known, *operand)?;
                let axes: Vec<usize> = std::iter::once(0).chain(axes.iter().map(|axis| axis + 1)).collect();
                build.sum(stacked, &axes)?
            }
            Summed::Moved(node, inner) => {
                let inner = inner.build(build, step, known)?;
                let node = &step.function.nodes[*node];
                match node.ty.tensor() {
                    Some(ty) => build.declare(node.op.clone(), &[inner], ty.clone())?,
                    None => return Err(InferError::new("a tuple is moved").into()),
                }
            }
            Summed::Both(first, second) => {
                let (first, second) = (first.build(build, step, known)?, second.build(build, step, known)?);
                build.add(first, second)?
            }
        })
    }
}

fn stack(
    build: &mut Builder,
    step: &Step,
    known: &dyn Fn(NodeId) -> Option<NodeId>,
    value: NodeId,
) -> Rule<NodeId> {
    let node = &step.function.nodes[value];
    if let Op::Transpose { permutation } = &node.op {
        let stacked = stack(build, step, known, node.operands[0])?;
        return stacked_transpose(build, stacked, permutation);
    }
    Ok(known(value).ok_or_else(|| InferError::new(format!("{value} of a step is not stacked")))?)
}
