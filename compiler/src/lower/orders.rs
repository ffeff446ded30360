//! Chooses the order of axes and the border of every stored value.
//!
//! Input: the prepared function and which of its values are stored. Output: an order and a halo per
//! value. Convolutions want channels innermost, kernels want output channels innermost; these wishes
//! spread through elementwise ops to values of the same shape, so that no reorder stands between
//! layers. Whatever has no wish is row-major. Inputs of the function are always row-major: that is the
//! contract with the caller. Rows of a contraction that would compete for one place of a cache get a border behind
//! them, too.

use super::layout::{channels_last, kernel_order};
use super::prepare::{Prepared, base_axis, blocked_kernel};
use super::window::convolution_reach;
use super::winograd::{self, plan_of};
use super::words::Words;
use dlc_ir::{NodeId, Op, Type};
use dlc_types::{Dim, IndexVec};
use std::collections::BTreeMap;

/// Orders of parameters and states by name, shared by all functions of a model.
pub type PersistentOrders = BTreeMap<String, Vec<usize>>;

/// The wish of every value for an order of its axes.
pub(super) fn wished_orders(
    prepared: &Prepared,
    fixed: &PersistentOrders,
) -> IndexVec<NodeId, Option<Vec<usize>>> {
    let function = &prepared.function;
    let mut orders: IndexVec<NodeId, Option<Vec<usize>>> = function.nodes.indices().map(|_| None).collect();
    for (id, node) in function.nodes.iter() {
        match &node.op {
            Op::Input { .. } => orders[id] = plain(prepared, id),
            Op::Parameter { name } | Op::State { name } => orders[id] = fixed.get(name).cloned(),
            _ => {}
        }
    }
    for (id, node) in function.nodes.iter() {
        seed_orders(prepared, id, &node.op, &node.operands, &mut orders);
    }
    for _ in 0..3 {
        for id in function.nodes.indices() {
            spread_forward(prepared, id, &mut orders);
        }
        for id in function.nodes.indices().rev() {
            spread_backward(prepared, id, &mut orders);
        }
    }
    orders
}

fn plain(prepared: &Prepared, node: NodeId) -> Option<Vec<usize>> {
    rank(prepared, node).map(|rank| (0..rank).collect())
}

fn rank(prepared: &Prepared, node: NodeId) -> Option<usize> {
    prepared.function.nodes[node].ty.tensor().map(|ty| ty.shape.rank())
}

fn seed_orders(
    prepared: &Prepared,
    id: NodeId,
    op: &Op,
    operands: &[NodeId],
    orders: &mut IndexVec<NodeId, Option<Vec<usize>>>,
) {
    let mut wish = |node: NodeId, order: Vec<usize>| {
        if orders[node].is_none() {
            orders[node] = Some(order);
        }
    };
    match op {
        Op::Convolve(_) if prepared.words.contains_key(&id) => {
            wish(id, channels_last(rank(prepared, id).unwrap_or_default()));
        }
        Op::Convolve(_) => {
            let Some(rank) = rank(prepared, id) else { return };
            if prepared.is_base(operands[0]) {
                wish(operands[0], channels_last(rank));
            }
            let blocked = blocked_kernel(prepared, operands[1]);
            let weights = blocked.map_or(operands[1], |copy| prepared.function.nodes[copy].operands[0]);
            let plain_kernel = match plan_of(prepared, id) {
                Some(plan) => plan.pass == winograd::Pass::Forward,
                None => blocked.is_some() || prepared.is_base(weights),
            };
            if prepared.is_base(weights) {
                wish(weights, kernel_order(rank));
            }
            // The gradient of a kernel has taps for space and is used beside the kernel.
            let result = if plain_kernel { channels_last(rank) } else { (2..rank).chain([0, 1]).collect() };
            wish(id, result);
        }
        Op::ReduceWindow { window, .. } | Op::WindowArgMax { window } | Op::WindowScatter { window }
            if window.sizes.len() > 2 && window.sizes[..2] == [1, 1] =>
        {
            wish(id, channels_last(window.sizes.len()));
            wish(operands[0], channels_last(window.sizes.len()));
        }
        _ => {
            if let Some(Some(order)) = prepared.copies.get(&id) {
                wish(id, order.clone());
            }
        }
    }
}

/// Takes the order of an operand of the same shape, or its permuted order.
fn spread_forward(prepared: &Prepared, id: NodeId, orders: &mut IndexVec<NodeId, Option<Vec<usize>>>) {
    if orders[id].is_some() {
        return;
    }
    let node = &prepared.function.nodes[id];
    for &operand in &node.operands {
        let Some(order) = orders[operand].clone() else { continue };
        if let Op::Transpose { permutation } = &node.op {
            let inverse: Option<Vec<usize>> =
                order.iter().map(|&axis| permutation.iter().position(|&source| source == axis)).collect();
            orders[id] = inverse;
            return;
        }
        let external_input = matches!(prepared.function.nodes[operand].op, Op::Input { .. });
        if !external_input && keeps_axes(prepared, id, operand) {
            orders[id] = Some(order);
            return;
        }
    }
}

