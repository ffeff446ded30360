//! Embeddings, and encodings of positions.

use super::LayerSpec;
use super::initializer::InitializerRule;
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::Arguments;
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{Literal, NodeId, Op};
use dlc_types::{DType, Diagnostic, Shape, TensorType};

pub(super) const SPECS: &[LayerSpec] = &[
    LayerSpec::new(
        "embedding",
        &[("x", true), ("vocabulary", true), ("size", true), ("init", false)],
        embedding,
    )
    .owning(),
    LayerSpec::new("sinusoidal_positions", &[("x", true)], sinusoidal_positions),
    LayerSpec::new("learned_positions", &[("x", true), ("init", false)], learned_positions).owning(),
];

/// `[…] -> […, size]`: rows of the weight `[vocabulary, size]`. Numbers out of range count as the nearest
/// in range.
fn embedding(el: &mut Elaborator<'_>, arguments: &Arguments, path: &str) -> Eval<Value> {
    let x = arguments.tensor(el, "x")?;
    let span = arguments.span;
    if !el.dtype(x).is_integer() {
        let message = format!("`embedding` takes whole numbers, got {}", el.builder.ty(x));
        return el.fail(
            Diagnostic::error(codes::ELEMENT_TYPE, message)
                .at(span, "not integers")
                .help("declare the input as `i32[N, …]`, or convert it: `cast(x, \"i32\")`"),
        );
    }
    let (vocabulary, size) = (arguments.size(el, "vocabulary")?, arguments.size(el, "size")?);
    let rule = arguments.initializer(el, "init", InitializerRule::Normal(1.0))?;
    let ty = TensorType::new(DType::F32, Shape::fixed(&[vocabulary, size]));
    let weight = el.parameter(&format!("{path}.weight"), ty, rule.with_fans(vocabulary, size), span)?;
    el.build(span, |builder| {
        let indices = builder.cast(x, DType::I32)?;
        builder.add_node(Op::Gather { axis: 0 }, &[weight, indices])
    })
    .map(Value::Tensor)
}

/// The tensor `[N, length, features]` with its last two sizes.
fn sequence(el: &mut Elaborator<'_>, arguments: &Arguments) -> Eval<(NodeId, usize, usize)> {
    let x = arguments.float_tensor(el, "x")?;
    let ty = el.builder.ty(x).clone();
    let sizes: Option<Vec<usize>> = ty.shape.0.iter().skip(1).map(|dim| dim.fixed()).collect();
    if let Some(&[length, features]) = sizes.as_deref() {
        return Ok((x, length, features));
    }
    let message = format!("`{}` takes [N, length, features], got {ty}", arguments.callee);
    el.fail(
        Diagnostic::error(codes::RANK, message)
            .at(arguments.span, format!("rank {}", ty.shape.rank()))
            .help("channels before length are brought behind it by `transpose([0, 2, 1])`"),
    )
}

/// Adds `sin(p / 10000^(2 i / features))` to feature `2 i` at position `p`, and the cosine to feature `2 i + 1`:
/// Vaswani et al., "Attention Is All You Need", NeurIPS 2017.
fn sinusoidal_positions(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let (x, length, features) = sequence(el, arguments)?;
    if length.saturating_mul(features) > MAX_TABLE {
        let message = format!("a table of {length} positions of {features} features is too large");
        return el.fail_at(codes::TOO_LARGE, message, arguments.span, "more than 2^26 numbers");
    }
    let mut table = Vec::with_capacity(length * features);
    for position in 0..length {
        for feature in 0..features {
            let exponent = (feature - feature % 2) as f64 / features as f64;
            let angle = position as f64 / 10_000f64.powf(exponent);
            table.push(if feature % 2 == 0 { angle.sin() } else { angle.cos() });
        }
    }
    let literal = Literal::floats(el.dtype(x), &[length, features], &table);
    el.build(arguments.span, |builder| {
        let table = builder.constant(literal)?;
        let shape = builder.shape(x).clone();
        let table = builder.broadcast(table, shape, &[1, 2])?;
        builder.add(x, table)
    })
    .map(Value::Tensor)
}

/// The most numbers of a table of positions.
const MAX_TABLE: usize = 1 << 26;

/// Adds a trained vector per position, the rows of `weight [length, features]`.
fn learned_positions(el: &mut Elaborator<'_>, arguments: &Arguments, path: &str) -> Eval<Value> {
    let (x, length, features) = sequence(el, arguments)?;
    let rule = arguments.initializer(el, "init", InitializerRule::Normal(0.02))?;
    let ty = TensorType::new(el.dtype(x), Shape::fixed(&[length, features]));
    let name = format!("{path}.weight");
    let weight = el.parameter(&name, ty, rule.with_fans(length, features), arguments.span)?;
    el.build(arguments.span, |builder| {
        let shape = builder.shape(x).clone();
        let weight = builder.broadcast(weight, shape, &[1, 2])?;
        builder.add(x, weight)
    })
    .map(Value::Tensor)
}
