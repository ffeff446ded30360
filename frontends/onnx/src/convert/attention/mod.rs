//! Attention: Attention, FlexAttention, RotaryEmbedding, LinearAttention, CausalConvWithState, TensorScatter.
//!
//! Query heads that share a key head are an axis of their own beside it, so keys and values are never repeated.
//! But for 16-bit types, whose range is small, the scale goes to the queries alone.
//!
//! History: Attention and RotaryEmbedding came with opset 23; `nonpad_kv_seqlen` with 24, windows with 25,
//! where queries without a key became 0; TensorScatter with 24, LinearAttention and CausalConvWithState with 27.

mod mask;
mod recurrent_state;
mod rotary;

use super::{Context, Operator, Stop};
use dlc_ir::{NodeId, Unary};
use dlc_types::{DType, Dim, Shape};
use mask::{Mask, Offset, Window};

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("Attention", 23, attention),
    Operator::of("ai.onnx.preview", "FlexAttention", 1, flexible),
    Operator::new("RotaryEmbedding", 23, rotary::embedding),
    Operator::new("LinearAttention", 27, recurrent_state::linear_attention),
    Operator::new("CausalConvWithState", 27, recurrent_state::causal_convolution),
    Operator::new("TensorScatter", 24, recurrent_state::tensor_scatter),
];

/// `[batch, time, heads * size]` as `[batch, heads, time, size]`.
fn split_heads(context: &mut Context<'_, '_>, x: NodeId, heads: usize) -> Result<NodeId, Stop> {
    let shape = context.shape(x);
    let [batch, time, width] = shape.dims() else {
        return Err(context.invalid(format!("{shape} has not three axes")));
    };
    let (batch, time, width) = (*batch, *time, context.fixed(*width, "a width")?);
    if heads == 0 || width % heads != 0 {
        return Err(context.invalid(format!("{width} does not divide into {heads} heads")));
    }
    let apart = [batch, time, Dim::Fixed(heads), Dim::Fixed(width / heads)];
    let x = context.shaped(x, &apart)?;
    Ok(context.builder().transpose(x, &[0, 2, 1, 3])?)
}

/// The inverse of [`split_heads`].
fn join_heads(context: &mut Context<'_, '_>, x: NodeId) -> Result<NodeId, Stop> {
    let x = context.builder().transpose(x, &[0, 2, 1, 3])?;
    let shape = context.shape(x);
    let width = shape[2].times(shape[3]).ok_or_else(|| context.invalid("the result is too large"))?;
    context.shaped(x, &[shape[0], shape[1], width])
}

/// A number of heads in an attribute.
fn heads(context: &Context<'_, '_>, name: &str) -> Result<usize, Stop> {
    let number = context.required_int(name)?;
    usize::try_from(number)
        .ok()
        .filter(|&heads| heads > 0)
        .ok_or_else(|| context.invalid(format!("its attribute `{name}` is {number}")))
}

/// How many query heads share a key head.
fn group(context: &Context<'_, '_>, queries: &Shape, keys: &Shape) -> Result<usize, Stop> {
    let (own, shared) = (context.fixed(queries[1], "heads")?, context.fixed(keys[1], "heads")?);
    if shared == 0 || own % shared != 0 {
        return Err(context.invalid(format!("{own} heads do not share {shared}")));
    }
    Ok(own / shared)
}

/// `a[batch, heads, rows, inner]` with `b[batch, shared heads, …]`, summed over the last axis of `a` and axis
/// `inner` of `b`.
fn grouped_product(
    context: &mut Context<'_, '_>,
    a: NodeId,
    b: NodeId,
    inner: usize,
) -> Result<NodeId, Stop> {
    let (left, right) = (context.shape(a), context.shape(b));
    let group = group(context, &left, &right)?;
    let pairs = [(0, 0), (1, 1)];
    if group == 1 {
        return Ok(context.builder().contract(a, b, &pairs, &[(3, inner)])?);
    }
    let apart = [left[0], right[1], Dim::Fixed(group), left[2], left[3]];
    let a = context.shaped(a, &apart)?;
    let product = context.builder().contract(a, b, &pairs, &[(4, inner)])?;
    let columns = context.shape(product)[4];
    context.shaped(product, &[left[0], left[1], left[2], columns])
}

/// `scale` of the attributes, or 1 over the root of the size of a head.
fn scale(context: &Context<'_, '_>, query: NodeId) -> Result<f64, Stop> {
    match context.float("scale")? {
        Some(scale) => Ok(scale),
        None => {
            Ok(1.0 / (context.fixed(context.shape(query)[3], "the size of a head")?.max(1) as f64).sqrt())
        }
    }
}

/// `Q K^T` times the scale.
fn scores(context: &mut Context<'_, '_>, query: NodeId, key: NodeId) -> Result<NodeId, Stop> {
    let scale = scale(context, query)?;
    let (mut query, mut key) = (query, key);
    if matches!(context.dtype(query), DType::F16 | DType::BF16) {
        // Both are scaled, so that no product overflows.
        query = context.builder().scale(query, scale.sqrt())?;
        key = context.builder().scale(key, scale.sqrt())?;
    } else {
        query = context.builder().scale(query, scale)?;
    }
    grouped_product(context, query, key, 3)
}

fn bound(context: &Context<'_, '_>, name: &str) -> Result<Option<usize>, Stop> {
    match context.int_or(name, -1)? {
        -1 => Ok(None),
        size => usize::try_from(size)
            .map(Some)
            .map_err(|_| context.invalid(format!("its attribute `{name}` is {size}"))),
    }
}

