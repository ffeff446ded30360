//! What a target is to the loss: numbers or classes.
//!
//! Types do not tell, since a yes or no is a float, too. The loss does: the difference of `mse` is one of numbers,
//! cross-entropy is one of classes. A metric of the other kind would be a number without a meaning, so it is refused;
//! a probability fits both, since its distance from 0 and 1 is a score of the decision.

use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::Arguments;
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{Builder, NodeId, Op, Unary};
use dlc_types::Diagnostic;
use std::collections::BTreeSet;

/// Losses and metrics of distances between numbers.
const NUMBERS: [&str; 6] = ["mse", "mae", "huber", "smooth_l1", "rmse", "r2"];
/// Those that take shares.
const SHARES: [&str; 1] = ["kl_divergence"];

/// What the loss took the targets for.
#[derive(Debug, Default)]
pub(crate) struct Purposes {
    numbers: BTreeSet<NodeId>,
    classes: BTreeSet<NodeId>,
    /// Whether the loss is complete, so that what follows are metrics.
    pub(crate) complete: bool,
}

/// The input that a value is, but for its shape and type.
fn source(builder: &Builder, mut id: NodeId) -> NodeId {
    let nodes = &builder.function().nodes;
    while let (Op::Reshape | Op::Cast(_), Some(&operand)) = (&nodes[id].op, nodes[id].operands.first()) {
        id = operand;
    }
    id
}

/// Notes what a loss takes a target for, and refuses a metric that takes it for the other.
pub(super) fn check(el: &mut Elaborator<'_>, arguments: &Arguments, target: NodeId) -> Eval<()> {
    let callee = arguments.callee.as_str();
    if SHARES.contains(&callee) {
        return Ok(());
    }
    let of_numbers = NUMBERS.contains(&callee);
    let source = source(&el.builder, target);
    let purposes = &mut el.purposes;
    if !purposes.complete {
        if of_numbers {
            purposes.numbers.insert(source)
        } else {
            purposes.classes.insert(source)
        };
        return Ok(());
    }
    let (own, other) = (purposes.numbers.contains(&source), purposes.classes.contains(&source));
    let (own, other) = if of_numbers { (own, other) } else { (other, own) };
    let Some((Value::Tensor(prediction), _)) = arguments.get("prediction") else { return Ok(()) };
    let prediction = *prediction;
    let maker = super::maker(el, prediction);
    let is_probability = matches!(maker, Op::Softmax { .. }) || *maker == Op::Unary(Unary::Sigmoid);
    if own || !other || is_probability {
        return Ok(());
    }
    let name = match &el.builder.function().nodes[source].op {
        Op::Input { name } => format!("`{name}`"),
        _ => "the target".to_owned(),
    };
    let (y, t) = (el.builder.ty(prediction).clone(), el.builder.ty(target).clone());
    let several = y.shape.0.get(1).and_then(|dim| dim.fixed()).is_some_and(|classes| classes > 1);
    let probability = if several { "softmax" } else { "sigmoid" };
    let (message, help) = if of_numbers {
        (
            format!("`{callee}` measures distances between numbers, but the loss takes {name} for classes"),
            format!(
                "`accuracy`, `f1` and `auc` measure decisions; a probability has a distance: `{callee}({probability}(…), …)`"
            ),
        )
    } else {
        (
            format!("`{callee}` measures decisions between classes, but the loss takes {name} for numbers"),
            format!(
                "`mae`, `rmse` and `r2` measure numbers; if {name} holds classes, give a probability: `{callee}({probability}(…), …)`"
            ),
        )
    };
    el.fail(Diagnostic::error(codes::LOSS, message).at(arguments.span, format!("{y} against {t}")).help(help))
}
