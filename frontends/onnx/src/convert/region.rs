//! One graph function under construction, and what it knows of the world outside.

use super::cone::Cone;
use super::{Context, Stop, find};
use crate::{Array, Element, Graph, Node};
use dlc_ir::{Builder, Function, Literal, NodeId, Op, OutputRole, literal::Elements};
use dlc_types::{DType, Dim, Shape, TensorType};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// A value outside of the region.
#[derive(Clone, Debug)]
pub enum AtHand {
    /// A tensor.
    Tensor {
        /// Element type.
        element: Element,
        /// Extents.
        dims: Vec<Dim>,
        /// Its elements, if they are at hand.
        array: Option<Array>,
        /// Whether it is the same in every run: an initializer.
        fixed: bool,
    },
    /// A sequence, an optional or a map: the host's.
    Other,
}

/// What the region may ask of its caller.
pub trait Hand {
    /// The value of that name outside of the region; `None` where there is none (yet).
    fn value(&self, name: &str) -> Option<AtHand>;

    /// Evaluates a small function without inputs for a batch; its only output. `None` where that cannot be done.
    fn evaluate(&self, function: &Function, batch: usize) -> Option<Array>;

    /// The function with the gradient of its loss with respect to each of the parameters as an output of the
    /// parameter's name.
    ///
    /// # Errors
    /// Why that cannot be done.
    fn differentiate(&self, _function: &Function, _parameters: &[String]) -> Result<Function, String> {
        Err("derivatives in a graph".to_owned())
    }
}

/// How a value from outside stands in the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafKind {
    /// As an input.
    Input,
    /// As a parameter.
    Parameter,
    /// As a state: a running statistic of batch-norm.
    State,
}

/// An integer that is known, or known but for the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// A number.
    Number(i64),
    /// So many times the batch.
    Batch(usize),
}

/// What a region is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// One stage of a run: values are those of the file.
    Stage,
    /// A model's inference: parameters and states may change later.
    Inference,
    /// A model's training step: batch-norm takes the statistics of the batch.
    Training,
}

/// A value of the region.
#[derive(Clone, Debug)]
pub(super) enum Slot {
    /// Computed by a node.
    Node(NodeId),
    /// Known without computing, and its constant if it was asked for.
    Known(Array, Option<NodeId>),
}

/// A float tensor that is the same in every run and has more elements is a parameter.
const PARAMETER_FROM: usize = 64;

/// A tensor that is the same in every run and has more elements is fed.
const CONSTANT_LIMIT: usize = 4096;

/// A region. See the module's documentation.
pub struct Region<'h> {
    pub(super) hand: &'h dyn Hand,
    pub(super) builder: Builder,
    slots: BTreeMap<String, Slot>,
    leaves: BTreeMap<String, LeafKind>,
    purpose: Purpose,
    /// Next values of states, by name.
    updates: BTreeMap<String, NodeId>,
    /// Values of computed names that were asked for; `None` where they cannot be told.
    folded: RefCell<BTreeMap<NodeId, Option<Array>>>,
}

