//! Losses and metrics: the functions of the `train` section.
//!
//! A loss says what type its target has, unless the data section says it. Losses are scalars, means over the
//! run-time batch; so are many metrics, and the others say how the trainer makes them of what a batch gives.

mod metric;
mod objective;

use crate::codes;
use crate::elaborate::arguments::Arguments;
use crate::elaborate::{Elaborator, Target};
use crate::layers::LayerSpec;
use crate::report::{Eval, Poison};
use crate::value::Value;
use dlc_ir::NodeId;
use dlc_types::{DType, Diagnostic, Shape, Span, TensorType};

const PAIR: &[(&str, bool)] = &[("prediction", true), ("target", true)];

/// The losses.
const SPECS: &[LayerSpec] = &[
    LayerSpec::new("cross_entropy", PAIR, objective::cross_entropy),
    LayerSpec::new("cross_entropy_probabilities", PAIR, objective::cross_entropy_probabilities),
    LayerSpec::new("binary_cross_entropy", PAIR, objective::binary_cross_entropy),
    LayerSpec::new("binary_cross_entropy_probabilities", PAIR, objective::binary_cross_entropy_probabilities),
    LayerSpec::new("mse", PAIR, objective::mse),
    LayerSpec::new("mae", PAIR, objective::mae),
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
    match arguments.get("target") {
        Some((Value::Tensor(node), _)) => Ok(*node),
        Some((Value::Target(name), span)) => {
            let (name, span) = (name.to_string(), *span);
            el.declare_target(&name, expected, span)
        }
        _ => arguments.mismatch(el, "target", "a tensor"),
    }
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

fn poisoned<T>() -> Eval<T> {
    Err(Poison)
}

/// Class numbers are compared as `i32`.
const CLASS: DType = DType::I32;
