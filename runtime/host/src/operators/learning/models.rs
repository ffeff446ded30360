//! Linear models: `LinearRegressor`, `LinearClassifier`.

use super::scores::{PostTransform, best};
use crate::attribute::Given;
use crate::call::{Call, Outcome, one};
use crate::element::Element;
use crate::error::{Result, invalid};
use crate::index::{count, dim};
use crate::operator::{Operator, ml};
use crate::tensor::Tensor;
use crate::value::Value;

pub(in crate::operators) const ROWS: &[Operator] =
    &[ml("LinearRegressor", 1, regress), ml("LinearClassifier", 1, classify)];

/// Rows of a matrix, or of a vector as one row: their number, and the features of each.
pub(super) fn rows(data: &Tensor) -> Result<(usize, usize)> {
    match *data.dims() {
        [features] => Ok((1, features)),
        [rows, features] => Ok((rows, features)),
        ref dims => Err(invalid(format!("dims {dims:?} are no rows of features"))),
    }
}

/// `rows × targets` products of features and coefficients, with intercepts.
fn products(call: &Call<'_>, targets: usize) -> Result<Vec<f64>> {
    let data = call.input(0)?;
    let (rows, features) = rows(data)?;
    let coefficients =
        call.floats("coefficients")?.ok_or_else(|| invalid("attribute coefficients is missing"))?;
    let intercepts = call.floats("intercepts")?.map(Vec::as_slice).unwrap_or_default();
    let fits = targets.checked_mul(features) == Some(coefficients.len());
    if !fits || !intercepts.is_empty() && intercepts.len() != targets {
        return Err(invalid(format!(
            "{} coefficients do not fit {features} features and {targets} targets",
            coefficients.len()
        )));
    }
    count(&[rows, targets])?;
    let values = data.floats()?;
    let product = |row: usize, target: usize| {
        let features = values[row * features..][..features].iter();
        let sum: f64 = features
            .zip(&coefficients[target * values.len() / rows.max(1)..])
            .map(|(&value, &factor)| value * f64::from(factor))
            .sum();
        sum + intercepts.get(target).copied().map_or(0.0, f64::from)
    };
    Ok((0..rows)
        .flat_map(|row| (0..targets).map(move |target| (row, target)))
        .map(|(row, target)| product(row, target))
        .collect())
}

fn regress(call: &Call<'_>) -> Outcome {
    let targets = dim(call.int_or("targets", 1)?)?;
    let mut scores = products(call, targets)?;
    let transform = PostTransform::named(call.string_or("post_transform", "NONE")?)?;
    scores.chunks_exact_mut(targets.max(1)).for_each(|row| transform.apply(row));
    let dims = vec![rows(call.input(0)?)?.0, targets];
    one(Tensor::of_floats(Element::F32, dims, scores)?)
}

/// Labels of classes: numbers or texts.
pub(super) enum Labels<'a> {
    Numbers(&'a [i64]),
    Texts(&'a [String]),
}

impl<'a> Labels<'a> {
    pub(super) fn of(call: &'a Call<'_>, numbers: &str) -> Result<Labels<'a>> {
        let texts = call.strings("classlabels_strings")?.filter(|texts| !texts.is_empty());
        Ok(match (call.ints(numbers)?.filter(|numbers| !numbers.is_empty()), texts) {
            (Some(numbers), _) => Labels::Numbers(numbers),
            (None, Some(texts)) => Labels::Texts(texts),
            (None, None) => return Err(invalid("no class labels are named")),
        })
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Labels::Numbers(numbers) => numbers.len(),
            Labels::Texts(texts) => texts.len(),
        }
    }

    /// The labels of these classes; a class without a label has 0 or no text.
    pub(super) fn pick(&self, classes: &[Option<usize>]) -> Result<Value> {
        let dims = vec![classes.len()];
        let tensor = match self {
            Labels::Numbers(numbers) => {
                let label = |class: &Option<usize>| class.and_then(|class| numbers.get(class).copied());
                Tensor::of_integers(dims, classes.iter().map(|class| label(class).unwrap_or(0)))?
            }
            Labels::Texts(texts) => {
                let label = |class: &Option<usize>| class.and_then(|class| texts.get(class).cloned());
                Tensor::of_strings(
                    dims,
                    classes.iter().map(|class| label(class).unwrap_or_default()).collect(),
                )?
            }
        };
        Ok(Value::Tensor(tensor))
    }
}

fn classify(call: &Call<'_>) -> Outcome {
    let labels = Labels::of(call, "classlabels_ints")?;
    let (rows, features) = rows(call.input(0)?)?;
    let given = call.floats("coefficients")?.map_or(0, Vec::len);
    let targets = given / features.max(1);
    let transform = PostTransform::named(call.string_or("post_transform", "NONE")?)?;
    let mut scores = products(call, targets)?;
    let mut width = targets;
    if targets == 1 && labels.len() == 2 {
        scores = scores.into_iter().flat_map(|score| [-score, score]).collect();
        width = 2;
    }
    scores.chunks_exact_mut(width.max(1)).for_each(|row| transform.apply(row));
    let threshold = if transform == PostTransform::None { 0.0 } else { 0.5 };
    let class = |row: &[f64]| match row {
        &[score] => (score >= threshold).then_some(0),
        several => Some(best(several)),
    };
    let classes: Vec<Option<usize>> = scores.chunks_exact(width.max(1)).map(class).collect();
    Ok(vec![labels.pick(&classes)?, Tensor::of_floats(Element::F32, vec![rows, width], scores)?.into()])
}
