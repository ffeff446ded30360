//! Folders of JPEG and PNG files, one folder per class: `train/CLASS/*`, `validation/CLASS/*` and
//! `test/CLASS/*`, or `CLASS/*`.
//!
//! Classes are numbered in the order of their names, files are taken in the order of theirs; hidden
//! files are passed over. Without a `resize` step all pictures must have the size of the first.

use super::fit::Fit;
use super::folder::{PICTURES, entries, has_extension, parts};
use super::picture::{Meaning, Pictures, decode_file};
use super::records::MEMORY_LIMIT;
use super::{Column, Dataset, LabelColumn, picture_and_label, sample_dims};
use crate::{Result, TrainError};
use dlc_recipe::{Data, Field};
use std::path::{Path, PathBuf};

fn folder_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn class_folders(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(folder)?.into_iter().filter(|path| path.is_dir()).collect())
}

/// Appends the pictures of a split's class folders.
fn collect(folder: &Path, classes: &[String], files: &mut Vec<PathBuf>, labels: &mut Vec<i64>) -> Result<()> {
    for class in class_folders(folder)? {
        let name = folder_name(&class);
        let Some(label) = classes.iter().position(|known| *known == name) else {
            return Err(TrainError::Folder {
                path: class,
                problem: format!("there is no class `{name}` among the training pictures"),
            });
        };
        for file in entries(&class)?.into_iter().filter(|path| has_extension(path, PICTURES)) {
            files.push(file);
            labels.push(label as i64);
        }
    }
    Ok(())
}

/// Channels that a field takes of a picture.
pub(crate) fn channels_of(field: &Field) -> Result<usize> {
    let channels = match sample_dims(field)?.as_slice() {
        [channels, _, _] => *channels,
        [_, _] => 1,
        _ => 3,
    };
    if channels == 1 || channels == 3 {
        return Ok(channels);
    }
    Err(TrainError::Recipe(format!(
        "the field `{}` is {} with {channels} channels; pictures give 1 or 3",
        field.name, field.ty
    )))
}

/// Files as pictures of the first one's size: decoded into memory where all of them fit, else for each
/// batch.
pub(super) fn pictures(
    files: Vec<PathBuf>,
    channels: usize,
    fit: Fit,
    meaning: Meaning,
    threads: usize,
) -> Result<Pictures> {
    let size = match files.first() {
        Some(first) => decode_file(first, channels, &fit, meaning)?.size,
        None => (0, 0),
    };
    let total = [files.len(), channels, size.0, size.1]
        .iter()
        .try_fold(1usize, |product, &factor| product.checked_mul(factor));
    let pictures = Pictures::in_files(channels, size, fit, files, meaning);
    match total {
        Some(total) if total <= MEMORY_LIMIT => pictures.decoded(threads),
        _ => Ok(pictures),
    }
}

/// Names of the classes of a folder; none if it cannot be read.
pub(crate) fn class_names(path: &Path) -> Vec<String> {
    let training = if path.join("train").is_dir() { path.join("train") } else { path.to_owned() };
    class_folders(&training)
        .map(|all| all.iter().map(|class| folder_name(class)).collect())
        .unwrap_or_default()
}

/// Lists the folders, and reads the pictures where they fit into memory.
pub(crate) fn open(data: &Data, path: &Path, threads: usize) -> Result<Dataset> {
    let (picture, _) = picture_and_label(data, "image_folder")?;
    let parts = parts(path)?;
    let class_names = class_names(path);
    let (mut files, mut labels) = (Vec::new(), Vec::new());
    let mut counts = [None; 3];
    for (part, count) in parts.iter().zip(&mut counts) {
        let Some(folder) = part else { continue };
        let before = files.len();
        collect(folder, &class_names, &mut files, &mut labels)?;
        *count = Some(files.len() - before);
    }
    if counts[0] == Some(0) {
        return Err(TrainError::Folder {
            path: path.to_owned(),
            problem: "there are no pictures in train/CLASS/ or CLASS/ (.jpg, .jpeg, .png)".to_owned(),
        });
    }
    let fit = Fit::of(data, &picture.name)?;
    let samples = files.len();
    let pictures = pictures(files, channels_of(picture)?, fit, Meaning::Light, threads)?;
    Ok(Dataset {
        own_validation: counts[1],
        own_test: counts[2],
        labels: Some(LabelColumn { column: 1, ignore: None }),
        class_names,
        sample_noun: "picture",
        ..Dataset::new(
            path,
            samples,
            vec![Column::Pictures(pictures), Column::Integers { values: labels, width: 1 }],
        )
    })
}
