//! Folders of files: what is in them, in the order of names, and which parts of the data they hold.

use crate::{Result, TrainError};
use std::path::{Path, PathBuf};

/// Visible entries of a folder, in the order of their names.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
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

/// Whether a file's name ends in one of these.
pub(super) fn has_extension(path: &Path, known: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| known.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// Endings of pictures.
pub(super) const PICTURES: &[&str] = &["jpg", "jpeg", "png"];

/// The folders of training, validation and test below one, or the folder itself for training alone.
pub(super) fn parts(path: &Path) -> Result<[Option<PathBuf>; 3]> {
    if !path.is_dir() {
        return Err(TrainError::MissingData { what: "folder", path: path.to_owned() });
    }
    let below = |names: &[&str]| names.iter().map(|name| path.join(name)).find(|folder| folder.is_dir());
    Ok(match below(&["train"]) {
        Some(training) => [Some(training), below(&["validation", "val"]), below(&["test"])],
        None => [Some(path.to_owned()), None, None],
    })
}
