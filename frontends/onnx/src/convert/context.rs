//! What a converter function works with.

use super::body::Body;
use super::region::{Region, Slot};
use super::{AtHand, Measure, Purpose, Stop, broadcast};
use crate::{Array, Element, Graph, Node};
use dlc_ir::{Builder, Function, NodeId, Origin};
use dlc_types::{DType, Dim, Shape, TensorType};
use std::collections::BTreeMap;

/// A node under conversion, its inputs and outputs. See the module's documentation.
pub struct Context<'c, 'h> {
    region: &'c mut Region<'h>,
    pub(super) node: &'c Node,
    outputs: Vec<(String, Slot)>,
}

impl<'c, 'h> Context<'c, 'h> {
    pub(super) fn new(region: &'c mut Region<'h>, node: &'c Node) -> Self {
        Context { region, node, outputs: Vec::new() }
    }

    /// The results, if none that is used is missing.
    pub(super) fn into_outputs(self) -> Result<Vec<(String, Slot)>, Stop> {
        let missing = |name: &&String| !name.is_empty() && !self.outputs.iter().any(|(set, _)| set == *name);
        if let Some(name) = self.node.outputs.iter().find(missing) {
            return Err(Stop::NotDone(format!("its output `{name}`")));
        }
        Ok(self.outputs)
    }

