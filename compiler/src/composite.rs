//! Expansion of composite ops into primitive ones, behind autodiff and before rewriting and lowering.
//!
//! The forms are chosen for lowering: numbers per channel or per row are combined before they are repeated,
//! so that little is left to do per element, and every sum is taken over centred or shifted values.

use dlc_ir::{Builder, Function, InferError, NodeId, Op, Reduction, Type, Unary};
use dlc_types::IndexVec;
use thiserror::Error;

/// A composite op whose expansion cannot be built: a bug in dlc.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("the expansion of `{path}` does not fit: {source}; this is a bug in dlc")]
pub struct CompositeError {
    /// Origin of the node.
    pub path: String,
    /// The shape rule that was broken.
    pub source: InferError,
}

/// The same function without composite ops and without their tuples.
pub fn expand_composites(function: &Function) -> Result<Function, CompositeError> {
    let mut build = Builder::new(function.name.clone());
    let mut moved: IndexVec<NodeId, Vec<NodeId>> = IndexVec::new();
    for node in function.nodes.values() {
        build.set_origin(node.origin.clone());
        let operands: Vec<NodeId> = node.operands.iter().map(|&operand| moved[operand][0]).collect();
        let results = match &node.op {
            Op::BatchNorm { axis, epsilon } => batch_norm(&mut build, &operands, *axis, *epsilon),
            Op::Softmax { axis } => softmax(&mut build, operands[0], *axis).map(|value| vec![value]),
            Op::LogSoftmax { axis } => log_softmax(&mut build, operands[0], *axis).map(|value| vec![value]),
            Op::Project(index) => Ok(vec![moved[node.operands[0]][*index]]),
            op => match &node.ty {
                Type::Tensor(ty) => build.declare(op.clone(), &operands, ty.clone()),
                Type::Tuple(_) => build.add_node(op.clone(), &operands),
            }
            .map(|value| vec![value]),
        };
        let path = || node.origin.path.clone();
        moved.push(results.map_err(|source| CompositeError { path: path(), source })?);
    }
    for output in &function.outputs {
        build.output(output.role, output.name.clone(), moved[output.value][0]);
    }
    Ok(build.finish())
}

/// Two passes: the mean, then the mean of squared centred values (the difference of mean square and
/// squared mean loses all digits where the mean is large). Results: y, mean, variance.
fn batch_norm(
    b: &mut Builder,
    operands: &[NodeId],
    axis: usize,
    epsilon: f64,
) -> Result<Vec<NodeId>, InferError> {
    let (x, scale, shift) = (operands[0], operands[1], operands[2]);
    let shape = b.shape(x).clone();
    let others: Vec<usize> = (0..shape.rank()).filter(|&other| other != axis).collect();
    let mean = b.mean(x, &others)?;
    let wide_mean = b.broadcast_along(mean, shape.clone(), axis)?;
    let centred = b.sub(x, wide_mean)?;
    let square = b.mul(centred, centred)?;
    let variance = b.mean(square, &others)?;
    let stable = b.shift(variance, epsilon)?;
    let reciprocal = b.unary(Unary::ReciprocalSqrt, stable)?;
    let factor = b.mul(reciprocal, scale)?;
    let factor = b.broadcast_along(factor, shape.clone(), axis)?;
    let shift = b.broadcast_along(shift, shape, axis)?;
    let scaled = b.mul(centred, factor)?;
    let y = b.add(scaled, shift)?;
    Ok(vec![y, mean, variance])
}

/// `x - max(x)` along an axis.
fn below_max(b: &mut Builder, x: NodeId, axis: usize) -> Result<NodeId, InferError> {
    let shape = b.shape(x).clone();
    let max = b.reduce(Reduction::Max, x, &[axis])?;
    let max = b.broadcast_reduced(max, shape, &[axis])?;
    b.sub(x, max)
}

fn softmax(b: &mut Builder, x: NodeId, axis: usize) -> Result<NodeId, InferError> {
    let shape = b.shape(x).clone();
    let shifted = below_max(b, x, axis)?;
    let exponential = b.unary(Unary::Exp, shifted)?;
    let total = b.sum(exponential, &[axis])?;
    let one = b.splat_like(total, 1.0)?;
    let reciprocal = b.div(one, total)?;
    let reciprocal = b.broadcast_reduced(reciprocal, shape, &[axis])?;
    b.mul(exponential, reciprocal)
}

fn log_softmax(b: &mut Builder, x: NodeId, axis: usize) -> Result<NodeId, InferError> {
    let shape = b.shape(x).clone();
    let shifted = below_max(b, x, axis)?;
    let exponential = b.unary(Unary::Exp, shifted)?;
    let total = b.sum(exponential, &[axis])?;
    let log = b.unary(Unary::Log, total)?;
    let log = b.broadcast_reduced(log, shape, &[axis])?;
    b.sub(shifted, log)
}
