//! The rules that every function and every model keeps, checked after each pass.
//!
//! A function:
//! 1. Every operand of a node stands before it.
//! 2. The body of a scan is a function that keeps these rules itself. Every node has the type that `infer` gives its op over its operands (for
//!    ops whose type is a free choice: a type that it admits). So tuples are only projected, attributes
//!    fit their shapes, and no value grows with the square of the batch.
//! 3. The name of an input, parameter or state is not empty and unique among those of its kind: one
//!    name, one node.
//! 4. An output names an existing node that is not a tuple; its name is unique among outputs of its
//!    role.
//! 5. There is at most one loss, a scalar float. A metric has a float type.
//! 6. An output of role parameter or state, whose tensor the function also reads, has the type of the
//!    node that reads it; so has a gradient, which has a float type.
//!
//! A model:
//! 7. Names of inputs and targets are unique among both; names of parameters and states likewise.
//! 8. Parameters and states have a fixed shape. Trainable parameters are floats. States of other types
//!    start from a constant.
//! 9. Each of its functions is well formed; `predict` reads inputs only, the others inputs and targets.
//!    Each input, parameter and state that a function reads, and each parameter, state and gradient
//!    that it gives, is declared with that type; the states of [`training`](crate::training), which
//!    every step has, need no declaration.
//! 10. `evaluate` and `forward`, where present, have exactly one loss.
//!
//! A broken rule is a bug in whatever built the function: frontends refuse the user's mistakes with
//! diagnostics of their own before.

use crate::infer::{infer, needs_declared_type};
use crate::training::{SEED, STEP, TOTAL_STEPS};
use crate::{Declaration, Function, Initializer, Model, NodeId, Op, OutputRole, Type};
use dlc_types::{DType, TensorType};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// A rule that a function or model breaks, with the number that it has in the module's list.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{place} breaks rule {rule} of the graph: {message}")]
pub struct VerifyError {
    /// Function and node, or part of the model.
    pub place: String,
    /// Number of the rule.
    pub rule: u8,
    /// What is wrong.
    pub message: String,
}

type Result = std::result::Result<(), VerifyError>;

/// Checks rules 1 to 6.
///
/// # Errors
/// The first rule that is broken.
pub fn verify(function: &Function) -> Result {
    for id in function.nodes.indices() {
        verify_node(function, id)?;
    }
    verify_external_names(function)?;
    verify_outputs(function)
}

fn broken(
    function: &Function,
    place: impl std::fmt::Display,
    rule: u8,
    message: impl Into<String>,
) -> Result {
    Err(VerifyError { place: format!("{place} of fn {}", function.name), rule, message: message.into() })
}

fn verify_node(function: &Function, id: NodeId) -> Result {
    let node = &function.nodes[id];
    if let Some(&operand) = node.operands.iter().find(|&&operand| operand >= id) {
        return broken(function, id, 1, format!("operand {operand} does not stand before it"));
    }
    let operands: Vec<&Type> = node.operands.iter().map(|&operand| &function.nodes[operand].ty).collect();
    let declared = if needs_declared_type(&node.op) { node.ty.tensor() } else { None };
    match infer(&node.op, &operands, declared) {
        Ok(ty) if ty == node.ty => verify_body(function, id),
        Ok(ty) => broken(function, id, 2, format!("{} gives {ty}, not {}", node.op.name(), node.ty)),
        Err(error) => broken(function, id, 2, error.message),
    }
}

/// The body of a scan is a function that keeps the rules, too.
fn verify_body(function: &Function, id: NodeId) -> Result {
    let Op::Scan(scan) = &function.nodes[id].op else { return Ok(()) };
    verify(&scan.body).map_err(|error| VerifyError {
        place: format!("{id} of fn {}: {}", function.name, error.place),
        ..error
    })
}

fn verify_external_names(function: &Function) -> Result {
    let mut seen = BTreeSet::new();
    for (id, name) in function.externals() {
        let kind = function.nodes[id].op.name();
        if name.is_empty() {
            return broken(function, id, 3, format!("{kind} without a name"));
        }
        if !seen.insert((kind, name)) {
            return broken(function, id, 3, format!("second node for {kind} \"{name}\""));
        }
    }
    Ok(())
}

fn verify_outputs(function: &Function) -> Result {
    let mut seen = BTreeSet::new();
    let mut losses = 0;
    for output in &function.outputs {
        let (role, name) = (output.role, output.name.as_str());
        let place = format!("{} \"{name}\"", role.name());
        let Some(node) = function.nodes.get(output.value) else {
            return broken(function, place, 4, format!("node {} does not exist", output.value));
        };
        let Type::Tensor(ty) = &node.ty else {
            return broken(function, place, 4, format!("its value {} is a tuple {}", output.value, node.ty));
        };
        if !seen.insert((role, name)) {
            return broken(function, place, 4, "second output of that role and name");
        }
        losses += usize::from(role == OutputRole::Loss);
        if losses > 1 {
            return broken(function, place, 5, "second loss");
        }
        match role {
            OutputRole::Loss if !ty.dtype.is_float() || ty.shape.rank() != 0 => {
                return broken(function, place, 5, format!("needs a scalar float, not {ty}"));
            }
            OutputRole::Metric if !ty.dtype.is_float() => {
                return broken(function, place, 5, format!("needs floats, not {ty}"));
            }
            OutputRole::Gradient if !ty.dtype.is_float() => {
                return broken(function, place, 6, format!("needs floats, not {ty}"));
            }
            _ => {}
        }
        verify_agreement(function, &place, role, name, ty)?;
    }
    Ok(())
}

