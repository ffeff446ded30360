//! Contractions and convolutions, and which axes of parameters they sum over.

use super::{Flow, Sources};
use crate::narrow::label::Label;
use crate::narrow::reason::Reason;
use dlc_ir::{Contraction, Convolution, Node, NodeId, Op};
use dlc_types::Dim;

impl Flow<'_> {
    /// Where the axes of a value come from that only moves a parameter.
    pub(super) fn sources_of(&self, node: &Node) -> Sources {
        let rank = node.ty.tensor().map_or(0, |ty| ty.shape.rank());
        let nothing = vec![None; rank];
        let of =
            |at: usize| node.operands.get(at).map_or(&[][..], |&operand| self.sources[operand].as_slice());
        match &node.op {
            Op::Parameter { name } => (0..rank).map(|axis| Some((name.clone(), axis))).collect(),
            Op::Input { name } => match self.given.as_ref().and_then(|given| given.get(name)) {
                Some((_, sources, _)) => sources.clone(),
                None => nothing,
            },
            Op::Transpose { permutation } => {
                permutation.iter().map(|&axis| of(0).get(axis).cloned().flatten()).collect()
            }
            Op::Broadcast { axes } => {
                let from = |axis: usize| axes.iter().position(|&to| to == axis);
                (0..rank).map(|axis| of(0).get(from(axis)?).cloned().flatten()).collect()
            }
            Op::Unary(_) | Op::Binary(_) | Op::Cast(_) | Op::Select
                if node.operands.iter().all(|&operand| !self.fed[operand]) =>
            {
                let operands = 0..node.operands.len();
                (0..rank)
                    .map(|axis| operands.clone().find_map(|at| of(at).get(axis).cloned().flatten()))
                    .collect()
            }
            // Axes that keep extent and place from the front, or else from the back.
            Op::Reshape => {
                let (before, after) =
                    (self.dims(node.operands[0]), node.ty.tensor().map(|ty| ty.shape.dims()));
                let after = after.unwrap_or_default();
                let front = before.iter().zip(after).take_while(|(a, b)| a == b).count();
                let back = before.iter().rev().zip(after.iter().rev()).take_while(|(a, b)| a == b).count();
                let place = |axis: usize| match axis {
                    _ if axis < front => Some(axis),
                    _ if rank - axis <= back => (before.len() + axis).checked_sub(rank),
                    _ => None,
                };
                (0..rank).map(|axis| of(0).get(place(axis)?).cloned().flatten()).collect()
            }
            _ => nothing,
        }
    }

    pub(super) fn contract(&mut self, a: NodeId, b: NodeId, contraction: &Contraction) -> Vec<Label> {
        let Contraction { batch, contract } = contraction;
        let (left, right) = (self.labels(a), self.labels(b));
        for &(one, other) in batch.iter().chain(contract) {
            self.shared.classes.unify(&left[one], &right[other]);
        }
        for &(one, other) in contract {
            self.contracted(a, one);
            self.contracted(b, other);
        }
        let used = |axis: usize, of: fn(&(usize, usize)) -> usize| {
            batch.iter().chain(contract).any(|pair| of(pair) == axis)
        };
        let mut result: Vec<Label> = batch.iter().map(|&(one, _)| left[one].clone()).collect();
        result.extend(
            (0..left.len()).filter(|&axis| !used(axis, |pair| pair.0)).map(|axis| left[axis].clone()),
        );
        result.extend(
            (0..right.len()).filter(|&axis| !used(axis, |pair| pair.1)).map(|axis| right[axis].clone()),
        );
        result
    }

    pub(super) fn convolve(
        &mut self,
        id: NodeId,
        node: &Node,
        dims: &[Dim],
        convolution: &Convolution,
    ) -> Vec<Label> {
        let (x, kernel) = (self.labels(node.operands[0]), self.labels(node.operands[1]));
        let spatial = x[2..].iter().chain(&kernel[2..]);
        spatial.for_each(|label| self.shared.classes.block(label, &Reason::Window));
        let groups = convolution.groups;
        if groups == 1 {
            self.shared.classes.unify(&x[1], &kernel[1]);
        } else {
            // Channels of the input are groups times the kernel's inputs, those of the result groups times outputs.
            let outputs = self.dims(node.operands[1])[0].fixed().unwrap_or(0) / groups.max(1);
            let group = self.shared.classes.fresh(Dim::Fixed(groups));
            let own = self.shared.classes.fresh(Dim::Fixed(outputs));
            let input = Label::Product(vec![group.clone(), kernel[1].clone()]);
            self.shared.classes.unify(&input, &x[1]);
            self.shared.classes.unify(&Label::Product(vec![group.clone(), own]), &kernel[0]);
            self.labelled.groups.insert(id, group);
        }
        self.contracted(node.operands[1], 1);
        let places = dims[2..].iter().map(|&dim| self.shared.classes.fixed(dim, Reason::Window));
        [x[0].clone(), kernel[0].clone()].into_iter().chain(places).collect()
    }

    fn contracted(&mut self, operand: NodeId, axis: usize) {
        if let Some(Some(place)) = self.sources[operand].get(axis) {
            self.shared.contracted.insert(place.clone());
        }
    }
}
