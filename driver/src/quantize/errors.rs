//! What rounding does to the layers' outputs: each quantised alone, and all together.

use super::network::{Workbench, ports, predicted};
use super::samples::Samples;
use super::{DriverError, Result};
use crate::Loaded;
use crate::load::quantize_fault;
use dlc_abi::{FunctionInterface, PortRole};
use dlc_compiler::FunctionKind;
use dlc_compiler::quantize::{ErrorSums, Plan, Survey, errors};
use dlc_runtime::Checkpoint;
use dlc_trainer::Measures;
use std::collections::BTreeMap;

/// What was measured over some samples.
#[derive(Clone, Debug, Default)]
pub(super) struct Errors {
    /// By layer.
    pub(super) layers: BTreeMap<String, ErrorSums>,
    /// Samples.
    pub(super) samples: usize,
    /// Sums of squares of the model's first output, and of what changes of it.
    output: [f64; 2],
    /// Samples for which the largest number of the first output stands at the same place.
    agreeing: usize,
    /// Whether the first output is a vector per sample, whose largest number means something.
    decides: bool,
}

/// A norm over a norm.
pub(super) fn relative(changed: f64, all: f64) -> f64 {
    if changed == 0.0 { 0.0 } else { (changed / all.max(f64::MIN_POSITIVE)).sqrt() }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|&four| f32::from_ne_bytes(four)).collect()
}

fn largest(values: &[f32]) -> Option<usize> {
    let places = values.iter().enumerate();
    places.fold(None, |best: Option<usize>, (place, value)| match best {
        Some(best) if values[best] >= *value => Some(best),
        _ => Some(place),
    })
}

impl Errors {
    /// Measures on the first `count` samples.
    pub(super) fn measure(
        loaded: &Loaded,
        bench: &Workbench<'_>,
        samples: &Samples<'_>,
        (survey, plan): (&Survey, &Plan),
        values: &Checkpoint,
        count: usize,
    ) -> Result<Errors> {
        let both = errors(&loaded.model, survey, plan).map_err(quantize_fault)?;
        let wished = loaded.recipe.as_ref().map_or(32, |recipe| recipe.data.batch);
        let batch = samples.batch(wished.min(count), 0);
        let mut engine = bench.engine(&both, FunctionKind::Predict, batch, values)?;
        let ports = ports(engine.as_ref())?;
        let names: Vec<String> =
            survey.layers.iter().filter(|l| plan.0.contains_key(&l.name)).map(|l| l.name.clone()).collect();
        let mut found = Errors::default();
        found.samples = samples.each(engine.as_mut(), count, &mut |engine, samples, inputs| {
            let outputs = predicted(engine, &ports, samples, inputs)?;
            found.add(&ports, &names, samples, &outputs)?;
            Ok(true)
        })?;
        Ok(found)
    }

    fn add(
        &mut self,
        ports: &FunctionInterface,
        names: &[String],
        samples: usize,
        outputs: &[Vec<u8>],
    ) -> Result<()> {
        let layers = names.len() * ErrorSums::COUNT;
        let own = outputs.len().checked_sub(layers).filter(|own| own % 2 == 0);
        let own =
            own.ok_or_else(|| DriverError::Bug("the errors of layers have other outputs".to_owned()))?;
        let (before, rest) = outputs.split_at(own / 2);
        let (after, sums) = rest.split_at(own / 2);
        let first = ports.outputs.iter().find(|port| port.role == PortRole::Output);
        if let (Some(before), Some(after), Some(port)) = (before.first(), after.first(), first)
            && port.element == dlc_abi::ElementType::F32
        {
            self.decides = port.dims.len() == 2 && port.elements(1) > 1;
            self.compare(samples, &floats(before), &floats(after));
        }
        for (name, sums) in names.iter().zip(sums.chunks_exact(ErrorSums::COUNT)) {
            let sum = |place: usize| f64::from(floats(&sums[place]).first().copied().unwrap_or(f32::NAN));
            let all = self.layers.entry(name.clone()).or_default();
            all.output += sum(0);
            all.alone += sum(1);
            all.together += sum(2);
        }
        Ok(())
    }

    fn compare(&mut self, samples: usize, before: &[f32], after: &[f32]) {
        let square = |value: f32| f64::from(value).powi(2);
        self.output[0] += before.iter().map(|&value| square(value)).sum::<f64>();
        self.output[1] += before.iter().zip(after).map(|(&a, &b)| square(a - b)).sum::<f64>();
        let width = (before.len() / samples.max(1)).max(1);
        let rows = before.chunks_exact(width).zip(after.chunks_exact(width));
        self.agreeing += rows.filter(|(a, b)| largest(a) == largest(b)).count();
    }

    /// Norm of what changes of the model's first output, over its norm.
    pub(super) fn output_error(&self) -> f64 {
        relative(self.output[1], self.output[0])
    }

    /// How much the models' outputs are alike, for models without metrics: the share of samples with the same decision,
    /// or how much of the first output is left.
    pub(super) fn likeness(&self) -> Measures {
        let share = self.agreeing as f64 / self.samples.max(1) as f64;
        let (name, value) =
            if self.decides { ("agreement", share) } else { ("similarity", 1.0 - self.output_error()) };
        Measures(vec![(name.to_owned(), value)])
    }

    /// The layers from that which loses most when quantised alone to that which loses least.
    pub(super) fn worst_first(&self) -> Vec<String> {
        let mut all: Vec<(&String, f64)> =
            self.layers.iter().map(|(name, sums)| (name, relative(sums.alone, sums.output))).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        all.into_iter().map(|(name, _)| name.clone()).collect()
    }
}
