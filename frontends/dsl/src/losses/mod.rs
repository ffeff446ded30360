//! Losses and metrics: the functions of the `train` section.
//!
//! A loss says what type its target has, unless the data section says it. Losses are scalars, means over the
//! run-time batch; so are many metrics, and the others say how the trainer makes them of what a batch gives.

mod binary;
pub(crate) mod class_weights;
mod classification;
mod metric;
mod penalty;
pub(crate) mod purpose;
mod regression;

use crate::codes;
use crate::elaborate::arguments::Arguments;
use crate::elaborate::{Elaborator, Target};
use crate::layers::LayerSpec;
use crate::report::{Eval, Poison};
use crate::value::Value;
use dlc_ir::{Binary, Builder, InferError, Literal, NodeId, Op};
use dlc_types::{DType, Diagnostic, Dim, Shape, Span, TensorType};

const PAIR: &[(&str, bool)] = &[("prediction", true), ("target", true)];

const CLASSES: &[(&str, bool)] = &[
    ("prediction", true),
    ("target", true),
    ("weights", false),
    ("label_smoothing", false),
    ("ignore", false),
];
const PENALTY: &[(&str, bool)] = &[("paths", true), ("factor", true)];

/// The losses.
const SPECS: &[LayerSpec] = &[
    LayerSpec::new("cross_entropy", CLASSES, classification::cross_entropy),
    LayerSpec::new("cross_entropy_probabilities", CLASSES, classification::cross_entropy_probabilities),
    LayerSpec::new(
        "nll",
        &[("prediction", true), ("target", true), ("weights", false), ("ignore", false)],
        classification::negative_log_likelihood,
    ),
    LayerSpec::new("kl_divergence", PAIR, classification::kl_divergence),
    LayerSpec::new(
        "binary_cross_entropy",
        &[("prediction", true), ("target", true), ("pos_weight", false)],
        binary::binary_cross_entropy,
    ),
    LayerSpec::new("binary_cross_entropy_probabilities", PAIR, binary::binary_cross_entropy_probabilities),
    LayerSpec::new("hinge", &[("prediction", true), ("target", true), ("margin", false)], binary::hinge),
    LayerSpec::new("mse", PAIR, regression::mse),
    LayerSpec::new("mae", PAIR, regression::mae),
    LayerSpec::new("huber", &[("prediction", true), ("target", true), ("delta", false)], regression::huber),
    LayerSpec::new(
        "smooth_l1",
        &[("prediction", true), ("target", true), ("beta", false)],
        regression::smooth_l1,
    ),
    LayerSpec::new("l1", PENALTY, penalty::l1),
    LayerSpec::new("l2", PENALTY, penalty::l2),
    LayerSpec::new("class_weights", &[("classes", true)], class_weights::class_weights),
];

/// Losses and metrics.
pub(crate) fn all() -> impl Iterator<Item = &'static LayerSpec> {
    SPECS.iter().chain(metric::SPECS)
}

impl Elaborator<'_> {
    /// The target of that name: a tensor once its type is known.
    pub(crate) fn target(&mut self, name: &str, span: Span) -> Eval<Value> {
        match self.targets.get(name).cloned() {
            Some(Target { node: Some(node), .. }) => Ok(Value::Tensor(node)),
            Some(Target { ty: Some(ty), node: None }) => {
                self.declare_target(name, ty, span).map(Value::Tensor)
            }
            _ => Ok(Value::Target(name.into())),
        }
    }

    /// Fails because a target is computed with before a loss or the data section says its type.
    pub(crate) fn untyped_target<T>(&mut self, name: &str, span: Span) -> Eval<T> {
        self.fail(
            Diagnostic::error(codes::TARGET, format!("the type of the target `{name}` is not known here"))
                .at(span, "not given to a loss yet")
                .help(format!("declare it in the data section: `source = … -> (x, {name}: f32[N, 1])`")),
        )
    }

    fn declare_target(&mut self, name: &str, ty: TensorType, span: Span) -> Eval<NodeId> {
        let node = self.build(span, |builder| builder.input(name, ty.clone()))?;
        self.targets.insert(name.to_owned(), Target { ty: Some(ty), node: Some(node) });
        Ok(node)
    }
}

