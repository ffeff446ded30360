//! The axes of products of words. Strides and offsets of the factors count words.

use super::Words;
use crate::lower::convolution::InputView;
use crate::lower::error::LowerError;
use crate::lower::fuse::Fusion;
use crate::lower::layout::Layout;
use crate::lower::product::{Axis, Product};
use crate::lower::view::View;
use crate::lower::{Lowering, Place};
use dlc_ir::{Contraction, NodeId};
use dlc_kernel::{BufferId, Tap};
use dlc_types::Dim;

/// A layout in words of so many parts: offset and strides.
struct InWords {
    buffer: BufferId,
    offset: i64,
    strides: Vec<i64>,
}

/// The place of a factor in words; along `whole`, whose neighbours are parts, the stride is that of words.
fn in_words(lowering: &Lowering<'_>, id: NodeId, whole: usize, parts: usize) -> Result<InWords, LowerError> {
    let Place { buffer, layout } = lowering.place(id)?;
    let shape = &lowering.ty(id).shape;
    let parts = parts as i64;
    let Layout { strides, origin, .. } = layout;
    let divides = |axis: usize| shape[axis] == Dim::Fixed(1) || strides[axis] % parts == 0;
    let aligned = (0..shape.rank()).all(|axis| axis == whole || divides(axis)) && origin % parts == 0;
    if !aligned || strides[whole] != 1 {
        return Err(LowerError::Internal(format!("{id} does not lie in whole words")));
    }
    let mut words: Vec<i64> = strides.iter().map(|stride| stride / parts).collect();
    words[whole] = 1;
    Ok(InWords { buffer: *buffer, offset: origin / parts, strides: words })
}

/// The packed factor: strides by the axes of what was packed, in a block for its columns, and between blocks.
struct Packed {
    buffer: BufferId,
    offset: i64,
    strides: Vec<i64>,
    block: i64,
}

fn packed(lowering: &Lowering<'_>, words: &Words) -> Result<Packed, LowerError> {
    let outer = words.outer.len();
    let own = in_words(lowering, words.packed, outer + 3, words.form.parts())?;
    let mut strides = vec![0; outer + 2];
    for (position, &axis) in words.outer.iter().enumerate() {
        strides[axis] = own.strides[position];
    }
    strides[words.form.columns] = own.strides[outer + 1];
    strides[words.form.summed.0] = own.strides[outer + 2];
    Ok(Packed { buffer: own.buffer, offset: own.offset, strides, block: own.strides[outer] })
}

/// What a convolution reads: its input, its kernel, the blocks of the kernel's columns.
pub(crate) struct Sources {
    pub(crate) input: InputView,
    pub(crate) kernel: View,
    /// Columns of a block and the stride between blocks.
    pub(crate) block: Option<(Dim, i64)>,
    /// Stride of the kernel between groups.
    pub(crate) group: i64,
    /// Length of the summed axis.
    pub(crate) channels: Dim,
}

/// The sources of a convolution in words.
pub(crate) fn convolution_sources(
    lowering: &Lowering<'_>,
    words: &Words,
    outputs: usize,
) -> Result<Sources, LowerError> {
    let own = in_words(lowering, words.other, 1, words.form.parts())?;
    let Packed { offset, strides, block, .. } = packed(lowering, words)?;
    let view = View { base: words.other, offset: own.offset, strides: own.strides };
    Ok(Sources {
        // The channels of a group fill whole words.
        input: InputView { view, group: words.words as i64, channel: 1 },
        kernel: View { base: words.packed, offset, strides },
        block: Some((Dim::Fixed(words.block), block)),
        group: (outputs / words.block.max(1)) as i64 * block,
        channels: Dim::Fixed(words.words),
    })
}

/// The product of a contraction in words.
pub(crate) fn contraction_product(
    lowering: &Lowering<'_>,
    fusion: &Fusion,
    words: &Words,
    contraction: &Contraction,
) -> Result<Product, LowerError> {
    let operands = &lowering.node(fusion.source).operands;
    let form = &words.form;
    let lanes = packed(lowering, words)?;
    let rows = in_words(lowering, words.other, form.summed.1, form.parts())?;
    let shapes = [0, 1].map(|side: usize| lowering.ty(operands[side]).shape.clone());
    let place = lowering.place(fusion.root)?.clone();
    let of =
        |side: usize, axis: usize| if side == form.packed { lanes.strides[axis] } else { rows.strides[axis] };
    let mut axes = Vec::new();
    let mut kept = |name: &'static str, extent: Dim, strides: [i64; 2], column: bool| {
        let along = axes.iter().filter(|axis: &&Axis| axis.name != "block").count();
        let result = place.layout.strides.get(along).copied().unwrap_or(0);
        if column {
            let (size, count) = (words.block as i64, extent.at(1) / words.block.max(1));
            let strides_of_blocks = [lanes.block, strides[1], result * size];
            axes.push(Axis::kept("block", Dim::Fixed(count), strides_of_blocks, (along, size)));
            axes.push(Axis::kept(
                name,
                Dim::Fixed(words.block),
                [strides[0], strides[1], result],
                (along, 1),
            ));
        } else {
            axes.push(Axis::kept(name, extent, [strides[0], strides[1], result], (along, 1)));
        }
    };
    let sides = |left: i64, right: i64| if form.packed == 0 { [left, right] } else { [right, left] };
    for &(l, r) in &contraction.batch {
        kept("batch", shapes[0][l], sides(of(0, l), of(1, r)), false);
    }
    let bound = |side: usize, axis: usize| {
        let mut pairs = contraction.batch.iter().chain(&contraction.contract);
        pairs.any(|pair| if side == 0 { pair.0 == axis } else { pair.1 == axis })
    };
    for (side, name) in [(0, "m"), (1, "n")] {
        for axis in (0..shapes[side].rank()).filter(|&axis| !bound(side, axis)) {
            let strides = if side == form.packed { [of(side, axis), 0] } else { [0, of(side, axis)] };
            kept(name, shapes[side][axis], strides, side == form.packed && axis == form.columns);
        }
    }
    for &(l, r) in &contraction.contract {
        let last = (if form.packed == 0 { l } else { r }) == form.summed.0;
        let extent = if last { Dim::Fixed(words.words) } else { shapes[0][l] };
        let [lanes, rows] = sides(of(0, l), of(1, r));
        axes.push(Axis::summed("k", extent, [lanes, rows, 0]));
    }
    Ok(Product {
        axes,
        offsets: [lanes.offset, rows.offset, place.layout.origin],
        taps: vec![Tap { lanes: 0, rows: 0 }],
        operands: [lanes.buffer, rows.buffer],
        start: Vec::new(),
        may_split: false,
        target: None,
        adds: false,
    })
}
