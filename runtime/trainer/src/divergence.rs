//! Where a number began that is not finite.
//!
//! A step overwrites the weights that it used, so the steps since the last copy of the weights are done again, one by
//! one, until one gives a loss or a weight that is not finite. That step is then looked into: its inputs, the values
//! of its layers in order, its gradients from the last layer to the first.

use crate::checkpoint::not_finite;
use crate::evaluate::{function_of, slices};
use crate::loader::{Pass, each_batch};
use crate::options::{Inspected, InspectedKind, Inspector};
use crate::prepare::PreparedData;
use crate::{Engine, Result};
use dlc_runtime::{Checkpoint, LoadPolicy};
use dlc_types::DType;

/// A copy of parameters and states.
pub(crate) struct Snapshot {
    /// Steps of the epoch that were done.
    pub(crate) step: usize,
    /// The copy.
    pub(crate) checkpoint: Checkpoint,
}

/// The step that made the first number that is not finite.
struct Culprit {
    step: usize,
    before: Checkpoint,
    /// A tensor of the model that is not finite behind it.
    broken: Option<String>,
    inputs: Vec<Vec<u8>>,
    samples: usize,
}

/// What began to be not finite, told in one clause. `pass` holds the samples from the copy to the fault; a report has
/// `length` values for its batch.
pub(crate) fn find_origin(
    engine: &mut dyn Engine,
    data: &PreparedData,
    pass: &Pass<'_>,
    snapshot: &Snapshot,
    length: usize,
    inspector: &Inspector,
) -> Result<Option<String>> {
    engine.restore(&snapshot.checkpoint, LoadPolicy::Exact)?;
    let mut step = snapshot.step;
    let mut culprit = None;
    each_batch(data, pass, |batch| {
        let before = engine.checkpoint()?;
        let mut report = vec![0.0; length];
        engine.train_step(batch.samples, &slices(&batch.inputs), &mut report)?;
        step += 1;
        let after = engine.checkpoint()?;
        let broken = not_finite(&after).map(|(name, _)| name.to_owned());
        let fine = report.first().is_none_or(|loss| loss.is_finite()) && broken.is_none();
        if !fine {
            let (inputs, samples) = (batch.inputs.clone(), batch.samples);
            culprit = Some(Culprit { step, before, broken, inputs, samples });
        }
        Ok(fine)
    })?;
    let Some(culprit) = culprit else { return Ok(None) };
    let ports = &function_of(engine, "train")?.inputs;
    let names: Vec<&str> = ports.iter().map(|port| port.name.as_str()).collect();
    let inputs: Vec<(&str, &[u8])> =
        names.iter().copied().zip(culprit.inputs.iter().map(Vec::as_slice)).collect();
    let first = (culprit.step - 1 - snapshot.step) * pass.batch;
    let at = format!("at step {}", culprit.step);
    for (port, (name, bytes)) in ports.iter().zip(&inputs) {
        let Some(dtype) = DType::ALL.into_iter().find(|dtype| dtype.name() == port.element.name()) else {
            continue;
        };
        let values = if dtype.is_float() { dtype.floats(bytes) } else { Vec::new() };
        if let Some(place) = values.iter().position(|value| !value.is_finite()) {
            let sample = pass.order.get(first + place / port.elements(1).max(1)).copied().unwrap_or(0);
            return Ok(Some(format!(
                "it began {at} in the data: the field `{name}` of {} {} of the source is {}",
                data.dataset.sample_noun,
                sample + 1,
                values[place]
            )));
        }
    }
    if let Some((name, value)) = not_finite(&culprit.before) {
        return Ok(Some(format!("`{name}` was {value} before step {}", culprit.step)));
    }
    let inspected = (inspector.0)(&culprit.before, culprit.samples, &inputs)?;
    Ok(first_fault(&inspected)
        .map(|(what, value)| format!("it began {at}, where {what} is {value}"))
        .or_else(|| culprit.broken.map(|name| format!("it began {at} in the update of `{name}`"))))
}

/// The first value in the order of computation that is not finite, and its name.
fn first_fault(inspected: &[Inspected]) -> Option<(String, f32)> {
    let odd = |one: &Inspected| one.values.iter().copied().find(|value| !value.is_finite());
    let of_kind = |kind| inspected.iter().filter(move |one| one.kind == kind);
    let layers = of_kind(InspectedKind::Activation);
    let found = layers.into_iter().find_map(|one| Some((format!("the value of `{}`", one.name), odd(one)?)));
    found.or_else(|| {
        let mut gradients: Vec<&Inspected> = of_kind(InspectedKind::Gradient).collect();
        gradients.reverse();
        gradients.into_iter().find_map(|one| Some((format!("the gradient of `{}`", one.name), odd(one)?)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_come_first_then_gradients_from_the_end() {
        let one =
            |kind, name: &str, value| Inspected { kind, name: name.to_owned(), values: vec![1.0, value] };
        let (layer, gradient) = (InspectedKind::Activation, InspectedKind::Gradient);
        let all = [one(layer, "a", 2.0), one(layer, "b", f32::INFINITY), one(gradient, "w", f32::NAN)];
        assert_eq!(first_fault(&all), Some(("the value of `b`".to_owned(), f32::INFINITY)));
        let all =
            [one(layer, "a", 2.0), one(gradient, "w", f32::INFINITY), one(gradient, "v", f32::INFINITY)];
        assert_eq!(first_fault(&all), Some(("the gradient of `v`".to_owned(), f32::INFINITY)));
        assert_eq!(first_fault(&all[..1]), None);
    }
}