/// The second argument; a target without a type gets `expected`.
fn target(el: &mut Elaborator<'_>, arguments: &Arguments, expected: TensorType) -> Eval<NodeId> {
    let node = match arguments.get("target") {
        Some((Value::Tensor(node), _)) => *node,
        Some((Value::Target(name), span)) => {
            let (name, span) = (name.to_string(), *span);
            el.declare_target(&name, expected, span)?
        }
        _ => return arguments.mismatch(el, "target", "a tensor"),
    };
    purpose::check(el, arguments, node)?;
    Ok(node)
}

/// The shape without its class axis, the second.
fn without_classes(shape: &Shape) -> Shape {
    Shape(shape.0.iter().enumerate().filter(|&(axis, _)| axis != 1).map(|(_, &dim)| dim).collect())
}

/// The prediction `[N, classes, …]` and its number of axes.
fn class_scores(el: &mut Elaborator<'_>, arguments: &Arguments) -> Eval<NodeId> {
    let prediction = arguments.float_tensor(el, "prediction")?;
    let ty = el.builder.ty(prediction).clone();
    if ty.shape.rank() >= 2 {
        return Ok(prediction);
    }
    let message = format!("`{}` takes predictions [N, classes, …], got {ty}", arguments.callee);
    el.fail_at(codes::RANK, message, arguments.span_of("prediction"), "no class axis")
}

/// Prediction and target of one shape and type; a target without a type gets the prediction's.
fn equal_pair(el: &mut Elaborator<'_>, arguments: &Arguments) -> Eval<(NodeId, NodeId)> {
    let prediction = arguments.float_tensor(el, "prediction")?;
    let ty = el.builder.ty(prediction).clone();
    let mut y = target(el, arguments, ty.clone())?;
    if el.builder.shape(y) != &ty.shape {
        let found = el.builder.ty(y).clone();
        let message = format!("`{}` compares {ty} with {found}", arguments.callee);
        let mut diagnostic = Diagnostic::error(codes::SHAPE, message)
            .at(arguments.span, format!("{} against {}", ty.shape, found.shape))
            .note("prediction and target must have one shape");
        if ty.shape.elements() == found.shape.elements() {
            diagnostic = diagnostic.help(format!("bring the target to it: `reshape(y, {})`", ty.shape));
        }
        return el.fail(diagnostic);
    }
    if el.dtype(y) != ty.dtype {
        y = el.build(arguments.span, |builder| builder.cast(y, ty.dtype))?;
    }
    Ok((prediction, y))
}

/// Whether a target holds class numbers.
fn is_class_index(el: &Elaborator<'_>, node: NodeId) -> bool {
    el.dtype(node).is_integer()
}

/// The label of positions that do not count.
fn ignored_label(el: &mut Elaborator<'_>, arguments: &Arguments) -> Eval<Option<i64>> {
    match arguments.get("ignore") {
        None => Ok(None),
        Some((Value::Int(value), _)) if i32::try_from(*value).is_ok() => Ok(Some(*value)),
        Some(_) => arguments.mismatch(el, "ignore", "a class number"),
    }
}

/// Fails because labels that are no class numbers have none that could be ignored.
fn nothing_to_ignore<T>(el: &mut Elaborator<'_>, arguments: &Arguments, label: &TensorType) -> Eval<T> {
    let message = format!("`ignore` is a class number, but the label of `{}` is {label}", arguments.callee);
    el.fail(
        Diagnostic::error(codes::KIND, message)
            .at(arguments.span_of("ignore"), "labels are no class numbers")
            .help("give class numbers, or drop `ignore`"),
    )
}

/// Checks that class numbers `[N, …]` fit scores `[N, classes, …]`.
fn check_classes(el: &mut Elaborator<'_>, arguments: &Arguments, scores: NodeId, label: NodeId) -> Eval<()> {
    let (scores, label) = (el.builder.ty(scores).clone(), el.builder.ty(label).clone());
    let expected = without_classes(&scores.shape);
    if label.shape == expected {
        return Ok(());
    }
    let message =
        format!("`{}` of {scores} takes class numbers i32{expected}, got {label}", arguments.callee);
    el.fail(
        Diagnostic::error(codes::SHAPE, message)
            .at(arguments.span, format!("{} against {expected}", label.shape))
            .note("class numbers have the shape of the scores without their second axis"),
    )
}

/// Probabilities are kept this far from 0 and 1 before their logarithm.
const MARGIN: f64 = 1e-7;

