//! Raw files in, the model's outputs out: rows of tables, pictures or arrays, read as training read its own.

use crate::dataset::array::Array;
use crate::dataset::fit::Fit;
use crate::dataset::picture::{Meaning, Pictures, decode_file};
use crate::dataset::records::Records;
use crate::dataset::table::{Purpose, has_features, input_columns, read_files};
use crate::dataset::{self, Column, Dataset, image_folder, named_arrays, sample_dims};
use crate::evaluate::{Feed, function_of, restore_for, slices};
use crate::fitted::Fitted;
use crate::gallery::{SAMPLES, Show};
use crate::loader::{Pass, each_batch};
use crate::prepare::{PreparedData, complete};
use crate::{Engine, Result, RunOptions, TrainError, prediction_files};
use dlc_recipe::{Data, Field, Recipe, Source, Table};
use dlc_runtime::HostTensor;
use dlc_runtime::abi::{Port, PortRole};
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

/// Samples to predict for: a column for each input field, and each sample's name.
type Raw = (Vec<Column>, Vec<String>);

fn read_tables(data: &Data, table: &Table, files: &[PathBuf], known: &Fitted) -> Result<Raw> {
    let features = has_features(data, table)?;
    let purpose = Purpose { target: None, features, known: Some(known), predicting: true };
    let mut content = read_files(files, table, purpose)?;
    let of_files = files.iter().zip(&content.files);
    let paths = of_files.flat_map(|(path, &rows)| std::iter::repeat_n(path, rows));
    let names = paths.zip(&content.numbers).map(|(path, row)| format!("{}:{row}", path.display()));
    let names = names.collect();
    Ok((input_columns(&mut content, features), names))
}

fn read_pictures(data: &Data, files: &[PathBuf]) -> Result<Raw> {
    let field = first_field(data)?;
    let channels = image_folder::channels_of(field)?;
    let mut fit = Fit::of(data, &field.name)?;
    if let (true, [.., height, width]) = (fit.is_empty(), sample_dims(field)?.as_slice()) {
        fit = Fit::to((*height, *width));
    }
    let (mut size, mut bytes) = ((0, 0), Vec::new());
    for (number, path) in files.iter().enumerate() {
        let picture = decode_file(path, channels, &fit, Meaning::Light)?;
        if number > 0 && picture.size != size {
            let problem = "all pictures of one call must have one size".to_owned();
            return Err(TrainError::Image { path: path.clone(), problem });
        }
        size = picture.size;
        bytes.extend(picture.planes);
    }
    let records = Records::in_memory(bytes, 0, channels * size.0 * size.1);
    let names = files.iter().map(|path| path.display().to_string()).collect();
    Ok((vec![Column::Pictures(Pictures::of_records(channels, size, Fit::default(), records))], names))
}

/// A `.npy` file feeds the first field.
fn read_arrays(data: &Data, files: &[PathBuf]) -> Result<Raw> {
    let field = first_field(data)?;
    let (mut all, mut names): (Option<Array>, Vec<String>) = (None, Vec::new());
    for path in files {
        let array = named_arrays::open_npy(path, &field.name)?;
        named_arrays::check_dims(field, &array, path, &field.name)?;
        names.extend((1..=array.records.len()).map(|sample| format!("{}:{sample}", path.display())));
        all = Some(match all {
            None => array,
            Some(first) if first.encoding == array.encoding => {
                Array { records: first.records.followed_by(array.records), ..first }
            }
            Some(_) => {
                let problem = "its element type is another than that of the files before it".to_owned();
                return Err(TrainError::Image { path: path.clone(), problem });
            }
        });
    }
    Ok((all.into_iter().map(Column::Array).collect(), names))
}

fn first_field(data: &Data) -> Result<&Field> {
    data.fields.first().ok_or_else(|| TrainError::Recipe("the data section names no field".to_owned()))
}

/// Names of the classes where the checkpoint does not tell them.
fn class_names(recipe: &Recipe, folder: &Path, options: &RunOptions) -> Vec<String> {
    match &recipe.data.source {
        Source::Cifar10 { .. } => dataset::cifar::CLASSES.map(str::to_owned).to_vec(),
        Source::ImageFolder { path } => {
            image_folder::class_names(&dataset::resolve(path, folder, options.data.as_deref()))
        }
        _ => Vec::new(),
    }
}

pub(crate) fn numbers(port: &Port, bytes: Vec<u8>, batch: usize) -> Result<Vec<f64>> {
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

/// Predicts for the rows of CSV files, for picture files or for `.npy` arrays, as the recipe's source asks for. With a
/// folder to write to, it gets a table of the predictions, label maps, and samples with what was decided of them.
pub fn predict(
    recipe: &Recipe,
    folder: &Path,
    engine: &mut dyn Engine,
    checkpoint: &Path,
    files: &[PathBuf],
    options: &RunOptions,
) -> Result<Predictions> {
    let saved = restore_for(engine, checkpoint, options)?;
    let data = &recipe.data;
    let (columns, names) = match &data.source {
        Source::Csv(table) => read_tables(data, table, files, &saved.fitted)?,
        Source::Numpy(_) => read_arrays(data, files)?,
        Source::Synthetic { .. } => {
            return Err(TrainError::Recipe("synthetic data has no files to predict for".to_owned()));
        }
        _ => read_pictures(data, files)?,
    };
    let mut dataset = Dataset::new(Path::new(""), names.len(), columns);
    let mut fitted = saved.fitted;
    complete(data, &mut dataset, &mut fitted, None)?;
    let samples: Vec<usize> = (0..names.len()).collect();
    let prepared = PreparedData::of_inputs(data, dataset, fitted)?;
    let feed = Feed::new(engine, "predict", &prepared, &recipe.metrics)?;
    let outputs = function_of(engine, "predict")?.outputs.iter();
    let ports: Vec<Port> = outputs.filter(|port| port.role == PortRole::Output).cloned().collect();
    let batch = engine.interface().batch_max.min(data.batch.max(1));
    let mut class_names = class_names(recipe, folder, options);
    if !prepared.fitted.classes.is_empty() {
        class_names.clone_from(&prepared.fitted.classes);
    }
    let draws = !options.out.as_os_str().is_empty();
    let show = Show::of(function_of(engine, "predict")?, &options.decide, &class_names).filter(|_| draws);
    let mut tiles = Vec::new();
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
        if let Some((_, show)) = show.as_ref().filter(|_| tiles.len() < SAMPLES) {
            let first = values.first().map_or(&[][..], Vec::as_slice);
            let of_samples = first.chunks_exact((first.len() / n.max(1)).max(1));
            tiles.extend(show.tiles(&batch.inputs[0], of_samples, std::iter::repeat(None)));
            tiles.truncate(SAMPLES);
        }
        for (sample, source) in names.by_ref().take(n).enumerate() {
            let of_sample =
                |all: &Vec<f64>| all[sample * all.len() / n..(sample + 1) * all.len() / n].to_vec();
            rows.push(Prediction { source, values: values.iter().map(of_sample).collect() });
        }
        Ok(true)
    })?;
    let outputs = ports.into_iter().map(|port| port.name).collect();
    let predictions = Predictions { outputs, class_names, rows };
    if draws {
        prediction_files::write(recipe, &predictions, &options.decide, tiles, &options.out)?;
    }
    Ok(predictions)
}