    /// The node.
    pub fn node(&self) -> &'c Node {
        self.node
    }

    /// The graph under construction.
    pub fn builder(&mut self) -> &mut Builder {
        &mut self.region.builder
    }

    /// Where the node's values come from.
    pub fn origin(&self) -> Origin {
        let path = if self.node.name.is_empty() { &self.node.op_type } else { &self.node.name };
        Origin { path: path.clone(), span: None }
    }

    /// That this case of the operator is not done, with what makes it a case.
    pub fn not_done(&self, what: impl Into<String>) -> Stop {
        Stop::NotDone(what.into())
    }

    /// That the model is wrong.
    pub fn invalid(&self, what: impl Into<String>) -> Stop {
        Stop::Invalid(what.into())
    }

    /// What is converted for.
    pub fn purpose(&self) -> Purpose {
        self.region.purpose()
    }

    /// A running statistic: an input that is a state where the model may be trained.
    pub fn statistic(&mut self, position: usize) -> Result<NodeId, Stop> {
        let name = self.input_name(position)?;
        self.region.statistic(name)
    }

    /// Gives a running statistic its next value, if it is a state.
    pub fn update_statistic(&mut self, position: usize, value: NodeId) -> Result<(), Stop> {
        let name = self.input_name(position)?;
        self.region.update(name, value);
        Ok(())
    }

    /// The number of inputs, left out ones in between included.
    pub fn input_count(&self) -> usize {
        self.node.inputs.len()
    }

    /// The number of outputs, unwanted ones in between included.
    pub fn output_count(&self) -> usize {
        self.node.outputs.len()
    }

    /// Whether the input is given.
    pub fn has_input(&self, position: usize) -> bool {
        self.node.inputs.get(position).is_some_and(|name| !name.is_empty())
    }

    /// Whether the output is wanted.
    pub fn has_output(&self, position: usize) -> bool {
        self.node.outputs.get(position).is_some_and(|name| !name.is_empty())
    }

    fn input_name(&self, position: usize) -> Result<&'c str, Stop> {
        match self.node.inputs.get(position) {
            Some(name) if !name.is_empty() => Ok(name),
            _ => Err(Stop::Invalid(format!("its input {position} is missing"))),
        }
    }

    /// An input as a value of the graph. Host's where it has an element type that the graph does not know.
    pub fn input(&mut self, position: usize) -> Result<NodeId, Stop> {
        let name = self.input_name(position)?;
        self.region.node(name)
    }

    /// An input that may be left out.
    pub fn optional(&mut self, position: usize) -> Result<Option<NodeId>, Stop> {
        if self.has_input(position) { self.input(position).map(Some) } else { Ok(None) }
    }

    /// All inputs, none of which may be left out.
    pub fn inputs(&mut self) -> Result<Vec<NodeId>, Stop> {
        (0..self.input_count()).map(|position| self.input(position)).collect()
    }

    /// Element type and extents of an input, without making it a value of the graph.
    pub fn input_type(&self, position: usize) -> Result<(Element, Vec<Dim>), Stop> {
        self.region.type_of(self.input_name(position)?).ok_or(Stop::Host)
    }

    /// The value of an input, if it can be known now; `None` too where the input is left out.
    pub fn known(&self, position: usize) -> Option<Array> {
        let name = self.node.inputs.get(position).filter(|name| !name.is_empty())?;
        self.region.known_value(name)
    }

    /// The value of an input that must be known.
    pub fn need(&self, position: usize) -> Result<Array, Stop> {
        let name = self.input_name(position)?;
        self.region.known_value(name).ok_or_else(|| Stop::NeedsValue(name.to_owned()))
    }

    /// The integers of an input that must be known.
    pub fn need_ints(&self, position: usize) -> Result<Vec<i64>, Stop> {
        let array = self.need(position)?;
        array.ints().ok_or_else(|| {
            Stop::Invalid(format!("its input {position} must hold integers, not {}", array.type_text()))
        })
    }

    /// The same of an input that may be left out.
    pub fn optional_ints(&self, position: usize) -> Result<Option<Vec<i64>>, Stop> {
        if self.has_input(position) { self.need_ints(position).map(Some) } else { Ok(None) }
    }

    /// The integers of an input that must be known, or known but for the batch.
    pub fn need_measures(&self, position: usize) -> Result<Vec<Measure>, Stop> {
        let name = self.input_name(position)?;
        match self.region.measures(name) {
            Some(measures) => Ok(measures),
            // For the faults of what is known.
            None => Ok(self.need_ints(position)?.into_iter().map(Measure::Number).collect()),
        }
    }

    /// An extent of a shape, which is not negative.
    pub fn dim(&self, measure: Measure) -> Result<Dim, Stop> {
        match measure {
            Measure::Batch(scale) => Ok(Dim::Batch(scale)),
            Measure::Number(size) => usize::try_from(size)
                .map(Dim::Fixed)
                .map_err(|_| Stop::Invalid(format!("the extent {size} is negative"))),
        }
    }

    /// The number in an input that must be known and hold one integer.
    pub fn need_int(&self, position: usize) -> Result<i64, Stop> {
        match self.need_ints(position)?.as_slice() {
            [value] => Ok(*value),
            values => Err(Stop::Invalid(format!(
                "its input {position} must hold one integer, not {}",
                values.len()
            ))),
        }
    }

    /// The numbers of an input that must be known, as floats.
    pub fn need_numbers(&self, position: usize) -> Result<Vec<f64>, Stop> {
        let array = self.need(position)?;
        array.numbers().ok_or_else(|| {
            Stop::Invalid(format!("its input {position} must hold numbers, not {}", array.type_text()))
        })
    }

    /// The type of a value of the graph.
    pub fn ty(&self, value: NodeId) -> TensorType {
        self.region.builder.ty(value).clone()
    }

    /// The element type of a value of the graph.
    pub fn dtype(&self, value: NodeId) -> DType {
        self.region.builder.ty(value).dtype
    }

    /// The shape of a value of the graph.
    pub fn shape(&self, value: NodeId) -> Shape {
        self.region.builder.shape(value).clone()
    }

    /// The number of axes of a value of the graph.
    pub fn rank(&self, value: NodeId) -> usize {
        self.region.builder.shape(value).rank()
    }

    /// The extents of a value of the graph as numbers.
    pub fn dims(&self, value: NodeId) -> Result<Vec<usize>, Stop> {
        let shape = self.region.builder.shape(value);
        shape.as_fixed().ok_or_else(|| {
            Stop::NotDone(format!("the extents {shape}, which depend on the batch (bind them with --dim)"))
        })
    }

    /// An axis that may count from the end.
    pub fn axis(&self, axis: i64, rank: usize) -> Result<usize, Stop> {
        let signed = i64::try_from(rank).unwrap_or(i64::MAX);
        let counted = if axis < 0 { axis.checked_add(signed) } else { Some(axis) };
        match counted.and_then(|axis| usize::try_from(axis).ok()).filter(|&axis| axis < rank) {
            Some(axis) => Ok(axis),
            None => Err(Stop::Invalid(format!("there is no axis {axis} among {rank}"))),
        }
    }

    /// Axes that may count from the end, ascending and without repetition.
    pub fn axes(&self, axes: &[i64], rank: usize) -> Result<Vec<usize>, Stop> {
        let mut result =
            axes.iter().map(|&axis| self.axis(axis, rank)).collect::<Result<Vec<usize>, Stop>>()?;
        result.sort_unstable();
        match result.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(Stop::Invalid(format!("the axis {} is named twice", pair[0]))),
            None => Ok(result),
        }
    }

    /// The value that a graph of one input and one output gives for a value.
    pub fn inlined(&mut self, graph: &Graph, value: NodeId) -> Result<NodeId, Stop> {
        self.region.inlined(graph, value)
    }

    /// The values that a graph without inputs gives, as the node's results.
    pub(super) fn scoped(&mut self, graph: &Graph) -> Result<(), Stop> {
        let slots = self.region.scoped(graph, &[])?;
        slots.into_iter().enumerate().for_each(|(position, slot)| self.set(position, slot));
        Ok(())
    }

    /// The graph of an iteration as a function of its own.
    pub(super) fn body(&self, graph: &Graph, given: BTreeMap<String, AtHand>) -> Result<Body, Stop> {
        self.region.body(graph, given)
    }

    /// A value by its name, whether it is an input of the node or not.
    pub(super) fn value_of(&mut self, name: &str) -> Result<NodeId, Stop> {
        self.region.node(name)
    }

    /// The function with the gradients of its loss with respect to those parameters.
    pub(super) fn differentiated(
        &self,
        function: &Function,
        parameters: &[String],
    ) -> Result<Function, Stop> {
        self.region.differentiated(function, parameters)
    }

    /// A constant of the graph.
    pub fn constant(&mut self, array: &Array) -> Result<NodeId, Stop> {
        self.region.constant(array)
    }

    /// The shape that these broadcast to as NumPy does.
    pub fn broadcast_shape(&self, values: &[NodeId]) -> Result<Shape, Stop> {
        broadcast::shape(values.iter().map(|&value| self.region.builder.shape(value)))
    }

    /// All of them in the shape that they broadcast to.
    pub fn broadcast_all(&mut self, values: &[NodeId]) -> Result<Vec<NodeId>, Stop> {
        let shape = self.broadcast_shape(values)?;
        values.iter().map(|&value| self.broadcast_to(value, &shape)).collect()
    }

    /// A value in a shape that it broadcasts to as NumPy does.
    pub fn broadcast_to(&mut self, value: NodeId, shape: &Shape) -> Result<NodeId, Stop> {
        let rank = self.rank(value);
        let Some(offset) = shape.rank().checked_sub(rank) else {
            return Err(Stop::Invalid(format!("{} does not broadcast to {shape}", self.ty(value))));
        };
        let axes: Vec<usize> = (offset..shape.rank()).collect();
        Ok(self.region.builder.broadcast(value, shape.clone(), &axes)?)
    }

    /// A result.
    pub fn set_output(&mut self, position: usize, value: NodeId) -> Result<(), Stop> {
        let ty = self.region.builder.ty(value);
        if ty.shape.dims().contains(&Dim::Fixed(0))
            && let Some(dims) = ty.shape.as_fixed()
        {
            // Without elements there is nothing to compute.
            let empty = Array::new(Element::of(ty.dtype), dims, Vec::new()).map_err(Stop::Invalid)?;
            return self.set_known(position, empty);
        }
        self.set(position, Slot::Node(value));
        Ok(())
    }

    /// A result that is known without computing.
    pub fn set_known(&mut self, position: usize, value: Array) -> Result<(), Stop> {
        self.set(position, Slot::Known(value, None));
        Ok(())
    }

    /// A result that is an input as it stands.
    pub fn pass(&mut self, input: usize, output: usize) -> Result<(), Stop> {
        let name = self.input_name(input)?;
        // A known value stays known.
        match self.region.slot(name) {
            Some(slot @ Slot::Known(..)) => {
                self.set(output, slot);
                Ok(())
            }
            _ => {
                let value = self.input(input)?;
                self.set_output(output, value)
            }
        }
    }

    fn set(&mut self, position: usize, slot: Slot) {
        if let Some(name) = self.node.outputs.get(position).filter(|name| !name.is_empty()) {
            self.outputs.push((name.clone(), slot));
        }
    }
}
