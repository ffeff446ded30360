//! Data ready to be made into batches: read, divided, and with everything fitted that the training split
//! decides.

mod statistics;

use crate::augment::Draws;
use crate::dataset::{self, Column, Dataset, sample_dims, sample_elements};
use crate::field::{FieldPipeline, LabelRule};
use crate::fitted::Fitted;
use crate::split::{Parts, Samples, divide};
use crate::{Engine, Result, RunOptions, TrainError, class_weights};
use dlc_abi::ElementType;
use dlc_recipe::{
    Augment, CLASS_WEIGHTS, ClassWeights, Data, Field, Missing, Recipe, Scaling, Source, scaling_states,
};
use dlc_runtime::{HostTensor, RuntimeError};
use statistics::{means, statistics};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Most threads that make batches.
const LOADER_THREADS: usize = 8;

/// A recipe's data, ready for batches.
#[derive(Debug)]
pub struct PreparedData {
    pub(crate) dataset: Dataset,
    pub(crate) parts: Parts,
    pub(crate) pipelines: Vec<FieldPipeline>,
    pub(crate) fitted: Fitted,
    /// Number and parameter of the step that mixes samples.
    pub(crate) mixup: Option<(usize, f64)>,
    /// Threads that make batches.
    pub(crate) threads: usize,
    scaling: BTreeMap<String, Scaling>,
    class_weights: Option<ClassWeights>,
}

/// What data preparation needs beside the recipe.
#[derive(Clone, Copy, Debug)]
pub struct Preparation<'a> {
    /// The model's folder, against which paths are resolved.
    pub folder: &'a Path,
    /// The caller's choices.
    pub options: &'a RunOptions,
    /// The run's seed.
    pub seed: u64,
    /// What a checkpoint's run has fitted, in the place of fitting anew.
    pub saved: Option<&'a Fitted>,
}

/// Each sample's class, for a stratified split: the labels, or else a last column of single numbers with
/// few values.
fn classes(dataset: &Dataset) -> Option<Vec<i64>> {
    let label = dataset.labels.map(|labels| &dataset.columns[labels.column]);
    if let Some(Column::Integers { values, width: 1 }) = label {
        return Some(values.clone());
    }
    match dataset.columns.last() {
        Some(Column::Numbers { values, width: 1 }) => {
            let classes: Vec<i64> = values.iter().map(|value| i64::from(value.to_bits())).collect();
            let distinct: BTreeSet<_> = classes.iter().collect();
            (distinct.len() * 10 <= classes.len()).then_some(classes)
        }
        _ => None,
    }
}

/// Which numbers the label field may have.
fn label_rule(data: &Data, dataset: &Dataset, classes: Option<usize>) -> Result<Option<(usize, LabelRule)>> {
    let Some(labels) = dataset.labels else { return Ok(None) };
    let Some(field) = data.fields.get(labels.column) else { return Ok(None) };
    let elements = sample_elements(field)?;
    let one_hot = field.ty.dtype.is_float() && elements > 1;
    let classes = if one_hot { Some(elements) } else { classes };
    let (path, noun) = (dataset.path.clone(), dataset.sample_noun);
    Ok(Some((labels.column, LabelRule { classes, ignore: labels.ignore, path, noun })))
}

/// The steps of a field's augmentation with their numbers; a label map moves with the first field.
fn steps_of(data: &Data, number: usize, is_map: bool) -> Vec<(usize, Augment)> {
    let name = &data.fields[if is_map { 0 } else { number }].name;
    let own = data.augment.iter().enumerate().filter(|(_, (field, _))| field == name);
    own.filter(|(_, (_, step))| !matches!(step, Augment::Mixup { .. }) && (!is_map || step.is_spatial()))
        .map(|(number, (_, step))| (number, step.clone()))
        .collect()
}

/// The pipelines of the fields that there are columns for.
pub(crate) fn pipelines(
    data: &Data,
    dataset: &Dataset,
    classes: Option<usize>,
) -> Result<Vec<FieldPipeline>> {
    let rule = label_rule(data, dataset, classes)?;
    let fields = data.fields.iter().zip(&dataset.columns).enumerate();
    let made = fields.map(|(number, (field, column))| {
        let of_field = data.transform.iter().filter(|(name, _)| *name == field.name);
        if !matches!(column, Column::Pictures(_)) && of_field.into_iter().any(|(_, step)| step.is_spatial()) {
            let name = &field.name;
            return Err(TrainError::Recipe(format!(
                "resize applies to pictures, which `{name}` does not hold"
            )));
        }
        let rule = rule.as_ref().filter(|(label, _)| *label == number).map(|(_, rule)| rule.clone());
        let is_map =
            number > 0 && rule.is_some() && sample_dims(field)?.len() >= 2 && !field.ty.dtype.is_float();
        FieldPipeline::new(field, column, steps_of(data, number, is_map), rule)
    });
    made.collect()
}

