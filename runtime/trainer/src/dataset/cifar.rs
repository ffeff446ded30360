//! CIFAR's binary files: records of label bytes and 3x32x32 bytes of picture.
//!
//! CIFAR-10 has one label, CIFAR-100 a coarse and a fine one.
//! Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.

use super::fit::Fit;
use super::picture::Pictures;
use super::records::Records;
use super::{Column, Dataset, LabelColumn, picture_and_label, read_file};
use crate::{Result, TrainError};
use dlc_recipe::Data;
use std::path::{Path, PathBuf};

/// Bytes of a picture.
const PICTURE: usize = 3 * 32 * 32;

/// How the files of one of the data sets are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Name for messages.
    pub name: &'static str,
    /// Label bytes before a picture.
    pub labels: usize,
    /// Which of them is taken.
    pub label: usize,
    /// Classes of that label.
    pub classes: u8,
    /// Records that a file of the original has at most.
    records: usize,
}

impl Layout {
    /// CIFAR-10.
    pub const TEN: Layout = Layout { name: "CIFAR-10", labels: 1, label: 0, classes: 10, records: 10_000 };
    /// CIFAR-100 by its 100 fine classes.
    pub const FINE: Layout = Layout { name: "CIFAR-100", labels: 2, label: 1, classes: 100, records: 50_000 };
    /// CIFAR-100 by its 20 coarse classes.
    pub const COARSE: Layout = Layout { label: 0, classes: 20, ..Layout::FINE };

    /// Bytes of a record.
    pub const fn record(self) -> usize {
        self.labels + PICTURE
    }
}

/// Names of CIFAR-10's classes in the order of their labels.
pub const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Pictures (planar bytes) and labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelledPictures {
    /// Planar bytes, picture after picture.
    pub pictures: Vec<u8>,
    /// One per picture.
    pub labels: Vec<i64>,
}

/// Appends the records of one file; `path` is for messages.
pub fn parse_cifar(bytes: &[u8], layout: Layout, path: &Path, records: &mut LabelledPictures) -> Result<()> {
    let record = layout.record();
    if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
        let whole = bytes.len().div_ceil(record).max(1);
        // A file cut short is most likely one of the original size.
        let expected = if whole > layout.records / 2 { layout.records.max(whole) } else { whole } * record;
        let (path, name) = (path.to_owned(), layout.name);
        return Err(TrainError::Truncated { path, name, record, expected, found: bytes.len() });
    }
    for (number, record) in bytes.chunks_exact(record).enumerate() {
        let label = record[layout.label];
        if label >= layout.classes {
            return Err(TrainError::Label {
                path: path.to_owned(),
                place: format!("record {}", number + 1),
                label: i64::from(label),
                classes: usize::from(layout.classes),
            });
        }
        records.labels.push(i64::from(label));
        records.pictures.extend_from_slice(&record[layout.labels..]);
    }
    Ok(())
}

/// The folder with CIFAR-10's files: this one or `cifar-10-batches-bin` in it.
pub(crate) fn folder_of(path: &Path) -> Option<PathBuf> {
    [path.to_owned(), path.join("cifar-10-batches-bin")]
        .into_iter()
        .find(|folder| folder.join("data_batch_1.bin").is_file() || folder.join("test_batch.bin").is_file())
}

fn folder_or_fault(path: &Path, found: Option<PathBuf>, layout: Layout, first: &str) -> Result<PathBuf> {
    if !path.is_dir() {
        return Err(TrainError::MissingData { what: "folder", path: path.to_owned() });
    }
    found.ok_or_else(|| TrainError::Folder {
        path: path.to_owned(),
        problem: format!("this folder does not hold {}'s binary files ({first}, …)", layout.name),
    })
}

/// Reads the six files of CIFAR-10.
pub(crate) fn open_ten(data: &Data, path: &Path) -> Result<Dataset> {
    let folder = folder_or_fault(path, folder_of(path), Layout::TEN, "data_batch_1.bin")?;
    let training: Vec<String> = (1..=5).map(|number| format!("data_batch_{number}.bin")).collect();
    let classes = CLASSES.map(str::to_owned).to_vec();
    open(data, &folder, Layout::TEN, &training, "test_batch.bin", classes)
}

/// Reads the two files of CIFAR-100; names of classes come from the text file beside them.
pub(crate) fn open_hundred(data: &Data, path: &Path, coarse: bool) -> Result<Dataset> {
    let found = [path.to_owned(), path.join("cifar-100-binary")]
        .into_iter()
        .find(|folder| folder.join("train.bin").is_file());
    let layout = if coarse { Layout::COARSE } else { Layout::FINE };
    let folder = folder_or_fault(path, found, layout, "train.bin")?;
    let names = if coarse { "coarse_label_names.txt" } else { "fine_label_names.txt" };
    // The file is not needed to train: without it classes are numbers.
    let names = std::fs::read_to_string(folder.join(names)).unwrap_or_default();
    let names: Vec<String> =
        names.lines().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let names = if names.len() == usize::from(layout.classes) { names } else { Vec::new() };
    open(data, &folder, layout, &["train.bin".to_owned()], "test.bin", names)
}

fn open(
    data: &Data,
    folder: &Path,
    layout: Layout,
    training: &[String],
    test: &str,
    class_names: Vec<String>,
) -> Result<Dataset> {
    let (picture, _) = picture_and_label(data, layout.name)?;
    let mut records = LabelledPictures::default();
    let mut read = |name: &str| -> Result<usize> {
        let file = folder.join(name);
        parse_cifar(&read_file(&file)?, layout, &file, &mut records)?;
        Ok(records.labels.len())
    };
    let mut before_test = 0;
    for name in training {
        before_test = read(name)?;
    }
    let samples = read(test)?;
    let fit = Fit::of(data, &picture.name)?;
    let pictures = Records::in_memory(records.pictures, 0, PICTURE);
    Ok(Dataset {
        own_test: Some(samples - before_test),
        labels: Some(LabelColumn { column: 1, ignore: None }),
        class_names,
        sample_noun: "record",
        ..Dataset::new(
            folder,
            samples,
            vec![
                Column::Pictures(Pictures::of_records(3, (32, 32), fit, pictures)),
                Column::Integers { values: records.labels, width: 1 },
            ],
        )
    })
}
