//! How labels of axes pass through ops.
//!
//! One rule per op, in the order of the nodes. A rule relates axes, or blocks what it cannot relate. The match over ops
//! is exhaustive, so an op without a rule does not build.

mod movement;
mod multiply;
mod scan;

use super::label::{Classes, Label};
use super::reason::Reason;
use dlc_ir::literal::Elements;
use dlc_ir::{Function, Literal, Node, NodeId, Op, OutputRole, Reduction};
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

    fn node(&mut self, id: NodeId, node: &Node) -> Vec<Vec<Label>> {
        let dims: &[Dim] = self.dims(id);
        let operand = |at: usize| node.operands[at];
        let one = match &node.op {
            Op::Input { name } => self.input(name, dims),
            Op::Parameter { name } | Op::State { name } => self.external(name, dims),
            Op::Constant(literal) => self.constant(node, literal, dims),
            Op::Iota { axis } => {
                let labels = self.fresh(dims);
                self.needed(node, labels, &[*axis])
            }
            Op::Extent(_) | Op::Random { .. } => self.fresh(dims),
            Op::Unary(_) | Op::Binary(_) | Op::Compare(_) | Op::Select | Op::Cast(_) | Op::Bitcast(_) => {
                self.elementwise(node)
            }
            Op::Broadcast { axes } => self.broadcast(operand(0), axes, dims),
            Op::Reshape => self.reshape(operand(0), dims),
            Op::Transpose { permutation } => self.transpose(operand(0), permutation),
            Op::Slice { starts, strides, .. } => self.slice(node, dims, starts, strides),
            Op::Pad { low, high } => self.pad(operand(0), low, high),
            Op::Dilate { factors } => self.only_whole(node, dims, &|axis| factors[axis] == 1),
            Op::Reverse { axes } => self.needed(node, self.labels(operand(0)), axes),
            Op::Concat { axis } => self.concat(node, *axis),
            Op::Reduce { kind, axes } => self.reduce(node, *kind, axes),
            Op::ArgReduce { axis, .. } => {
                let mut labels = self.needed(node, self.labels(operand(0)), &[*axis]);
                labels.remove(*axis);
                labels
            }
            Op::Cumulative { axis, .. }
            | Op::ArgSort { axis, .. }
            | Op::Softmax { axis }
            | Op::LogSoftmax { axis } => self.needed(node, self.labels(operand(0)), &[*axis]),
            Op::Contract(contraction) => self.contract(operand(0), operand(1), contraction),
            Op::Convolve(convolution) => self.convolve(id, node, dims, convolution),
            Op::ReduceWindow { window, .. } | Op::WindowArgMax { window } | Op::WindowScatter { window } => {
                self.window(node, dims, window)
            }
            Op::Gather { axis } => self.gather(node, *axis),
            Op::GatherAlong { axis } => self.gather_along(node, *axis),
            Op::Scatter { axis, .. } => self.scatter(node, *axis),
            Op::BatchNorm { axis, .. } => return self.batch_norm(node, *axis),
            Op::Project(element) => {
                self.labelled.values[operand(0)].get(*element).cloned().unwrap_or_default()
            }
            Op::Scan(scan) => return self.scan(id, node, scan),
        };
        vec![one]
    }

    /// The labels, of which the op needs these whole.
    fn needed(&mut self, node: &Node, labels: Vec<Label>, axes: &[usize]) -> Vec<Label> {
        axes.iter().for_each(|&axis| self.block(&labels[axis], node));
        labels
    }

    fn elementwise(&mut self, node: &Node) -> Vec<Label> {
        let first = self.labels(node.operands[0]);
        for &other in &node.operands[1..] {
            let other = self.labels(other);
            self.unify_all(&first, &other);
        }
        first
    }

    fn gather(&mut self, node: &Node, axis: usize) -> Vec<Label> {
        let (data, indices) = (self.labels(node.operands[0]), self.labels(node.operands[1]));
        let mut data = self.needed(node, data, &[axis]);
        data.splice(axis..=axis, indices);
        data
    }

    fn gather_along(&mut self, node: &Node, axis: usize) -> Vec<Label> {
        let (data, indices) = (self.labels(node.operands[0]), self.labels(node.operands[1]));
        for (number, (one, other)) in data.iter().zip(&indices).enumerate() {
            if number == axis {
                self.block(one, node);
                self.block(other, node);
            } else {
                self.shared.classes.unify(one, other);
            }
        }
        indices
    }

    fn scatter(&mut self, node: &Node, axis: usize) -> Vec<Label> {
        let [data, indices, updates] = [0, 1, 2].map(|at| self.labels(node.operands[at]));
        let data = self.needed(node, data, &[axis]);
        let mut places = data.clone();
        places.splice(axis..=axis, indices);
        self.unify_all(&places, &updates);
        data
    }

    fn batch_norm(&mut self, node: &Node, axis: usize) -> Vec<Vec<Label>> {
        let [x, scale, shift] = [0, 1, 2].map(|at| self.labels(node.operands[at]));
        let channels = std::slice::from_ref(&x[axis]);
        self.unify_all(channels, &scale);
        self.unify_all(channels, &shift);
        let channels = channels.to_vec();
        vec![x, channels.clone(), channels]
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
