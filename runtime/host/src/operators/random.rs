//! Random tensors. The generator is `philox`; element `i` depends on the `seed` attribute (0 where absent) and `i` alone.

use crate::attribute::Given;
use crate::call::{Call, Outcome, one};
use crate::element::Element;
use crate::error::{Result, invalid};
use crate::index::{count, dim};
use crate::operator::{Operator, onnx};
use crate::philox::Draws;
use crate::tensor::Tensor;

pub(super) const ROWS: &[Operator] = &[
    onnx("RandomNormal", 1, normal),
    onnx("RandomNormalLike", 1, normal_like),
    onnx("RandomUniform", 1, uniform),
    onnx("RandomUniformLike", 1, uniform_like),
    onnx("Bernoulli", 15, bernoulli),
    onnx("Multinomial", 7, multinomial),
];

fn draws(call: &Call<'_>) -> Result<Draws> {
    Ok(Draws::new(call.float("seed")?.copied().unwrap_or(0.0)))
}

fn asked(call: &Call<'_>) -> Result<(Element, Vec<usize>)> {
    let shape = call.ints("shape")?.ok_or_else(|| invalid("attribute shape is missing"))?;
    let dims = shape.iter().map(|&size| dim(size)).collect::<Result<Vec<usize>>>()?;
    Ok((call.element("dtype")?.unwrap_or(Element::F32), dims))
}

fn alike(call: &Call<'_>) -> Result<(Element, Vec<usize>)> {
    let like = call.input(0)?;
    Ok((call.element("dtype")?.unwrap_or(like.element()), like.dims().to_vec()))
}

fn normals(call: &Call<'_>, (element, dims): (Element, Vec<usize>)) -> Outcome {
    let (draws, mean, scale) = (draws(call)?, call.float_or("mean", 0.0)?, call.float_or("scale", 1.0)?);
    let values = (0..count(&dims)?).map(|index| mean + scale * draws.normal(index));
    one(Tensor::of_floats(element, dims, values)?)
}

fn uniforms(call: &Call<'_>, (element, dims): (Element, Vec<usize>)) -> Outcome {
    let (draws, low, high) = (draws(call)?, call.float_or("low", 0.0)?, call.float_or("high", 1.0)?);
    let values = (0..count(&dims)?).map(|index| low + (high - low) * draws.uniform(index));
    one(Tensor::of_floats(element, dims, values)?)
}

fn normal(call: &Call<'_>) -> Outcome {
    normals(call, asked(call)?)
}

fn normal_like(call: &Call<'_>) -> Outcome {
    normals(call, alike(call)?)
}

fn uniform(call: &Call<'_>) -> Outcome {
    uniforms(call, asked(call)?)
}

fn uniform_like(call: &Call<'_>) -> Outcome {
    uniforms(call, alike(call)?)
}

fn bernoulli(call: &Call<'_>) -> Outcome {
    let (element, dims) = alike(call)?;
    let draws = draws(call)?;
    let chances = call.input(0)?.floats()?.into_iter().enumerate();
    let values = chances.map(|(index, chance)| f64::from(u8::from(draws.uniform(index) < chance)));
    one(Tensor::of_floats(element, dims, values)?)
}

fn multinomial(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let &[batch, classes] = data.dims() else {
        return Err(invalid(format!("dims {:?} are no matrix of log-probabilities", data.dims())));
    };
    let samples = dim(call.int_or("sample_size", 1)?)?;
    let element = call.element("dtype")?.unwrap_or(Element::I32);
    let dims = vec![batch, samples];
    let elements = count(&dims)?;
    if classes == 0 && elements > 0 {
        return Err(invalid("there is no class to draw"));
    }
    let (draws, logs) = (draws(call)?, data.floats()?);
    let draw = |index: usize| {
        let row = &logs[index / samples * classes..][..classes];
        let greatest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weight = |log: &f64| (log - greatest).exp();
        let mut left = draws.uniform(index) * row.iter().map(weight).sum::<f64>();
        let passed = row.iter().take_while(|log| {
            left -= weight(log);
            left >= 0.0
        });
        passed.count().min(classes - 1) as f64
    };
    one(Tensor::of_floats(element, dims, (0..elements).map(draw))?)
}
