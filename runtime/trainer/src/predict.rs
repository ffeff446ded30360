//! Raw files in, the model's outputs out: rows of a table, or pictures, scaled as in training.

use crate::dataset::csv::{CsvColumns, parse_csv};
use crate::dataset::picture::{Pictures, decode_file};
use crate::dataset::{self, Column, Dataset, image_folder, read_file, resize_of, sample_dims};
use crate::evaluate::{Feed, function_of, restore, slices};
use crate::loader::{Pass, each_batch};
use crate::prepare::{PreparedData, pipeline_of};
use crate::split::Parts;
use crate::{Engine, Result, RunOptions, TrainError};
use dlc_recipe::{Data, Field, Recipe, Source};
use dlc_runtime::abi::{Port, PortRole};
use dlc_runtime::{HostTensor, LoadPolicy};
use dlc_types::DType;
use std::path::{Path, PathBuf};

/// The outputs for one sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The file, and the row for a table.
    pub source: String,
    /// One list of values per output, in the order of [`Predictions::outputs`].
    pub values: Vec<Vec<f64>>,
}

/// The outputs for all samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// Names of the model's outputs.
    pub outputs: Vec<String>,
    /// Names of the classes, where the data tells them.
    pub class_names: Vec<String>,
    /// One per sample.
    pub rows: Vec<Prediction>,
}

/// Samples to predict for: the first field's column and each sample's name.
type Raw = (Column, Vec<String>);

fn read_tables(data: &Data, files: &[PathBuf]) -> Result<Raw> {
    let Source::Csv { target, features, drop, .. } = &data.source else {
        return Err(TrainError::Recipe("this model's data is not a table".to_owned()));
    };
    // The target may be absent in new data, and is no feature where it is present.
    let excluded: Vec<String> = drop.iter().chain([target]).cloned().collect();
    let (mut values, mut names, mut width) = (Vec::new(), Vec::new(), 0);
    for path in files {
        let columns = CsvColumns { target: None, features: features.as_deref(), drop: &excluded };
        let table = parse_csv(&read_file(path)?, &columns)
            .map_err(|fault| TrainError::Table { path: path.clone(), fault })?;
        width = table.features.len();
        names.extend((1..=table.rows).map(|row| format!("{}:{row}", path.display())));
        values.extend(table.values);
    }
    Ok((Column::Numbers { values, width }, names))
}

fn read_pictures(data: &Data, field: &Field, files: &[PathBuf]) -> Result<Raw> {
    let channels = image_folder::channels_of(field)?;
    let own = match sample_dims(field)?.as_slice() {
        [.., height, width] => Some((*height, *width)),
        _ => None,
    };
    let wanted = resize_of(data, &field.name).or(own);
    let mut size = wanted.unwrap_or((0, 0));
    let mut bytes = Vec::new();
    for (number, path) in files.iter().enumerate() {
        let picture = decode_file(path, channels, wanted)?;
        if number > 0 && picture.size != size {
            let problem = "all pictures of one call must have one size".to_owned();
            return Err(TrainError::Image { path: path.clone(), problem });
        }
        size = picture.size;
        bytes.extend(picture.planes);
    }
    let names = files.iter().map(|path| path.display().to_string()).collect();
    Ok((Column::Pictures(Pictures::in_memory(channels, size, None, bytes)), names))
}

/// Names of the classes, where they can be told without training data or the data is there.
fn class_names(recipe: &Recipe, folder: &Path, options: &RunOptions) -> Vec<String> {
    match &recipe.data.source {
        Source::Cifar10 { .. } => dataset::cifar10::CLASSES.map(str::to_owned).to_vec(),
        Source::ImageFolder { path } => {
            image_folder::class_names(&dataset::resolve(path, folder, options.data.as_deref()))
        }
        Source::Csv { .. } => {
            // Absent data only means that classes stay numbers.
            dataset::open(&recipe.data, folder, options, recipe.seed)
                .map(|d| d.class_names)
                .unwrap_or_default()
        }
        Source::Synthetic { .. } => Vec::new(),
    }
}

