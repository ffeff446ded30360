//! Operators with a state that goes from call to call: LinearAttention, CausalConvWithState, TensorScatter.

use super::super::{Context, Stop};
use super::{heads, split_heads};
use dlc_ir::{Binary, Comparison, Convolution, NodeId, Op, Unary};
use dlc_types::{DType, Dim, Shape};

/// Steps that are written out at most: each is some nodes of its own.
const MOST_STEPS: usize = 4096;

/// What a step of LinearAttention reads, each `[batch, heads, time, size]`.
struct Reads {
    query: NodeId,
    key: NodeId,
    value: NodeId,
    /// Logarithm of what is kept of the state, per head (size 1) or per feature of the key.
    decay: Option<NodeId>,
    /// How much of the correction is written, per head (or the same for all).
    rate: Option<NodeId>,
}

impl Reads {
    fn read(context: &mut Context<'_, '_>, own: usize, shared: usize) -> Result<Reads, Stop> {
        let rule = context.text_or("update_rule", "gated_delta")?;
        let (gated, corrected) = match rule {
            "linear" => (false, false),
            "gated" => (true, false),
            "delta" => (false, true),
            "gated_delta" => (true, true),
            other => return Err(context.invalid(format!("there is no update rule `{other}`"))),
        };
        if gated != context.has_input(4) || corrected != context.has_input(5) {
            return Err(context.invalid(format!("its inputs do not fit the update rule `{rule}`")));
        }
        let mut wide = |position: usize, heads: usize| {
            let x = context.input(position)?;
            let x = context.builder().cast(x, DType::F32)?;
            split_heads(context, x, heads)
        };
        let (query, key, value) = (wide(0, own)?, wide(1, shared)?, wide(2, shared)?);
        let decay = if gated { Some(wide(4, shared)?) } else { None };
        let rate = match context.optional(5)? {
            Some(rate) => {
                let rate = context.builder().cast(rate, DType::F32)?;
                let columns = context.shape(rate).dims().last().copied();
                split_heads(context, rate, if columns == Some(Dim::Fixed(1)) { 1 } else { shared })
                    .map(Some)?
            }
            None => None,
        };
        Ok(Reads { query, key, value, decay, rate })
    }
}

/// One step: what is left of the state, corrected or not, and the new key and value; the state behind it.
fn written(context: &mut Context<'_, '_>, reads: &Reads, time: usize, state: NodeId) -> Result<NodeId, Stop> {
    let shape = context.shape(state);
    let key = context.element_at(reads.key, 2, time)?;
    let mut value = context.element_at(reads.value, 2, time)?;
    let mut state = state;
    if let Some(decay) = reads.decay {
        let decay = context.element_at(decay, 2, time)?;
        let kept = context.builder().unary(Unary::Exp, decay)?;
        let kept = context.builder().broadcast(kept, shape.clone(), &[0, 1, 2])?;
        state = context.builder().mul(state, kept)?;
    }
    if let Some(rate) = reads.rate {
        let rate = context.element_at(rate, 2, time)?;
        let builder = context.builder();
        let found = builder.contract(key, state, &[(0, 0), (1, 1)], &[(2, 2)])?;
        let missing = builder.sub(value, found)?;
        let rate = builder.broadcast(rate, builder.shape(missing).clone(), &[0, 1, 2])?;
        value = builder.mul(rate, missing)?;
    }
    let builder = context.builder();
    let key = builder.broadcast(key, shape.clone(), &[0, 1, 2])?;
    let value = builder.broadcast(value, shape, &[0, 1, 3])?;
    let new = builder.mul(key, value)?;
    Ok(builder.add(state, new)?)
}

/// The recurrence as it stands, step by step, in `f32`. The chunk size is a hint, and not used.
pub(in super::super) fn linear_attention(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (own, shared) = (heads(context, "q_num_heads")?, heads(context, "kv_num_heads")?);
    if own % shared != 0 {
        return Err(context.invalid(format!("{own} heads do not share {shared}")));
    }
    let query = context.input(0)?;
    let dtype = context.dtype(query);
    let reads = Reads::read(context, own, shared)?;
    let (keys, values) = (context.shape(reads.key), context.shape(reads.value));
    let shape = Shape(vec![keys[0], keys[1], keys[3], values[3]]);
    let (mut state, state_type) = match context.optional(3)? {
        Some(state) => (context.builder().cast(state, DType::F32)?, context.dtype(state)),
        None => (context.builder().splat(DType::F32, shape.clone(), 0.0)?, dtype),
    };
    if context.shape(state) != shape {
        return Err(context.invalid(format!("its state must be {shape}, not {}", context.shape(state))));
    }
    let scale = match context.float_or("scale", 0.0)? {
        0.0 => 1.0 / (context.fixed(keys[3], "the size of a head")?.max(1) as f64).sqrt(),
        scale => scale,
    };
    let steps = context.fixed(keys[2], "a number of steps")?;
    if steps > MOST_STEPS {
        return Err(context.not_done(format!("{steps} steps, more than {MOST_STEPS}")));
    }
    let width = Dim::Fixed(own).times(values[3]).ok_or_else(|| context.invalid("the result is too large"))?;
    let mut results = Vec::with_capacity(steps);
    for time in 0..steps {
        state = written(context, &reads, time, state)?;
        let query = context.element_at(reads.query, 2, time)?;
        let dims = context.shape(query);
        let apart = [dims[0], Dim::Fixed(shared), Dim::Fixed(own / shared), dims[2]];
        let query = context.shaped(query, &apart)?;
        let result = context.builder().contract(query, state, &[(0, 0), (1, 1)], &[(3, 2)])?;
        results.push(context.shaped(result, &[dims[0], Dim::Fixed(1), width])?);
    }
    if results.is_empty() {
        return Err(context.not_done("a sequence without steps"));
    }
    let result = context.joined(&results, 1)?;
    let result = context.builder().scale(result, scale)?;
    let result = context.builder().cast(result, dtype)?;
    context.set_output(0, result)?;
    let state = context.builder().cast(state, state_type)?;
    context.set_output(1, state)
}