/// Query, key and value as `[batch, heads, time, size]`, and whether they came without an axis of heads.
fn operands(context: &mut Context<'_, '_>) -> Result<([NodeId; 3], bool), Stop> {
    let mut values = [context.input(0)?, context.input(1)?, context.input(2)?];
    let flat = context.rank(values[0]) == 3;
    if flat {
        let (own, shared) = (heads(context, "q_num_heads")?, heads(context, "kv_num_heads")?);
        for (value, heads) in values.iter_mut().zip([own, shared, shared]) {
            *value = split_heads(context, *value, heads)?;
        }
    }
    if values.iter().any(|&value| context.rank(value) != 4) {
        return Err(context.invalid("query, key and value must have the same number of axes, 3 or 4"));
    }
    Ok((values, flat))
}

/// The type that the softmax is computed in.
fn precision(context: &Context<'_, '_>, default: DType) -> Result<DType, Stop> {
    match context.element("softmax_precision")? {
        None => Ok(default),
        Some(element) => match element.dtype().filter(|dtype| dtype.is_float()) {
            Some(dtype) => Ok(dtype),
            None => Err(context.invalid(format!("the softmax cannot be computed in {element}"))),
        },
    }
}

fn attention(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let ([query, mut key, mut value], flat) = operands(context)?;
    let mut offset = Offset::Fixed(0);
    if let (Some(past_key), Some(past_value)) = (context.optional(4)?, context.optional(5)?) {
        if context.rank(past_key) != 4 || context.rank(past_value) != 4 {
            return Err(context.invalid("past keys and values must have four axes"));
        }
        offset = Offset::Fixed(context.fixed(context.shape(past_key)[2], "past keys")?);
        key = context.joined(&[past_key, key], 2)?;
        value = context.joined(&[past_value, value], 2)?;
    }
    context.set_output(1, key)?;
    context.set_output(2, value)?;
    let dtype = context.dtype(query);
    let raw = scores(context, query, key)?;
    let softcap = context.float_or("softcap", 0.0)?;
    let capped = if softcap > 0.0 {
        let inner = context.builder().scale(raw, 1.0 / softcap)?;
        let tangent = context.builder().unary(Unary::Tanh, inner)?;
        context.builder().scale(tangent, softcap)?
    } else {
        raw
    };
    let shape = context.shape(raw);
    let mask = mask(context, offset, &shape)?;
    let biased = mask.apply(context, capped)?;
    let wide = precision(context, dtype)?;
    let logits = context.builder().cast(biased, wide)?;
    let weights = mask.softmax(context, logits)?;
    let weights = context.builder().cast(weights, dtype)?;
    let shown = match context.int_or("qk_matmul_output_mode", 0)? {
        0 => raw,
        1 => capped,
        2 => biased,
        3 => weights,
        other => return Err(context.invalid(format!("its attribute `qk_matmul_output_mode` is {other}"))),
    };
    context.set_output(3, shown)?;
    let mut result = grouped_product(context, weights, value, 2)?;
    if flat {
        result = join_heads(context, result)?;
    }
    context.set_output(0, result)
}

/// All that limits what a query sees.
fn mask(context: &mut Context<'_, '_>, offset: Offset, shape: &Shape) -> Result<Mask, Stop> {
    let mut offset = offset;
    let mut mask = Mask::default();
    let lengths = match context.optional(6)? {
        Some(lengths) => {
            let lengths = context.builder().cast(lengths, DType::I32)?;
            let lengths = context.shaped(lengths, &[shape[0]])?;
            let queries = context.fixed(shape[2], "a number of queries")?;
            offset = Offset::PerSequence(context.builder().shift(lengths, -(queries as f64))?);
            Some(lengths)
        }
        None => None,
    };
    if let Some(given) = context.optional(3)? {
        mask.given(context, given, shape)?;
    }
    let window =
        Window { left: bound(context, "left_window_size")?, right: bound(context, "right_window_size")? };
    let causal = context.flag("is_causal", false)?;
    mask.by_distance(context, causal, window, offset, shape)?;
    if let Some(lengths) = lengths {
        mask.by_length(context, lengths, shape)?;
    }
    Ok(mask)
}

/// Attention whose scores and weights go through graphs of the node's own.
fn flexible(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let values = [context.input(0)?, context.input(1)?, context.input(2)?];
    if values.iter().any(|&value| context.rank(value) != 4) {
        return Err(context.invalid("query, key and value must have four axes"));
    }
    let [query, key, value] = values;
    let dtype = context.dtype(value);
    let wide = precision(context, if dtype == DType::F64 { DType::F64 } else { DType::F32 })?;
    let scores = scores(context, query, key)?;
    let mut scores = context.builder().cast(scores, wide)?;
    if let Some(graph) = context.graph("score_mod")? {
        scores = context.inlined(graph, scores)?;
    }
    let mut weights = context.builder().add_node(dlc_ir::Op::Softmax { axis: 3 }, &[scores])?;
    if let Some(graph) = context.graph("prob_mod")? {
        weights = context.inlined(graph, weights)?;
    }
    let weights = context.builder().cast(weights, wide)?;
    let value = context.builder().cast(value, wide)?;
    let result = grouped_product(context, weights, value, 2)?;
    let result = context.builder().cast(result, dtype)?;
    context.set_output(0, result)
}
