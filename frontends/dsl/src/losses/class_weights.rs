//! `class_weights(classes)`: what the data section says that each class counts, `f32[classes]`.
//!
//! Numbers of the text are a constant. Balanced weights are the state [`CLASS_WEIGHTS`], 1 until the trainer
//! sets it from the training split.

use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::Arguments;
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{Initializer, Literal, Model, Op, State};
use dlc_recipe::{CLASS_WEIGHTS, ClassWeights};
use dlc_types::{DType, Diagnostic, Shape, TensorType};

pub(super) fn class_weights(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let classes = arguments.size(el, "classes")?;
    let span = arguments.span;
    el.class_weights_used = true;
    match el.class_weights.clone() {
        None => el.fail(
            Diagnostic::error(codes::MISSING, "the data section has no `class_weights`")
                .at(span, "not told")
                .help("write `class_weights = balanced` there, or a number per class"),
        ),
        Some(ClassWeights::Given(weights)) if weights.len() == classes => {
            let literal = Literal::floats(DType::F32, &[classes], &weights);
            el.build(span, |builder| builder.constant(literal)).map(Value::Tensor)
        }
        Some(ClassWeights::Given(weights)) => {
            let message = format!("the data section gives {} class weights, not {classes}", weights.len());
            el.fail_at(codes::SHAPE, message, span, format!("{classes} against {}", weights.len()))
        }
        Some(ClassWeights::Balanced) => {
            let ty = TensorType::new(DType::F32, Shape::fixed(&[classes]));
            let node = el.step_state(CLASS_WEIGHTS, ty.clone(), span)?;
            if el.builder.ty(node) == &ty {
                return Ok(Value::Tensor(node));
            }
            let found = el.builder.ty(node).clone();
            let message = format!("class weights are {found} elsewhere, and {ty} here");
            el.fail_at(codes::SHAPE, message, span, "data has one number of classes")
        }
    }
}

/// Declares the state of balanced weights where a function of the model reads it.
pub(crate) fn declare(model: &mut Model) {
    let functions = [model.evaluate.as_ref(), model.forward.as_ref()].into_iter().flatten();
    let mut nodes = functions.flat_map(|function| function.nodes.values());
    let read = nodes.find(|node| matches!(&node.op, Op::State { name } if name == CLASS_WEIGHTS));
    if let Some(ty) = read.and_then(|node| node.ty.tensor()).cloned() {
        let initializer = Initializer::Constant(1.0);
        model.states.push(State { name: CLASS_WEIGHTS.to_owned(), ty, initializer });
    }
}
