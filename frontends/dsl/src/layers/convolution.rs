//! Convolutions over one and two axes.

use super::LayerSpec;
use super::initializer::InitializerRule;
use super::window;
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::{Arguments, Parameter};
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{Convolution, NodeId};
use dlc_types::{Diagnostic, Dim, Shape, TensorType};

const PARAMETERS: &[Parameter<'static>] = &[
    ("x", true),
    ("channels", true),
    ("kernel", true),
    ("stride", false),
    ("padding", false),
    ("dilation", false),
    ("groups", false),
    ("bias", false),
    ("init", false),
    ("bias_init", false),
];

const DEPTHWISE: &[Parameter<'static>] = &[
    ("x", true),
    ("kernel", true),
    ("multiplier", false),
    ("stride", false),
    ("padding", false),
    ("dilation", false),
    ("bias", false),
    ("init", false),
    ("bias_init", false),
];

const SEPARABLE: &[Parameter<'static>] = &[
    ("x", true),
    ("channels", true),
    ("kernel", true),
    ("multiplier", false),
    ("stride", false),
    ("padding", false),
    ("dilation", false),
    ("bias", false),
    ("init", false),
    ("bias_init", false),
];

pub(super) const SPECS: &[LayerSpec] = &[
    LayerSpec::new("conv1d", PARAMETERS, conv1d).owning(),
    LayerSpec::new("conv2d", PARAMETERS, conv2d).owning(),
    LayerSpec::new("depthwise_conv1d", DEPTHWISE, |el, arguments, path| {
        depthwise(el, arguments, path, conv1d)
    })
    .owning(),
    LayerSpec::new("depthwise_conv2d", DEPTHWISE, |el, arguments, path| {
        depthwise(el, arguments, path, conv2d)
    })
    .owning(),
    LayerSpec::new("separable_conv2d", SEPARABLE, separable_conv2d).owning(),
];

fn conv1d(el: &mut Elaborator<'_>, arguments: &Arguments, path: &str) -> Eval<Value> {
    convolution(el, arguments, path, 1, "[N, channels, length]")
}

fn conv2d(el: &mut Elaborator<'_>, arguments: &Arguments, path: &str) -> Eval<Value> {
    convolution(el, arguments, path, 2, "[N, channels, height, width]")
}

