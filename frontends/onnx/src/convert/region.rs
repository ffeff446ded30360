//! One graph function under construction. What it knows without running is `known`'s, graphs within nodes `inner`'s,
//! its end `finish`'s.

use super::{AtHand, Context, Hand, LeafKind, Purpose, Stop, find};
use crate::{Array, Element, Node};
use dlc_ir::{Builder, Function, Literal, NodeId, literal::Elements};
use dlc_types::{DType, Dim, Shape, TensorType};
use std::cell::RefCell;
use std::collections::BTreeMap;

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

/// Any other tensor that is the same in every run and has more elements is fed by the run.
const CONSTANT_LIMIT: usize = 4096;

/// A region. See the module's documentation.
pub struct Region<'h> {
    pub(super) hand: &'h dyn Hand,
    pub(super) builder: Builder,
    pub(super) slots: BTreeMap<String, Slot>,
    pub(super) leaves: BTreeMap<String, LeafKind>,
    purpose: Purpose,
    /// Next values of states, by name.
    pub(super) updates: BTreeMap<String, NodeId>,
    /// Values of computed names that were asked for; `None` where they cannot be told.
    pub(super) folded: RefCell<BTreeMap<NodeId, Option<Array>>>,
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
            Some(array) if self.hand.is_constant(name) || array.len() <= self.most_of_a_constant(dtype) => {
                self.constant(&array)?
            }
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
            Purpose::Stage if dtype.is_float() => PARAMETER_FROM,
            Purpose::Stage => CONSTANT_LIMIT,
            Purpose::Inference | Purpose::Training if dtype.is_float() => 1,
            // Nobody feeds a model's own numbers.
            Purpose::Inference | Purpose::Training => usize::MAX,
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
