//! CIFAR-10's binary files: records of one label byte and 3x32x32 bytes of picture.
//!
//! Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.

use super::picture::Pictures;
use super::{Column, Dataset, picture_and_label, read_file, resize_of};
use crate::{Result, TrainError};
use dlc_recipe::Data;
use std::path::{Path, PathBuf};

/// Bytes of a picture.
const PICTURE: usize = 3 * 32 * 32;
/// Bytes of a record.
pub const RECORD: usize = 1 + PICTURE;
/// Records that the files of the original have.
const RECORDS_PER_FILE: usize = 10_000;
/// Names of the classes in the order of their labels.
pub const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Pictures (planar bytes) and labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// Planar bytes, picture after picture.
    pub pictures: Vec<u8>,
    /// One per picture, in 0..10.
    pub labels: Vec<i64>,
}

/// Appends the records of one file; `path` is for messages.
pub fn parse_cifar10(bytes: &[u8], path: &Path, records: &mut Records) -> Result<()> {
    if bytes.is_empty() || !bytes.len().is_multiple_of(RECORD) {
        let whole = bytes.len().div_ceil(RECORD).max(1);
        // A file cut short is most likely one of the original size.
        let expected =
            if whole > RECORDS_PER_FILE / 2 { RECORDS_PER_FILE.max(whole) } else { whole } * RECORD;
        let path = path.to_owned();
        return Err(TrainError::Truncated { path, record: RECORD, expected, found: bytes.len() });
    }
    for (number, record) in bytes.chunks_exact(RECORD).enumerate() {
        let label = i64::from(record[0]);
        if label > 9 {
            let place = format!("record {}", number + 1);
            return Err(TrainError::Label { path: path.to_owned(), place, label, classes: 10 });
        }
        records.labels.push(label);
        records.pictures.extend_from_slice(&record[1..]);
    }
    Ok(())
}

/// The folder with the binary files: this one or `cifar-10-batches-bin` in it.
pub(crate) fn folder_of(path: &Path) -> Option<PathBuf> {
    [path.to_owned(), path.join("cifar-10-batches-bin")]
        .into_iter()
        .find(|folder| folder.join("data_batch_1.bin").is_file() || folder.join("test_batch.bin").is_file())
}

/// Reads all six files.
pub(crate) fn open(data: &Data, path: &Path) -> Result<Dataset> {
    let (picture, _) = picture_and_label(data, "cifar10")?;
    if !path.is_dir() {
        return Err(TrainError::MissingData { what: "folder", path: path.to_owned() });
    }
    let folder = folder_of(path).ok_or_else(|| TrainError::Folder {
        path: path.to_owned(),
        problem: "this folder does not hold CIFAR-10's binary files (data_batch_1.bin, …)".to_owned(),
    })?;
    let mut records = Records::default();
    for number in 1..=5 {
        let file = folder.join(format!("data_batch_{number}.bin"));
        parse_cifar10(&read_file(&file)?, &file, &mut records)?;
    }
    let training = records.labels.len();
    let file = folder.join("test_batch.bin");
    parse_cifar10(&read_file(&file)?, &file, &mut records)?;
    let samples = records.labels.len();
    let size = resize_of(data, &picture.name);
    if let Some(size) = size {
        super::picture::check_size(size)?;
    }
    Ok(Dataset {
        samples,
        columns: vec![
            Column::Pictures(Pictures::in_memory(3, (32, 32), size, records.pictures)),
            Column::Integers { values: records.labels, width: 1 },
        ],
        own_test: Some(samples - training),
        class_names: CLASSES.map(str::to_owned).to_vec(),
        path: folder,
        sample_noun: "record",
    })
}
