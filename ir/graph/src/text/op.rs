//! Ops of the text form: from a name, a subject and attributes.

use super::attributes::{Attributes, float, number};
use crate::literal::Elements;
use crate::{
    ArgReduction, Binary, Comparison, Contraction, Convolution, Function, Literal, Op, Reduction, Scan,
    ScatterKind, Type, Unary, Window, WindowKind,
};
use dlc_types::{DType, Dim};

/// Failures before their line is known.
type Result<T> = std::result::Result<T, String>;

/// What stands between an op's name and its operands.
pub(super) enum Subject<'a> {
    None,
    Name(String),
    Elements(Vec<&'a str>),
}

/// The op of that name.
pub(super) fn op(name: &str, subject: Subject<'_>, ty: &Type, attributes: &mut Attributes<'_>) -> Result<Op> {
    match (name, subject) {
        ("input", Subject::Name(name)) => Ok(Op::Input { name }),
        ("parameter", Subject::Name(name)) => Ok(Op::Parameter { name }),
        ("state", Subject::Name(name)) => Ok(Op::State { name }),
        ("input" | "parameter" | "state", _) => Err(format!("{name} needs a quoted name")),
        ("constant", Subject::Elements(words)) => constant(&words, ty),
        ("constant", _) => Err("constant needs its elements in brackets".to_owned()),
        (_, Subject::None) => op_of_operands(name, attributes),
        _ => Err(format!("{name} takes operands and attributes only")),
    }
}

fn constant(words: &[&str], ty: &Type) -> Result<Op> {
    let Type::Tensor(ty) = ty else { return Err("a constant is not a tuple".to_owned()) };
    let words = words.iter().copied();
    let elements = match ty.dtype {
        DType::Bool => Elements::Bool(words.map(number).collect::<Result<_>>()?),
        dtype if dtype.is_float() => Elements::Float(words.map(float).collect::<Result<_>>()?),
        _ => Elements::Int(words.map(number).collect::<Result<_>>()?),
    };
    Ok(Op::Constant(Literal { ty: ty.clone(), elements }))
}

fn op_of_operands(name: &str, attributes: &mut Attributes<'_>) -> Result<Op> {
    if let Some(function) = Unary::from_name(name) {
        return Ok(Op::Unary(function));
    }
    if let Some(function) = Binary::from_name(name) {
        return Ok(Op::Binary(function));
    }
    if let Some(comparison) = Comparison::from_name(name) {
        return Ok(Op::Compare(comparison));
    }
    if let Some(kind) = ArgReduction::from_name(name) {
        return Ok(Op::ArgReduce { kind, axis: attributes.parsed("axis")? });
    }
    Ok(match name {
        "iota" => Op::Iota { axis: attributes.parsed("axis")? },
        "extent" => Op::Extent(dim(attributes.word("dim")?)?),
        "random" => Op::Random { stream: attributes.parsed("stream")? },
        "select" => Op::Select,
        "cast" => Op::Cast(attributes.named("to", |name| name.parse().ok())?),
        "bitcast" => Op::Bitcast(attributes.named("to", |name| name.parse().ok())?),
        "broadcast" => Op::Broadcast { axes: attributes.list("axes")? },
        "reshape" => Op::Reshape,
        "transpose" => Op::Transpose { permutation: attributes.list("permutation")? },
        "slice" => Op::Slice {
            starts: attributes.list("starts")?,
            limits: attributes.limits("limits")?,
            strides: attributes.list("strides")?,
        },
        "pad" => Op::Pad { low: attributes.list("low")?, high: attributes.list("high")? },
        "dilate" => Op::Dilate { factors: attributes.list("factors")? },
        "reverse" => Op::Reverse { axes: attributes.list("axes")? },
        "concat" => Op::Concat { axis: attributes.parsed("axis")? },
        "reduce" => Op::Reduce {
            kind: attributes.named("kind", Reduction::from_name)?,
            axes: attributes.list("axes")?,
        },
        "cumulative" => Op::Cumulative {
            kind: attributes.named("kind", Reduction::from_name)?,
            axis: attributes.parsed("axis")?,
            reverse: attributes.parsed("reverse")?,
        },
        "contract" => Op::Contract(Contraction {
            batch: attributes.pairs("batch")?,
            contract: attributes.pairs("contract")?,
        }),
        "convolve" => Op::Convolve(convolution(attributes)?),
        "reduce_window" => Op::ReduceWindow {
            kind: attributes.named("kind", WindowKind::from_name)?,
            window: window(attributes)?,
        },
        "window_argmax" => Op::WindowArgMax { window: window(attributes)? },
        "window_scatter" => Op::WindowScatter { window: window(attributes)? },
        "gather" => Op::Gather { axis: attributes.parsed("axis")? },
        "gather_along" => Op::GatherAlong { axis: attributes.parsed("axis")? },
        "scatter" => Op::Scatter {
            axis: attributes.parsed("axis")?,
            kind: attributes.named("kind", ScatterKind::from_name)?,
        },
        "argsort" => {
            Op::ArgSort { axis: attributes.parsed("axis")?, descending: attributes.parsed("descending")? }
        }
        "batch_norm" => {
            Op::BatchNorm { axis: attributes.parsed("axis")?, epsilon: float(attributes.word("epsilon")?)? }
        }
        "softmax" => Op::Softmax { axis: attributes.parsed("axis")? },
        "log_softmax" => Op::LogSoftmax { axis: attributes.parsed("axis")? },
        "project" => Op::Project(attributes.parsed("index")?),
        "scan" => return Err("a scan needs its body in braces".to_owned()),
        _ => return Err(format!("there is no op {name}")),
    })
}

/// The scan of that body.
pub(super) fn scan(body: Function, attributes: &mut Attributes<'_>) -> Result<Op> {
    let steps = attributes.parsed("steps")?;
    let (carries, slices) = (attributes.parsed("carries")?, attributes.parsed("slices")?);
    Ok(Op::Scan(Box::new(Scan { body, steps, carries, slices, reverse: attributes.parsed("reverse")? })))
}

fn convolution(attributes: &mut Attributes<'_>) -> Result<Convolution> {
    Ok(Convolution {
        strides: attributes.list("strides")?,
        padding: attributes.pairs("padding")?,
        input_dilation: attributes.list("input_dilation")?,
        kernel_dilation: attributes.list("kernel_dilation")?,
        groups: attributes.parsed("groups")?,
    })
}

fn window(attributes: &mut Attributes<'_>) -> Result<Window> {
    Ok(Window {
        sizes: attributes.list("sizes")?,
        strides: attributes.list("strides")?,
        dilations: attributes.list("dilations")?,
        padding: attributes.pairs("padding")?,
    })
}

/// An extent such as `3`, `N` or `4N`.
pub(super) fn dim(word: &str) -> Result<Dim> {
    match word.strip_suffix('N') {
        Some("") => Ok(Dim::N),
        Some(scale) => Ok(Dim::Batch(number(scale)?)),
        None => Ok(Dim::Fixed(number(word)?)),
    }
}
