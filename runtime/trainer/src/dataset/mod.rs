//! Samples as they come from their source, before any transform.
//!
//! A dataset has one column per field of the recipe. Pictures stay bytes until they go into a batch.
//! Samples of a source's own validation split come behind those to train on, its own test split last.
//!
//! In memory are: tables as `f32` (4 bytes a number; names, words and labels 8), and the bytes of pictures
//! and arrays up to [`records::MEMORY_LIMIT`] per field. What is larger stays in its files and is read by
//! the loader's threads for each batch; then a run holds that many batches as the loader has buffers
//! (see [`crate::each_batch`]), and no sample twice. Archives (`.npz`, `.gz`) are unpacked into memory.

pub mod array;
pub mod cifar;
pub mod fit;
mod folder;
pub mod idx;
pub mod image_folder;
pub(crate) mod named_arrays;
pub mod picture;
pub mod records;
mod segmentation;
pub mod synthetic;
pub mod table;

use crate::fitted::Fitted;
use crate::{Preparation, Result, TrainError};
use array::Array;
use dlc_recipe::{Data, Field, Source};
use picture::Pictures;
use std::path::{Path, PathBuf};
use table::words::Texts;

/// The values of one field for all samples.
#[derive(Clone, Debug)]
pub enum Column {
    /// `width` numbers per sample; NaN where a value is missing, until it is filled in.
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
    /// Numbers as a file has them.
    Array(Array),
    /// Text, until the vocabulary is known.
    Texts(Texts),
    /// One picture or label map per sample.
    Pictures(Pictures),
}

impl Column {
    /// Whether making a batch reads files.
    pub(crate) fn is_stored(&self) -> bool {
        match self {
            Column::Pictures(pictures) => pictures.is_stored(),
            Column::Array(array) => array.records.is_stored(),
            _ => false,
        }
    }
}

/// Which column holds class numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelColumn {
    /// Its number.
    pub column: usize,
    /// The number that stands for no class.
    pub ignore: Option<i64>,
}

/// All samples of a source.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// How many there are.
    pub samples: usize,
    /// One per field of the recipe.
    pub columns: Vec<Column>,
    /// How many samples, before those of the test, are the source's own validation split, if it has one.
    pub own_validation: Option<usize>,
    /// How many of the last samples are the source's own test split, if it has one.
    pub own_test: Option<usize>,
    /// The labels, where there are such.
    pub labels: Option<LabelColumn>,
    /// Names of the classes, where the source tells them.
    pub class_names: Vec<String>,
    /// What reading has learned of the data and prediction needs.
    pub fitted: Fitted,
    /// The file or folder that was read.
    pub path: PathBuf,
    /// What one sample is called in messages: `row`, `record`, ….
    pub sample_noun: &'static str,
    /// The number of each sample in its file, from 1, where some were left out.
    pub numbers: Vec<usize>,
    /// What each number of the first field is, where the source has names for them.
    pub feature_names: Vec<String>,
    /// Which of them tell a category: fitted scaling leaves those as they are.
    pub category_units: Vec<bool>,
}

impl Dataset {
    /// Samples without anything else.
    pub(crate) fn new(path: &Path, samples: usize, columns: Vec<Column>) -> Dataset {
        Dataset {
            samples,
            columns,
            own_validation: None,
            own_test: None,
            labels: None,
            class_names: Vec::new(),
            fitted: Fitted::default(),
            path: path.to_owned(),
            sample_noun: "sample",
            numbers: Vec::new(),
            feature_names: Vec::new(),
            category_units: Vec::new(),
        }
    }

    /// A sample's place in messages.
    pub(crate) fn place(&self, sample: usize) -> String {
        let number = self.numbers.get(sample).copied().unwrap_or(sample + 1);
        format!("{} {number}", self.sample_noun)
    }
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

/// Reads a recipe's data.
pub fn open(data: &Data, with: &Preparation<'_>) -> Result<Dataset> {
    let Preparation { folder, options, seed, saved } = *with;
    if let Source::Synthetic { samples, classes } = data.source {
        return synthetic::make(data, samples, classes, seed);
    }
    let path = data.source.path().unwrap_or_default();
    let mut place = resolve(path, folder, options.data.as_deref());
    match &data.source {
        Source::Csv(table) => {
            if let (true, Some(name)) = (place.is_dir(), Path::new(path).file_name()) {
                place = place.join(name);
            }
            // A place that the caller names has the other files, too.
            let other = |path: &String| match (&options.data, Path::new(path).file_name()) {
                (Some(_), Some(name)) => place.with_file_name(name),
                _ => folder.join(path),
            };
            let (validation, test) = (table.validation.as_ref().map(other), table.test.as_ref().map(other));
            table::open(data, table, [Some(place.clone()), validation, test], saved)
        }
        Source::Idx(files) => idx::open(data, files, &place),
        Source::Cifar10 { .. } => {
            // The same pictures also travel as a folder of image files.
            if cifar::folder_of(&place).is_none() && place.join("train").is_dir() {
                return image_folder::open(data, &place, options.threads);
            }
            cifar::open_ten(data, &place)
        }
        Source::Cifar100 { coarse, .. } => cifar::open_hundred(data, &place, *coarse),
        Source::ImageFolder { .. } => image_folder::open(data, &place, options.threads),
        Source::Segmentation { ignore, .. } => segmentation::open(data, &place, *ignore, options.threads),
        Source::Numpy(arrays) => named_arrays::open(data, arrays, &place),
        Source::Synthetic { .. } => Err(TrainError::Recipe("synthetic data has no file".to_owned())),
    }
}

/// Reads a data file.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|cause| match cause.kind() {
        std::io::ErrorKind::NotFound => TrainError::MissingData { what: "file", path: path.to_owned() },
        _ => TrainError::File { path: path.to_owned(), cause },
    })
}
