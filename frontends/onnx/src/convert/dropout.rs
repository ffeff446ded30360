//! Dropout. Random numbers are drawn as dlc's own layers draw them: by counter, so that equal seeds give equal
//! numbers on every machine.
//!
//! History: opset 7 took `is_test` away, 12 made the ratio an input and brought `training_mode`.

use super::shape::KNOWN_LIMIT;
use super::{Context, Operator, Purpose, Stop};
use crate::{Array, Attribute, Element};
use dlc_ir::{Comparison, NodeId, Op, training};
use dlc_types::{DType, Shape, TensorType};

pub(super) const OPERATORS: &[Operator] = &[Operator::new("Dropout", 1, dropout)];

/// A scalar of the training step's bookkeeping.
fn bookkeeping(context: &mut Context<'_, '_>, name: &str, dtype: DType) -> Result<NodeId, Stop> {
    let builder = context.builder();
    let there = builder.function().externals().find(|(_, external)| *external == name).map(|(id, _)| id);
    match there {
        Some(id) => Ok(id),
        None => Ok(builder.state(name, TensorType::scalar(dtype))?),
    }
}

/// Seed and step of the draws: those of the training, or the node's seed.
fn draw(context: &mut Context<'_, '_>) -> Result<(NodeId, NodeId), Stop> {
    if context.purpose() == Purpose::Training {
        let seed = bookkeeping(context, training::SEED, DType::I64)?;
        return Ok((seed, bookkeeping(context, training::STEP, DType::I32)?));
    }
    // A seed that is a float gives its bits, which are as good as its value.
    let seed = match context.node().attributes.get("seed") {
        Some(Attribute::Float(seed)) => i64::from(seed.to_bits()),
        _ => context.int_or("seed", 0)?,
    };
    let seed = dlc_ir::Literal::ints(DType::I64, &[], &[seed]);
    let builder = context.builder();
    Ok((builder.constant(seed)?, builder.scalar(DType::I32, 0.0)?))
}

/// Uniform numbers in [0, 1) of a shape, `f32`. Each node of a graph has a stream of its own.
fn uniform(context: &mut Context<'_, '_>, shape: &Shape) -> Result<NodeId, Stop> {
    let (seed, step) = draw(context)?;
    let builder = context.builder();
    let stream = u32::try_from(builder.function().nodes.len()).unwrap_or(u32::MAX);
    let ty = TensorType::new(DType::F32, shape.clone());
    Ok(builder.declare(Op::Random { stream }, &[seed, step], ty)?)
}

/// Where a model is trained, every node drops, whatever mode it was written for.
fn dropout(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let asked = context.has_input(2) && context.need_ints(2)?.first().is_some_and(|&flag| flag != 0);
    let training = asked || context.purpose() == Purpose::Training;
    let ratio = match context.known(1).and_then(|ratio| ratio.numbers()) {
        Some(ratio) => ratio.first().copied(),
        None if context.has_input(1) => None,
        None => Some(0.5),
    };
    if !training || ratio == Some(0.0) {
        return unchanged(context);
    }
    let x = context.input(0)?;
    let TensorType { dtype, shape } = context.ty(x);
    let ratio = match ratio {
        Some(ratio) if !(0.0..1.0).contains(&ratio) => {
            return Err(context.invalid(format!("its ratio is {ratio}, and must be in [0, 1)")));
        }
        Some(ratio) => context.builder().scalar(DType::F32, ratio)?,
        None => {
            let ratio = context.input(1)?;
            let ratio = context.builder().cast(ratio, DType::F32)?;
            context.builder().reshape(ratio, Shape::scalar())?
        }
    };
    let numbers = uniform(context, &shape)?;
    let builder = context.builder();
    let bound = builder.broadcast_scalar(ratio, shape.clone())?;
    let kept = builder.compare(Comparison::GreaterEqual, numbers, bound)?;
    let one = builder.scalar(DType::F32, 1.0)?;
    let share = builder.sub(one, ratio)?;
    let share = builder.cast(share, dtype)?;
    let share = builder.broadcast_scalar(share, shape)?;
    let scaled = builder.div(x, share)?;
    let zero = builder.splat_like(x, 0.0)?;
    let result = builder.select(kept, scaled, zero)?;
    context.set_output(0, result)?;
    context.set_output(1, kept)
}

/// The input as it is, and a mask that keeps all.
fn unchanged(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    context.pass(0, 0)?;
    if !context.has_output(1) {
        return Ok(());
    }
    let (_, dims) = context.input_type(0)?;
    let shape = Shape(dims);
    let count = |dims: &[usize]| dims.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim));
    match shape.as_fixed().and_then(|dims| Some((count(&dims).filter(|&count| count <= KNOWN_LIMIT)?, dims)))
    {
        Some((count, dims)) => {
            let ones = Array::new(Element::Bool, dims, vec![1; count]).map_err(Stop::Invalid)?;
            context.set_known(1, ones)
        }
        None => {
            let ones = context.builder().splat(DType::Bool, shape, 1.0)?;
            context.set_output(1, ones)
        }
    }
}