/// A convolution of each channel with its own kernel, over the past inputs and these.
pub(in super::super) fn causal_convolution(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (x, kernel) = (context.input(0)?, context.input(1)?);
    let (shape, kernels) = (context.shape(x), context.shape(kernel));
    if shape.rank() != 3 || kernels.rank() != 3 || kernels[1] != Dim::Fixed(1) {
        return Err(context.invalid(format!("{shape} and {kernels} do not fit it")));
    }
    let channels = context.fixed(shape[1], "a number of channels")?;
    let past = context.fixed(kernels[2], "a kernel")?.saturating_sub(1);
    let length = context.fixed(shape[2], "a length")?;
    let before = match context.optional(3)? {
        Some(before) => before,
        None => {
            let dtype = context.dtype(x);
            let shape = Shape(vec![shape[0], shape[1], Dim::Fixed(past)]);
            context.builder().splat(dtype, shape, 0.0)?
        }
    };
    let all = context.joined(&[before, x], 2)?;
    let convolution = Convolution {
        strides: vec![1],
        padding: vec![(0, 0)],
        input_dilation: vec![1],
        kernel_dilation: vec![1],
        groups: channels,
    };
    let mut result = context.builder().convolve(all, kernel, convolution)?;
    if let Some(bias) = context.optional(2)? {
        let shape = context.shape(result);
        let bias = context.builder().broadcast_along(bias, shape, 1)?;
        result = context.builder().add(result, bias)?;
    }
    match context.text_or("activation", "none")? {
        "none" => {}
        "silu" | "swish" => {
            let gate = context.builder().unary(Unary::Sigmoid, result)?;
            result = context.builder().mul(result, gate)?;
        }
        other => return Err(context.invalid(format!("there is no activation `{other}`"))),
    }
    context.set_output(0, result)?;
    let state = context.part(all, 2, length, past)?;
    context.set_output(1, state)
}

/// The cache, in which each sequence's update stands from its own place on. Each place of the cache looks up
/// the element of the update that belongs there, if there is one.
pub(in super::super) fn tensor_scatter(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (cache, update) = (context.input(0)?, context.input(1)?);
    let (shape, new) = (context.shape(cache), context.shape(update));
    let axis = context.int_or("axis", -2)?;
    let axis = context.axis(axis, shape.rank())?;
    let same = |other: usize| other == axis || shape[other] == new[other];
    if axis == 0 || new.rank() != shape.rank() || !(0..shape.rank()).all(same) {
        return Err(context.invalid(format!("{new} is no update of {shape} along axis {axis}")));
    }
    let (places, length) = (context.fixed(shape[axis], "a cache")?, context.fixed(new[axis], "an update")?);
    if length == 0 || places == 0 {
        return context.pass(0, 0);
    }
    let circular = match context.text_or("mode", "linear")? {
        "linear" => false,
        "circular" => true,
        other => return Err(context.invalid(format!("there is no mode `{other}`"))),
    };
    let batch = context.fixed(shape[0], "a cache")?;
    // The number of each element of the update along the axis: by sequence and place.
    let table = Shape::fixed(&[batch, places]);
    let mut number = context.count(&table, 1, DType::I32)?;
    if let Some(starts) = context.optional(2)? {
        let starts = context.builder().cast(starts, DType::I32)?;
        let starts = context.builder().broadcast(starts, table.clone(), &[0])?;
        number = context.builder().sub(number, starts)?;
    }
    let builder = context.builder();
    let zero = builder.splat_like(number, 0.0)?;
    if circular {
        let size = builder.splat_like(number, places as f64)?;
        number = builder.binary(Binary::Remainder, number, size)?;
        let below = builder.compare(Comparison::Less, number, zero)?;
        let turned = builder.add(number, size)?;
        number = builder.select(below, turned, number)?;
    }
    let not_below = builder.compare(Comparison::GreaterEqual, number, zero)?;
    let end = builder.splat_like(number, length as f64)?;
    let not_above = builder.compare(Comparison::Less, number, end)?;
    let written = builder.binary(Binary::And, not_below, not_above)?;
    let last = builder.splat_like(number, length as f64 - 1.0)?;
    let capped = builder.binary(Binary::Min, number, last)?;
    let number = builder.binary(Binary::Max, capped, zero)?;
    let along = builder.broadcast(number, shape.clone(), &[0, axis])?;
    let found = builder.add_node(Op::GatherAlong { axis }, &[update, along])?;
    let written = builder.broadcast(written, shape, &[0, axis])?;
    let result = builder.select(written, found, cache)?;
    context.set_output(0, result)
}