impl<'h> Region<'h> {
    /// An empty region: one stage of a run.
    pub fn new(name: &str, hand: &'h dyn Hand) -> Region<'h> {
        Region::for_purpose(name, hand, Purpose::Stage)
    }

    /// An empty region.
    pub fn for_purpose(name: &str, hand: &'h dyn Hand, purpose: Purpose) -> Region<'h> {
        Region {
            purpose,
            updates: BTreeMap::new(),
            hand,
            builder: Builder::new(name),
            slots: BTreeMap::new(),
            leaves: BTreeMap::new(),
            folded: RefCell::default(),
        }
    }

    /// Converts one node. After a `Stop` the region has the values that it had before.
    ///
    /// # Errors
    /// Why the node was not converted.
    pub fn convert(&mut self, node: &Node) -> Result<(), Stop> {
        for name in node.inputs.iter().filter(|name| !name.is_empty()) {
            if !self.slots.contains_key(name) && self.hand.value(name).is_none() {
                return Err(Stop::Waiting(name.clone()));
            }
        }
        let operator = find(&node.domain, &node.op_type).ok_or(Stop::UnknownOperator)?;
        let mut context = Context::new(self, node);
        let origin = context.origin();
        context.builder().set_origin(origin);
        (operator.convert)(&mut context)?;
        let outputs = context.into_outputs()?;
        self.slots.extend(outputs);
        Ok(())
    }

    pub(super) fn differentiated(
        &self,
        function: &Function,
        parameters: &[String],
    ) -> Result<Function, Stop> {
        self.hand.differentiate(function, parameters).map_err(Stop::NotDone)
    }

    /// Converts a graph of one input and one output in the midst of the region. Its inner values are forgotten.
    pub(super) fn inlined(&mut self, graph: &Graph, value: NodeId) -> Result<NodeId, Stop> {
        let ([input], [output]) = (graph.inputs.as_slice(), graph.outputs.as_slice()) else {
            return Err(Stop::Invalid("an inner graph must have one input and one output".to_owned()));
        };
        let outside = self.slots.clone();
        self.slots.insert(input.name.clone(), Slot::Node(value));
        self.know(&graph.initializers);
        let converted = graph
            .nodes
            .iter()
            .try_for_each(|node| self.convert(node).map_err(|stop| super::body::within(stop, node)))
            .and_then(|()| self.node(&output.name));
        self.slots = outside;
        converted
    }

    /// Makes values known.
    pub(super) fn know(&mut self, arrays: &BTreeMap<String, Array>) {
        for (name, array) in arrays {
            self.slots.insert(name.clone(), Slot::Known(array.clone(), None));
        }
    }

    /// Whether the region computes or knows the value.
    pub fn has(&self, name: &str) -> bool {
        self.slots.contains_key(name)
    }

    /// The value, if it is known without running the region.
    pub fn known_value(&self, name: &str) -> Option<Array> {
        match self.slots.get(name) {
            Some(Slot::Known(array, _)) => Some(array.clone()),
            Some(Slot::Node(id)) => self.fold(*id),
            None => match self.hand.value(name) {
                Some(AtHand::Tensor { array, .. }) => array,
                _ => None,
            },
        }
    }

    /// The value, if it is known already: nothing is evaluated for it.
    pub fn told_value(&self, name: &str) -> Option<Array> {
        match self.slots.get(name)? {
            Slot::Known(array, _) => Some(array.clone()),
            Slot::Node(id) => self.folded.borrow().get(id).cloned().flatten(),
        }
    }

    /// Element type and extents of a value; `None` for what is no tensor or not there.
    pub fn type_of(&self, name: &str) -> Option<(Element, Vec<Dim>)> {
        match self.slots.get(name) {
            Some(Slot::Known(array, _)) => Some((array.element(), fixed(array.dims()))),
            Some(Slot::Node(id)) => {
                let ty = self.builder.ty(*id);
                Some((Element::of(ty.dtype), ty.shape.dims().to_vec()))
            }
            None => match self.hand.value(name)? {
                AtHand::Tensor { element, dims, .. } => Some((element, dims)),
                AtHand::Other => None,
            },
        }
    }

    /// The graph node of a value; makes a constant or a leaf where there is none yet.
    pub(super) fn node(&mut self, name: &str) -> Result<NodeId, Stop> {
        match self.slots.get(name) {
            Some(Slot::Node(id) | Slot::Known(_, Some(id))) => return Ok(*id),
            Some(Slot::Known(array, None)) => {
                let array = array.clone();
                let id = self.constant(&array)?;
                self.slots.insert(name.to_owned(), Slot::Known(array, Some(id)));
                return Ok(id);
            }
            None => {}
        }
        let Some(value) = self.hand.value(name) else { return Err(Stop::Waiting(name.to_owned())) };
        let AtHand::Tensor { element, dims, array, fixed } = value else { return Err(Stop::Host) };
        let Some(dtype) = element.dtype() else { return Err(Stop::Host) };
        let ty = TensorType::new(dtype, Shape(dims));
        if ty.shape.elements() == Some(Dim::Fixed(0)) {
            // There is nothing to feed.
            let id = self.builder.constant(empty(ty))?;
            self.slots.insert(name.to_owned(), Slot::Node(id));
            return Ok(id);
        }
        let id = match array.filter(|_| fixed) {
            Some(array) if array.len() <= self.most_of_a_constant(dtype) => self.constant(&array)?,
            Some(_) if dtype.is_float() => {
                self.leaves.insert(name.to_owned(), LeafKind::Parameter);
                self.builder.parameter(name, ty)?
            }
            _ => {
                self.leaves.insert(name.to_owned(), LeafKind::Input);
                self.builder.input(name, ty)?
            }
        };
        self.slots.insert(name.to_owned(), Slot::Node(id));
        Ok(id)
    }

    /// The most elements that make a constant of what is the same in every run.
    fn most_of_a_constant(&self, dtype: DType) -> usize {
        match self.purpose {
            _ if !dtype.is_float() => CONSTANT_LIMIT,
            Purpose::Stage => PARAMETER_FROM,
            Purpose::Inference | Purpose::Training => 1,
        }
    }

    /// What the region is for.
    pub(super) fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The graph node of a running statistic: a state where the model may be trained and the value comes from
    /// the file; of one that was updated, the newest.
    pub(super) fn statistic(&mut self, name: &str) -> Result<NodeId, Stop> {
        if let Some(&newest) = self.updates.get(name) {
            return Ok(newest);
        }
        let from_file = matches!(self.hand.value(name), Some(AtHand::Tensor { fixed: true, .. }));
        if self.purpose == Purpose::Stage || !from_file || self.slots.contains_key(name) {
            return self.node(name);
        }
        let Some((element, dims)) = self.type_of(name) else { return Err(Stop::Host) };
        let Some(dtype) = element.dtype() else { return Err(Stop::Host) };
        let id = self.builder.state(name, TensorType::new(dtype, Shape(dims)))?;
        self.leaves.insert(name.to_owned(), LeafKind::State);
        self.slots.insert(name.to_owned(), Slot::Node(id));
        Ok(id)
    }

    /// Gives a state its next value.
    pub(super) fn update(&mut self, name: &str, value: NodeId) {
        if self.leaves.get(name) == Some(&LeafKind::State) {
            self.updates.insert(name.to_owned(), value);
        }
    }

    /// A constant of the graph.
    pub(super) fn constant(&mut self, array: &Array) -> Result<NodeId, Stop> {
        let literal = array.literal().ok_or(Stop::Host)?;
        Ok(self.builder.constant(literal)?)
    }

    /// What a node depends on, if that is little and all of it is known.
    fn cone(&self, id: NodeId) -> Option<Cone> {
        let leaf = |op: &Op| match op {
            Op::Input { name } | Op::Parameter { name } => match self.hand.value(name)? {
                AtHand::Tensor { array, .. } => array,
                AtHand::Other => None,
            },
            _ => None,
        };
        Cone::new(self.builder.function(), id, &leaf)
    }

    /// The value of a node, if little is needed to compute it and all of that is known.
    fn fold(&self, id: NodeId) -> Option<Array> {
        if let Some(found) = self.folded.borrow().get(&id) {
            return found.clone();
        }
        let cone = self.cone(id).filter(|cone| !cone.depends_on_batch);
        let value = cone.and_then(|cone| self.hand.evaluate(&cone.function, 1));
        self.folded.borrow_mut().insert(id, value.clone());
        value
    }

    /// The integers of a value that is known, or known but for the batch. Such a value is computed for some
    /// batches: what grows in step with the batch is a multiple of it.
    pub(super) fn measures(&self, name: &str) -> Option<Vec<Measure>> {
        if let Some(known) = self.known_value(name) {
            return Some(known.ints()?.into_iter().map(Measure::Number).collect());
        }
        let Some(Slot::Node(id)) = self.slots.get(name) else { return None };
        let cone = self.cone(*id)?;
        // Sizes without common divisors, so that quotients and remainders of the batch are told apart.
        let batches = [7_i64, 11, 13];
        let [Some(first), Some(second), Some(third)] =
            batches.map(|batch| self.hand.evaluate(&cone.function, batch as usize)?.ints())
        else {
            return None;
        };
        let measures = first.iter().zip(&second).zip(&third).map(|((&a, &b), &c)| {
            let scale = a / batches[0];
            if a == b && b == c {
                Some(Measure::Number(a))
            } else if scale > 0 && [a, b, c].iter().zip(batches).all(|(&value, batch)| value == scale * batch)
            {
                usize::try_from(scale).ok().map(Measure::Batch)
            } else {
                None
            }
        });
        measures.collect()
    }

    /// The function that computes these values, in the order of their names; dead nodes are gone. Names that
    /// the region does not compute by nodes are left out.
    pub fn finish(mut self, wanted: &[String]) -> (Function, BTreeMap<String, LeafKind>) {
        let wanted: BTreeSet<&String> = wanted.iter().collect();
        for name in wanted {
            if let Some(Slot::Node(id)) = self.slots.get(name) {
                self.builder.output(OutputRole::Output, name.clone(), *id);
            }
        }
        let function = self.builder.finish().without_dead_nodes();
        let live: BTreeSet<&str> = function.externals().map(|(_, name)| name).collect();
        self.leaves.retain(|name, _| live.contains(name.as_str()));
        (function, self.leaves)
    }

    /// The function of a whole model: its outputs, then the next values of states, and where the marked values
    /// are in it. Fails with the name of a value that is not there.
    #[allow(clippy::type_complexity, reason = "used once, and explained above")]
    pub fn finish_network(
        mut self,
        outputs: &[String],
        marked: &[String],
    ) -> Result<(Function, BTreeMap<String, LeafKind>, BTreeMap<String, NodeId>), String> {
        for (names, role) in [(outputs, OutputRole::Output), (marked, OutputRole::Metric)] {
            for name in names {
                let id = self.node(name).map_err(|_| name.clone())?;
                self.builder.output(role, name.clone(), id);
            }
        }
        for (name, id) in std::mem::take(&mut self.updates) {
            self.builder.output(OutputRole::State, name, id);
        }
        let mut function = self.builder.finish().without_dead_nodes();
        let mut marks = BTreeMap::new();
        function.outputs.retain(|output| {
            let is_mark = output.role == OutputRole::Metric;
            if is_mark {
                marks.insert(output.name.clone(), output.value);
            }
            !is_mark
        });
        let live: std::collections::BTreeSet<&str> = function.externals().map(|(_, name)| name).collect();
        self.leaves.retain(|name, _| live.contains(name.as_str()));
        Ok((function, self.leaves, marks))
    }

    pub(super) fn slot(&self, name: &str) -> Option<Slot> {
        self.slots.get(name).cloned()
    }

    /// How many values the region computes or knows.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether nothing was converted.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

/// A constant without elements.
fn empty(ty: TensorType) -> Literal {
    let elements = match ty.dtype {
        DType::Bool => Elements::Bool(Vec::new()),
        dtype if dtype.is_float() => Elements::Float(Vec::new()),
        _ => Elements::Int(Vec::new()),
    };
    Literal { ty, elements }
}

fn fixed(dims: &[usize]) -> Vec<Dim> {
    dims.iter().map(|&size| Dim::Fixed(size)).collect()
}
