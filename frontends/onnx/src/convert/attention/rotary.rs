//! RotaryEmbedding: pairs of features turned by an angle that grows with the position.
//!
//! Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021.

use super::super::indexing;
use super::super::{Context, Stop};
use super::{heads, join_heads, split_heads};
use dlc_ir::{NodeId, Op};
use dlc_types::{Dim, Shape};

/// The cosines or sines of each position, over the shape of half of the turned features.
fn angles(
    context: &mut Context<'_, '_>,
    cache: NodeId,
    positions: Option<NodeId>,
    shape: &Shape,
) -> Result<NodeId, Stop> {
    let mut cache = cache;
    if let Some(positions) = positions {
        let size = context.fixed(context.shape(cache)[0], "a number of positions")?;
        let positions = indexing::indices(context, positions, size)?;
        cache = context.builder().add_node(Op::Gather { axis: 0 }, &[cache, positions])?;
    }
    if context.rank(cache) != 3 {
        return Err(context.invalid(format!("{} does not tell the angles of positions", context.ty(cache))));
    }
    Ok(context.builder().broadcast(cache, shape.clone(), &[0, 2, 3])?)
}

pub(in super::super) fn embedding(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (mut x, cosines, sines) = (context.input(0)?, context.input(1)?, context.input(2)?);
    let positions = context.optional(3)?;
    let flat = context.rank(x) == 3;
    if flat {
        let heads = heads(context, "num_heads")?;
        x = split_heads(context, x, heads)?;
    }
    let shape = context.shape(x);
    if shape.rank() != 4 || context.rank(cosines) < 2 || context.rank(sines) < 2 {
        return Err(context.invalid(format!("it does not take {shape} with such angles")));
    }
    let size = context.fixed(shape[3], "the size of a head")?;
    let turned = match context.int_or("rotary_embedding_dim", 0)? {
        0 => size,
        some => usize::try_from(some).unwrap_or(usize::MAX),
    };
    if turned > size || turned % 2 != 0 {
        return Err(context.invalid(format!("{turned} of {size} features are no pairs")));
    }
    let (half, interleaved) = (turned / 2, context.flag("interleaved", false)?);
    let (first, second) = if interleaved {
        (context.strided_part(x, 3, 0, half, 2)?, context.strided_part(x, 3, 1, half, 2)?)
    } else {
        (context.part(x, 3, 0, half)?, context.part(x, 3, half, half)?)
    };
    let shape = context.shape(first);
    let cosines = angles(context, cosines, positions, &shape)?;
    let sines = angles(context, sines, positions, &shape)?;
    let builder = context.builder();
    let (kept, crossed) = (builder.mul(cosines, first)?, builder.mul(sines, second)?);
    let real = builder.sub(kept, crossed)?;
    let (crossed, kept) = (builder.mul(sines, first)?, builder.mul(cosines, second)?);
    let imaginary = builder.add(crossed, kept)?;
    let mut result = if interleaved {
        let (real, imaginary) = (context.with_axis(real, 4)?, context.with_axis(imaginary, 4)?);
        let pairs = context.joined(&[real, imaginary], 4)?;
        context.shaped(pairs, &[shape[0], shape[1], shape[2], Dim::Fixed(turned)])?
    } else {
        context.joined(&[real, imaginary], 3)?
    };
    if turned < size {
        let rest = context.part(x, 3, turned, size - turned)?;
        result = context.joined(&[result, rest], 3)?;
    }
    if flat {
        result = join_heads(context, result)?;
    }
    context.set_output(0, result)
}
