//! Functions that look at a model's layers: what they read, what their weights are, what rounding does to them.

use super::build::{Quantizer, parameters_of, planned};
use super::channels::factor_and_shift;
use super::computations::Computations;
use super::layers::Survey;
use super::{Plan, QuantizeError};
use dlc_ir::{Builder, Function, InferError, Model, NodeId, OutputRole};

/// `() -> weights, factor and shift of every layer`, in the order of the survey: three outputs each, `f32`, the latter two of
/// the channels' shape.
///
/// # Errors
/// A node that does not fit: a bug in dlc.
pub fn constants(model: &Model, survey: &Survey) -> Result<Function, QuantizeError> {
    let mut plain = model.predict.clone();
    plain.name = "constants".to_owned();
    plain.outputs.clear();
    let mut b = Builder::extend(plain);
    for layer in &survey.layers {
        let [factor, shift] = factor_and_shift(&mut b, &layer.steps, &layer.channels)?;
        b.output(OutputRole::Output, format!("{} weights", layer.name), layer.weight);
        b.output(OutputRole::Output, format!("{} factor", layer.name), factor);
        b.output(OutputRole::Output, format!("{} shift", layer.name), shift);
    }
    Ok(b.finish().without_dead_nodes())
}

/// The same model with other outputs of `predict`, and nothing else.
fn with_predict(model: &Model, predict: Function) -> Model {
    let mut other = model.clone();
    other.predict = predict;
    other.evaluate = None;
    other
}

/// The model whose `predict` gives its own outputs, then every value that layers read, in the order of
/// [`super::Layer::input`], with the axis of the batch in front.
///
/// # Errors
/// A node that does not fit: a bug in dlc.
pub fn inputs(model: &Model, survey: &Survey) -> Result<Model, QuantizeError> {
    let mut b = Builder::extend(model.predict.clone());
    for number in 0..survey.inputs {
        if let Some(layer) = survey.layers.iter().find(|layer| layer.input == number) {
            let mut axes: Vec<usize> = (0..b.shape(layer.x).rank()).collect();
            // Stable: all other axes keep their order.
            axes.sort_by_key(|&axis| !b.shape(layer.x)[axis].is_batch());
            let value = b.transpose(layer.x, &axes)?;
            b.output(OutputRole::Output, format!("{} input", layer.name), value);
        }
    }
    Ok(with_predict(model, b.finish()))
}

/// What [`errors`] gives for every planned layer, in this order, each a sum of squares over all elements.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ErrorSums {
    /// The layer's output in `f32`.
    pub output: f64,
    /// What changes of it where this layer alone is computed with integers.
    pub alone: f64,
    /// What changes of it where all planned layers are.
    pub together: f64,
}

impl ErrorSums {
    /// Outputs per layer.
    pub const COUNT: usize = 3;
}

fn sum_of_squares(b: &mut Builder, x: NodeId) -> Result<NodeId, InferError> {
    let square = b.mul(x, x)?;
    let axes: Vec<usize> = (0..b.shape(x).rank()).collect();
    b.sum(square, &axes)
}

/// A model whose `predict` computes the planned layers in `f32` and with integers, from the same inputs, and gives its
/// own outputs, those of the quantised model, and [`ErrorSums::COUNT`] scalars for every planned layer. It has the
/// parameters of both.
///
/// # Errors
/// As [`super::quantized`].
pub fn errors(model: &Model, survey: &Survey, plan: &Plan) -> Result<Model, QuantizeError> {
    let layers = planned(model, survey, plan)?;
    let function = &model.predict;
    let numbers = Computations::default().of(function);
    let mut b = Builder::extend(function.clone());
    let mut whole = Quantizer::new(&layers);
    whole.knows(function);
    let moved = whole.append(&mut b, function, &numbers, function)?;
    for output in &function.outputs {
        b.output(output.role, format!("{} quantized", output.name), moved[output.value]);
    }
    for (layer, dtype) in &layers {
        let product = &function.nodes[layer.product];
        let left = product.operands.first() == Some(&layer.weight);
        let shape = &function.tensor_type(layer.product).shape;
        let alone = whole.layer(&mut b, layer, *dtype, layer.x, (&product.op, left, shape))?;
        for (name, value) in [("output", None), ("alone", Some(alone)), ("together", Some(moved[layer.end]))]
        {
            let value = match value {
                Some(value) => b.sub(value, layer.end)?,
                None => layer.end,
            };
            let sum = sum_of_squares(&mut b, value)?;
            b.output(OutputRole::Output, format!("{} {name}", layer.name), sum);
        }
    }
    let mut both = with_predict(model, b.finish().without_dead_nodes());
    both.parameters.extend(parameters_of(&layers));
    Ok(both)
}
