//! Reverse-mode differentiation, source to source: from a function with a loss to the same function with
//! the gradient of every wanted parameter.
//!
//! Gradient nodes are appended behind the forward nodes, which keep their numbers. Three invariants:
//!
//! - *Complete.* Every wanted parameter gets a gradient, or [`differentiate`] fails and names it: there is
//!   no silent zero.
//! - *Lean.* Only nodes on a differentiable path from a wanted parameter to the loss are walked, so frozen
//!   parameters, inputs and metrics cost nothing.
//! - *Deterministic.* Contributions to one value are added in the reverse order of its users.
//!
//! The op table is closed under the rules here, so the result can be differentiated again (but for the
//! gradient of max pooling). One file holds the rules of one family of ops; the matches over [`Op`] are
//! exhaustive, so an op without a derivative does not build. Simplifying what the rules write is left to
//! the rewrite stage, expanding composite ops to [`crate::composite`].

mod composite;
mod contraction;
mod convolution;
mod elementwise;
mod indexing;
mod movement;
mod reduction;
mod scan;
mod tape;
mod window;

use dlc_ir::{Builder, Function, InferError, NodeId, Op, Origin, OutputRole, Unary};
use dlc_types::Span;
use std::collections::BTreeMap;
use tape::{Fault, Rule, Tape};
use thiserror::Error;

/// A parameter that training would never change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingGradient {
    /// Its path.
    pub parameter: String,
    /// Why the loss does not depend on it, as the end of a sentence that starts with the path.
    pub reason: String,
    /// Where the parameter enters the function, if the frontend said so.
    pub span: Option<Span>,
}

/// Why a function cannot be differentiated.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum AutodiffError {
    /// The function must have exactly one output of role loss.
    #[error("the function `{function}` has {count} losses; exactly one can be differentiated")]
    LossCount {
        /// Name of the function.
        function: String,
        /// How many losses it has.
        count: usize,
    },
    /// The loss must be one float.
    #[error("the loss `{name}` has type {ty}; a loss is a single float")]
    LossNotScalar {
        /// Name of the loss.
        name: String,
        /// Its type.
        ty: String,
    },
    /// Some parameters have no gradient.
    #[error("{}", missing_text(.0))]
    MissingGradients(Vec<MissingGradient>),
    /// The gradient of a max pooling is an op of its own without a derivative.
    #[error("second derivative of max pooling is not supported (at `{path}`)")]
    SecondDerivativeOfMaxPooling {
        /// Origin of the node.
        path: String,
    },
    /// A form of an op whose derivative the table cannot express.
    #[error("no derivative at `{path}`: {reason}")]
    Unsupported {
        /// Origin of the node.
        path: String,
        /// What stands in the way.
        reason: String,
    },
    /// A rule built a node that cannot be.
    #[error("the derivative of {op} at `{path}` does not fit: {source}; this is a bug in dlc")]
    Rule {
        /// The op.
        op: &'static str,
        /// Origin of the node.
        path: String,
        /// The shape rule that was broken.
        source: InferError,
    },
}

fn missing_text(missing: &[MissingGradient]) -> String {
    let lines: Vec<String> =
        missing.iter().map(|one| format!("`{}` {}", one.parameter, one.reason)).collect();
    format!("{} without a gradient: {}", plural(missing.len()), lines.join("; "))
}

fn plural(count: usize) -> String {
    if count == 1 { "a trainable parameter is".to_owned() } else { format!("{count} parameters are") }
}