/// Puts numbers where values are missing, and numbers where words are.
pub(crate) fn complete(
    data: &Data,
    dataset: &mut Dataset,
    fitted: &mut Fitted,
    training: Option<&[usize]>,
) -> Result<()> {
    let Source::Csv(table) = &data.source else { return Ok(()) };
    for (field, column) in data.fields.iter().zip(&mut dataset.columns) {
        match column {
            Column::Numbers { values, width } => {
                let constant = |value: f64| vec![value as f32; *width];
                let fill = match (table.missing, fitted.fill.get(&field.name), training) {
                    (Missing::Constant(value), ..) => constant(value),
                    (Missing::Mean, Some(saved), _) if saved.len() == *width => saved.clone(),
                    (Missing::Mean, _, Some(training)) => {
                        let means = means(values, *width, training);
                        if let Some(unit) = means.iter().position(|mean| mean.is_nan()) {
                            let name = dataset.feature_names.get(unit).map_or("", String::as_str);
                            return Err(TrainError::Recipe(format!(
                                "{}: the column `{name}` has no value in the training split",
                                dataset.path.display()
                            )));
                        }
                        fitted.fill.insert(field.name.clone(), means.clone());
                        means
                    }
                    _ => continue,
                };
                for row in values.chunks_exact_mut((*width).max(1)) {
                    row.iter_mut().zip(&fill).filter(|(one, _)| one.is_nan()).for_each(|(a, b)| *a = *b);
                }
            }
            Column::Texts(texts) => {
                let length = sample_elements(field)?;
                let vocabulary = match (fitted.vocabularies.get(&texts.column), training) {
                    (Some(saved), _) => saved.clone(),
                    (None, Some(training)) => texts.vocabulary(training, &table.words),
                    (None, None) => {
                        return Err(TrainError::Recipe(format!(
                            "the checkpoint does not hold the vocabulary of `{}`",
                            texts.column
                        )));
                    }
                };
                let values = texts.numbers(&vocabulary, length, &table.words).ok_or_else(|| {
                    let what = format!("texts of `{}`, {length} words each,", texts.column);
                    TrainError::Recipe(format!("{what} do not fit into memory"))
                })?;
                fitted.vocabularies.insert(texts.column.clone(), vocabulary);
                *column = Column::Integers { values, width: length };
            }
            _ => {}
        }
    }
    Ok(())
}

impl PreparedData {
    /// Reads, divides and fits.
    pub fn open(recipe: &Recipe, with: &Preparation<'_>) -> Result<PreparedData> {
        let data = &recipe.data;
        for name in
            data.transform.iter().map(|(name, _)| name).chain(data.augment.iter().map(|(name, _)| name))
        {
            check_field_name(data, name)?;
        }
        let dataset = dataset::open(data, with)?;
        PreparedData::from_dataset(data, dataset, with)
    }

    /// Divides and fits samples that were read already.
    pub fn from_dataset(data: &Data, mut dataset: Dataset, with: &Preparation<'_>) -> Result<PreparedData> {
        if data.batch == 0 {
            return Err(TrainError::Recipe("a batch needs at least one sample".to_owned()));
        }
        check_labels(data, &dataset, with.options.classes)?;
        let classes = if data.split.stratified { classes(&dataset) } else { None };
        let samples = Samples {
            count: dataset.samples,
            own_validation: dataset.own_validation,
            own_test: dataset.own_test,
            classes: classes.as_deref(),
        };
        let parts = divide(&samples, &data.split, with.seed)?;
        let mut fitted = with.saved.cloned().unwrap_or_else(|| std::mem::take(&mut dataset.fitted));
        if fitted.classes.is_empty() {
            fitted.classes.clone_from(&dataset.class_names);
        }
        complete(data, &mut dataset, &mut fitted, with.saved.is_none().then_some(&parts.training))?;
        let pipelines = pipelines(data, &dataset, with.options.classes)?;
        let scaling =
            if with.saved.is_none() { scaling(data, &dataset, &parts.training)? } else { BTreeMap::new() };
        let mixup = mixup(data, &pipelines)?;
        let slow = data.augment.iter().any(|(_, step)| {
            matches!(
                step,
                Augment::RandomRotation { .. } | Augment::RandomZoom { .. } | Augment::Mixup { .. }
            )
        });
        let threads = if slow || dataset.columns.iter().any(Column::is_stored) {
            with.options.threads.clamp(1, LOADER_THREADS)
        } else {
            1
        };
        let class_weights = data.class_weights.clone();
        Ok(PreparedData { dataset, parts, pipelines, fitted, mixup, threads, scaling, class_weights })
    }

    /// Input fields alone, to predict for: nothing is divided or fitted.
    pub(crate) fn of_inputs(data: &Data, dataset: Dataset, fitted: Fitted) -> Result<PreparedData> {
        let pipelines = pipelines(data, &dataset, None)?;
        let (parts, scaling) = (Parts::default(), BTreeMap::new());
        let (mixup, class_weights) = (None, None);
        Ok(PreparedData { dataset, parts, pipelines, fitted, mixup, threads: 1, scaling, class_weights })
    }

    /// The samples as they were read.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// Which samples are for training, validation and test.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// What was fitted beside the scaling.
    pub fn fitted(&self) -> &Fitted {
        &self.fitted
    }