/// Rule 6: what is written back has the type of what is read.
fn verify_agreement(
    function: &Function,
    place: &str,
    role: OutputRole,
    name: &str,
    ty: &TensorType,
) -> Result {
    let read = function.externals().find(|&(id, external)| {
        external == name
            && match &function.nodes[id].op {
                Op::Parameter { .. } => matches!(role, OutputRole::Parameter | OutputRole::Gradient),
                Op::State { .. } => role == OutputRole::State,
                _ => false,
            }
    });
    match read {
        Some((id, _)) if function.nodes[id].ty.tensor() != Some(ty) => {
            broken(function, place, 6, format!("has type {ty}, but {id} reads {}", function.nodes[id].ty))
        }
        _ => Ok(()),
    }
}

/// Checks rules 7 to 10, and rules 1 to 6 of each function.
///
/// # Errors
/// The first rule that is broken.
pub fn verify_model(model: &Model) -> Result {
    let inputs = declared_types(model, "input", &model.inputs)?;
    let mut fed = model.inputs.clone();
    fed.extend(model.targets.iter().cloned());
    let fed = declared_types(model, "input or target", &fed)?;
    let kept = kept_types(model)?;
    for (function, fed, needs_loss) in [
        (Some(&model.predict), &inputs, false),
        (model.evaluate.as_ref(), &fed, true),
        (model.forward.as_ref(), &fed, true),
    ] {
        let Some(function) = function else { continue };
        verify(function)?;
        verify_declared(function, fed, &kept)?;
        let losses = function.outputs.iter().filter(|output| output.role == OutputRole::Loss).count();
        if needs_loss && losses != 1 {
            return broken(function, "the outputs", 10, "no loss");
        }
    }
    Ok(())
}

/// Parameters and states by name: whether it is a parameter, and its type.
type Kept = BTreeMap<String, (bool, TensorType)>;

fn broken_model<T>(model: &Model, rule: u8, message: String) -> std::result::Result<T, VerifyError> {
    Err(VerifyError { place: format!("model {}", model.name), rule, message })
}

fn declared_types(
    model: &Model,
    kind: &str,
    declarations: &[Declaration],
) -> std::result::Result<BTreeMap<String, TensorType>, VerifyError> {
    let mut types = BTreeMap::new();
    for Declaration { name, ty } in declarations {
        if types.insert(name.clone(), ty.clone()).is_some() {
            return broken_model(model, 7, format!("second {kind} \"{name}\""));
        }
    }
    Ok(types)
}

/// Types of parameters and states, which share one space of names.
fn kept_types(model: &Model) -> std::result::Result<Kept, VerifyError> {
    let mut kept = Kept::new();
    let parameters =
        model.parameters.iter().map(|it| (true, &it.name, &it.ty, it.trainable, &it.initializer));
    let states = model.states.iter().map(|it| (false, &it.name, &it.ty, false, &it.initializer));
    for (is_parameter, name, ty, trainable, initializer) in parameters.chain(states) {
        if kept.insert(name.clone(), (is_parameter, ty.clone())).is_some() {
            return broken_model(model, 7, format!("second parameter or state \"{name}\""));
        }
        if ty.shape.has_batch() || ty.shape.elements().is_none() {
            return broken_model(model, 8, format!("\"{name}\" needs a fixed shape, not {ty}"));
        }
        if trainable && !ty.dtype.is_float() {
            return broken_model(model, 8, format!("trainable \"{name}\" needs floats, not {ty}"));
        }
        if !ty.dtype.is_float() && !matches!(initializer, Initializer::Constant(_)) {
            return broken_model(model, 8, format!("\"{name}\" of type {ty} needs to start from a constant"));
        }
    }
    for (name, dtype) in [(STEP, DType::I32), (TOTAL_STEPS, DType::I32), (SEED, DType::I64)] {
        kept.entry(name.to_owned()).or_insert((false, TensorType::scalar(dtype)));
    }
    Ok(kept)
}

/// Rule 9: everything that a function reads and writes back is declared with that type.
fn verify_declared(function: &Function, fed: &BTreeMap<String, TensorType>, kept: &Kept) -> Result {
    let declared_kept =
        |name: &str, as_parameter| kept.get(name).filter(|kept| kept.0 == as_parameter).map(|kept| &kept.1);
    for (id, name) in function.externals() {
        let node = &function.nodes[id];
        let declared = match &node.op {
            Op::Input { .. } => fed.get(name),
            op => declared_kept(name, matches!(op, Op::Parameter { .. })),
        };
        if declared.is_none() || declared != node.ty.tensor() {
            return broken(function, id, 9, not_declared(node.op.name(), name, &node.ty, declared));
        }
    }
    for output in &function.outputs {
        if !matches!(output.role, OutputRole::Parameter | OutputRole::State | OutputRole::Gradient) {
            continue;
        }
        let (role, ty) = (output.role.name(), &function.nodes[output.value].ty);
        let declared = declared_kept(&output.name, output.role != OutputRole::State);
        if declared.is_none() || declared != ty.tensor() {
            let place = format!("output {role}");
            return broken(function, place, 9, not_declared(role, &output.name, ty, declared));
        }
    }
    Ok(())
}

fn not_declared(kind: &str, name: &str, ty: &Type, declared: Option<&TensorType>) -> String {
    match declared {
        Some(declared) => format!("{kind} \"{name}\" has type {ty}, but the model declares {declared}"),
        None => format!("{kind} \"{name}\" is not declared by the model"),
    }
}

#[cfg(test)]
mod tests;