/// The forward function with, for each of the named parameters, the gradient of its loss as an output of
/// role [`OutputRole::Gradient`] and of the parameter's name and type, in the order of `parameters`. A name that no
/// parameter has may be an input's.
pub fn differentiate(forward: &Function, parameters: &[String]) -> Result<Function, AutodiffError> {
    let loss = the_loss(forward)?;
    let needed = tape::needed(forward, parameters);
    let mut tape = Tape::new(forward, needed);
    tape.build.set_origin(remark(forward, loss));
    if tape.needs(loss) {
        let one =
            tape.build.splat_like(loss, 1.0).map_err(|source| at(forward, loss, Fault::Infer(source)))?;
        tape.contribute(loss, one).map_err(|fault| at(forward, loss, fault))?;
    }
    let mut gradients: BTreeMap<&str, NodeId> = BTreeMap::new();
    for (id, node) in forward.nodes.iter().rev() {
        if !tape.is_reached(id) {
            continue;
        }
        tape.build.set_origin(remark(forward, id));
        let visit = tape.collect(id).and_then(|slots| match &node.op {
            Op::Parameter { name } | Op::Input { name } => {
                for gradient in slots.into_iter().flatten() {
                    let total = match gradients.get(name.as_str()) {
                        Some(&other) => tape.build.add(other, gradient)?,
                        None => gradient,
                    };
                    gradients.insert(name, total);
                }
                Ok(())
            }
            op => apply(&mut tape, op, id, &node.operands, &slots),
        });
        visit.map_err(|fault| at(forward, id, fault))?;
    }
    let missing: Vec<MissingGradient> = parameters
        .iter()
        .filter(|name| !gradients.contains_key(name.as_str()))
        .map(|name| explain(forward, loss, name))
        .collect();
    if !missing.is_empty() {
        return Err(AutodiffError::MissingGradients(missing));
    }
    let mut build: Builder = tape.build;
    for name in parameters {
        build.output(OutputRole::Gradient, name.clone(), gradients[name.as_str()]);
    }
    Ok(build.finish())
}

/// The origin of the gradient nodes of a node.
fn remark(forward: &Function, id: NodeId) -> Origin {
    let origin = &forward.nodes[id].origin;
    Origin { path: format!("d({})", origin.path), span: origin.span }
}

/// The value to differentiate: a scalar of a float type.
fn the_loss(forward: &Function) -> Result<NodeId, AutodiffError> {
    let mut losses = forward.outputs.iter().filter(|output| output.role == OutputRole::Loss);
    let (Some(loss), None) = (losses.next(), losses.next()) else {
        let count = forward.outputs.iter().filter(|output| output.role == OutputRole::Loss).count();
        return Err(AutodiffError::LossCount { function: forward.name.clone(), count });
    };
    let ty = &forward.nodes[loss.value].ty;
    match ty.tensor() {
        Some(tensor) if tensor.dtype.is_float() && tensor.shape.rank() == 0 => Ok(loss.value),
        _ => Err(AutodiffError::LossNotScalar { name: loss.name.clone(), ty: ty.to_string() }),
    }
}

/// Whether the derivative of `op` reaches its operand at `position`. Types are looked at elsewhere: a
/// path goes through floats only.
fn carries_gradient(op: &Op, position: usize) -> bool {
    match op {
        Op::Input { .. }
        | Op::Parameter { .. }
        | Op::State { .. }
        | Op::Constant(_)
        | Op::Iota { .. }
        | Op::Extent(_)
        | Op::Random { .. }
        | Op::Compare(_)
        | Op::ArgReduce { .. }
        | Op::WindowArgMax { .. }
        | Op::Unary(Unary::Sign | Unary::Floor | Unary::Ceil | Unary::Round | Unary::Not) => false,
        Op::ArgSort { .. } | Op::Bitcast(_) => false,
        Op::Select => position > 0,
        Op::Scatter { .. } => position != 1,
        Op::Gather { .. } | Op::GatherAlong { .. } | Op::WindowScatter { .. } => position == 0,
        Op::Unary(_)
        | Op::Binary(_)
        | Op::Cast(_)
        | Op::Broadcast { .. }
        | Op::Reshape
        | Op::Transpose { .. }
        | Op::Slice { .. }
        | Op::Pad { .. }
        | Op::Dilate { .. }
        | Op::Reverse { .. }
        | Op::Concat { .. }
        | Op::Reduce { .. }
        | Op::Cumulative { .. }
        | Op::Contract(_)
        | Op::Convolve(_)
        | Op::ReduceWindow { .. }
        | Op::BatchNorm { .. }
        | Op::Softmax { .. }
        | Op::LogSoftmax { .. }
        | Op::Project(_)
        | Op::Scan(_) => true,
    }
}

