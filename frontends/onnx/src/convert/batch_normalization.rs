//! BatchNormalization.
//!
//! History: `is_test` and `spatial` went with opsets 7 and 9 (the first in the upgrade, the second is understood
//! here). Before opset 14 a node in training was one with more than one output, the last two of which are the
//! statistics of the batch; since 14 `training_mode` tells, and there are three outputs. Since 15 the statistics
//! may have a type of their own.

use super::{Context, Operator, Stop};
use dlc_ir::{NodeId, Op, Unary};

pub(super) const OPERATORS: &[Operator] = &[Operator::new("BatchNormalization", 1, batch_normalization)];

fn batch_normalization(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    context.need_rank(x, 2)?;
    let (statistics, _) = context.input_type(3)?;
    let statistics = statistics.dtype().ok_or(Stop::Host)?;
    let dtype = context.dtype(x);
    let mut operands = Vec::with_capacity(4);
    for position in 1..5 {
        let operand = context.input(position)?;
        let operand = context.builder().cast(operand, dtype)?;
        operands.push(operand);
    }
    let [scale, shift, mean, variance] = operands[..] else { return Err(context.invalid("it has 5 inputs")) };
    let epsilon = context.float_or("epsilon", 1e-5)?;
    if !context.flag("training_mode", false)? {
        let result = inference(context, x, [scale, shift, mean, variance], epsilon)?;
        return context.set_output(0, result);
    }
    if context.rank(scale) != 1 {
        return Err(context.not_done("training with statistics per element (spatial=0)"));
    }
    let op = Op::BatchNorm { axis: 1, epsilon };
    let builder = context.builder();
    let normalized = builder.add_node(op, &[x, scale, shift])?;
    let (result, batch_mean) = (builder.project(normalized, 0)?, builder.project(normalized, 1)?);
    let batch_variance = builder.project(normalized, 2)?;
    context.set_output(0, result)?;
    let momentum = context.float_or("momentum", 0.9)?;
    for (position, old, new) in [(1, mean, batch_mean), (2, variance, batch_variance)] {
        if context.has_output(position) {
            let builder = context.builder();
            let kept = builder.scale(old, momentum)?;
            let added = builder.scale(new, 1.0 - momentum)?;
            let running = builder.add(kept, added)?;
            let running = builder.cast(running, statistics)?;
            context.set_output(position, running)?;
        }
        if context.has_output(position + 2) {
            let saved = context.builder().cast(new, statistics)?;
            context.set_output(position + 2, saved)?;
        }
    }
    Ok(())
}

/// `(x - mean) * scale / sqrt(variance + epsilon) + shift`, with statistics per channel (or per element of a
/// sample, where `spatial` was 0).
fn inference(
    context: &mut Context<'_, '_>,
    x: NodeId,
    [scale, shift, mean, variance]: [NodeId; 4],
    epsilon: f64,
) -> Result<NodeId, Stop> {
    let shape = context.shape(x);
    let axes: Vec<usize> = (1..=context.rank(scale)).collect();
    let builder = context.builder();
    let variance = builder.shift(variance, epsilon)?;
    let root = builder.unary(Unary::ReciprocalSqrt, variance)?;
    let factor = builder.mul(root, scale)?;
    let mean = builder.broadcast(mean, shape.clone(), &axes)?;
    let factor = builder.broadcast(factor, shape.clone(), &axes)?;
    let shift = builder.broadcast(shift, shape, &axes)?;
    let centred = builder.sub(x, mean)?;
    let scaled = builder.mul(centred, factor)?;
    Ok(builder.add(scaled, shift)?)
}
