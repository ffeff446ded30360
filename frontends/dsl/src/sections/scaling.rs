//! Scaling as part of the model: every function that reads a scaled field computes `(x - offset) * factor`
//! first, so that whoever calls it feeds raw values.
//!
//! Maps that the text tells are constants. Fitted ones are states, one pair per field, with `0` and `1`
//! until the trainer sets them; see [`dlc_recipe::Scaling`].
//!
//! What the loss compares with a scaled field is in scaled units. Where that is an output of the model ([`units`]),
//! whoever reads it gets raw values: behind the outputs of `predict`, and before metrics, stands the inverse map, and
//! metrics take the field as it came. The loss, and all that the model computes of its own values, stay scaled.

use super::units;
use crate::codes;
use crate::report::Reporter;
use dlc_ir::{Builder, Function, InferError, Initializer, Literal, Model, NodeId, Op, Origin, State};
use dlc_recipe::{Data, Scaling, ScalingPlan, scaling_states};
use dlc_types::{Diagnostic, IndexVec, Shape, Span, TensorType};
use std::collections::BTreeMap;

/// The values of a model's outputs in one of its functions.
pub(super) type Outputs = [(String, NodeId)];

/// The map of one field.
pub(super) struct FieldScaling {
    pub(super) field: String,
    pub(super) ty: TensorType,
    plan: ScalingPlan,
    /// The numbers, where the text tells all of them.
    known: Option<Scaling>,
}

/// Puts the scaling of all fields into a model's functions, whose outputs have these values in `evaluate` and in
/// `forward`; faults are told at the source.
pub(super) fn apply(
    model: &mut Model,
    data: &Data,
    [evaluate, forward]: [&Outputs; 2],
    span: Span,
    reporter: &mut Reporter,
) {
    let fields = scaled_fields(data, span, reporter);
    if fields.is_empty() {
        return;
    }
    let related = match &model.evaluate {
        Some(function) => units::relate(function, evaluate, &fields, model, span, reporter),
        None => BTreeMap::new(),
    };
    let own: Vec<(String, NodeId)> =
        model.predict.outputs.iter().map(|output| (output.name.clone(), output.value)).collect();
    let predict = Some((&mut model.predict, own.as_slice()));
    let evaluate = model.evaluate.as_mut().map(|function| (function, evaluate));
    let forward = model.forward.as_mut().map(|function| (function, forward));
    for (function, outputs) in [predict, evaluate, forward].into_iter().flatten() {
        match scaled(function, outputs, &fields, &related) {
            Ok(made) => *function = made,
            Err(fault) => {
                let message = format!("the scaling does not fit: {fault}; this is a bug in dlc");
                reporter.push(Diagnostic::error(codes::SHAPE, message).at(span, "of this source"));
            }
        }
    }
    for scaling in fields.iter().filter(|scaling| scaling.known.is_none()) {
        let ty = TensorType::new(scaling.ty.dtype, Shape::fixed(&scaling.plan.dims));
        for (name, first) in scaling_states(&scaling.field).into_iter().zip([0.0, 1.0]) {
            let initializer = Initializer::Constant(first);
            model.states.push(State { name, ty: ty.clone(), initializer });
        }
    }
}

/// The maps of all fields that have one.
fn scaled_fields(data: &Data, span: Span, reporter: &mut Reporter) -> Vec<FieldScaling> {
    let mut fields = Vec::new();
    for field in &data.fields {
        let found = data.scaling_plan(field).and_then(|plan| {
            let Some(plan) = plan else { return Ok(None) };
            let known = if plan.fitted { None } else { Some(plan.compose(data, &field.name, &[])?) };
            Ok(Some(FieldScaling { field: field.name.clone(), ty: field.ty.clone(), plan, known }))
        });
        match found {
            Ok(found) => fields.extend(found),
            Err(message) => {
                reporter.push(Diagnostic::error(codes::FIELD, message).at(span, "the source of that field"));
            }
        }
    }
    fields
}

/// A value as the model computes it, and as whoever stands outside reads it.
#[derive(Clone, Copy)]
struct Copied {
    scaled: NodeId,
    raw: NodeId,
}

