//! Groups values into the kernel of the contraction that they read: bias, normalisation by known statistics,
//! activation, residual addition, and sums per channel, such as the statistics of a batch-norm and both sums
//! of its gradient.
//!
//! Input: the prepared function and which of its values are stored. Output: [`Fusion`]s, and fewer stored
//! values. Stands behind `materialize`, whose choice of stored values it starts from.
//!
//! A stored elementwise value takes a contraction in when that contraction is read by its kernel alone, at
//! the same element, and nothing else wants to see it: then the sum of products never goes to memory. A sum
//! over all axes but the channels of what such a kernel stores, or of an expression of it and of values that
//! are ready by then, is taken there too: then what the kernel stores is not read again for it.
//!
//! The contraction must be of the kind that completes each sum of products in one go
//! ([`super::contraction`], plain or divided). Each phase of a convolution has a kernel with an epilogue of its
//! own; one with outputs that no tap reaches is left alone. Updates of parameters are not fused: they run last, and would keep the contraction's operands alive
//! until then.

use super::error::LowerError;
use super::expression::{Emitter, element};
use super::prepare::{Prepared, is_movement};
use super::roles::ScheduledDim;
use super::window::reaches_every_output;
use super::winograd::{Pass, plan_of};
use super::words::Correction;
use super::{Lowering, Place, is_persistent};
use dlc_ir::{NodeId, Op, Reduction};
use dlc_kernel::{Affine, Binary, BufferId, Epilogue, EpilogueSum, Operand, ScalarOp, Var};
use dlc_types::{DType, IndexVec};
use std::collections::{BTreeMap, BTreeSet};

/// Operations per element of sums that a kernel of tiles takes: it holds a whole tile in registers, and with
/// more of them it spends longer on moving values to and from the frame than a kernel apart takes to read them.
const MOST_WORK_ON_TILES: usize = 4;

/// The axis of channels of what a convolution computes.
pub(crate) const CHANNELS: usize = 1;

/// Values that the kernel of a contraction computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fusion {
    /// The contraction.
    pub(crate) source: NodeId,
    /// The value that is stored, the contraction itself or one made of it.
    pub(crate) root: NodeId,
    /// Sums per channel of expressions of the root.
    pub(crate) sums: Vec<NodeId>,
}

impl Fusion {
    /// A contraction that is stored as it is.
    pub(crate) fn none(source: NodeId) -> Fusion {
        Fusion { source, root: source, sums: Vec::new() }
    }

    /// The values that the kernel computes per element.
    pub(crate) fn expressions(&self, lowering: &Lowering<'_>) -> Vec<NodeId> {
        let sums = self.sums.iter().map(|&sum| lowering.node(sum).operands[0]);
        std::iter::once(self.root).chain(sums).collect()
    }

    /// Whether the kernel does no more than the contraction.
    pub(crate) fn is_plain(&self) -> bool {
        self.source == self.root && self.sums.is_empty()
    }
}

/// The fusions by their roots. Contractions that are not stored any more are struck off `stored`.
pub(crate) fn fuse(prepared: &Prepared, stored: &mut IndexVec<NodeId, bool>) -> BTreeMap<NodeId, Fusion> {
    let function = &prepared.function;
    let users = function.users();
    let mut kept_apart: BTreeSet<NodeId> =
        function.outputs.iter().filter(|output| is_persistent(output)).map(|output| output.value).collect();
    let updates = kept_apart.clone();
    let wanted: BTreeSet<NodeId> = function.outputs.iter().map(|output| output.value).collect();
    let mut fused = BTreeMap::new();
    for (id, node) in function.nodes.iter().rev() {
        let completes = match &node.op {
            Op::Contract(contraction) => contraction.contract.len() == 1,
            Op::Convolve(convolution) => {
                let gradient = plan_of(prepared, id).is_some_and(|plan| plan.pass == Pass::KernelGradient);
                !gradient
                    && function.tensor_type(node.operands[1]).shape[1].fixed().is_some()
                    && reaches_every_output(prepared, id, convolution)
            }
            _ => false,
        };
        if !completes || updates.contains(&id) {
            continue;
        }
        let mut fusion = Fusion::none(id);
        if !wanted.contains(&id)
            && let Some(root) = single_reader(prepared, &users, stored, id)
            && kept_apart.insert(root)
        {
            stored[id] = false;
            fusion.root = root;
        }
        if matches!(node.op, Op::Convolve(_)) {
            fusion.sums = sums_of(prepared, &users, stored, &updates, fusion.root);
            let work =
                |&sum: &NodeId| work_above(prepared, stored, fusion.root, function.nodes[sum].operands[0]);
            let work: usize = fusion.sums.iter().map(work).sum();
            if prepared.tiled.contains_key(&id) && work > MOST_WORK_ON_TILES {
                fusion.sums.clear();
            }
        }
        if !fusion.is_plain() {
            fused.insert(fusion.root, fusion);
        }
    }
    fused
}