/// A convolution of each channel by itself, with `multiplier` results per channel.
fn depthwise(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    path: &str,
    convolve: fn(&mut Elaborator<'_>, &Arguments, &str) -> Eval<Value>,
) -> Eval<Value> {
    let x = arguments.float_tensor(el, "x")?;
    let inputs = match el.builder.shape(x).0.get(1) {
        Some(&Dim::Fixed(inputs)) => inputs,
        // The convolution tells what it takes.
        _ => 1,
    };
    let multiplier = match arguments.get("multiplier") {
        None => 1,
        Some(_) => arguments.size(el, "multiplier")?,
    };
    let whole = |number: usize| (Value::Int(i64::try_from(number).unwrap_or(i64::MAX)), arguments.span);
    let mut values = arguments.values.clone();
    values.remove("multiplier");
    values.insert("channels".to_owned(), whole(inputs.saturating_mul(multiplier)));
    values.insert("groups".to_owned(), whole(inputs));
    let callee = arguments.callee.clone();
    convolve(el, &Arguments { callee, span: arguments.span, values, rest: Vec::new() }, path)
}

/// A depthwise convolution without bias (`PATH.depthwise`), then one over the channels at each place
/// (`PATH.pointwise`): Chollet, "Xception", CVPR 2017.
fn separable_conv2d(el: &mut Elaborator<'_>, arguments: &Arguments, path: &str) -> Eval<Value> {
    let part = |keys: &[&str]| Arguments {
        callee: arguments.callee.clone(),
        span: arguments.span,
        values: arguments
            .values
            .iter()
            .filter(|(key, _)| keys.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        rest: Vec::new(),
    };
    let mut first = part(&["x", "kernel", "multiplier", "stride", "padding", "dilation", "init"]);
    first.values.insert("bias".to_owned(), (Value::Bool(false), arguments.span));
    let maps = depthwise(el, &first, &format!("{path}.depthwise"), conv2d)?;
    let mut second = part(&["channels", "bias", "init", "bias_init"]);
    second.values.insert("x".to_owned(), (maps, arguments.span));
    second.values.insert("kernel".to_owned(), (Value::Int(1), arguments.span));
    conv2d(el, &second, &format!("{path}.pointwise"))
}

/// Weight `[channels, inputs / groups, kernel…]`, bias `[channels]`.
fn convolution(
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
    let window = window::read(el, arguments, x, false)?;
    let mut sizes = vec![channels, inputs / groups];
    sizes.extend(&window.kernel);
    let taps: usize = window.kernel.iter().fold(1, |product, &size| product.saturating_mul(size));
    let (fan_in, fan_out) = ((inputs / groups).saturating_mul(taps), channels.saturating_mul(taps));
    let rule = arguments.initializer(el, "init", InitializerRule::HeNormal)?;
    let weight_ty = TensorType::new(ty.dtype, Shape::fixed(&sizes));
    let weight = el.parameter(&format!("{path}.weight"), weight_ty, rule.with_fans(fan_in, fan_out), span)?;
    let padding = window
        .padding
        .iter()
        .map(|&(low, high)| (i64::try_from(low).unwrap_or(i64::MAX), i64::try_from(high).unwrap_or(i64::MAX)))
        .collect();
    let attributes = Convolution {
        strides: window.strides,
        padding,
        input_dilation: vec![1; axes],
        kernel_dilation: window.dilations,
        groups,
    };
    let y = el.build(span, |builder| builder.convolve(x, weight, attributes))?;
    biased(el, arguments, path, y, (fan_in, fan_out))
}

/// Channels of a convolution, direct or transposed.
pub(super) struct Channels {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) groups: usize,
}

/// The channels that the input and the arguments tell.
pub(super) fn channels(el: &mut Elaborator<'_>, arguments: &Arguments, ty: &TensorType) -> Eval<Channels> {
    let Dim::Fixed(inputs) = ty.shape[1] else {
        let message = format!("the channels of {ty} depend on the batch");
        return el.fail_at(codes::SHAPE, message, arguments.span, "channels are a fixed number");
    };
    let channels = arguments.size(el, "channels")?;
    let groups = match arguments.get("groups") {
        None => 1,
        Some(_) => arguments.size(el, "groups")?,
    };
    if inputs % groups != 0 || channels % groups != 0 {
        let message =
            format!("{groups} groups divide neither or only one of {inputs} inputs and {channels} channels");
        return el.fail(
            Diagnostic::error(codes::SHAPE, message)
                .at(arguments.span_of("groups"), format!("the input is {ty}"))
                .note("the number of groups must divide the input's channels and the layer's"),
        );
    }
    Ok(Channels { inputs, outputs: channels, groups })
}

/// A convolution's result with its bias `[channels]`, unless the arguments ask for none.
pub(super) fn biased(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    path: &str,
    y: NodeId,
    (fan_in, fan_out): (usize, usize),
) -> Eval<Value> {
    if !arguments.bool_or(el, "bias", true)? {
        return Ok(Value::Tensor(y));
    }
    let span = arguments.span;
    let TensorType { dtype, shape } = el.builder.ty(y).clone();
    let rule = arguments.initializer(el, "bias_init", InitializerRule::Constant(0.0))?;
    let bias_ty = TensorType::new(dtype, Shape(vec![shape[1]]));
    let bias = el.parameter(&format!("{path}.bias"), bias_ty, rule.with_fans(fan_in, fan_out), span)?;
    let y = el.build(span, |builder| {
        let bias = builder.broadcast_along(bias, shape, 1)?;
        builder.add(y, bias)
    })?;
    Ok(Value::Tensor(y))
}
