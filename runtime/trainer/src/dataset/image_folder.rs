//! Folders of JPEG and PNG files, one folder per class: `train/CLASS/*` and `test/CLASS/*`, or `CLASS/*`.
//!
//! Classes are numbered in the order of their names, files are taken in the order of theirs; hidden
//! files are passed over. Without a `resize` step all pictures must have the size of the first.

use super::picture::{MEMORY_LIMIT, Pictures, check_size, decode_file, decode_fitting};
use super::{Column, Dataset, picture_and_label, resize_of, sample_dims};
use crate::{Result, TrainError};
use dlc_recipe::{Data, Field};
use std::path::{Path, PathBuf};

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        ["jpg", "jpeg", "png"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    })
}

/// Visible entries of a folder, in the order of their names.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |cause| TrainError::File { path: folder.to_owned(), cause };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

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
        for file in entries(&class)?.into_iter().filter(|path| is_picture(path)) {
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

/// Decodes all files into memory, on several threads.
fn decode_all(
    files: &[PathBuf],
    channels: usize,
    size: (usize, usize),
    fit: bool,
    threads: usize,
) -> Result<Vec<u8>> {
    let length = channels * size.0 * size.1;
    let mut bytes = vec![0u8; files.len() * length];
    let share = files.len().div_ceil(threads.max(1)).max(1);
    let decode_share = |files: &[PathBuf], out: &mut [u8]| -> Result<()> {
        for (file, out) in files.iter().zip(out.chunks_exact_mut(length)) {
            let picture = decode_fitting(file, channels, size, fit)?;
            out.copy_from_slice(&picture.planes);
        }
        Ok(())
    };
    let results: Vec<Result<()>> = std::thread::scope(|scope| {
        let shares = files.chunks(share).zip(bytes.chunks_mut(share * length));
        let workers: Vec<_> =
            shares.map(|(files, out)| scope.spawn(move || decode_share(files, out))).collect();
        // A worker that panicked passes its panic on.
        let join = |worker: std::thread::ScopedJoinHandle<'_, Result<()>>| {
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        workers.into_iter().map(join).collect()
    });
    results.into_iter().collect::<Result<()>>()?;
    Ok(bytes)
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
    if !path.is_dir() {
        return Err(TrainError::MissingData { what: "folder", path: path.to_owned() });
    }
    let divided = path.join("train").is_dir();
    let training = if divided { path.join("train") } else { path.to_owned() };
    let class_names: Vec<String> = class_folders(&training)?.iter().map(|class| folder_name(class)).collect();
    let (mut files, mut labels) = (Vec::new(), Vec::new());
    collect(&training, &class_names, &mut files, &mut labels)?;
    let mut own_test = None;
    if divided && path.join("test").is_dir() {
        let before = files.len();
        collect(&path.join("test"), &class_names, &mut files, &mut labels)?;
        own_test = Some(files.len() - before);
    }
    let Some(first) = files.first() else {
        return Err(TrainError::Folder {
            path: path.to_owned(),
            problem: "there are no pictures in train/CLASS/ or CLASS/ (.jpg, .jpeg, .png)".to_owned(),
        });
    };
    let channels = channels_of(picture)?;
    let wanted = resize_of(data, &picture.name);
    if let Some(size) = wanted {
        check_size(size)?;
    }
    let size = match wanted {
        Some(size) => size,
        None => decode_file(first, channels, None)?.size,
    };
    let total = [files.len(), channels, size.0, size.1]
        .iter()
        .try_fold(1usize, |product, &factor| product.checked_mul(factor));
    let samples = files.len();
    let pictures = match total {
        Some(total) if total <= MEMORY_LIMIT => {
            let bytes = decode_all(&files, channels, size, wanted.is_some(), threads)?;
            Pictures::in_memory(channels, size, None, bytes)
        }
        _ => Pictures::in_files(channels, size, files, wanted.is_some()),
    };
    Ok(Dataset {
        samples,
        columns: vec![Column::Pictures(pictures), Column::Integers { values: labels, width: 1 }],
        own_test,
        class_names,
        path: path.to_owned(),
        sample_noun: "picture",
    })
}
