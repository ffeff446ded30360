//! The samples that a model is looked at with: of its training split, or arrays from files.

use super::network::{Workbench, ports};
use super::{DriverError, QuantizeSettings, Result};
use crate::Loaded;
use crate::data::port_dims;
use crate::run::{batch_of, fed, inputs_of};
use dlc_runtime::HostTensor;
use dlc_trainer::{Engine, EvalReport, Examination, RunOptions, SavedRun};

/// Where samples come from.
pub(super) enum Samples<'a> {
    /// The data section.
    Data(Box<Examination<'a>>),
    /// Arrays of so many samples, one for every input, by name.
    Files(usize, Vec<(String, HostTensor)>),
}

/// What is done with a batch: how many samples, their inputs; whether to go on.
pub(super) type Consumer<'c> = dyn FnMut(&mut dyn Engine, usize, &[&[u8]]) -> Result<bool> + 'c;

impl<'a> Samples<'a> {
    pub(super) fn open(
        loaded: &'a Loaded,
        saved: &SavedRun,
        settings: &QuantizeSettings,
        bench: &Workbench<'_>,
    ) -> Result<Samples<'a>> {
        match (&loaded.recipe, settings.inputs.as_slice()) {
            (None, []) => Err(DriverError::User(format!(
                "quantising needs samples to see the ranges of values, and the model `{}` has no data section: give \
                 arrays, as `--input {}=@FILE.npy`",
                loaded.model.name,
                loaded.model.inputs.first().map_or("NAME", |input| input.name.as_str())
            ))),
            (Some(_), [_, ..]) => Err(DriverError::User(format!(
                "the model `{}` has a data section, so `--input` is not needed; `--data` names another place of the data",
                loaded.model.name
            ))),
            (Some(recipe), []) => {
                let options = RunOptions {
                    threads: bench.threads,
                    data: settings.data.clone(),
                    classes: crate::meaning::classes(&loaded.model),
                    ..RunOptions::default()
                };
                let opened = Examination::open(recipe, &loaded.folder, saved, &options)?;
                Ok(Samples::Data(Box::new(opened)))
            }
            (None, files) => {
                let inputs = inputs_of(&loaded.model, files)?;
                Ok(Samples::Files(batch_of(&loaded.model, &inputs)?, inputs))
            }
        }
    }

    /// A batch that keeps so many bytes per sample within bounds, and within what there is.
    pub(super) fn batch(&self, wished: usize, bytes_per_sample: usize) -> usize {
        const MOST_BYTES: usize = 64 << 20;
        let fitting = (MOST_BYTES / bytes_per_sample.max(1)).clamp(1, wished.max(1));
        match self {
            Samples::Data(_) => fitting,
            Samples::Files(count, _) => fitting.min(*count),
        }
    }

    /// Loss and metrics of a model's `evaluate`; `None` without data.
    pub(super) fn measure(&self, engine: &mut dyn Engine) -> Result<Option<EvalReport>> {
        match self {
            Samples::Data(data) => Ok(Some(data.measure(engine)?)),
            Samples::Files(..) => Ok(None),
        }
    }

    /// Hands the first `count` samples to `consume`, in batches; gives how many there were.
    pub(super) fn each(
        &self,
        engine: &mut dyn Engine,
        count: usize,
        consume: &mut Consumer<'_>,
    ) -> Result<usize> {
        match self {
            Samples::Data(data) => {
                let mut failure = None;
                let seen = data.training_samples(engine, count, |engine, samples, inputs| {
                    Ok(consume(engine, samples, inputs).unwrap_or_else(|error| {
                        failure = Some(error);
                        false
                    }))
                });
                match failure {
                    Some(error) => Err(error),
                    None => Ok(seen?),
                }
            }
            Samples::Files(all, inputs) => each_slice(engine, inputs, count.min(*all), consume),
        }
    }
}

fn each_slice(
    engine: &mut dyn Engine,
    inputs: &[(String, HostTensor)],
    count: usize,
    consume: &mut Consumer<'_>,
) -> Result<usize> {
    let ports = ports(engine)?;
    let batch = engine.interface().batch_max;
    for start in (0..count).step_by(batch.max(1)) {
        let samples = batch.min(count - start);
        let mut buffers = Vec::new();
        for port in &ports.inputs {
            let found = inputs.iter().find(|(name, _)| *name == port.name);
            let (_, tensor) =
                found.ok_or_else(|| DriverError::Bug(format!("nothing feeds `{}`", port.name)))?;
            buffers.push(fed(port, samples, &rows(port, tensor, start, samples)?)?);
        }
        let slices: Vec<&[u8]> = buffers.iter().map(Vec::as_slice).collect();
        if !consume(engine, samples, &slices)? {
            break;
        }
    }
    Ok(count)
}

/// Some samples of an array whose first axis is the batch; all of one without a batch.
fn rows(port: &dlc_abi::Port, tensor: &HostTensor, start: usize, samples: usize) -> Result<HostTensor> {
    let misfit =
        |_| DriverError::User(format!("the input `{}` has its batch not on the first axis", port.name));
    let Some(axis) = port.dims.iter().position(|dim| dim.batch) else { return Ok(tensor.clone()) };
    if axis != 0 {
        return Err(misfit(()));
    }
    let rows = tensor.dims.first().copied().unwrap_or(1);
    let wanted = port_dims(port, samples).first().copied().unwrap_or(1);
    let row = tensor.bytes.len() / rows.max(1);
    let begin = wanted / samples.max(1) * start;
    let bytes = tensor.bytes.get(begin * row..(begin + wanted) * row).ok_or(()).map_err(misfit)?;
    let dims = [&[wanted], &tensor.dims[1..]].concat();
    Ok(HostTensor::new(tensor.element, dims, bytes.to_vec())?)
}