    /// The fitted map of a field's transforms, if it has one that was fitted here.
    pub fn scaling(&self, field: &str) -> Option<&Scaling> {
        self.scaling.get(field)
    }

    /// What the classes count in the loss; `None` where all count alike.
    pub fn class_weights(&self, classes: usize) -> Result<Option<Vec<f64>>> {
        match &self.class_weights {
            None => Ok(None),
            Some(ClassWeights::Given(weights)) if weights.len() == classes => Ok(Some(weights.clone())),
            Some(ClassWeights::Given(weights)) => Err(TrainError::Recipe(format!(
                "there are {} class weights for {classes} classes",
                weights.len()
            ))),
            Some(ClassWeights::Balanced) => {
                class_weights::balanced(&self.dataset, &self.parts.training, classes).map(Some)
            }
        }
    }

    /// Sets the states of a model that the data decides: scaling and class weights.
    pub fn teach(&self, engine: &mut dyn Engine) -> Result<()> {
        for (field, scaling) in &self.scaling {
            let [offset, factor] = scaling_states(field);
            set(engine, &offset, &scaling.offset)?;
            set(engine, &factor, &scaling.factor)?;
        }
        let found = engine.interface().tensors.iter().find(|tensor| tensor.name == CLASS_WEIGHTS);
        let Some(classes) = found.map(|tensor| tensor.dims.iter().product()) else { return Ok(()) };
        match self.class_weights(classes)? {
            Some(weights) => set(engine, CLASS_WEIGHTS, &weights),
            None => Ok(()),
        }
    }

    /// The random changes of an epoch.
    pub(crate) fn draws(random: Option<(u64, usize)>) -> Option<Draws> {
        random.map(|(seed, epoch)| Draws::new(seed, epoch))
    }
}

/// Sets a state of floats.
fn set(engine: &mut dyn Engine, name: &str, values: &[f64]) -> Result<()> {
    let found = engine.interface().tensors.iter().find(|tensor| tensor.name == name);
    let tensor = found.ok_or_else(|| {
        let missing = format!("the model has no state `{name}`; this is a bug in dlc");
        TrainError::Runtime(RuntimeError::Engine(missing))
    })?;
    let value = if tensor.element == ElementType::F64 {
        HostTensor::from_f64(&tensor.dims, values)?
    } else {
        let narrow: Vec<f32> = values.iter().map(|&value| value as f32).collect();
        HostTensor::from_f32(&tensor.dims, &narrow)?
    };
    Ok(engine.set_tensor(name, &value)?)
}

/// The fitted scaling of every field that has one.
fn scaling(data: &Data, dataset: &Dataset, training: &[usize]) -> Result<BTreeMap<String, Scaling>> {
    let mut all = BTreeMap::new();
    for (number, (field, column)) in data.fields.iter().zip(&dataset.columns).enumerate() {
        let Some(plan) = data.scaling_plan(field).map_err(TrainError::Recipe)? else { continue };
        if !plan.fitted {
            continue;
        }
        let fixed: &[bool] = if number == 0 { &dataset.category_units } else { &[] };
        let fitted = statistics(column, plan.units(), fixed, training)?;
        let scaling = plan.compose(data, &field.name, &fitted).map_err(TrainError::Recipe)?;
        all.insert(field.name.clone(), scaling);
    }
    Ok(all)
}

/// The step that mixes samples, if all fields can be mixed.
fn mixup(data: &Data, pipelines: &[FieldPipeline]) -> Result<Option<(usize, f64)>> {
    let mut found = None;
    for (number, (_, step)) in data.augment.iter().enumerate() {
        let Augment::Mixup { alpha } = step else { continue };
        if found.is_some() {
            return Err(TrainError::Recipe("samples are mixed once; there is a second `mixup`".to_owned()));
        }
        if let Some(field) = pipelines.iter().find(|pipeline| !pipeline.dtype.is_float()) {
            return Err(TrainError::Recipe(format!(
                "`mixup` mixes all fields, but `{}` holds integers; declare it as floats, class labels as \
                 one-hot: `-> (…, {}: f32[N, classes])`",
                field.name, field.name
            )));
        }
        crate::augment::size_after(&[(number, step.clone())], (1, 1), true)?;
        found = Some((number, *alpha));
    }
    Ok(found)
}

/// That every label of a column is one that the model knows; label maps are looked at when they are fed.
fn check_labels(data: &Data, dataset: &Dataset, classes: Option<usize>) -> Result<()> {
    let Some((column, rule)) = label_rule(data, dataset, classes)? else { return Ok(()) };
    let Some(Column::Integers { values, width: 1 }) = dataset.columns.get(column) else { return Ok(()) };
    let checked =
        values.iter().enumerate().map(|(sample, &label)| rule.check(label, || dataset.place(sample)));
    checked.collect()
}

fn check_field_name(data: &Data, name: &str) -> Result<()> {
    if data.fields.iter().any(|field| field.name == name) {
        return Ok(());
    }
    let fields: Vec<&str> = data.fields.iter().map(|field: &Field| field.name.as_str()).collect();
    Err(TrainError::Recipe(format!("there is no field `{name}`; the fields are: {}", fields.join(", "))))
}
