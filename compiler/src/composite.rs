//! Expansion of composite ops into primitive ones, behind autodiff and before rewriting and lowering.
//!
//! The forms are chosen for lowering: numbers per channel or per row are combined before they are repeated,
//! so that little is left to do per element, and every sum is taken over centred or shifted values.

use dlc_ir::{Builder, Function, InferError, NodeId, Op, Reduction, Scan, Type, Unary};
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

/// How the statistics of a batch-norm are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistics {
    /// The mean first, then the mean square of centred values: two passes over the values.
    Centred,
    /// The mean and the mean square of values less the running mean, where there is one: one pass, which
    /// the kernel that computes the values can take.
    Shifted,
}

/// The same function without composite ops and without their tuples; those of scans stay.
pub fn expand_composites(function: &Function, statistics: Statistics) -> Result<Function, CompositeError> {
    let users = function.users();
    let mut build = Builder::new(function.name.clone());
    let mut moved: IndexVec<NodeId, Vec<NodeId>> = IndexVec::new();
    for (id, node) in function.nodes.iter() {
        build.set_origin(node.origin.clone());
        let operands: Vec<NodeId> = node.operands.iter().map(|&operand| moved[operand][0]).collect();
        let results = match &node.op {
            Op::BatchNorm { axis, epsilon } => {
                let running =
                    running_mean(function, &users, id).filter(|_| statistics == Statistics::Shifted);
                let near = running.map(|state| moved[state][0]);
                batch_norm(&mut build, &operands, near, *axis, *epsilon)
            }
            Op::Softmax { axis } => softmax(&mut build, operands[0], *axis).map(|value| vec![value]),
            Op::LogSoftmax { axis } => log_softmax(&mut build, operands[0], *axis).map(|value| vec![value]),
            Op::Project(index) if moved[node.operands[0]].len() > 1 => {
                Ok(vec![moved[node.operands[0]][*index]])
            }
            Op::Scan(scan) => {
                let body = expand_composites(&scan.body, statistics)?;
                let scan = Scan { body, ..scan.as_ref().clone() };
                build.add_node(Op::Scan(Box::new(scan)), &operands).map(|value| vec![value])
            }
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

/// The running mean that a batch-norm's mean is mixed into, if there is one and it is known by then.
fn running_mean(
    function: &Function,
    users: &IndexVec<NodeId, Vec<NodeId>>,
    batch_norm: NodeId,
) -> Option<NodeId> {
    let is_mean = |id: &&NodeId| matches!(function.nodes[**id].op, Op::Project(1));
    let mean = *users[batch_norm].iter().find(is_mean)?;
    let is_running = |id: NodeId| {
        matches!(function.nodes[id].op, Op::State { .. })
            && function.nodes[id].ty == function.nodes[mean].ty
            && id < batch_norm
    };
    // A mix is a sum of products: the old mean is two steps away from the new one's product.
    let mut reached = vec![mean];
    for _ in 0..2 {
        reached = reached.iter().flat_map(|&id| users[id].iter().copied()).collect();
        reached.retain(|&id| function.nodes[id].op.is_elementwise());
        for &id in &reached {
            let operands = function.nodes[id].operands.iter();
            let near =
                operands.flat_map(|&operand| [&[operand][..], &function.nodes[operand].operands].concat());
            if let Some(running) = near.into_iter().find(|&id| is_running(id)) {
                return Some(running);
            }
        }
    }
    None
}

/// Results: y, mean, variance. The difference of mean square and squared mean loses all digits where the mean
/// is large, so values are taken less their mean, or less a number near to it: the shifted-data algorithm of
/// Chan, Golub and LeVeque, "Algorithms for Computing the Sample Variance", 1983.
fn batch_norm(
    b: &mut Builder,
    operands: &[NodeId],
    near: Option<NodeId>,
    axis: usize,
    epsilon: f64,
) -> Result<Vec<NodeId>, InferError> {
    let (x, scale, shift) = (operands[0], operands[1], operands[2]);
    let shape = b.shape(x).clone();
    let others: Vec<usize> = (0..shape.rank()).filter(|&other| other != axis).collect();
    let centred_by = |b: &mut Builder, number: NodeId| {
        let wide = b.broadcast_along(number, shape.clone(), axis)?;
        b.sub(x, wide)
    };
    let (mean, variance, centred) = if let Some(near) = near {
        let shifted = centred_by(b, near)?;
        let square = b.mul(shifted, shifted)?;
        let (off, mean_square) = (b.mean(shifted, &others)?, b.mean(square, &others)?);
        let mean = b.add(near, off)?;
        let square_of_mean = b.mul(off, off)?;
        let variance = b.sub(mean_square, square_of_mean)?;
        let variance = b.unary(Unary::Relu, variance)?;
        let centred = centred_by(b, mean)?;
        (mean, variance, centred)
    } else {
        let mean = b.mean(x, &others)?;
        let centred = centred_by(b, mean)?;
        let square = b.mul(centred, centred)?;
        (mean, b.mean(square, &others)?, centred)
    };
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
