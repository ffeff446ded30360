//! The state of one reverse walk: which values need a gradient, and what has been contributed to it.

use super::carries_gradient;
use dlc_ir::{Builder, Function, InferError, NodeId, Op, Type};
use dlc_types::IndexVec;

/// What stops a rule.
pub(super) enum Fault {
    /// A node that cannot be.
    Infer(InferError),
    /// A form of the op that the table cannot differentiate.
    Unsupported(&'static str),
    /// See the error of that name.
    SecondDerivativeOfMaxPooling,
}

impl From<InferError> for Fault {
    fn from(error: InferError) -> Fault {
        Fault::Infer(error)
    }
}

/// The result of a rule.
pub(super) type Rule<T = ()> = Result<T, Fault>;

/// A reverse walk over a function, which rules append to through `build`.
pub(super) struct Tape {
    /// The function with the gradient nodes so far.
    pub(super) build: Builder,
    /// Whether a forward value lies on a differentiable path from a wanted parameter.
    needed: IndexVec<NodeId, bool>,
    /// For every forward node and each of its results the gradients that its users sent, last user first.
    contributions: IndexVec<NodeId, Vec<Vec<NodeId>>>,
}

impl Tape {
    pub(super) fn new(forward: &Function, needed: IndexVec<NodeId, bool>) -> Tape {
        let contributions =
            forward.nodes.values().map(|node| vec![Vec::new(); types(&node.ty).len()]).collect();
        Tape { build: Builder::extend(forward.clone()), needed, contributions }
    }

    /// Whether a contribution to this value has a use. False for gradient nodes.
    pub(super) fn needs(&self, value: NodeId) -> bool {
        self.needed.get(value).copied().unwrap_or(false)
    }

    /// Whether any user has sent a gradient to this node.
    pub(super) fn is_reached(&self, node: NodeId) -> bool {
        self.contributions[node].iter().any(|slot| !slot.is_empty())
    }

    /// Adds to the gradient of a tensor, unless nobody needs it.
    pub(super) fn contribute(&mut self, value: NodeId, gradient: NodeId) -> Rule {
        self.contribute_slot(value, 0, gradient)
    }

    /// Adds to the gradient of one element of a tuple, unless nobody needs it.
    pub(super) fn contribute_slot(&mut self, value: NodeId, slot: usize, gradient: NodeId) -> Rule {
        if !self.needs(value) {
            return Ok(());
        }
        let expected = types(&self.build.function().nodes[value].ty).get(slot).cloned();
        let actual = self.build.ty(gradient);
        if expected.as_ref() != Some(actual) {
            let expected = expected.map(|ty| ty.to_string()).unwrap_or_default();
            let message = format!("the gradient of {value} has type {actual}, the value has type {expected}");
            return Err(InferError::new(message).into());
        }
        self.contributions[value][slot].push(gradient);
        Ok(())
    }

    /// The gradients of a node's results, summed; `None` for a result that no user sent one to.
    pub(super) fn collect(&mut self, node: NodeId) -> Rule<Vec<Option<NodeId>>> {
        let slots = std::mem::take(&mut self.contributions[node]);
        let mut gradients = Vec::with_capacity(slots.len());
        for slot in slots {
            let mut total = None;
            for gradient in slot {
                total = Some(match total {
                    Some(sum) => self.build.add(sum, gradient)?,
                    None => gradient,
                });
            }
            gradients.push(total);
        }
        Ok(gradients)
    }

    /// An element of a tuple of the forward function; the projection that is there already, if any.
    pub(super) fn projection(&mut self, tuple: NodeId, index: usize) -> Rule<NodeId> {
        let found = self
            .build
            .function()
            .nodes
            .iter()
            .find(|(_, node)| node.op == Op::Project(index) && node.operands == [tuple])
            .map(|(id, _)| id);
        match found {
            Some(id) => Ok(id),
            None => Ok(self.build.project(tuple, index)?),
        }
    }
}

fn types(ty: &Type) -> &[dlc_types::TensorType] {
    match ty {
        Type::Tensor(tensor) => std::slice::from_ref(tensor),
        Type::Tuple(tensors) => tensors,
    }
}

fn has_float(ty: &Type) -> bool {
    types(ty).iter().any(|tensor| tensor.dtype.is_float())
}

fn has_parameter(forward: &Function, name: &str) -> bool {
    forward.nodes.values().any(|node| matches!(&node.op, Op::Parameter { name: other } if other == name))
}

/// For every node whether it lies on a differentiable path from one of the parameters.
pub(super) fn needed(forward: &Function, parameters: &[String]) -> IndexVec<NodeId, bool> {
    needed_from(forward, &|id| match &forward.nodes[id].op {
        Op::Parameter { name } => parameters.contains(name),
        Op::Input { name } => parameters.contains(name) && !has_parameter(forward, name),
        _ => false,
    })
}

/// For every node whether it lies on a differentiable path from one for which `starts` holds.
pub(super) fn needed_from(forward: &Function, starts: &dyn Fn(NodeId) -> bool) -> IndexVec<NodeId, bool> {
    let mut needed: IndexVec<NodeId, bool> = IndexVec::new();
    for (id, node) in forward.nodes.iter() {
        let starts = starts(id);
        let carries = node
            .operands
            .iter()
            .enumerate()
            .any(|(position, &operand)| needed[operand] && carries_gradient(&node.op, position));
        needed.push((starts || carries) && has_float(&node.ty));
    }
    needed
}

/// The first node on a way from the parameter to the loss that lets no gradient through; `None` if there
/// is no way at all.
pub(super) fn barrier(forward: &Function, loss: NodeId, parameter: &str) -> Option<NodeId> {
    let differentiable = needed(forward, &[parameter.to_owned()]);
    let mut used: IndexVec<NodeId, bool> = forward.nodes.indices().map(|id| id == loss).collect();
    for (id, node) in forward.nodes.iter().rev() {
        if used[id] {
            for &operand in &node.operands {
                used[operand] = true;
            }
        }
    }
    let stops = |id: NodeId| {
        let node = &forward.nodes[id];
        used[id] && !differentiable[id] && node.operands.iter().any(|&operand| differentiable[operand])
    };
    forward.nodes.indices().find(|&id| stops(id))
}
