//! Dense layers and parameters declared by hand.

use super::LayerSpec;
use super::initializer::InitializerRule;
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::Arguments;
use crate::report::Eval;
use crate::value::Value;
use dlc_types::{Diagnostic, Dim, Shape, TensorType};

pub(super) const SPECS: &[LayerSpec] = &[
    LayerSpec::new(
        "dense",
        &[
            ("x", true),
            ("units", true),
            ("bias", false),
            ("init", false),
            ("bias_init", false),
            ("inputs", false),
        ],
        dense,
    )
    .owning(),
    LayerSpec::new("parameter", &[("type", true), ("init", true)], parameter).owning(),
];

/// `[…, inputs] -> […, units]`: weight `[inputs, units]`, bias `[units]`.
fn dense(el: &mut Elaborator<'_>, arguments: &Arguments, path: &str) -> Eval<Value> {
    let x = arguments.float_tensor(el, "x")?;
    let units = arguments.size(el, "units")?;
    let ty = el.builder.ty(x).clone();
    let rank = ty.shape.rank();
    let span = arguments.span;
    let inputs = match ty.shape.0.last() {
        Some(&Dim::Fixed(inputs)) if rank >= 2 => inputs,
        _ => {
            let message = format!("`dense` acts on the last axis of a tensor [N, …, features], got {ty}");
            return el.fail(
                Diagnostic::error(codes::RANK, message)
                    .at(span, format!("rank {rank}"))
                    .help("keep the batch as the first axis: `flatten()` gives [N, features]"),
            );
        }
    };
    if arguments.get("inputs").is_some() {
        let declared = arguments.size(el, "inputs")?;
        if declared != inputs {
            let message = format!("`dense` is declared for {declared} inputs, but gets {ty}");
            let mut diagnostic = Diagnostic::error(codes::SHAPE, message)
                .at(arguments.span_of("inputs"), format!("{inputs} against {declared}"))
                .note("`dense` multiplies the last axis, which must be as long as its weight's first");
            diagnostic.help = crate::elaborate::pooling_hint(Dim::Fixed(inputs), Dim::Fixed(declared))
                .or(Some("drop `inputs`: it is inferred".to_owned()));
            return el.fail(diagnostic);
        }
    }
    let rule = arguments.initializer(el, "init", InitializerRule::HeNormal)?;
    let weight_ty = TensorType::new(ty.dtype, Shape::fixed(&[inputs, units]));
    let weight = el.parameter(&format!("{path}.weight"), weight_ty, rule.with_fans(inputs, units), span)?;
    let mut y = el.build(span, |builder| builder.contract(x, weight, &[], &[(rank - 1, 0)]))?;
    if arguments.bool_or(el, "bias", true)? {
        let rule = arguments.initializer(el, "bias_init", InitializerRule::Constant(0.0))?;
        let bias_ty = TensorType::new(ty.dtype, Shape::fixed(&[units]));
        let bias = el.parameter(&format!("{path}.bias"), bias_ty, rule.with_fans(inputs, units), span)?;
        y = el.build(span, |builder| {
            let shape = builder.shape(y).clone();
            let bias = builder.broadcast_along(bias, shape, rank - 1)?;
            builder.add(y, bias)
        })?;
    }
    Ok(Value::Tensor(y))
}

/// `parameter(f32[64, 10], init = xavier)`: fans as of a dense layer for two axes, as of a convolution
/// for more, the number of elements for fewer.
fn parameter(el: &mut Elaborator<'_>, arguments: &Arguments, path: &str) -> Eval<Value> {
    let Some((Value::Type(ty), _)) = arguments.get("type") else {
        return arguments.mismatch(el, "type", "a type such as `f32[64, 10]`");
    };
    let ty = ty.clone();
    let Some(sizes) = ty.shape.as_fixed() else {
        let message = format!("a parameter cannot depend on the batch, as {ty} does");
        return el.fail_at(codes::SHAPE, message, arguments.span_of("type"), "has `N`");
    };
    if !ty.dtype.is_float() {
        let message = format!("a parameter is trained by gradient, so it holds floats, not {}", ty.dtype);
        return el.fail_at(codes::ELEMENT_TYPE, message, arguments.span_of("type"), "not a float type");
    }
    let rule = arguments.initializer(el, "init", InitializerRule::Constant(0.0))?;
    let (fan_in, fan_out) = match sizes.as_slice() {
        [inputs, units] => (*inputs, *units),
        [outputs, inputs, taps @ ..] => {
            let taps: usize = taps.iter().product();
            (inputs.saturating_mul(taps), outputs.saturating_mul(taps))
        }
        [size] => (*size, *size),
        [] => (1, 1),
    };
    let node = el.parameter(path, ty, rule.with_fans(fan_in, fan_out), arguments.span)?;
    Ok(Value::Tensor(node))
}
