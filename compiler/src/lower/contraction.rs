//! Kernels of contractions: a [`Product`] whose axes have roles ([`super::roles`]), with what is fused to it in the
//! epilogue, and behind it the kernels that add copies of its result and finish its sums.

use super::elementwise::temporary;
use super::error::LowerError;
use super::fuse::{self, Fusion};
use super::partials::{Partials, combine_pieces, combine_sums};
use super::prepare::blocked_kernel;
use super::product::{Axis, Product, in_blocks};
use super::reduction::lower_reduce;
use super::roles::{Demands, Roles, ScheduledDim, roles};
use super::view::{View, view_of};
use super::words::contraction_product;
use super::{Lowering, Place};
use dlc_ir::{NodeId, Op, Reduction};
use dlc_kernel::{Body, Contraction, Kernel, Tap};
use dlc_types::{DType, Dim, Shape};

/// The view of an operand of a contraction.
pub(crate) fn operand_view(lowering: &Lowering<'_>, id: NodeId) -> Result<View, LowerError> {
    // A view on the way may have a buffer too, as an output of the function say; order and border were
    // chosen for the base.
    let layout_of = |node: NodeId| {
        let base = lowering.prepared.is_base(node) && lowering.stored[node];
        base.then(|| lowering.places[node].as_ref().map(|place| &place.layout)).flatten()
    };
    view_of(lowering.function(), id, &layout_of)
        .ok_or_else(|| LowerError::Internal(format!("operand {id} of a contraction has no view")))
}

/// Lowers a `contract` with what is fused to it.
pub(crate) fn lower_contract(
    lowering: &mut Lowering<'_>,
    fusion: &Fusion,
    contraction: &dlc_ir::Contraction,
) -> Result<(), LowerError> {
    let id = fusion.source;
    if let Some(words) = lowering.prepared.words.get(&id) {
        let product = contraction_product(lowering, fusion, words, contraction)?;
        let name = lowering.kernel_name(id, "contract");
        return lower_product(lowering, fusion, product, name).map(drop);
    }
    let [left, right] = lowering.node(id).operands[..] else {
        return Err(LowerError::Internal("contract takes two operands".to_owned()));
    };
    let blocked = blocked_kernel(lowering.prepared, right);
    let (left_view, mut right_view) =
        (operand_view(lowering, left)?, operand_view(lowering, blocked.unwrap_or(right))?);
    let free_of_right = |axis: usize| !contraction.contract.iter().any(|pair| pair.1 == axis);
    // Of a right operand in blocks, which has one free axis, that one counts blocks; the axis behind runs in one.
    let block = blocked.and_then(|copy| {
        let axis = (0..lowering.ty(right).shape.rank()).find(|&axis| free_of_right(axis))?;
        Some((lowering.ty(copy).shape[axis + 1].fixed()?, right_view.strides.remove(axis + 1)))
    });
    let (left_shape, right_shape) = (lowering.ty(left).shape.clone(), lowering.ty(right).shape.clone());
    let place = lowering.place(fusion.root)?.clone();
    let mut axes = Vec::new();
    let mut kept = |name: &'static str, extent: Dim, lanes: i64, rows: i64| {
        let axis = axes.len();
        let strides = [lanes, rows, place.layout.strides.get(axis).copied().unwrap_or(0)];
        axes.push(Axis::kept(name, extent, strides, (axis, 1)));
    };
    for &(l, r) in &contraction.batch {
        kept("batch", left_shape[l], right_view.strides[r], left_view.strides[l]);
    }
    for l in 0..left_shape.rank() {
        if !contraction.batch.iter().chain(&contraction.contract).any(|pair| pair.0 == l) {
            kept("m", left_shape[l], 0, left_view.strides[l]);
        }
    }
    for r in 0..right_shape.rank() {
        if !contraction.batch.iter().chain(&contraction.contract).any(|pair| pair.1 == r) {
            kept("n", right_shape[r], right_view.strides[r], 0);
        }
    }
    if let (Some((size, stride)), Some(columns)) = (block, axes.last().cloned()) {
        axes.pop();
        axes.extend(in_blocks(columns, size, stride));
    }
    for &(l, r) in &contraction.contract {
        let strides = [right_view.strides[r], left_view.strides[l], 0];
        axes.push(Axis::summed("k", left_shape[l], strides));
    }
    let product = Product {
        axes,
        offsets: [right_view.offset, left_view.offset, place.layout.origin],
        taps: vec![Tap { lanes: 0, rows: 0 }],
        operands: [lowering.place(right_view.base)?.buffer, lowering.place(left_view.base)?.buffer],
        start: Vec::new(),
        may_split: true,
        target: None,
        adds: false,
    };
    let name = lowering.kernel_name(id, "contract");
    lower_product(lowering, fusion, product, name).map(drop)
}