/// The same function of raw values. `related` says which outputs are in which field's units.
fn scaled(
    function: &Function,
    outputs: &Outputs,
    fields: &[FieldScaling],
    related: &BTreeMap<String, usize>,
) -> Result<Function, InferError> {
    let of_model = units::ancestors(function, outputs.iter().map(|(_, value)| *value));
    let units_of = |id: NodeId| {
        let names = outputs.iter().filter(|(_, value)| *value == id).map(|(name, _)| name);
        names.filter_map(|name| related.get(name)).next().map(|&field| &fields[field])
    };
    let mut builder = Builder::new(&function.name);
    let mut copies: IndexVec<NodeId, Copied> = IndexVec::default();
    for (id, node) in function.nodes.iter() {
        builder.set_origin(node.origin.clone());
        let copy = |builder: &mut Builder, choose: fn(Copied) -> NodeId| {
            let operands: Vec<NodeId> =
                node.operands.iter().map(|&operand| choose(copies[operand])).collect();
            match node.ty.tensor() {
                Some(ty) => builder.declare(node.op.clone(), &operands, ty.clone()),
                None => builder.add_node(node.op.clone(), &operands),
            }
        };
        let value = copy(&mut builder, |operand| operand.scaled)?;
        let mut made = Copied { scaled: value, raw: value };
        let differs = |&operand: &NodeId| copies[operand].raw != copies[operand].scaled;
        let marked = |path: String| Origin { path, span: node.origin.span };
        if let Op::Input { name } = &node.op {
            if let Some(place) = fields.iter().position(|scaling| scaling.field == *name) {
                builder.set_origin(marked(format!("scale({name})")));
                made.scaled = fields[place].map(&mut builder, value)?;
                made.raw = if related.values().any(|&field| field == place) { value } else { made.scaled };
            }
        } else if let Some(scaling) = units_of(id) {
            builder.set_origin(marked(format!("raw({})", scaling.field)));
            made.raw = scaling.inverse(&mut builder, value)?;
        } else if !of_model[id] && node.operands.iter().any(differs) {
            made.raw = copy(&mut builder, |operand| operand.raw)?;
        }
        copies.push(made);
    }
    for output in &function.outputs {
        let Copied { scaled, raw } = copies[output.value];
        let value = if units::is_read(output.role) { raw } else { scaled };
        builder.output(output.role, &output.name, value);
    }
    // Of what has two forms mostly one is asked for.
    let made = builder.finish();
    Ok(if related.is_empty() { made } else { made.without_dead_nodes() })
}

impl FieldScaling {
    /// `(x - offset) * factor`.
    fn map(&self, builder: &mut Builder, x: NodeId) -> Result<NodeId, InferError> {
        let [offset, factor] = self.numbers(builder, x)?;
        let difference = builder.sub(x, offset)?;
        builder.mul(difference, factor)
    }

    /// `y / factor + offset` of a value with as many elements in the same order, whatever its shape and type.
    fn inverse(&self, builder: &mut Builder, y: NodeId) -> Result<NodeId, InferError> {
        let ty = builder.ty(y).clone();
        let value = builder.reshape(y, self.ty.shape.clone())?;
        let value = builder.cast(value, self.ty.dtype)?;
        let [offset, factor] = self.numbers(builder, value)?;
        let quotient = builder.div(value, factor)?;
        let raw = builder.add(quotient, offset)?;
        let raw = builder.cast(raw, ty.dtype)?;
        builder.reshape(raw, ty.shape)
    }

    /// Offset and factor in the shape of `x`.
    fn numbers(&self, builder: &mut Builder, x: NodeId) -> Result<[NodeId; 2], InferError> {
        let dtype = self.ty.dtype;
        let [offset, factor] = match &self.known {
            Some(Scaling { offset, factor }) => {
                let mut constant =
                    |values: &[f64]| builder.constant(Literal::floats(dtype, &self.plan.dims, values));
                [constant(offset)?, constant(factor)?]
            }
            None => {
                let ty = TensorType::new(dtype, Shape::fixed(&self.plan.dims));
                let mut state = |name: &str| {
                    // The map and its inverse read the same.
                    let known = builder.function().externals().find(|(_, known)| *known == name);
                    match known.map(|(id, _)| id) {
                        Some(id) => Ok(id),
                        None => builder.state(name, ty.clone()),
                    }
                };
                let [offset, factor] = scaling_states(&self.field);
                [state(&offset)?, state(&factor)?]
            }
        };
        let axes: Vec<usize> = (1..=self.plan.dims.len()).collect();
        let shape = builder.shape(x).clone();
        let offset = builder.broadcast(offset, shape.clone(), &axes)?;
        Ok([offset, builder.broadcast(factor, shape, &axes)?])
    }
}
