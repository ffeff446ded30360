//! Transposed convolutions: a convolution over an input with zeros between its elements, which the compiler
//! divides into dense phases.
//!
//! Dumoulin, Visin, "A guide to convolution arithmetic for deep learning", 2016; padding as in PyTorch's
//! `ConvTranspose`.

use super::LayerSpec;
use super::convolution::{Channels, biased, channels};
use super::initializer::InitializerRule;
use super::window;
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::{Arguments, Parameter};
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{Builder, Convolution, InferError, NodeId, Op};
use dlc_types::{Diagnostic, Shape, TensorType};

const PARAMETERS: &[Parameter<'static>] = &[
    ("x", true),
    ("channels", true),
    ("kernel", true),
    ("stride", false),
    ("padding", false),
    ("output_padding", false),
    ("dilation", false),
    ("groups", false),
    ("bias", false),
    ("init", false),
    ("bias_init", false),
];

pub(super) const SPECS: &[LayerSpec] = &[
    LayerSpec::new("conv_transpose1d", PARAMETERS, |el, arguments, path| {
        transposed(el, arguments, path, 1, "[N, channels, length]")
    })
    .owning(),
    LayerSpec::new("conv_transpose2d", PARAMETERS, |el, arguments, path| {
        transposed(el, arguments, path, 2, "[N, channels, height, width]")
    })
    .owning(),
];

/// Weight `[inputs, channels / groups, kernel…]`, bias `[channels]`.
fn transposed(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    path: &str,
    axes: usize,
    form: &str,
) -> Eval<Value> {
    let x = arguments.float_tensor(el, "x")?;
    window::require_rank(el, arguments, x, axes + 2, form)?;
    let span = arguments.span;
    let ty = el.builder.ty(x).clone();
    let Channels { inputs, outputs: channels, groups } = channels(el, arguments, &ty)?;
    let (kernel, convolution) = geometry(el, arguments, x, axes, groups)?;
    let taps: usize = kernel.iter().fold(1, |product, &size| product.saturating_mul(size));
    let (fan_in, fan_out) =
        ((inputs / groups).saturating_mul(taps), (channels / groups).saturating_mul(taps));
    let mut sizes = vec![inputs, channels / groups];
    sizes.extend(&kernel);
    let rule = arguments.initializer(el, "init", InitializerRule::HeNormal)?;
    let weight_ty = TensorType::new(ty.dtype, Shape::fixed(&sizes));
    let weight = el.parameter(&format!("{path}.weight"), weight_ty, rule.with_fans(fan_in, fan_out), span)?;
    let y = el.build(span, |builder| {
        let turned = turned(builder, weight, groups)?;
        builder.convolve(x, turned, convolution)
    })?;
    biased(el, arguments, path, y, (fan_in, fan_out))
}

/// The kernel's sizes, and the convolution of the dilated input.
fn geometry(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    x: NodeId,
    axes: usize,
    groups: usize,
) -> Eval<(Vec<usize>, Convolution)> {
    let ty = el.builder.ty(x).clone();
    let sizes = window::spatial_sizes(el, arguments, &ty)?;
    let kernel = arguments.per_axis(el, "kernel", axes, 1)?;
    let strides = arguments.per_axis(el, "stride", axes, 1)?;
    let dilations = arguments.per_axis(el, "dilation", axes, 1)?;
    let extra = match arguments.get("output_padding") {
        None | Some((Value::Int(0), _)) => vec![0; axes],
        Some(_) => arguments.per_axis(el, "output_padding", axes, 1)?,
    };
    let mut padding = Vec::new();
    let cut = match arguments.get("padding") {
        Some((Value::Symbol("same"), _)) => None,
        _ => Some(window::explicit_padding(el, arguments, axes)?),
    };
    for axis in 0..axes {
        let reach = (kernel[axis] - 1).saturating_mul(dilations[axis]);
        let (low, high) = match &cut {
            Some(cut) => cut[axis],
            // As many elements as the input's times the stride; what is missing is added behind.
            None => {
                let surplus = (reach + 1).saturating_sub(strides[axis]);
                (surplus / 2, surplus - surplus / 2)
            }
        };
        let missing = match cut {
            Some(_) => extra[axis],
            None => strides[axis].saturating_sub(reach + 1),
        };
        if missing > 0 && missing >= strides[axis].max(dilations[axis]) {
            let message = format!(
                "`output_padding` of {missing} is not below the stride {} or the dilation {}",
                strides[axis], dilations[axis]
            );
            return el.fail_at(codes::RANGE, message, arguments.span_of("output_padding"), "too large");
        }
        let whole = (sizes[axis] - 1).saturating_mul(strides[axis]).saturating_add(reach + 1 + missing);
        if low.saturating_add(high) >= whole {
            let name = window::axis_name(axes, axis);
            let message = format!(
                "padding of {low} and {high} leaves nothing of the {name}, which is {whole} for {ty} before it"
            );
            return el.fail(
                Diagnostic::error(codes::SHAPE, message)
                    .at(arguments.span_of("padding"), format!("{} against {whole}", low.saturating_add(high)))
                    .note("the padding of a transposed convolution is cut off from its result"),
            );
        }
        let edge = |cut: usize, more: usize| {
            i64::try_from(reach + more).unwrap_or(i64::MAX) - i64::try_from(cut).unwrap_or(i64::MAX)
        };
        padding.push((edge(low, 0), edge(high, missing)));
    }
    let convolution = Convolution {
        strides: vec![1; axes],
        padding,
        input_dilation: strides,
        kernel_dilation: dilations,
        groups,
    };
    Ok((kernel, convolution))
}

/// The kernel `[outputs, inputs / groups, …]` of the convolution: groups apart, channels exchanged, taps in
/// reverse order.
fn turned(builder: &mut Builder, weight: NodeId, groups: usize) -> Result<NodeId, InferError> {
    let shape = builder.shape(weight).clone();
    let sizes = shape.as_fixed().unwrap_or_default();
    let [inputs, outputs, taps @ ..] = sizes.as_slice() else {
        return Err(InferError::new("a kernel without channels"));
    };
    let shaped = |leading: &[usize]| Shape::fixed(&[leading, taps].concat());
    let divided = builder.reshape(weight, shaped(&[groups, inputs / groups, *outputs]))?;
    let order: Vec<usize> = [0, 2, 1].into_iter().chain(3..3 + taps.len()).collect();
    let exchanged = builder.transpose(divided, &order)?;
    let kernel = builder.reshape(exchanged, shaped(&[groups * outputs, inputs / groups]))?;
    builder.add_node(Op::Reverse { axes: (2..2 + taps.len()).collect() }, &[kernel])
}
