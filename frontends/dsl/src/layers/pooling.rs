//! Pools: the largest or the mean of the elements under a window, or the mean over whole maps.

use super::LayerSpec;
use super::window;
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::{Arguments, Parameter};
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{NodeId, Window, WindowKind};
use dlc_types::{Diagnostic, Dim, Shape};

const PARAMETERS: &[Parameter<'static>] =
    &[("x", true), ("kernel", true), ("stride", false), ("padding", false)];

pub(super) const SPECS: &[LayerSpec] = &[
    LayerSpec::new("max_pool", PARAMETERS, max_pool),
    LayerSpec::new("avg_pool", PARAMETERS, avg_pool),
    LayerSpec::new("global_avg_pool", &[("x", true)], global_avg_pool),
];

fn input(el: &mut Elaborator<'_>, arguments: &Arguments) -> Eval<NodeId> {
    let x = arguments.float_tensor(el, "x")?;
    let ty = el.builder.ty(x).clone();
    if (3..=4).contains(&ty.shape.rank()) {
        return Ok(x);
    }
    let message = format!(
        "`{}` takes [N, channels, length] or [N, channels, height, width], got {ty}",
        arguments.callee
    );
    el.fail(
        Diagnostic::error(codes::RANK, message)
            .at(arguments.span, format!("rank {}", ty.shape.rank()))
            .help("pool before `flatten`"),
    )
}

/// The window over all axes, and whether it is padded.
fn pool_window(el: &mut Elaborator<'_>, arguments: &Arguments, x: NodeId) -> Eval<(Window, bool)> {
    let spatial = window::read(el, arguments, x, true)?;
    for (axis, &(low, high)) in spatial.padding.iter().enumerate() {
        if low.max(high) >= spatial.kernel[axis] {
            let message = format!(
                "padding of {} leaves windows of {} without any element",
                low.max(high),
                spatial.kernel[axis]
            );
            return el.fail_at(
                codes::RANGE,
                message,
                arguments.span_of("padding"),
                "must be below the kernel",
            );
        }
    }
    let padded = spatial.padding.iter().any(|&padding| padding != (0, 0));
    let over_all = |leading: usize, rest: &[usize]| [&[leading; 2], rest].concat();
    let mut padding = vec![(0, 0); 2];
    padding.extend(spatial.padding);
    let window = Window {
        sizes: over_all(1, &spatial.kernel),
        strides: over_all(1, &spatial.strides),
        dilations: over_all(1, &spatial.dilations),
        padding,
    };
    Ok((window, padded))
}

fn max_pool(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let x = input(el, arguments)?;
    let (window, _) = pool_window(el, arguments, x)?;
    el.build(arguments.span, |builder| builder.reduce_window(WindowKind::Max, x, window)).map(Value::Tensor)
}

/// The mean of the elements that lie in the map: padding does not count.
fn avg_pool(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let x = input(el, arguments)?;
    let (window, padded) = pool_window(el, arguments, x)?;
    el.build(arguments.span, |builder| {
        let ty = builder.ty(x).clone();
        let taps: f64 = window.sizes.iter().map(|&size| size as f64).product();
        let total = builder.reduce_window(WindowKind::Sum, x, window.clone())?;
        if !padded {
            return builder.scale(total, 1.0 / taps);
        }
        let mut map = ty.shape.0.clone();
        map[0] = Dim::Fixed(1);
        map[1] = Dim::Fixed(1);
        let ones = builder.splat(ty.dtype, Shape(map), 1.0)?;
        let counts = builder.reduce_window(WindowKind::Sum, ones, window)?;
        let shape = builder.shape(total).clone();
        let axes: Vec<usize> = (0..shape.rank()).collect();
        let counts = builder.broadcast(counts, shape, &axes)?;
        builder.div(total, counts)
    })
    .map(Value::Tensor)
}

/// `[N, channels, …] -> [N, channels]`
fn global_avg_pool(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let x = input(el, arguments)?;
    let axes: Vec<usize> = (2..el.builder.shape(x).rank()).collect();
    el.build(arguments.span, |builder| builder.mean(x, &axes)).map(Value::Tensor)
}
