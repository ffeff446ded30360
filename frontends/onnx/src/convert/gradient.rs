//! Gradient of `ai.onnx.preview.training`: the derivatives of one value of the graph with respect to others.
//!
//! What the value is computed from, down to the named ones, becomes a function of its own; the caller
//! differentiates it ([`Hand::differentiate`](super::Hand::differentiate)); the result is put at the end of the
//! region, with the node's inputs in place of the named values. So a gradient may be differentiated again. A
//! value with several elements counts by its sum.

use super::{Context, Operator, Stop};
use dlc_ir::{Builder, Function, InferError, NodeId, Op, OutputRole, Type};

use std::collections::{BTreeMap, BTreeSet};

pub(super) const OPERATORS: &[Operator] =
    &[Operator::of("ai.onnx.preview.training", "Gradient", 1, gradient)];

/// The name of the value of a list that stands at that place, inside of the function.
fn formal(position: usize) -> String {
    format!("value {position}")
}

/// The name of a value that is not named, but read.
fn free(id: NodeId) -> String {
    format!("free {id}")
}

fn names(context: &Context<'_, '_>, attribute: &str) -> Result<Vec<String>, Stop> {
    let names = context.texts(attribute)?.unwrap_or_default();
    Ok(names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

/// Adds a copy of a node; its type is what it was.
fn copied(builder: &mut Builder, op: Op, operands: &[NodeId], ty: &Type) -> Result<NodeId, InferError> {
    match ty {
        Type::Tensor(ty) => builder.declare(op, operands, ty.clone()),
        Type::Tuple(_) => builder.add_node(op, operands),
    }
}

/// The sum of `wanted` as a function of the values in `named` and of the externals that it reads. All are inputs:
/// their extents may depend on the batch.
fn forward(function: &Function, wanted: NodeId, named: &[NodeId]) -> Result<Function, InferError> {
    let mut needed = BTreeSet::from([wanted]);
    let mut order = Vec::new();
    while let Some(id) = needed.pop_last() {
        order.push(id);
        if !named.contains(&id) {
            needed.extend(function.nodes[id].operands.iter().copied());
        }
    }
    let mut builder = Builder::new("gradient");
    let mut moved: BTreeMap<NodeId, NodeId> = BTreeMap::new();
    for &id in order.iter().rev() {
        let node = &function.nodes[id];
        let op = match named.iter().position(|own| *own == id) {
            Some(position) => Op::Input { name: formal(position) },
            None if node.op.is_external() => Op::Input { name: free(id) },
            None => node.op.clone(),
        };
        let operands: Vec<NodeId> = match &op {
            Op::Input { .. } => Vec::new(),
            _ => node.operands.iter().filter_map(|operand| moved.get(operand).copied()).collect(),
        };
        let new = copied(&mut builder, op, &operands, &node.ty)?;
        moved.insert(id, new);
    }
    let value = moved.get(&wanted).copied().ok_or_else(|| InferError::new("the value is not there"))?;
    let axes: Vec<usize> = (0..builder.shape(value).rank()).collect();
    let loss = builder.sum(value, &axes)?;
    builder.output(OutputRole::Loss, "value", loss);
    Ok(builder.finish())
}

fn gradient(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (variables, fixed) = (names(context, "xs")?, names(context, "zs")?);
    let wanted = context.text_or("y", "")?.to_owned();
    if variables.len() + fixed.len() != context.input_count() {
        return Err(context.invalid("its inputs are not one for each of xs and zs"));
    }
    let mut named = Vec::new();
    for name in variables.iter().chain(&fixed) {
        named.push(context.value_of(name)?);
    }
    let fed = context.inputs()?;
    let value = context.value_of(&wanted)?;
    for (&own, &given) in named.iter().zip(&fed) {
        if context.ty(own) != context.ty(given) {
            let (own, given) = (context.ty(own), context.ty(given));
            return Err(context.invalid(format!("a value of {own} cannot be {given}")));
        }
    }
    if !context.dtype(value).is_float() {
        return Err(context.invalid(format!("`{wanted}` is no float and has no derivative")));
    }
    let function = forward(context.builder().function(), value, &named)?;
    let present: Vec<String> = (0..variables.len())
        .map(formal)
        .filter(|name| function.externals().any(|(_, external)| external == name))
        .collect();
    let derived = if present.is_empty() { function } else { context.differentiated(&function, &present)? };
    let results = grafted(context, derived, &fed)?;
    for (position, &variable) in named[..variables.len()].iter().enumerate() {
        let result = match results.get(&formal(position)) {
            Some(&result) => result,
            // The value does not depend on it.
            None => context.builder().splat_like(variable, 0.0)?,
        };
        context.set_output(position, result)?;
    }
    Ok(())
}

/// Puts the gradients of a function at the end of the region; they by the names of their variables.
fn grafted(
    context: &mut Context<'_, '_>,
    derived: Function,
    fed: &[NodeId],
) -> Result<BTreeMap<String, NodeId>, Stop> {
    let mut derived = derived;
    derived.outputs.retain(|output| output.role == OutputRole::Gradient);
    let derived = derived.without_dead_nodes();
    let outside: BTreeMap<String, NodeId> = fed
        .iter()
        .enumerate()
        .map(|(position, &id)| (formal(position), id))
        .chain(context.builder().function().nodes.indices().map(|id| (free(id), id)))
        .collect();
    let mut moved: BTreeMap<NodeId, NodeId> = BTreeMap::new();
    for (id, node) in derived.nodes.iter() {
        let new = match &node.op {
            Op::Input { name } => outside
                .get(name)
                .copied()
                .ok_or_else(|| context.invalid(format!("its derivative reads `{name}`, a bug in dlc")))?,
            op => {
                let operands: Vec<NodeId> =
                    node.operands.iter().filter_map(|operand| moved.get(operand).copied()).collect();
                copied(context.builder(), op.clone(), &operands, &node.ty)?
            }
        };
        moved.insert(id, new);
    }
    let results = derived.outputs.iter();
    Ok(results.filter_map(|output| Some((output.name.clone(), *moved.get(&output.value)?))).collect())
}
