//! Multi-head attention: Vaswani et al., "Attention Is All You Need", NeurIPS 2017.

use super::LayerSpec;
use super::initializer::InitializerRule;
use super::normalization::drop_share;
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::Arguments;
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{Builder, Comparison, InferError, NodeId, Op};
use dlc_types::{DType, Diagnostic, Dim, Shape, TensorType};

pub(super) const SPECS: &[LayerSpec] = &[LayerSpec::new(
    "attention",
    &[
        ("x", true),
        ("heads", true),
        ("memory", false),
        ("mask", false),
        ("causal", false),
        ("dropout", false),
        ("bias", false),
        ("init", false),
    ],
    attention,
)
.owning()];

/// The score of a pair that does not attend: its share is 0, unless no pair of the row attends, which gives
/// equal shares and no NaN.
const HIDDEN: f64 = -1e30;

/// Sizes of one attention.
struct Sizes {
    /// Queries.
    length: usize,
    /// Keys and values.
    keys: usize,
    heads: usize,
    /// Features of a head.
    head: usize,
}

/// `[N, L, features] -> [N, L, features]`, self-attention, or over `memory [N, S, …]`. Weights `query`, `key`,
/// `value`, `output`, each `[inputs, features]`, with their biases.
fn attention(el: &mut Elaborator<'_>, arguments: &Arguments, path: &str) -> Eval<Value> {
    let x = arguments.float_tensor(el, "x")?;
    let memory = match arguments.get("memory") {
        None => x,
        Some(_) => arguments.float_tensor(el, "memory")?,
    };
    let sizes = sizes(el, arguments, x, memory)?;
    let rate = arguments.float_or(el, "dropout", 0.0)?;
    if !(0.0..1.0).contains(&rate) {
        let message = format!("`dropout` of `attention` is {rate}; it is at least 0 and below 1");
        return el.fail_at(codes::RANGE, message, arguments.span_of("dropout"), "out of range");
    }
    let features = sizes.heads * sizes.head;
    let query = projected(el, arguments, x, &format!("{path}.query"), features)?;
    let key = projected(el, arguments, memory, &format!("{path}.key"), features)?;
    let value = projected(el, arguments, memory, &format!("{path}.value"), features)?;
    let span = arguments.span;
    let scores = el.build(span, |builder| {
        let (query, key) =
            (by_heads(builder, query, &sizes, sizes.length)?, by_heads(builder, key, &sizes, sizes.keys)?);
        let query = builder.scale(query, 1.0 / (sizes.head as f64).sqrt())?;
        // [N, heads, L, S]
        builder.contract(query, key, &[(0, 0), (2, 2)], &[(3, 3)])
    })?;
    let scores = masked(el, arguments, scores)?;
    let scores = if arguments.bool_or(el, "causal", false)? {
        el.build(span, |builder| without_later(builder, scores))?
    } else {
        scores
    };
    let shares = el.build(span, |builder| builder.add_node(Op::Softmax { axis: 3 }, &[scores]))?;
    let shares = drop_share(el, shares, rate, span)?;
    let joined = el.build(span, |builder| {
        let value = by_heads(builder, value, &sizes, sizes.keys)?;
        let mixed = builder.contract(shares, value, &[(0, 0), (1, 2)], &[(3, 1)])?;
        let mixed = builder.transpose(mixed, &[0, 2, 1, 3])?;
        let batch = builder.shape(mixed)[0];
        builder.reshape(mixed, Shape(vec![batch, Dim::Fixed(sizes.length), Dim::Fixed(features)]))
    })?;
    projected(el, arguments, joined, &format!("{path}.output"), features).map(Value::Tensor)
}

fn sizes(el: &mut Elaborator<'_>, arguments: &Arguments, x: NodeId, memory: NodeId) -> Eval<Sizes> {
    let (own, other) = (el.builder.ty(x).clone(), el.builder.ty(memory).clone());
    for (key, ty) in [("x", &own), ("memory", &other)] {
        if ty.shape.rank() != 3 || ty.shape.0[1..].iter().any(|dim| dim.fixed().is_none()) {
            let message = format!("`attention` takes [N, length, features], got {ty}");
            return el.fail(
                Diagnostic::error(codes::RANK, message)
                    .at(arguments.span_of(key), format!("rank {}", ty.shape.rank()))
                    .help("channels before length are brought behind it by `transpose([0, 2, 1])`"),
            );
        }
    }
    if own.shape[0] != other.shape[0] {
        let message = format!("`attention` of {own} over {other}: the batches differ");
        return el.fail_at(
            codes::SHAPE,
            message,
            arguments.span_of("memory"),
            format!("{} against {}", own.shape, other.shape),
        );
    }
    let size = |ty: &TensorType, axis: usize| ty.shape[axis].fixed().unwrap_or(1);
    let (features, heads) = (size(&own, 2), arguments.size(el, "heads")?);
    if features % heads != 0 {
        let message = format!("{heads} heads do not divide the {features} features of {own}");
        return el.fail(
            Diagnostic::error(codes::SHAPE, message)
                .at(arguments.span_of("heads"), format!("{features} against {heads}"))
                .note("every head has the same number of features"),
        );
    }
    Ok(Sizes { length: size(&own, 1), keys: size(&other, 1), heads, head: features / heads })
}

