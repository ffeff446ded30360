//! Ops that move elements, and windows.

use super::Flow;
use crate::narrow::label::Label;
use crate::narrow::reason::Reason;
use dlc_ir::{Node, NodeId, Op, Window};
use dlc_types::Dim;

impl Flow<'_> {
    pub(super) fn broadcast(&mut self, x: NodeId, axes: &[usize], dims: &[Dim]) -> Vec<Label> {
        let (own, labels) = (self.dims(x), self.labels(x));
        let mut result = self.fresh(dims);
        for (from, &to) in axes.iter().enumerate() {
            if own[from] == dims[to] {
                result[to] = labels[from].clone();
            }
        }
        result
    }

    /// The operand's labels where an axis is left alone; the others are blocked before and behind.
    pub(super) fn only_whole(
        &mut self,
        node: &Node,
        dims: &[Dim],
        whole: &dyn Fn(usize) -> bool,
    ) -> Vec<Label> {
        let labels = self.labels(node.operands[0]);
        let mut result = Vec::new();
        for (axis, label) in labels.iter().enumerate() {
            if whole(axis) {
                result.push(label.clone());
                continue;
            }
            let reason = match &node.op {
                Op::ReduceWindow { .. } | Op::WindowArgMax { .. } | Op::WindowScatter { .. } => {
                    Reason::Window
                }
                op => Reason::Op { op: op.name(), path: node.origin.path.clone() },
            };
            self.shared.classes.block(label, &reason);
            result.push(self.shared.classes.fixed(dims[axis], reason));
        }
        result
    }

    pub(super) fn reshape(&mut self, x: NodeId, dims: &[Dim]) -> Vec<Label> {
        let (before, after) = (self.labels(x), self.fresh(dims));
        self.shared.classes.unify(&Label::Product(before), &Label::Product(after.clone()));
        after
    }

    pub(super) fn transpose(&mut self, x: NodeId, permutation: &[usize]) -> Vec<Label> {
        let labels = self.labels(x);
        permutation.iter().map(|&axis| labels[axis].clone()).collect()
    }

    /// What is seen through a window; the second operand of a scatter goes with its first.
    pub(super) fn window(&mut self, node: &Node, dims: &[Dim], window: &Window) -> Vec<Label> {
        let whole = |axis: usize| {
            window.sizes[axis] == 1 && window.strides[axis] == 1 && window.padding[axis] == (0, 0)
        };
        if let [values, places] = node.operands[..] {
            let (values, places) = (self.labels(values), self.labels(places));
            self.unify_all(&values, &places);
        }
        self.only_whole(node, dims, &whole)
    }

    pub(super) fn slice(
        &mut self,
        node: &Node,
        dims: &[Dim],
        starts: &[usize],
        strides: &[usize],
    ) -> Vec<Label> {
        let (own, labels) = (self.dims(node.operands[0]), self.labels(node.operands[0]));
        let mut result = Vec::new();
        for (axis, label) in labels.iter().enumerate() {
            let part = if own[axis] == dims[axis] && strides[axis] == 1 {
                Some(label.clone())
            } else if strides[axis] == 1 {
                self.part(label, starts[axis], dims[axis])
            } else {
                None
            };
            result.push(match part {
                Some(part) => part,
                None => {
                    self.block(label, node);
                    let reason = Reason::Op { op: node.op.name(), path: node.origin.path.clone() };
                    self.shared.classes.fixed(dims[axis], reason)
                }
            });
        }
        result
    }

    /// The elements of an axis from `start` on, so many.
    pub(super) fn part(&mut self, label: &Label, start: usize, count: Dim) -> Option<Label> {
        let (count, size) = (count.fixed()?, self.shared.classes.size(label)?.fixed()?);
        let behind = if start == 0 { label.clone() } else { self.shared.classes.split(label, start)?.1 };
        let rest = size.checked_sub(start)?;
        if rest == count {
            Some(behind)
        } else {
            self.shared.classes.split(&behind, count).map(|(part, _)| part)
        }
    }

    pub(super) fn pad(&mut self, x: NodeId, low: &[usize], high: &[usize]) -> Vec<Label> {
        let labels = self.labels(x);
        let mut result = Vec::new();
        for (axis, label) in labels.into_iter().enumerate() {
            let mut zeros = |count: usize| {
                (count > 0).then(|| self.shared.classes.fixed(Dim::Fixed(count), Reason::Padding))
            };
            let parts: Vec<Label> =
                [zeros(low[axis]), Some(label), zeros(high[axis])].into_iter().flatten().collect();
            result.push(Label::Sum(parts));
        }
        result
    }

    pub(super) fn concat(&mut self, node: &Node, axis: usize) -> Vec<Label> {
        let mut result = self.labels(node.operands[0]);
        let mut parts = vec![result[axis].clone()];
        for &other in &node.operands[1..] {
            let labels = self.labels(other);
            for (number, label) in labels.into_iter().enumerate() {
                if number == axis {
                    parts.push(label);
                } else {
                    self.shared.classes.unify(&result[number], &label);
                }
            }
        }
        result[axis] = Label::Sum(parts);
        result
    }
}