/// Runs the rule of one node: from the gradients of its results to contributions to its operands.
fn apply(tape: &mut Tape, op: &Op, node: NodeId, operands: &[NodeId], slots: &[Option<NodeId>]) -> Rule {
    if let Op::BatchNorm { axis, epsilon } = op {
        return composite::batch_norm(tape, node, operands, slots, *axis, *epsilon);
    }
    if let Op::Scan(inner) = op {
        return scan::scan(tape, node, inner, operands, slots);
    }
    let Some(&Some(gradient)) = slots.first() else {
        return Ok(());
    };
    match op {
        Op::Unary(function) => elementwise::unary(tape, *function, operands[0], node, gradient),
        Op::Binary(function) => {
            elementwise::binary(tape, *function, [operands[0], operands[1]], node, gradient)
        }
        Op::Select => elementwise::select(tape, operands, gradient),
        Op::Cast(_) => elementwise::cast(tape, operands[0], gradient),
        Op::Broadcast { axes } => movement::broadcast(tape, operands[0], axes, gradient),
        Op::Reshape => movement::reshape(tape, operands[0], gradient),
        Op::Transpose { permutation } => movement::transpose(tape, operands[0], permutation, gradient),
        Op::Slice { starts, strides, .. } => movement::slice(tape, operands[0], starts, strides, gradient),
        Op::Pad { low, .. } => movement::pad(tape, operands, low, gradient),
        Op::Dilate { factors } => movement::dilate(tape, operands[0], factors, gradient),
        Op::Reverse { axes } => movement::reverse(tape, operands[0], axes, gradient),
        Op::Concat { axis } => movement::concat(tape, operands, *axis, gradient),
        Op::Reduce { kind, axes } => reduction::reduce(tape, *kind, axes, operands[0], node, gradient),
        Op::Cumulative { kind, axis, reverse } => {
            reduction::cumulative(tape, *kind, operands[0], (*axis, *reverse), gradient)
        }
        Op::Contract(contraction) => contraction::contract(tape, contraction, operands, gradient),
        Op::Convolve(convolution) => convolution::convolve(tape, convolution, operands, gradient),
        Op::ReduceWindow { kind, window } => window::reduce(tape, *kind, window, operands[0], gradient),
        Op::WindowScatter { window } => window::scatter(tape, window, operands, gradient),
        Op::Gather { axis } => indexing::gather(tape, *axis, operands, gradient),
        Op::GatherAlong { axis } => indexing::gather_along(tape, *axis, operands, gradient),
        Op::Scatter { axis, kind } => indexing::scatter(tape, *axis, *kind, operands, gradient),
        Op::Softmax { axis } => composite::softmax(tape, operands[0], node, *axis, gradient),
        Op::LogSoftmax { axis } => composite::log_softmax(tape, operands[0], node, *axis, gradient),
        Op::Project(index) => tape.contribute_slot(operands[0], *index, gradient),
        Op::Scan(_)
        | Op::BatchNorm { .. }
        | Op::Input { .. }
        | Op::Parameter { .. }
        | Op::State { .. }
        | Op::Constant(_)
        | Op::Iota { .. }
        | Op::Extent(_)
        | Op::Random { .. }
        | Op::Compare(_)
        | Op::ArgReduce { .. }
        | Op::ArgSort { .. }
        | Op::Bitcast(_)
        | Op::WindowArgMax { .. } => Ok(()),
    }
}

/// The error of a rule at its node.
fn at(forward: &Function, id: NodeId, fault: Fault) -> AutodiffError {
    let node = &forward.nodes[id];
    let path = if node.origin.path.is_empty() { id.to_string() } else { node.origin.path.clone() };
    match fault {
        Fault::Infer(source) => AutodiffError::Rule { op: node.op.name(), path, source },
        Fault::Unsupported(reason) => AutodiffError::Unsupported { path, reason: reason.to_owned() },
        Fault::SecondDerivativeOfMaxPooling => AutodiffError::SecondDerivativeOfMaxPooling { path },
    }
}

/// Says why the loss has no gradient with respect to a parameter.
fn explain(forward: &Function, loss: NodeId, name: &str) -> MissingGradient {
    let node = forward.nodes.values().find(
        |node| matches!(&node.op, Op::Parameter { name: other } | Op::Input { name: other } if other == name),
    );
    let reason = match node {
        None => "is not read by the forward function".to_owned(),
        Some(_) => match tape::barrier(forward, loss, name) {
            None => "has no influence on the loss".to_owned(),
            Some(id) => {
                let barrier = &forward.nodes[id];
                let op = barrier.op.name();
                format!(
                    "reaches the loss only through {op} at `{}`, which has no derivative",
                    barrier.origin.path
                )
            }
        },
    };
    MissingGradient { parameter: name.to_owned(), reason, span: node.and_then(|node| node.origin.span) }
}
