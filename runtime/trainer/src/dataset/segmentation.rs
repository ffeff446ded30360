//! Pictures with a label map for each: `images/*.jpg|png` and `masks/*.png` of the same stem, below `train`,
//! `validation` and `test`, or alone.
//!
//! A label map holds a class number per pixel. It is brought to the picture's size by the nearest pixel
//! and moves along with it under augmentation.

use super::fit::Fit;
use super::folder::{PICTURES, entries, has_extension, parts};
use super::image_folder::{channels_of, pictures};
use super::picture::Meaning;
use super::{Column, Dataset, LabelColumn, picture_and_label};
use crate::{Result, TrainError};
use dlc_recipe::Data;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Appends the pairs of one part.
fn collect(folder: &Path, images: &mut Vec<PathBuf>, masks: &mut Vec<PathBuf>) -> Result<usize> {
    let fault = |problem: String| TrainError::Folder { path: folder.to_owned(), problem };
    let (image_folder, mask_folder) = (folder.join("images"), folder.join("masks"));
    if !image_folder.is_dir() || !mask_folder.is_dir() {
        return Err(fault("pictures are expected in images/, their label maps in masks/".to_owned()));
    }
    let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
    for mask in entries(&mask_folder)?.into_iter().filter(|path| has_extension(path, &["png"])) {
        found.insert(stem(&mask), mask);
    }
    let before = images.len();
    let mut seen = BTreeSet::new();
    for image in entries(&image_folder)?.into_iter().filter(|path| has_extension(path, PICTURES)) {
        let name = stem(&image);
        if !seen.insert(name.clone()) {
            return Err(fault(format!("two pictures in images/ are called {name}, and one label map is")));
        }
        let mask = found.remove(&name);
        masks.push(mask.ok_or_else(|| fault(format!("images/{name} has no label map masks/{name}.png")))?);
        images.push(image);
    }
    match found.into_keys().next() {
        Some(name) => Err(fault(format!("masks/{name}.png has no picture in images/"))),
        None => Ok(images.len() - before),
    }
}

/// Lists the folders, and reads pictures and label maps where they fit into memory.
pub(crate) fn open(data: &Data, path: &Path, ignore: Option<u8>, threads: usize) -> Result<Dataset> {
    let (picture, _) = picture_and_label(data, "segmentation")?;
    let (mut images, mut masks) = (Vec::new(), Vec::new());
    let mut counts = [None; 3];
    for (part, count) in parts(path)?.iter().zip(&mut counts) {
        if let Some(folder) = part {
            *count = Some(collect(folder, &mut images, &mut masks)?);
        }
    }
    if counts[0] == Some(0) {
        let problem = "there are no pictures in images/ (.jpg, .jpeg, .png)".to_owned();
        return Err(TrainError::Folder { path: path.to_owned(), problem });
    }
    let fit = Fit::of(data, &picture.name)?;
    let samples = images.len();
    let images = pictures(images, channels_of(picture)?, fit.clone(), Meaning::Light, threads)?;
    let maps = pictures(masks, 1, fit, Meaning::Classes, threads)?;
    if images.size != maps.size {
        return Err(TrainError::Folder {
            path: path.to_owned(),
            problem: format!(
                "pictures are {}x{}, label maps {}x{}; `resize(height, width)` brings both to one size",
                images.size.0, images.size.1, maps.size.0, maps.size.1
            ),
        });
    }
    Ok(Dataset {
        own_validation: counts[1],
        own_test: counts[2],
        labels: Some(LabelColumn { column: 1, ignore: ignore.map(i64::from) }),
        sample_noun: "label map",
        ..Dataset::new(path, samples, vec![Column::Pictures(images), Column::Pictures(maps)])
    })
}