fn spread_backward(prepared: &Prepared, id: NodeId, orders: &mut IndexVec<NodeId, Option<Vec<usize>>>) {
    let Some(order) = orders[id].clone() else { return };
    if prepared.copies.get(&id).is_some_and(Option::is_some) {
        // The copy is there because others want the operand as it is.
        return;
    }
    let node = &prepared.function.nodes[id];
    for &operand in &node.operands {
        if orders[operand].is_some() {
            continue;
        }
        if let Op::Transpose { permutation } = &node.op {
            orders[operand] = Some(order.iter().map(|&axis| permutation[axis]).collect());
        } else if keeps_axes(prepared, id, operand) {
            orders[operand] = Some(order.clone());
        }
    }
}

/// Whether axis `i` of the operand runs along axis `i` of the result.
fn keeps_axes(prepared: &Prepared, id: NodeId, operand: NodeId) -> bool {
    let function = &prepared.function;
    let (Type::Tensor(from), Type::Tensor(to)) = (&function.nodes[operand].ty, &function.nodes[id].ty) else {
        return false;
    };
    let op = &function.nodes[id].op;
    let same_rank = from.shape.rank() == to.shape.rank() && from.shape.rank() > 0;
    let by_place = op.is_elementwise()
        || matches!(op, Op::Slice { .. } | Op::Pad { .. } | Op::Dilate { .. } | Op::Reverse { .. })
        || matches!(op, Op::Concat { .. } | Op::Cumulative { .. });
    same_rank && (by_place || (matches!(op, Op::Reshape) && from.shape == to.shape))
}

/// Distance of rows at which all of them fall to one place of a first cache: a kernel that reads several rows at
/// once would keep none of them.
const PAGE: usize = 4096;
/// Bytes that rows are moved apart by: a cache line.
const LINE: usize = 64;
/// Rows that a kernel reads at once, about.
const ROWS: usize = 8;

/// A border behind the rows of a contraction's left operand that would all fall to one place of a cache.
fn keep_rows_apart(
    prepared: &Prepared,
    operand: NodeId,
    contraction: &dlc_ir::Contraction,
    halos: &mut BTreeMap<NodeId, Vec<(usize, usize)>>,
) {
    let base = prepared.base(operand);
    let base_op = &prepared.function.nodes[base].op;
    let (Some(ty), Some(rank)) = (prepared.function.nodes[operand].ty.tensor(), rank(prepared, base)) else {
        return;
    };
    let Some(last) = ty.shape.rank().checked_sub(1).filter(|_| prepared.threads.have_caches()) else {
        return;
    };
    let summed = contraction.contract.iter().any(|pair| pair.0 == last);
    let rows = ty.shape.rank().checked_sub(2).map_or(Dim::Fixed(1), |axis| ty.shape[axis]);
    let bytes = ty.shape[last].fixed().map_or(1, |length| length * ty.dtype.size());
    let plain =
        !base_op.is_external() && !matches!(base_op, Op::Constant(_)) && !prepared.copies.contains_key(&base);
    let many = rows.fixed().is_none_or(|rows| rows >= ROWS);
    if summed
        && plain
        && many
        && bytes.is_multiple_of(PAGE)
        && base_axis(prepared, operand, last) == Some(rank - 1)
    {
        let halo = halos.entry(base).or_insert_with(|| vec![(0, 0); rank]);
        halo[rank - 1].1 = halo[rank - 1].1.max(LINE / ty.dtype.size());
    }
}

/// A border that fills the last word along the summed axis of a factor.
fn fill_words(prepared: &Prepared, words: &Words, halos: &mut BTreeMap<NodeId, Vec<(usize, usize)>>) {
    let shape = &prepared.function.tensor_type(words.other).shape;
    let axis = words.form.summed.1;
    let length = shape[axis].at(1);
    let added = length.next_multiple_of(words.form.parts()) - length;
    if added > 0 {
        let halo = halos.entry(words.other).or_insert_with(|| vec![(0, 0); shape.rank()]);
        halo[axis].1 = halo[axis].1.max(added);
    }
}

/// The border of every value: the greatest that any convolution reading it asks for.
pub(super) fn halos(prepared: &Prepared) -> BTreeMap<NodeId, Vec<(usize, usize)>> {
    let mut halos: BTreeMap<NodeId, Vec<(usize, usize)>> = BTreeMap::new();
    for (id, node) in prepared.function.nodes.iter() {
        let in_words = prepared.words.get(&id);
        if let Some(words) = in_words {
            fill_words(prepared, words, &mut halos);
        } else if let Op::Contract(contraction) = &node.op {
            keep_rows_apart(prepared, node.operands[0], contraction, &mut halos);
        }
        let Op::Convolve(convolution) = &node.op else { continue };
        let input = in_words.map_or(node.operands[0], |words| words.other);
        let base = prepared.base(input);
        let Some(rank) = rank(prepared, base) else { continue };
        let reach = match plan_of(prepared, id) {
            Some(plan) => vec![plan.reach(0), plan.reach(1)],
            None => convolution_reach(prepared, id, convolution),
        };
        let halo = halos.entry(base).or_insert_with(|| vec![(0, 0); rank]);
        for (spatial, &(low, high)) in reach.iter().enumerate() {
            if let Some(axis) = base_axis(prepared, input, spatial + 2) {
                halo[axis] = (halo[axis].0.max(low), halo[axis].1.max(high));
            }
        }
    }
    halos
}
