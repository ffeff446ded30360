//! Windows that slide over axes: kernels of convolutions and pools, and their padding.

use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::Arguments;
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::NodeId;
use dlc_types::{Diagnostic, Dim, TensorType};

/// A window over the spatial axes, the third and all later ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpatialWindow {
    pub(crate) kernel: Vec<usize>,
    pub(crate) strides: Vec<usize>,
    pub(crate) dilations: Vec<usize>,
    pub(crate) padding: Vec<(usize, usize)>,
}

/// Names of the spatial axes, for messages.
pub(crate) fn axis_name(axes: usize, axis: usize) -> &'static str {
    match (axes, axis) {
        (1, _) => "length",
        (2, 0) => "height",
        (2, _) => "width",
        _ => "axis",
    }
}

/// Reads `kernel`, `stride`, `dilation` and `padding` and checks them against the input.
pub(crate) fn read(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    x: NodeId,
    stride_is_kernel: bool,
) -> Eval<SpatialWindow> {
    let ty = el.builder.ty(x).clone();
    let sizes = spatial_sizes(el, arguments, &ty)?;
    let axes = sizes.len();
    let kernel = arguments.per_axis(el, "kernel", axes, 1)?;
    let strides = if stride_is_kernel && arguments.get("stride").is_none() {
        kernel.clone()
    } else {
        arguments.per_axis(el, "stride", axes, 1)?
    };
    let dilations = arguments.per_axis(el, "dilation", axes, 1)?;
    let spans: Vec<usize> =
        kernel.iter().zip(&dilations).map(|(&kernel, &dilation)| (kernel - 1) * dilation + 1).collect();
    let padding = padding(el, arguments, &sizes, &spans, &strides)?;
    for axis in 0..axes {
        let (low, high) = padding[axis];
        if spans[axis] > sizes[axis] + low + high {
            let name = axis_name(axes, axis);
            let message = if dilations[axis] > 1 {
                format!(
                    "a kernel of {} at dilation {} spans {}, but the {name} of {ty} with its padding is only {}",
                    kernel[axis],
                    dilations[axis],
                    spans[axis],
                    sizes[axis] + low + high
                )
            } else {
                format!(
                    "a kernel of {} does not fit: the {name} of {ty} with its padding is only {}",
                    kernel[axis],
                    sizes[axis] + low + high
                )
            };
            return el.fail(
                Diagnostic::error(codes::KERNEL, message)
                    .at(arguments.span, format!("{} against {}", spans[axis], sizes[axis] + low + high))
                    .note("a kernel spans (kernel - 1) * dilation + 1 and must lie within the padded input")
                    .help("write `padding = same`, or make the kernel or dilation smaller"),
            );
        }
    }
    Ok(SpatialWindow { kernel, strides, dilations, padding })
}

pub(crate) fn spatial_sizes(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    ty: &TensorType,
) -> Eval<Vec<usize>> {
    let sizes: Option<Vec<usize>> = ty.shape.0.iter().skip(2).map(|dim| dim.fixed()).collect();
    match sizes {
        Some(sizes) => Ok(sizes),
        None => {
            let message =
                format!("`{}` slides over fixed axes, but {ty} has the batch among them", arguments.callee);
            el.fail_at(codes::SHAPE, message, arguments.span, "the batch is the first axis")
        }
    }
}

/// Padding in front and behind per axis. `same` keeps `ceil(size / stride)` positions, as TensorFlow
/// does: what cannot be divided evenly is put behind.
fn padding(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    sizes: &[usize],
    spans: &[usize],
    strides: &[usize],
) -> Eval<Vec<(usize, usize)>> {
    if !matches!(arguments.get("padding"), Some((Value::Symbol("same"), _))) {
        return explicit_padding(el, arguments, sizes.len());
    }
    let same = |axis: usize| {
        let positions = sizes[axis].div_ceil(strides[axis]).max(1);
        let needed = (positions - 1).saturating_mul(strides[axis]).saturating_add(spans[axis]);
        let total = needed.saturating_sub(sizes[axis]);
        (total / 2, total - total / 2)
    };
    Ok((0..sizes.len()).map(same).collect())
}

/// Padding that is told in numbers, or none.
pub(crate) fn explicit_padding(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    axes: usize,
) -> Eval<Vec<(usize, usize)>> {
    let value = match arguments.get("padding") {
        None | Some((Value::Symbol("valid"), _)) => return Ok(vec![(0, 0); axes]),
        Some((value, _)) => value,
    };
    let number = |value: &Value| match value {
        Value::Int(value) if (0..=1 << 20).contains(value) => usize::try_from(*value).ok(),
        _ => None,
    };
    let pair = |value: &Value| match value {
        Value::List(list) => match list.items() {
            [low, high] => number(low).zip(number(high)),
            _ => None,
        },
        value => number(value).map(|both| (both, both)),
    };
    let result = match value {
        Value::List(list) if axes == 1 && list.items().len() == 2 => pair(value).map(|pair| vec![pair]),
        Value::List(list) if list.items().len() == axes => list.items().iter().map(pair).collect(),
        Value::List(_) => None,
        value => number(value).map(|both| vec![(both, both); axes]),
    };
    match result {
        Some(padding) => Ok(padding),
        None => {
            let wanted = "`same`, `valid`, a number, or one number or pair (front, behind) per axis";
            arguments.mismatch(el, "padding", wanted)
        }
    }
}

/// Checks the rank of a layer's input `[N, channels, spatial…]`.
pub(crate) fn require_rank(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    x: NodeId,
    rank: usize,
    form: &str,
) -> Eval<()> {
    let ty = el.builder.ty(x).clone();
    let found = ty.shape.rank();
    if found == rank {
        return Ok(());
    }
    let callee = &arguments.callee;
    let message = format!("`{callee}` takes a rank-{rank} tensor {form}, got the rank-{found} tensor {ty}");
    let mut diagnostic = Diagnostic::error(codes::RANK, message).at(arguments.span, format!("got {ty}"));
    if found + 1 == rank && found >= 2 {
        let mut dims: Vec<Dim> = ty.shape.0.clone();
        dims.insert(1, Dim::Fixed(1));
        let shape = dlc_types::Shape(dims);
        diagnostic = diagnostic
            .note("channels are the second axis")
            .help(format!("add the axis that is missing, such as one channel: `reshape({shape})`"));
    } else {
        diagnostic = diagnostic.help("bring it to that form with `reshape` or `flatten`");
    }
    el.fail(diagnostic)
}