/// Schedules a product into one kernel, and a second one that adds copies of the result. What is fused to the
/// contraction is computed in the kernel's epilogue, sums in pieces that are left to combine; `None` where
/// the kernel cannot take the sums.
pub(crate) fn lower_product(
    lowering: &mut Lowering<'_>,
    fusion: &Fusion,
    mut product: Product,
    name: String,
) -> Result<Option<Partials>, LowerError> {
    let (id, stored) = (fusion.source, fusion.root);
    let dtype = lowering.ty(id).dtype;
    let words = lowering.prepared.words.get(&id);
    if !matches!(dtype, DType::F32 | DType::F64) && words.is_none() {
        return Err(lowering.unsupported(id, format!("a contraction of {dtype}")));
    }
    let target = match product.target.take() {
        Some(target) => target,
        None => lowering.place(stored)?.clone(),
    };
    let turns_rows = words.is_some_and(|words| words.form.turns);
    let demands = Demands {
        fused: !fusion.is_plain(),
        sums: !fusion.sums.is_empty(),
        words: words.is_some(),
        turns_rows,
        dtype,
        elements: target.layout.elements,
        options: lowering.options,
    };
    let Roles { dims, tile, pieces } = roles(&mut product, &demands);
    let mut offsets = product.offsets;
    let mut result = target.buffer;
    let partial = match pieces {
        None => None,
        Some(pieces) => {
            let place = copies_of(lowering, id, &target, pieces, dtype, &name)?;
            offsets[2] = 0;
            result = place.buffer;
            Some((place, pieces))
        }
    };
    let [first, second] = product.operands;
    let apart = !fusion.sums.is_empty() && !fuse::can_sum(&dims, dtype);
    let within = if apart { &Fusion { sums: Vec::new(), ..fusion.clone() } } else { fusion };
    let partials = partial_sums(lowering, within, &dims, &name)?;
    let mut parts =
        fuse::parts(lowering, within, &dims, &product.start, [first, second, result], &partials.places)?;
    if let Some(result) = parts.operands.get_mut(2).filter(|_| product.adds) {
        result.reads = true;
    }
    let contraction = Contraction {
        dims: dims.into_iter().map(|scheduled| scheduled.dim).collect(),
        offsets,
        taps: product.taps,
        accumulate: product.adds,
        turns_rows,
        tile,
        epilogue: parts.epilogue,
    };
    let space = contraction.space();
    let body = Body::Contraction(contraction);
    let kernel = Kernel { name: name.clone(), operands: parts.operands, space, body };
    lowering.launch(stored, kernel, parts.arguments);
    if let Some((partial, pieces)) = partial {
        combine_pieces(lowering, id, Reduction::Sum, &partial, pieces, &target, format!("{name}.combine"))?;
    }
    Ok((!apart).then_some(partials))
}

/// The kernels that finish the sums of a fusion, from the partial sums of each of its kernels.
pub(crate) fn lower_sums(
    lowering: &mut Lowering<'_>,
    fusion: &Fusion,
    partials: Option<Vec<Partials>>,
    name: String,
) -> Result<(), LowerError> {
    if fusion.sums.is_empty() {
        return Ok(());
    }
    match partials {
        Some(partials) => combine_sums(lowering, &fusion.sums, &partials, name),
        None => lower_sums_apart(lowering, fusion),
    }
}

/// A place for the partial sums of each sum of a fusion.
fn partial_sums(
    lowering: &mut Lowering<'_>,
    fusion: &Fusion,
    dims: &[ScheduledDim],
    name: &str,
) -> Result<Partials, LowerError> {
    let pieces = dims.iter().filter(|scheduled| scheduled.is_piece()).map(|scheduled| scheduled.dim.extent);
    let mut shape = Shape(pieces.collect());
    shape.0.extend(lowering.ty(fusion.root).shape.dims().get(fuse::CHANNELS));
    let order: Vec<usize> = (0..shape.rank()).collect();
    let dtype = lowering.ty(fusion.root).dtype;
    let mut places = Vec::new();
    for _ in &fusion.sums {
        places.push(temporary(lowering, &format!("{name}.sums"), dtype, &shape, order.clone())?);
    }
    Ok(Partials { shape, places, kept: 1 })
}

/// The sums of a fusion that its kernel cannot take.
fn lower_sums_apart(lowering: &mut Lowering<'_>, fusion: &Fusion) -> Result<(), LowerError> {
    let axes = match lowering.node(fusion.sums[0]).op.clone() {
        Op::Reduce { axes, .. } => axes,
        other => return Err(LowerError::Internal(format!("{} is no sum", other.name()))),
    };
    lower_reduce(lowering, &fusion.sums, Reduction::Sum, &axes)
}

/// A buffer for `pieces` copies of a result without border, one after the other.
fn copies_of(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    target: &Place,
    pieces: usize,
    dtype: DType,
    name: &str,
) -> Result<Place, LowerError> {
    let mut dims = vec![Dim::Fixed(pieces)];
    dims.extend_from_slice(lowering.ty(id).shape.dims());
    let order = std::iter::once(0).chain(target.layout.order.iter().map(|&axis| axis + 1)).collect();
    temporary(lowering, &format!("{name}.pieces"), dtype, &Shape(dims), order)
}
