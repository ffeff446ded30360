//! How labels of axes pass through ops.
//!
//! One rule per op, in the order of the nodes. A rule relates axes, or blocks what it cannot relate. The match over ops
//! is exhaustive, so an op without a rule does not build.

use super::label::{Classes, Label};
use super::reason::Reason;
use dlc_ir::literal::Elements;
use dlc_ir::{Convolution, Function, Literal, Node, NodeId, Op, OutputRole, Reduction, Scan, Type, Window};
use dlc_types::{Dim, IndexVec, TensorType};
use std::collections::{BTreeMap, BTreeSet};

/// An axis of a parameter or state: its name and the number of the axis.
pub(super) type Place = (String, usize);

/// The labels of a function's values.
#[derive(Clone, Debug, Default)]
pub(super) struct Labelled {
    /// By node, by element of its tuple (one for a tensor), by axis.
    pub(super) values: IndexVec<NodeId, Vec<Vec<Label>>>,
    /// Of grouped convolutions the groups.
    pub(super) groups: BTreeMap<NodeId, Label>,
    /// Of scans the bodies.
    pub(super) bodies: BTreeMap<NodeId, Labelled>,
}

/// What all functions of a model share.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared {
    pub(super) classes: Classes,
    /// Labels of parameters and states.
    pub(super) externals: BTreeMap<String, Vec<Label>>,
    /// Axes of parameters that contractions sum over.
    pub(super) contracted: BTreeSet<Place>,
}

/// For each axis of a value that is made of one parameter alone by moving it, the parameter's axis.
type Sources = Vec<Option<Place>>;

/// What a scan's body is given.
type Given = BTreeMap<String, (Vec<Label>, Sources, bool)>;

/// A pass through one function.
pub(super) struct Flow<'a> {
    shared: &'a mut Shared,
    function: &'a Function,
    given: Option<Given>,
    labelled: Labelled,
    sources: IndexVec<NodeId, Sources>,
    /// Whether a value depends on inputs.
    fed: IndexVec<NodeId, bool>,
}

/// Labels the axes of a function.
pub(super) fn label(shared: &mut Shared, function: &Function) -> Labelled {
    let flow = Flow::new(shared, function, None).run();
    for output in &function.outputs {
        let labels = flow.labelled.values[output.value].first().cloned().unwrap_or_default();
        match output.role {
            OutputRole::State | OutputRole::Parameter => {
                let own = flow.shared.externals.get(&output.name).cloned().unwrap_or_default();
                own.iter().zip(&labels).for_each(|(own, new)| flow.shared.classes.unify(own, new));
            }
            _ => {
                let reason = Reason::Output(output.name.clone());
                labels.iter().for_each(|label| flow.shared.classes.block(label, &reason));
            }
        }
    }
    flow.labelled
}