/// Elementwise operations of an expression above a root.
fn work_above(
    prepared: &Prepared,
    stored: &IndexVec<NodeId, bool>,
    root: NodeId,
    expression: NodeId,
) -> usize {
    let mut work = 0;
    let mut pending = vec![expression];
    let mut seen = BTreeSet::new();
    while let Some(id) = pending.pop() {
        if id == root || !seen.insert(id) || stored[id] {
            continue;
        }
        let node = &prepared.function.nodes[id];
        work += usize::from(node.op.is_elementwise());
        pending.extend(&node.operands);
    }
    work
}

/// The stored value whose kernel is the only one that reads `id`, if all ways there are elementwise.
fn single_reader(
    prepared: &Prepared,
    users: &IndexVec<NodeId, Vec<NodeId>>,
    stored: &IndexVec<NodeId, bool>,
    id: NodeId,
) -> Option<NodeId> {
    let mut readers = BTreeSet::new();
    let mut pending: Vec<NodeId> = users[id].clone();
    while let Some(user) = pending.pop() {
        if !prepared.function.nodes[user].op.is_elementwise() {
            return None;
        }
        if stored[user] {
            readers.insert(user);
        } else {
            pending.extend(&users[user]);
        }
    }
    let reader = readers.first().copied().filter(|_| readers.len() == 1)?;
    let (own, read) = (prepared.function.tensor_type(id), prepared.function.tensor_type(reader));
    // A kernel that computes results whole may store them in another type; tiles are put together by loops.
    let converts = matches!(read.dtype, DType::I8 | DType::U8 | DType::I16 | DType::F32);
    let fits = own.dtype == read.dtype || converts && !prepared.tiled.contains_key(&id);
    (own.shape == read.shape && fits).then_some(reader)
}

/// The sums per channel of expressions of a root that its kernel can take.
fn sums_of(
    prepared: &Prepared,
    users: &IndexVec<NodeId, Vec<NodeId>>,
    stored: &IndexVec<NodeId, bool>,
    updates: &BTreeSet<NodeId>,
    root: NodeId,
) -> Vec<NodeId> {
    let function = &prepared.function;
    let ty = function.tensor_type(root);
    let others: Vec<usize> = (0..ty.shape.rank()).filter(|&axis| axis != CHANNELS).collect();
    let mut found: BTreeSet<NodeId> = BTreeSet::new();
    let mut pending: Vec<NodeId> = users[root].clone();
    let mut seen: BTreeSet<NodeId> = BTreeSet::new();
    while let Some(user) = pending.pop() {
        if !seen.insert(user) {
            continue;
        }
        match &function.nodes[user].op {
            Op::Reduce { kind: Reduction::Sum, axes } => {
                let operand = function.nodes[user].operands[0];
                if *axes == others && function.tensor_type(operand) == ty && !updates.contains(&user) {
                    found.insert(user);
                }
            }
            op if op.is_elementwise() && !stored[user] => pending.extend(&users[user]),
            _ => {}
        }
    }
    let candidates = found.clone();
    found.retain(|&sum| is_ready(prepared, stored, &candidates, root, function.nodes[sum].operands[0]));
    found.into_iter().collect()
}

/// Whether all that an expression of the root reads is computed before the root.
fn is_ready(
    prepared: &Prepared,
    stored: &IndexVec<NodeId, bool>,
    sums: &BTreeSet<NodeId>,
    root: NodeId,
    expression: NodeId,
) -> bool {
    let mut pending = vec![(expression, false)];
    let mut seen = BTreeSet::new();
    while let Some((id, moved)) = pending.pop() {
        if !seen.insert((id, moved)) {
            continue;
        }
        let node = &prepared.function.nodes[id];
        let fits = if id == root {
            !moved
        } else if stored[id] {
            node.op.is_external() || matches!(node.op, Op::Constant(_)) || id < root && !sums.contains(&id)
        } else {
            let moves = is_movement(&node.op);
            pending.extend(node.operands.iter().map(|&operand| (operand, moved || moves)));
            moves
                || node.op.is_elementwise()
                || matches!(node.op, Op::Constant(_) | Op::Extent(_) | Op::Iota { .. })
        };
        if !fits {
            return false;
        }
    }
    true
}

/// Computes what a fusion stores from its source's element, stores it, and returns the values to be summed.
/// The source's element must be bound in the emitter.
pub(crate) fn emit(
    emitter: &mut Emitter<'_, '_>,
    fusion: &Fusion,
    at: &[Affine],
) -> Result<Vec<Var>, LowerError> {
    let value = emitter.value(fusion.root, at)?;
    emitter.store(fusion.root, at, value)?;
    let lowering = emitter.lowering();
    let operands = fusion.sums.iter().map(|&sum| lowering.node(sum).operands[0]);
    operands.map(|operand| emitter.value(operand, at)).collect()
}

