//! Samples as they come from their source, before any transform.
//!
//! A dataset has one column per field of the recipe. Pictures stay bytes until they go into a batch.
//! Samples of a source's own test split come last.

pub mod cifar10;
pub mod csv;
pub mod image_folder;
pub mod picture;
pub mod synthetic;

use crate::{Result, RunOptions, TrainError};
use dlc_recipe::{Data, Field, Source, Transform};
use picture::Pictures;
use std::path::{Path, PathBuf};

/// The values of one field for all samples.
#[derive(Clone, Debug)]
pub enum Column {
    /// `width` numbers per sample.
    Numbers {
        /// All values, sample after sample.
        values: Vec<f32>,
        /// Numbers per sample.
        width: usize,
    },
    /// `width` integers per sample; a class label has width 1.
    Integers {
        /// All values, sample after sample.
        values: Vec<i64>,
        /// Integers per sample.
        width: usize,
    },
    /// One picture per sample.
    Pictures(Pictures),
}

/// All samples of a source.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// How many there are.
    pub samples: usize,
    /// One per field of the recipe.
    pub columns: Vec<Column>,
    /// How many of the last samples are the source's own test split, if it has one.
    pub own_test: Option<usize>,
    /// Names of the classes, where the source tells them.
    pub class_names: Vec<String>,
    /// The file or folder that was read.
    pub path: PathBuf,
    /// What one sample is called in messages: `row`, `record`, ….
    pub sample_noun: &'static str,
}

/// Extents of one sample of a field: without the batch axis, which must lead.
pub fn sample_dims(field: &Field) -> Result<Vec<usize>> {
    let dims = field.ty.shape.dims();
    let rest: Option<Vec<usize>> = dims.iter().skip(1).map(|dim| dim.fixed()).collect();
    match (dims.first(), rest) {
        (Some(&dlc_types::Dim::N), Some(rest)) => Ok(rest),
        _ => Err(TrainError::Recipe(format!(
            "the field `{}` is {}, but a field needs the batch N as its first axis and only there",
            field.name, field.ty
        ))),
    }
}

/// Number of elements of a sample.
pub(crate) fn sample_elements(field: &Field) -> Result<usize> {
    sample_dims(field)?.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim)).ok_or_else(|| {
        TrainError::Recipe(format!("a sample of the field `{}` has too many elements", field.name))
    })
}

/// The size that pictures of a field are resized to, by its first `resize` step.
pub(crate) fn resize_of(data: &Data, field: &str) -> Option<(usize, usize)> {
    data.transform.iter().filter(|(name, _)| name == field).find_map(|(_, step)| match step {
        Transform::Resize { height, width } => Some((*height, *width)),
        _ => None,
    })
}

/// Where the source lies: the caller's path, or the recipe's against the model's folder.
pub fn resolve(path: &str, folder: &Path, data: Option<&Path>) -> PathBuf {
    data.map_or_else(|| folder.join(path), Path::to_owned)
}

/// The fields of a source that gives exactly a picture and a label.
pub(crate) fn picture_and_label<'a>(data: &'a Data, source: &str) -> Result<(&'a Field, &'a Field)> {
    match data.fields.as_slice() {
        [picture, label] => Ok((picture, label)),
        fields => Err(TrainError::Recipe(format!(
            "{source} gives two fields, a picture and a label; the data section names {}",
            fields.len()
        ))),
    }
}

/// Reads a recipe's data. `folder` is the model's; `seed` serves synthetic data.
pub fn open(data: &Data, folder: &Path, options: &RunOptions, seed: u64) -> Result<Dataset> {
    let given = options.data.as_deref();
    match &data.source {
        Source::Csv { path, target, features, drop } => {
            let mut place = resolve(path, folder, given);
            if let (true, Some(name)) = (place.is_dir(), Path::new(path).file_name()) {
                place = place.join(name);
            }
            csv::open(data, &place, target, features.as_deref(), drop)
        }
        Source::Cifar10 { path } => {
            let place = resolve(path, folder, given);
            // The same pictures also travel as a folder of image files.
            if cifar10::folder_of(&place).is_none() && place.join("train").is_dir() {
                return image_folder::open(data, &place, options.threads);
            }
            cifar10::open(data, &place)
        }
        Source::ImageFolder { path } => {
            image_folder::open(data, &resolve(path, folder, given), options.threads)
        }
        Source::Synthetic { samples, classes } => synthetic::make(data, *samples, *classes, seed),
    }
}

/// Reads a data file.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|cause| match cause.kind() {
        std::io::ErrorKind::NotFound => TrainError::MissingData { what: "file", path: path.to_owned() },
        _ => TrainError::File { path: path.to_owned(), cause },
    })
}
