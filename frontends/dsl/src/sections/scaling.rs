//! Scaling as part of the model: every function that reads a scaled field computes `(x - offset) * factor`
//! first, so that whoever calls it feeds raw values.
//!
//! Maps that the text tells are constants. Fitted ones are states, one pair per field, with `0` and `1`
//! until the trainer sets them; see [`dlc_recipe::Scaling`].

use crate::codes;
use crate::report::Reporter;
use dlc_ir::{Builder, Function, InferError, Initializer, Literal, Model, NodeId, Op, Origin, State};
use dlc_recipe::{Data, Scaling, ScalingPlan, scaling_states};
use dlc_types::{Diagnostic, IndexVec, Shape, Span, TensorType};

/// The map of one field.
struct FieldScaling {
    field: String,
    ty: TensorType,
    plan: ScalingPlan,
    /// The numbers, where the text tells all of them.
    known: Option<Scaling>,
}

/// Puts the scaling of all fields into a model's functions; faults are told at the source.
pub(super) fn apply(model: &mut Model, data: &Data, span: Span, reporter: &mut Reporter) {
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
    if fields.is_empty() {
        return;
    }
    let functions = [Some(&mut model.predict), model.evaluate.as_mut(), model.forward.as_mut()];
    for function in functions.into_iter().flatten() {
        match scaled(function, &fields) {
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

/// The same function of raw values.
fn scaled(function: &Function, fields: &[FieldScaling]) -> Result<Function, InferError> {
    let mut builder = Builder::new(&function.name);
    let mut copies: IndexVec<NodeId, NodeId> = IndexVec::default();
    for (_, node) in function.nodes.iter() {
        let operands: Vec<NodeId> = node.operands.iter().map(|&operand| copies[operand]).collect();
        builder.set_origin(node.origin.clone());
        let mut copy = match node.ty.tensor() {
            Some(ty) => builder.declare(node.op.clone(), &operands, ty.clone())?,
            None => builder.add_node(node.op.clone(), &operands)?,
        };
        if let Op::Input { name } = &node.op
            && let Some(scaling) = fields.iter().find(|scaling| scaling.field == *name)
        {
            builder.set_origin(Origin { path: format!("scale({name})"), span: node.origin.span });
            copy = scaling.map(&mut builder, copy)?;
        }
        copies.push(copy);
    }
    for output in &function.outputs {
        builder.output(output.role, &output.name, copies[output.value]);
    }
    Ok(builder.finish())
}

impl FieldScaling {
    fn map(&self, builder: &mut Builder, x: NodeId) -> Result<NodeId, InferError> {
        let dtype = self.ty.dtype;
        let [offset, factor] = match &self.known {
            Some(Scaling { offset, factor }) => {
                let mut constant =
                    |values: &[f64]| builder.constant(Literal::floats(dtype, &self.plan.dims, values));
                [constant(offset)?, constant(factor)?]
            }
            None => {
                let ty = TensorType::new(dtype, Shape::fixed(&self.plan.dims));
                let [offset, factor] = scaling_states(&self.field);
                [builder.state(&offset, ty.clone())?, builder.state(&factor, ty)?]
            }
        };
        let axes: Vec<usize> = (1..=self.plan.dims.len()).collect();
        let shape = builder.shape(x).clone();
        let offset = builder.broadcast(offset, shape.clone(), &axes)?;
        let factor = builder.broadcast(factor, shape, &axes)?;
        let difference = builder.sub(x, offset)?;
        builder.mul(difference, factor)
    }
}
