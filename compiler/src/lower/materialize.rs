//! Which values get a buffer, and which are computed where they are used.
//!
//! Input: the prepared function. Output: for every node, whether it is stored. Reductions, contractions
//! and the like are stored; elementwise values and movements are computed inside the kernels that use
//! them, unless several kernels do and computing again would cost more than a pass over memory.
//!
//! The cost is counted in traffic: a value with `L` full-size stored operands that `U` kernels use
//! costs `U * L` reads when computed again, and `L` reads, one write (counted twice: a line is read
//! before it is written) and `U` reads when stored.

use super::prepare::{Prepared, is_movement};
use dlc_ir::{Effort, Function, NodeId, Op};
use dlc_types::{Dim, IndexVec, Shape};
use std::collections::BTreeSet;

/// Work of one element above which it is not computed twice, in operations.
const WORK_LIMIT: usize = 12;

#[derive(Clone, Debug, Default)]
struct Expression {
    /// Stored operands as large as the value.
    leaves: BTreeSet<NodeId>,
    /// Operations per element.
    work: usize,
}

/// For every node, whether it has a buffer.
pub(super) fn materialize(prepared: &Prepared) -> IndexVec<NodeId, bool> {
    let function = &prepared.function;
    let users = function.users();
    let mut stored: IndexVec<NodeId, bool> =
        function.nodes.indices().map(|node| must_be_stored(prepared, node)).collect();
    for output in &function.outputs {
        stored[output.value] = true;
    }
    for (id, node) in function.nodes.iter() {
        if let Some(words) = prepared.words.get(&id) {
            let sums = words.correction.as_ref().map(|correction| correction.sums);
            [words.packed, words.other].into_iter().chain(sums).for_each(|read| stored[read] = true);
            continue;
        }
        for (position, &operand) in node.operands.iter().enumerate() {
            if reads_stored_operand(&node.op, position) && !is_scalar_constant(function, operand) {
                stored[operand] = true;
            }
            let scanned = matches!(&node.op, Op::Scan(scan) if position >= scan.carries);
            if scanned || matches!(node.op, Op::Contract(_) | Op::Convolve(_)) {
                stored[prepared.base(operand)] = true;
            }
        }
    }
    let mut expressions: IndexVec<NodeId, Expression> =
        function.nodes.indices().map(|_| Expression::default()).collect();
    for node in function.nodes.indices() {
        // First, since what is stored costs its readers a load alone.
        for &operand in &function.nodes[node].operands {
            if repeats_work(function, node, operand, &stored, &expressions) {
                stored[operand] = true;
                expressions[operand] = Expression { leaves: BTreeSet::from([operand]), work: 0 };
            }
        }
        let expression = expression_of(function, node, &stored, &expressions);
        if !stored[node] && should_be_stored(prepared, node, &expression, users[node].len()) {
            stored[node] = true;
        }
        if stored[node] {
            let leaves = BTreeSet::from([node]);
            expressions[node] = Expression { leaves, work: 0 };
        } else {
            expressions[node] = expression;
        }
    }
    stored
}

fn must_be_stored(prepared: &Prepared, node: NodeId) -> bool {
    let op = &prepared.function.nodes[node].op;
    prepared.copies.contains_key(&node)
        || op.is_external()
        || matches!(op, Op::Constant(literal) if literal.ty.shape.rank() > 0)
        || op.is_collective()
        || matches!(op, Op::Scan(_) | Op::Project(_))
}

/// Whether an op addresses this operand at other places than its own element, so that it must lie in
/// memory.
fn reads_stored_operand(op: &Op, position: usize) -> bool {
    match op {
        Op::ReduceWindow { .. } | Op::WindowArgMax { .. } | Op::WindowScatter { .. } => true,
        Op::Pad { .. } | Op::Dilate { .. } | Op::Gather { .. } | Op::GatherAlong { .. } => position == 0,
        Op::Scatter { .. } => position > 0,
        Op::ArgSort { .. } => true,
        _ => false,
    }
}

fn is_scalar_constant(function: &Function, node: NodeId) -> bool {
    matches!(&function.nodes[node].op, Op::Constant(literal) if literal.ty.shape.rank() == 0)
}

fn expression_of(
    function: &Function,
    node: NodeId,
    stored: &IndexVec<NodeId, bool>,
    expressions: &IndexVec<NodeId, Expression>,
) -> Expression {
    let this = &function.nodes[node];
    let mut result = Expression { leaves: BTreeSet::new(), work: work_of(&this.op) };
    let Some(ty) = this.ty.tensor() else { return result };
    for &operand in &this.operands {
        let inner = &expressions[operand];
        result.work = result.work.saturating_add(inner.work);
        for &leaf in &inner.leaves {
            let size = function.nodes[leaf].ty.tensor().map(|ty| &ty.shape);
            if size.is_some_and(|size| !much_smaller(size, &ty.shape)) || !stored[leaf] {
                result.leaves.insert(leaf);
            }
        }
    }
    result
}

/// Whether a shape has less than a quarter of another's elements for a batch of a hundred.
fn much_smaller(shape: &Shape, than: &Shape) -> bool {
    let count =
        |shape: &Shape| shape.at(100).iter().fold(1_usize, |product, &size| product.saturating_mul(size));
    count(shape) < count(than) / 4
}

fn work_of(op: &Op) -> usize {
    match op {
        Op::Unary(function) => match function.effort() {
            Effort::Instruction => 1,
            Effort::Root => 4,
            Effort::Polynomial => 12,
            Effort::Formula => 24,
        },
        Op::Binary(dlc_ir::Binary::Divide) => 4,
        Op::Binary(dlc_ir::Binary::Power) => 24,
        Op::Binary(dlc_ir::Binary::Remainder) => 12,
        Op::Random { .. } => 40,
        Op::Gather { .. } | Op::GatherAlong { .. } => 8,
        op if is_movement(op) => 0,
        Op::Constant(_) | Op::Extent(_) => 0,
        _ => 1,
    }
}

fn should_be_stored(prepared: &Prepared, node: NodeId, expression: &Expression, users: usize) -> bool {
    let op = &prepared.function.nodes[node].op;
    if is_movement(op) || matches!(op, Op::Constant(_) | Op::Extent(_) | Op::Iota { .. }) || users <= 1 {
        return false;
    }
    let leaves = expression.leaves.len();
    expression.work > WORK_LIMIT || users * leaves > leaves + 2 + users
}

/// Whether a user would compute an operand many times over: the operand is repeated along new axes and
/// is more than a load.
fn repeats_work(
    function: &Function,
    node: NodeId,
    operand: NodeId,
    stored: &IndexVec<NodeId, bool>,
    expressions: &IndexVec<NodeId, Expression>,
) -> bool {
    if stored[operand] || !matches!(function.nodes[node].op, Op::Broadcast { .. } | Op::Reshape) {
        return false;
    }
    let (Some(from), Some(to)) = (function.nodes[operand].ty.tensor(), function.nodes[node].ty.tensor())
    else {
        return false;
    };
    let grows = from.shape.elements() != to.shape.elements() && to.shape.elements() != Some(Dim::Fixed(1));
    grows && expressions[operand].work > 0
}