/// `x W + b` over the last axis.
fn projected(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    x: NodeId,
    path: &str,
    features: usize,
) -> Eval<NodeId> {
    let ty = el.builder.ty(x).clone();
    let inputs = ty.shape[2].fixed().unwrap_or(1);
    let rule = arguments.initializer(el, "init", InitializerRule::XavierUniform)?;
    let span = arguments.span;
    let weight_ty = TensorType::new(ty.dtype, Shape::fixed(&[inputs, features]));
    let rule = rule.with_fans(inputs, features);
    let weight = el.parameter(&format!("{path}.weight"), weight_ty, rule, span)?;
    let y = el.build(span, |builder| builder.contract(x, weight, &[], &[(2, 0)]))?;
    if !arguments.bool_or(el, "bias", true)? {
        return Ok(y);
    }
    let bias_ty = TensorType::new(ty.dtype, Shape::fixed(&[features]));
    let zero = InitializerRule::Constant(0.0).with_fans(1, 1);
    let bias = el.parameter(&format!("{path}.bias"), bias_ty, zero, span)?;
    el.build(span, |builder| {
        let shape = builder.shape(y).clone();
        let bias = builder.broadcast_along(bias, shape, 2)?;
        builder.add(y, bias)
    })
}

/// `[N, length, heads, features of a head]`
fn by_heads(builder: &mut Builder, x: NodeId, sizes: &Sizes, length: usize) -> Result<NodeId, InferError> {
    let fixed = [length, sizes.heads, sizes.head].map(Dim::Fixed);
    let shape = std::iter::once(builder.shape(x)[0]).chain(fixed).collect();
    builder.reshape(x, Shape(shape))
}

/// Scores under the mask: bools tell which pairs attend, floats are added.
fn masked(el: &mut Elaborator<'_>, arguments: &Arguments, scores: NodeId) -> Eval<NodeId> {
    if arguments.get("mask").is_none() {
        return Ok(scores);
    }
    let mask = arguments.tensor(el, "mask")?;
    let (ty, wanted) = (el.builder.ty(mask).clone(), el.builder.ty(scores).clone());
    let [batch, heads, length, keys] = [0, 1, 2, 3].map(|axis| wanted.shape[axis]);
    let forms: [(Vec<Dim>, &[usize]); 4] = [
        (vec![length, keys], &[2, 3]),
        (vec![batch, keys], &[0, 3]),
        (vec![batch, length, keys], &[0, 2, 3]),
        (vec![batch, heads, length, keys], &[0, 1, 2, 3]),
    ];
    let form = forms.iter().find(|(dims, _)| *dims == ty.shape.0);
    let known = ty.dtype == DType::Bool || ty.dtype == wanted.dtype;
    let (Some((_, axes)), true) = (form, known) else {
        let message = format!("`attention` with scores {wanted} cannot take the mask {ty}");
        return el.fail(
            Diagnostic::error(codes::SHAPE, message)
                .at(arguments.span_of("mask"), format!("{} against {}", ty.shape, wanted.shape))
                .note(
                    "a mask is [L, S], [N, S], [N, L, S] or [N, heads, L, S], of bool or of the scores' type",
                )
                .help("a comparison such as `tokens > 0` gives a mask [N, S] of the keys that count"),
        );
    };
    el.build(arguments.span, |builder| {
        let mask = builder.broadcast(mask, wanted.shape.clone(), axes)?;
        if ty.dtype != DType::Bool {
            return builder.add(scores, mask);
        }
        let hidden = builder.splat_like(scores, HIDDEN)?;
        builder.select(mask, scores, hidden)
    })
}

/// Scores of keys behind the query are hidden.
fn without_later(builder: &mut Builder, scores: NodeId) -> Result<NodeId, InferError> {
    let shape = builder.shape(scores).clone();
    let grid = TensorType::new(DType::I32, Shape(shape.0[2..].to_vec()));
    let query = builder.declare(Op::Iota { axis: 0 }, &[], grid.clone())?;
    let key = builder.declare(Op::Iota { axis: 1 }, &[], grid)?;
    let seen = builder.compare(Comparison::LessEqual, key, query)?;
    let seen = builder.broadcast(seen, shape, &[2, 3])?;
    let hidden = builder.splat_like(scores, HIDDEN)?;
    builder.select(seen, scores, hidden)
}
