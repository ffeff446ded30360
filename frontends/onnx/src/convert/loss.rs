//! Losses: SoftmaxCrossEntropyLoss and NegativeLogLikelihoodLoss.
//!
//! The score of the target class is selected and summed over the classes, which the compiler joins with the
//! softmax. A target of `ignore_index` counts nothing, and neither in the mean; targets out of range are taken
//! for the nearest class in the weights, as the operators' definition does, and give 0.
//!
//! History: the operators came with opset 12; negative targets may be ignored since 13.

use super::{Context, Operator, Stop};
use dlc_ir::{Comparison, NodeId, Op};
use dlc_types::{DType, Shape, TensorType};

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("NegativeLogLikelihoodLoss", 12, |context| {
        let scores = context.input(0)?;
        loss(context, scores)
    }),
    Operator::new("SoftmaxCrossEntropyLoss", 12, softmax_cross_entropy),
];

fn softmax_cross_entropy(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    let logarithms = context.builder().add_node(Op::LogSoftmax { axis: 1 }, &[x])?;
    context.set_output(1, logarithms)?;
    loss(context, logarithms)
}

/// Of scores `[batch, classes, …]` and targets `[batch, …]`.
fn loss(context: &mut Context<'_, '_>, scores: NodeId) -> Result<(), Stop> {
    let target = context.input(1)?;
    let target = context.builder().cast(target, DType::I32)?;
    let TensorType { dtype, shape } = context.ty(scores);
    if shape.rank() < 2 || shape.rank() != context.rank(target) + 1 {
        return Err(context.invalid(format!("{} does not name a class for {shape}", context.ty(target))));
    }
    let counted = match context.int("ignore_index")? {
        Some(ignored) => match i32::try_from(ignored) {
            Ok(ignored) => {
                let ignored = context.builder().splat_like(target, f64::from(ignored))?;
                Some(context.builder().compare(Comparison::NotEqual, target, ignored)?)
            }
            Err(_) => None,
        },
        None => None,
    };
    let weight = weight(context, target, counted, dtype)?;
    let class = context.count(&shape, 1, DType::I32)?;
    let builder = context.builder();
    let wanted = builder.broadcast_reduced(target, shape.clone(), &[1])?;
    let hit = builder.compare(Comparison::Equal, class, wanted)?;
    let zero = builder.splat_like(scores, 0.0)?;
    let own = builder.select(hit, scores, zero)?;
    let own = builder.sum(own, &[1])?;
    let mut losses = builder.neg(own)?;
    if let Some(counted) = counted {
        let zero = builder.splat_like(losses, 0.0)?;
        losses = builder.select(counted, losses, zero)?;
    }
    if let Some(weight) = weight {
        losses = builder.mul(weight, losses)?;
    }
    reduced(context, losses, weight)
}

/// The weight of each target; `None` where all are 1.
fn weight(
    context: &mut Context<'_, '_>,
    target: NodeId,
    counted: Option<NodeId>,
    dtype: DType,
) -> Result<Option<NodeId>, Stop> {
    let weight = match context.optional(2)? {
        Some(weights) => context.builder().add_node(Op::Gather { axis: 0 }, &[weights, target])?,
        None if counted.is_none() => return Ok(None),
        None => {
            let shape = context.shape(target);
            context.builder().splat(dtype, shape, 1.0)?
        }
    };
    let Some(counted) = counted else { return Ok(Some(weight)) };
    let zero = context.builder().splat_like(weight, 0.0)?;
    Ok(Some(context.builder().select(counted, weight, zero)?))
}

fn reduced(context: &mut Context<'_, '_>, losses: NodeId, weight: Option<NodeId>) -> Result<(), Stop> {
    let shape: Shape = context.shape(losses);
    let axes: Vec<usize> = (0..shape.rank()).collect();
    let result = match context.text_or("reduction", "mean")? {
        "none" => losses,
        "sum" => context.builder().sum(losses, &axes)?,
        "mean" => match weight {
            None => context.builder().mean(losses, &axes)?,
            Some(weight) => {
                let total = context.builder().sum(losses, &axes)?;
                let weight = context.builder().sum(weight, &axes)?;
                context.builder().div(total, weight)?
            }
        },
        other => return Err(context.invalid(format!("there is no reduction `{other}`"))),
    };
    context.set_output(0, result)
}