fn numbers(port: &Port, bytes: Vec<u8>, batch: usize) -> Result<Vec<f64>> {
    let dims = port.dims.iter().map(|dim| dim.at(batch)).collect();
    let tensor = HostTensor::new(port.element, dims, bytes)?;
    let dtype = DType::ALL.into_iter().find(|dtype| dtype.name() == port.element.name());
    Ok(match dtype {
        Some(dtype) if dtype.is_float() => dtype.floats(&tensor.bytes),
        Some(DType::U64) => tensor.u64_values()?.into_iter().map(|value| value as f64).collect(),
        Some(dtype) => dtype.integers(&tensor.bytes).into_iter().map(|value| value as f64).collect(),
        None => Vec::new(),
    })
}

/// Predicts for the rows of CSV files, or for picture files, as the recipe's source asks for.
pub fn predict(
    recipe: &Recipe,
    folder: &Path,
    engine: &mut dyn Engine,
    checkpoint: &Path,
    files: &[PathBuf],
    options: &RunOptions,
) -> Result<Predictions> {
    let saved = restore(engine, checkpoint, LoadPolicy::IgnoreExtra)?;
    let data = &recipe.data;
    let field = data
        .fields
        .first()
        .ok_or_else(|| TrainError::Recipe("the data section names no field".to_owned()))?;
    let (column, names) = match &data.source {
        Source::Csv { .. } => read_tables(data, files)?,
        Source::Cifar10 { .. } | Source::ImageFolder { .. } => read_pictures(data, field, files)?,
        Source::Synthetic { .. } => {
            return Err(TrainError::Recipe("synthetic data has no files to predict for".to_owned()));
        }
    };
    let pipeline = pipeline_of(data, field, &column, &[], Some(&saved.scaling))?;
    let samples: Vec<usize> = (0..names.len()).collect();
    let prepared = PreparedData {
        dataset: Dataset {
            samples: names.len(),
            columns: vec![column],
            own_test: None,
            class_names: Vec::new(),
            path: PathBuf::new(),
            sample_noun: "sample",
        },
        parts: Parts::default(),
        pipelines: vec![pipeline],
    };
    let feed = Feed::new(engine, "predict", &prepared, &recipe.metrics)?;
    let outputs = function_of(engine, "predict")?.outputs.iter();
    let ports: Vec<Port> = outputs.filter(|port| port.role == PortRole::Output).cloned().collect();
    let batch = engine.interface().batch_max.min(data.batch.max(1));
    let mut names = names.into_iter();
    let mut rows = Vec::new();
    let pass = Pass { order: &samples, batch, feed: &feed.fields, random: None };
    each_batch(&prepared, &pass, |batch| {
        let n = batch.samples;
        let mut buffers: Vec<Vec<u8>> =
            ports.iter().map(|port| vec![0; port.elements(n) * port.element.size()]).collect();
        let mut slots: Vec<&mut [u8]> = buffers.iter_mut().map(Vec::as_mut_slice).collect();
        engine.predict(n, &slices(&batch.inputs), &mut slots)?;
        let values: Vec<Vec<f64>> =
            ports.iter().zip(buffers).map(|(port, bytes)| numbers(port, bytes, n)).collect::<Result<_>>()?;
        for (sample, source) in names.by_ref().take(n).enumerate() {
            let of_sample =
                |all: &Vec<f64>| all[sample * all.len() / n..(sample + 1) * all.len() / n].to_vec();
            rows.push(Prediction { source, values: values.iter().map(of_sample).collect() });
        }
        Ok(true)
    })?;
    let outputs = ports.into_iter().map(|port| port.name).collect();
    Ok(Predictions { outputs, class_names: class_names(recipe, folder, options), rows })
}
