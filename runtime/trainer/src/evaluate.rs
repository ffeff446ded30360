//! Loss and metrics over a part of the data, without changing the model.

use crate::checkpoint::SavedRun;
use crate::fitted::Fitted;
use crate::loader::{Pass, each_batch};
use crate::metrics::{Evaluated, Layout, Tally};
use crate::prepare::{Preparation, PreparedData};
use crate::record::draw_evaluation;
use crate::{Engine, Result, RunOptions, TrainError};
use dlc_recipe::{Metric, Recipe, SCALING};
use dlc_runtime::abi::{ElementType, FunctionInterface};
use dlc_runtime::{LoadPolicy, RuntimeError};
use dlc_types::DType;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::path::Path;

/// How a function's inputs are fed, and what it reports.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    /// The number of the field for each input.
    pub(crate) fields: Vec<usize>,
    /// The loss, then the metrics.
    pub(crate) layout: Layout,
}

pub(crate) fn function_of<'a>(engine: &'a dyn Engine, name: &str) -> Result<&'a FunctionInterface> {
    let interface = engine.interface();
    interface.functions.iter().find(|function| function.name == name).ok_or_else(|| {
        let available: Vec<&str> = interface.functions.iter().map(|f| f.name.as_str()).collect();
        let (model, function) = (interface.model.clone(), name.to_owned());
        TrainError::Runtime(RuntimeError::NoFunction { model, function, available: available.join(", ") })
    })
}

fn same_element(dtype: DType, element: ElementType) -> bool {
    dtype.name() == element.name()
}

impl Feed {
    /// Finds the field of every input of a function.
    pub(crate) fn new(
        engine: &dyn Engine,
        name: &str,
        data: &PreparedData,
        metrics: &[Metric],
    ) -> Result<Feed> {
        let function = function_of(engine, name)?;
        let mut fields = Vec::new();
        for port in &function.inputs {
            let found = data.pipelines.iter().position(|pipeline| pipeline.name == port.name);
            let number = found.ok_or_else(|| TrainError::MissingField {
                function: name.to_owned(),
                input: port.name.clone(),
                available: data.pipelines.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", "),
            })?;
            let pipeline = &data.pipelines[number];
            if !same_element(pipeline.dtype, port.element) || port.elements(1) != pipeline.elements {
                return Err(TrainError::Recipe(format!(
                    "the field `{}` gives {} elements of {} per sample, the model's input takes {} of {:?}",
                    port.name,
                    pipeline.elements,
                    pipeline.dtype,
                    port.elements(1),
                    port.element
                )));
            }
            fields.push(number);
        }
        Ok(Feed { fields, layout: Layout::new(function, metrics, &data.dataset.class_names) })
    }
}

/// The slices of a batch's tensors.
pub(crate) fn slices(inputs: &[Vec<u8>]) -> Vec<&[u8]> {
    inputs.iter().map(Vec::as_slice).collect()
}

/// Loss and metrics of some samples.
pub(crate) fn measure(
    engine: &mut dyn Engine,
    data: &PreparedData,
    feed: &Feed,
    samples: &[usize],
    batch: usize,
) -> Result<Evaluated> {
    let mut tally = Tally::new(&feed.layout);
    let mut report = vec![0.0; feed.layout.length(batch)];
    let pass = Pass { order: samples, batch, feed: &feed.fields, random: None };
    each_batch(data, &pass, |batch| {
        let report = &mut report[..feed.layout.length(batch.samples)];
        engine.evaluate(batch.samples, &slices(&batch.inputs), report)?;
        tally.add(&feed.layout, report, batch.samples);
        Ok(true)
    })?;
    Ok(tally.finish(&feed.layout))
}

/// The result of an evaluation; serialises as `{"test":{"loss":…},"samples":…}`, with `"confusion"` where the model
/// has such metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct EvalReport {
    /// `test`, or `validation` or `train` where the data has no test split.
    pub part: &'static str,
    /// Number of its samples.
    pub samples: usize,
    /// Loss and metrics over them.
    pub evaluated: Evaluated,
}

impl Serialize for EvalReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(self.part, &self.evaluated.measures)?;
        map.serialize_entry("samples", &self.samples)?;
        if let Some(confusion) = self.evaluated.confusion() {
            map.serialize_entry("confusion", confusion)?;
        }
        map.end()
    }
}

/// Puts a checkpoint's parameters and states into an engine, and gives back the rest. Weights that know nothing of the
/// data's scaling are refused as such.
pub fn restore(engine: &mut dyn Engine, path: &Path, policy: LoadPolicy) -> Result<SavedRun> {
    fill(engine, SavedRun::read(path)?, path, policy)
}

/// The same of a checkpoint to predict or evaluate with, which may have other names in its file.
pub(crate) fn restore_for(engine: &mut dyn Engine, path: &Path, options: &RunOptions) -> Result<SavedRun> {
    match &options.renamed {
        None => restore(engine, path, LoadPolicy::IgnoreExtra),
        Some(model) => {
            let saved = SavedRun { model: model.as_ref().clone(), fitted: Fitted::default(), progress: None };
            // It holds no slots of an optimiser, and everything of the model.
            fill(engine, saved, path, LoadPolicy::Parameters)
        }
    }
}

fn fill(engine: &mut dyn Engine, saved: SavedRun, path: &Path, policy: LoadPolicy) -> Result<SavedRun> {
    let states = engine.interface().tensors.iter().filter(|tensor| tensor.name.starts_with(SCALING));
    let mut missing = states.filter(|state| !saved.model.tensors.contains_key(&state.name));
    if let Some(state) = missing.next() {
        return Err(TrainError::Unscaled { path: path.to_owned(), state: state.name.clone() });
    }
    engine
        .restore(&saved.model, policy)
        .map_err(|cause| TrainError::Checkpoint { path: path.to_owned(), cause })?;
    Ok(saved)
}

/// Loss and metrics of a checkpoint on the test split. The split is that of the checkpoint's seed. With a folder to
/// write to, it gets a page with pictures.
pub fn evaluate(
    recipe: &Recipe,
    folder: &Path,
    engine: &mut dyn Engine,
    checkpoint: &Path,
    options: &RunOptions,
) -> Result<EvalReport> {
    let saved = restore_for(engine, checkpoint, options)?;
    let seed = options.seed.or(saved.progress.map(|progress| progress.seed)).unwrap_or(recipe.seed);
    let with = Preparation { folder, options, seed, saved: Some(&saved.fitted) };
    let data = PreparedData::open(recipe, &with)?;
    let feed = Feed::new(engine, "evaluate", &data, &recipe.metrics)?;
    let parts =
        [("test", &data.parts.test), ("validation", &data.parts.validation), ("train", &data.parts.training)];
    let (part, samples) =
        parts.into_iter().find(|(_, samples)| !samples.is_empty()).unwrap_or(("train", &data.parts.training));
    let batch = recipe.data.batch.min(engine.interface().batch_max);
    let evaluated = measure(engine, &data, &feed, samples, batch)?;
    if !options.out.as_os_str().is_empty() {
        draw_evaluation(recipe, engine, &data, &feed, part, &evaluated, options)?;
    }
    Ok(EvalReport { part, samples: samples.len(), evaluated })
}