/// The operand of the op that made a value.
fn operand_of(el: &Elaborator<'_>, node: NodeId, accept: impl Fn(&Op) -> bool) -> Option<NodeId> {
    let node = &el.builder.function().nodes[node];
    if accept(&node.op) { node.operands.first().copied() } else { None }
}

/// The op that made a value, but for which of its elements are taken in what order.
fn maker<'a>(el: &'a Elaborator<'_>, mut node: NodeId) -> &'a Op {
    let nodes = &el.builder.function().nodes;
    while let (Op::Reshape | Op::Slice { .. } | Op::Transpose { .. }, Some(&operand)) =
        (&nodes[node].op, nodes[node].operands.first())
    {
        node = operand;
    }
    &nodes[node].op
}

fn warn_about(el: &mut Elaborator<'_>, arguments: &Arguments, made_by: &str) {
    let callee = &arguments.callee;
    let message = format!("`{callee}` takes logits, but this is the result of `{made_by}`");
    el.reporter.push(
        Diagnostic::warning(codes::LOSS, message)
            .at(arguments.span_of("prediction"), "probabilities")
            .help(format!("use `{callee}_probabilities`, or drop the `{made_by}`")),
    );
}

fn mean_of_all(builder: &mut Builder, x: NodeId) -> Result<NodeId, InferError> {
    let axes: Vec<usize> = (0..builder.shape(x).rank()).collect();
    builder.mean(x, &axes)
}

fn clamp(builder: &mut Builder, p: NodeId) -> Result<NodeId, InferError> {
    let low = builder.splat_like(p, MARGIN)?;
    let high = builder.splat_like(p, 1.0 - MARGIN)?;
    let p = builder.binary(Binary::Max, p, low)?;
    builder.binary(Binary::Min, p, high)
}

/// One number per class of a prediction, `[classes]`, where the argument is given.
fn class_vector(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    key: &str,
    scores: NodeId,
) -> Eval<Option<NodeId>> {
    let Some((value, span)) = arguments.get(key).cloned() else { return Ok(None) };
    let ty = el.builder.ty(scores).clone();
    if let Value::Tensor(weights) = value {
        return class_tensor(el, arguments, key, weights, &ty).map(Some);
    }
    let numbers: Option<Vec<f64>> = match &value {
        Value::List(list) => list.items().iter().map(Value::as_float).collect(),
        _ => None,
    };
    let Some(numbers) = numbers.filter(|numbers| numbers.iter().all(|&number| number >= 0.0)) else {
        return arguments.mismatch(el, key, "numbers that are not negative, one per class");
    };
    let classes = ty.shape.0.get(1).and_then(|dim: &Dim| dim.fixed());
    if classes != Some(numbers.len()) {
        let message = format!(
            "`{key}` of `{}` has {} numbers, but {ty} has {} classes",
            arguments.callee,
            numbers.len(),
            classes.unwrap_or(0)
        );
        return el.fail(
            Diagnostic::error(codes::SHAPE, message)
                .at(span, format!("{} against {}", numbers.len(), classes.unwrap_or(0)))
                .note("classes are the second axis of the prediction, and each has one number"),
        );
    }
    let literal = Literal::floats(ty.dtype, &[numbers.len()], &numbers);
    el.build(span, |builder| builder.constant(literal)).map(Some)
}

/// The same of a tensor.
fn class_tensor(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    key: &str,
    weights: NodeId,
    scores: &TensorType,
) -> Eval<NodeId> {
    let found = el.builder.ty(weights).clone();
    let classes = scores.shape.0.get(1).copied();
    if found.shape.rank() != 1 || found.shape.0.first().copied() != classes || !found.dtype.is_float() {
        let message = format!("`{key}` of `{}` is {found}, but the prediction is {scores}", arguments.callee);
        return el.fail(
            Diagnostic::error(codes::SHAPE, message)
                .at(arguments.span_of(key), format!("{} against {}", found.shape, scores.shape))
                .note("classes are the second axis of the prediction, and each has one number"),
        );
    }
    el.build(arguments.span, |builder| builder.cast(weights, scores.dtype))
}

fn poisoned<T>() -> Eval<T> {
    Err(Poison)
}

/// Class numbers are compared as `i32`.
const CLASS: DType = DType::I32;