impl<'a> Flow<'a> {
    fn new(shared: &'a mut Shared, function: &'a Function, given: Option<Given>) -> Flow<'a> {
        let (sources, fed) = (IndexVec::new(), IndexVec::new());
        Flow { shared, function, given, labelled: Labelled::default(), sources, fed }
    }

    fn run(mut self) -> Flow<'a> {
        for (id, node) in self.function.nodes.iter() {
            let fed = match &node.op {
                Op::Input { name } => match &self.given {
                    Some(given) => given.get(name).is_none_or(|(_, _, fed)| *fed),
                    None => true,
                },
                _ => node.operands.iter().any(|&operand| self.fed[operand]),
            };
            self.fed.push(fed);
            let sources = self.sources_of(node);
            self.sources.push(sources);
            let labels = self.node(id, node);
            self.labelled.values.push(labels);
        }
        self
    }

    fn labels(&self, id: NodeId) -> Vec<Label> {
        self.labelled.values[id].first().cloned().unwrap_or_default()
    }

    fn dims(&self, id: NodeId) -> &'a [Dim] {
        self.function.nodes[id].ty.tensor().map_or(&[], |ty| ty.shape.dims())
    }

    fn block(&mut self, label: &Label, node: &Node) {
        let reason = Reason::Op { op: node.op.name(), path: node.origin.path.clone() };
        self.shared.classes.block(label, &reason);
    }

    fn fresh(&mut self, dims: &[Dim]) -> Vec<Label> {
        dims.iter().map(|&dim| self.shared.classes.fresh(dim)).collect()
    }

    fn unify_all(&mut self, a: &[Label], b: &[Label]) {
        a.iter().zip(b).for_each(|(a, b)| self.shared.classes.unify(a, b));
    }

    /// Where the axes of a value come from that only moves a parameter.
    fn sources_of(&self, node: &Node) -> Sources {
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

    fn contracted(&mut self, operand: NodeId, axis: usize) {
        if let Some(Some(place)) = self.sources[operand].get(axis) {
            self.shared.contracted.insert(place.clone());
        }
    }

    fn node(&mut self, id: NodeId, node: &Node) -> Vec<Vec<Label>> {
        let dims: &[Dim] = self.dims(id);
        let operand = |at: usize| node.operands[at];
        let one = match &node.op {
            Op::Input { name } => self.input(name, dims),
            Op::Parameter { name } | Op::State { name } => self.external(name, dims),
            Op::Constant(literal) => self.constant(node, literal, dims),
            Op::Iota { axis } => {
                let labels = self.fresh(dims);
                self.block(&labels[*axis], node);
                labels
            }
            Op::Extent(_) | Op::Random { .. } => self.fresh(dims),
            Op::Unary(_) | Op::Binary(_) | Op::Compare(_) | Op::Select | Op::Cast(_) | Op::Bitcast(_) => {
                let first = self.labels(operand(0));
                for &other in &node.operands[1..] {
                    let other = self.labels(other);
                    self.unify_all(&first, &other);
                }
                first
            }
            Op::Broadcast { axes } => self.broadcast(operand(0), axes, dims),
            Op::Reshape => {
                let (before, after) = (self.labels(operand(0)), self.fresh(dims));
                self.shared.classes.unify(&Label::Product(before), &Label::Product(after.clone()));
                after
            }
            Op::Transpose { permutation } => {
                let labels = self.labels(operand(0));
                permutation.iter().map(|&axis| labels[axis].clone()).collect()
            }
            Op::Slice { starts, limits, strides } => self.slice(node, dims, [starts, limits, strides]),
            Op::Pad { low, high } => self.pad(operand(0), low, high),
            Op::Dilate { factors } => {
                let whole = |axis: usize| factors[axis] == 1;
                self.only_whole(node, dims, &whole)
            }
            Op::Reverse { axes } => {
                let labels = self.labels(operand(0));
                axes.iter().for_each(|&axis| self.block(&labels[axis], node));
                labels
            }
            Op::Concat { axis } => self.concat(node, *axis),
            Op::Reduce { kind, axes } => self.reduce(node, *kind, axes),
            Op::ArgReduce { axis, .. } => {
                let mut labels = self.labels(operand(0));
                let gone = labels.remove(*axis);
                self.block(&gone, node);
                labels
            }
            Op::Cumulative { axis, .. }
            | Op::ArgSort { axis, .. }
            | Op::Softmax { axis }
            | Op::LogSoftmax { axis } => {
                let labels = self.labels(operand(0));
                self.block(&labels[*axis], node);
                labels
            }
            Op::Contract(contraction) => {
                self.contract(operand(0), operand(1), &contraction.batch, &contraction.contract)
            }
            Op::Convolve(convolution) => self.convolve(id, node, dims, convolution),
            Op::ReduceWindow { window, .. } | Op::WindowArgMax { window } => self.window(node, dims, window),
            Op::WindowScatter { window } => {
                let labels = self.window(node, dims, window);
                if let [values, places] = node.operands[..] {
                    let (values, places) = (self.labels(values), self.labels(places));
                    self.unify_all(&values, &places);
                }
                labels
            }
            Op::Gather { axis } => {
                let (mut data, indices) = (self.labels(operand(0)), self.labels(operand(1)));
                self.block(&data[*axis].clone(), node);
                data.splice(*axis..=*axis, indices);
                data
            }
            Op::GatherAlong { axis } => {
                let (data, indices) = (self.labels(operand(0)), self.labels(operand(1)));
                self.along(node, *axis, &data, &indices);
                indices
            }
            Op::Scatter { axis, .. } => {
                let labels = [0, 1, 2].map(|at| self.labels(operand(at)));
                self.block(&labels[0][*axis].clone(), node);
                let mut places = labels[0].clone();
                places.splice(*axis..=*axis, labels[1].iter().cloned());
                self.unify_all(&places, &labels[2]);
                labels[0].clone()
            }
            Op::BatchNorm { axis, .. } => {
                let [x, scale, shift] = [0, 1, 2].map(|at| self.labels(operand(at)));
                let channels = x[*axis].clone();
                self.unify_all(std::slice::from_ref(&channels), &scale);
                self.unify_all(std::slice::from_ref(&channels), &shift);
                return vec![x, vec![channels.clone()], vec![channels]];
            }
            Op::Project(element) => {
                self.labelled.values[operand(0)].get(*element).cloned().unwrap_or_default()
            }
            Op::Scan(scan) => return self.scan(id, node, scan),
        };
        vec![one]
    }

    fn input(&mut self, name: &str, dims: &[Dim]) -> Vec<Label> {
        if let Some((labels, _, _)) = self.given.as_ref().and_then(|given| given.get(name)) {
            return labels.clone();
        }
        let reason = Reason::Input(name.to_owned());
        dims.iter().map(|&dim| self.shared.classes.fixed(dim, reason.clone())).collect()
    }

    fn external(&mut self, name: &str, dims: &[Dim]) -> Vec<Label> {
        if let Some(known) = self.shared.externals.get(name) {
            return known.clone();
        }
        let labels = self.fresh(dims);
        self.shared.externals.insert(name.to_owned(), labels.clone());
        labels
    }

    fn constant(&mut self, node: &Node, literal: &Literal, dims: &[Dim]) -> Vec<Label> {
        let labels = self.fresh(dims);
        if !is_uniform(literal) {
            let reason = Reason::Constant(node.origin.path.clone());
            labels.iter().for_each(|label| self.shared.classes.block(label, &reason));
        }
        labels
    }

    fn broadcast(&mut self, x: NodeId, axes: &[usize], dims: &[Dim]) -> Vec<Label> {
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
    fn only_whole(&mut self, node: &Node, dims: &[Dim], whole: &dyn Fn(usize) -> bool) -> Vec<Label> {
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

    fn window(&mut self, node: &Node, dims: &[Dim], window: &Window) -> Vec<Label> {
        let whole = |axis: usize| {
            window.sizes[axis] == 1 && window.strides[axis] == 1 && window.padding[axis] == (0, 0)
        };
        self.only_whole(node, dims, &whole)
    }

    fn slice(&mut self, node: &Node, dims: &[Dim], [starts, limits, strides]: [&[usize]; 3]) -> Vec<Label> {
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
            let _ = limits;
        }
        result
    }

    /// The elements of an axis from `start` on, so many.
    fn part(&mut self, label: &Label, start: usize, count: Dim) -> Option<Label> {
        let (count, size) = (count.fixed()?, self.shared.classes.size(label)?.fixed()?);
        let behind = if start == 0 { label.clone() } else { self.shared.classes.split(label, start)?.1 };
        let rest = size.checked_sub(start)?;
        if rest == count {
            Some(behind)
        } else {
            self.shared.classes.split(&behind, count).map(|(part, _)| part)
        }
    }

    fn pad(&mut self, x: NodeId, low: &[usize], high: &[usize]) -> Vec<Label> {
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

    fn concat(&mut self, node: &Node, axis: usize) -> Vec<Label> {
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

    /// A sum over channels of an activation is often divided by their number, so it keeps them; a sum over a
    /// parameter (a penalty) has nothing to lose.
    fn reduce(&mut self, node: &Node, kind: Reduction, axes: &[usize]) -> Vec<Label> {
        let labels = self.labels(node.operands[0]);
        if kind != Reduction::Sum || self.fed[node.operands[0]] {
            axes.iter().for_each(|&axis| self.block(&labels[axis], node));
        }
        let kept = labels.into_iter().enumerate().filter(|(axis, _)| !axes.contains(axis));
        kept.map(|(_, label)| label).collect()
    }

    fn contract(
        &mut self,
        a: NodeId,
        b: NodeId,
        batch: &[(usize, usize)],
        contract: &[(usize, usize)],
    ) -> Vec<Label> {
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

    fn convolve(&mut self, id: NodeId, node: &Node, dims: &[Dim], convolution: &Convolution) -> Vec<Label> {
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

    /// Data and indices of one rank that agree but along an axis.
    fn along(&mut self, node: &Node, axis: usize, data: &[Label], indices: &[Label]) {
        for (number, (one, other)) in data.iter().zip(indices).enumerate() {
            if number == axis {
                self.block(one, node);
                self.block(other, node);
            } else {
                self.shared.classes.unify(one, other);
            }
        }
    }

    fn scan(&mut self, id: NodeId, node: &Node, scan: &Scan) -> Vec<Vec<Label>> {
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

/// Whether all elements are equal.
pub(super) fn is_uniform(literal: &Literal) -> bool {
    fn equal<T: PartialEq>(values: &[T]) -> bool {
        values.iter().all(|value| Some(value) == values.first())
    }
    match &literal.elements {
        Elements::Float(values) => equal(values),
        Elements::Int(values) => equal(values),
        Elements::Bool(values) => equal(values),
    }
}

/// A tensor's type with other extents.
pub(super) fn with_dims(ty: &TensorType, dims: Vec<Dim>) -> TensorType {
    TensorType::new(ty.dtype, dims.into())
}