/// What a contraction kernel is made of beside its dimensions.
pub(crate) struct Parts {
    pub(crate) operands: Vec<Operand>,
    pub(crate) arguments: Vec<BufferId>,
    pub(crate) epilogue: Option<Epilogue>,
}

/// The operands of a contraction kernel and, for a fusion, the statements that make its values, beginning at
/// element `start` of the result, with the places of partial sums: one number per parallel coordinate that is
/// no channel, then channels.
pub(crate) fn parts(
    lowering: &Lowering<'_>,
    fusion: &Fusion,
    dims: &[ScheduledDim],
    start: &[i64],
    buffers: [BufferId; 3],
    partials: &[Place],
) -> Result<Parts, LowerError> {
    let dtype = lowering.ty(fusion.source).dtype;
    let words = lowering.prepared.words.get(&fusion.source);
    let mut emitter = Emitter::new(lowering, Some(fusion.root));
    let [lanes, rows] = words.map_or([dtype; 2], |words| [words.form.packed_type, words.form.other_type]);
    // A result in a type of its own is what the epilogue stores.
    let result = if fusion.is_plain() { dtype } else { lowering.ty(fusion.root).dtype };
    let names = [("lanes", lanes, false), ("rows", rows, false), ("result", result, true)];
    for (buffer, (name, dtype, writes)) in buffers.into_iter().zip(names) {
        emitter.nest.new_operand(buffer, name, dtype, writes);
    }
    let correction = words.and_then(|words| words.correction.as_ref());
    if fusion.is_plain() && correction.is_none() {
        let (operands, arguments, _) = emitter.nest.into_parts();
        return Ok(Parts { operands, arguments, epilogue: None });
    }
    emitter.recompute(&fusion.expressions(lowering), &[fusion.source]);
    let mut at: Vec<Affine> = start.iter().map(|&first| Affine::constant(first)).collect();
    at.resize(lowering.ty(fusion.root).shape.rank(), Affine::constant(0));
    let (mut coordinates, mut pieces) = (Vec::new(), Vec::new());
    for scheduled in dims {
        let var = emitter.nest.coordinate(scheduled.dim.extent);
        coordinates.push(var);
        if let Some((axis, distance)) = scheduled.along {
            at[axis].add_term(var, distance);
        }
        if scheduled.is_piece() {
            pieces.push(Affine::var(var));
        }
    }
    let value = match correction {
        None => emitter.bind(fusion.source, &at, dtype),
        Some(correction) => corrected(&mut emitter, fusion.source, correction, &at)?,
    };
    let values = emit(&mut emitter, fusion, &at)?;
    pieces.extend(at.get(CHANNELS).cloned());
    let sums = partials
        .iter()
        .zip(values)
        .map(|(place, value)| {
            let index = element(place.layout.origin, &place.layout.strides, &pieces);
            EpilogueSum { operand: emitter.nest.operand(place.buffer, "sums", dtype, true), index, value }
        })
        .collect();
    let (operands, arguments, statements) = emitter.nest.into_parts();
    Ok(Parts { operands, arguments, epilogue: Some(Epilogue { coordinates, value, statements, sums }) })
}

/// The sum of a kernel that turns bits, for which the corrected one stands from here on.
fn corrected(
    emitter: &mut Emitter<'_, '_>,
    source: NodeId,
    correction: &Correction,
    at: &[Affine],
) -> Result<Var, LowerError> {
    let value = emitter.nest.given(DType::I32);
    let place: Vec<Affine> = correction.axes.iter().map(|&axis| at[axis].clone()).collect();
    let sums = emitter.load(correction.sums, &place, None)?;
    let factor = emitter.nest.op(DType::I32, ScalarOp::Integer(correction.factor), &[]);
    let product = emitter.nest.op(DType::I32, ScalarOp::Binary(Binary::Multiply), &[sums, factor]);
    let whole = emitter.nest.op(DType::I32, ScalarOp::Binary(Binary::Add), &[value, product]);
    emitter.know(source, at, whole);
    Ok(value)
}

/// Whether sums over what a kernel stores can be taken in it: one element per lane, all rows at one point.
pub(crate) fn can_sum(dims: &[ScheduledDim], dtype: DType) -> bool {
    use dlc_kernel::Role;
    dtype == DType::F32
        && dims.iter().all(|scheduled| match scheduled.dim.role {
            Role::Lanes => scheduled.along == Some((CHANNELS, 1)),
            Role::Rows | Role::Sequential => {
                scheduled.dim.split.is_none() && scheduled.along.is_none_or(|(axis, _)| axis != CHANNELS)
            }
            Role::ReduceOuter => false,
            Role::Parallel | Role::Reduce => true,
        })
}
