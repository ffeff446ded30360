//! The model's own file and those with external data, mapped into memory.
//!
//! External data is looked for in the model's folder and nowhere else: a location that is absolute, that
//! goes up, or that leads through a symbolic link is refused. Files are mapped for reading; a program that
//! shortens one while it is mapped can end this one.

use crate::OnnxError;
use memmap2::Mmap;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// The contents of a file.
#[derive(Debug)]
pub struct MappedFile {
    contents: Contents,
}

#[derive(Debug)]
enum Contents {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

impl MappedFile {
    /// Bytes that are in memory already.
    pub fn owned(bytes: Vec<u8>) -> MappedFile {
        MappedFile { contents: Contents::Owned(bytes) }
    }

    /// Maps a file.
    ///
    /// # Errors
    /// Where it cannot be opened or mapped.
    pub fn open(path: &Path) -> Result<MappedFile, OnnxError> {
        MappedFile::map(path).map_err(|cause| OnnxError::File { path: path.to_owned(), cause })
    }

    fn map(path: &Path) -> std::io::Result<MappedFile> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(std::io::Error::other("is a folder"));
        }
        if !metadata.is_file() || metadata.len() == 0 {
            return Ok(MappedFile::owned(std::fs::read(path)?));
        }
        // SAFETY: the mapping is private and only read; that no other program shortens the file while it is
        // mapped is asked of the user, as every reader of mapped files does.
        let map = unsafe { Mmap::map(&file) }?;
        Ok(MappedFile { contents: Contents::Mapped(map) })
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.contents {
            Contents::Mapped(map) => map,
            Contents::Owned(bytes) => bytes,
        }
    }
}

impl MappedFile {
    /// Tells the system that these bytes are not needed for long: they are read again where they are asked for.
    pub(crate) fn release(&self, start: usize, length: usize) {
        #[cfg(unix)]
        if let Contents::Mapped(map) = &self.contents {
            // SAFETY: the mapping is read-only, so dropped pages come back from the file as they were.
            // A system that does not heed the advice keeps the pages, which harms nobody.
            let _ = unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, length) };
        }
        #[cfg(not(unix))]
        let _ = (start, length);
    }
}

/// The files of one model.
#[derive(Debug)]
pub(crate) struct Files {
    /// The model's own.
    pub(crate) main: Arc<MappedFile>,
    folder: Option<PathBuf>,
    external: RefCell<BTreeMap<String, Arc<MappedFile>>>,
}

impl Files {
    /// `folder` is where external data may lie; `None` where there can be none.
    pub(crate) fn new(main: MappedFile, folder: Option<PathBuf>) -> Files {
        Files { main: Arc::new(main), folder, external: RefCell::default() }
    }

    /// The file of that location, relative to the model's folder.
    pub(crate) fn external(&self, location: &str) -> Result<Arc<MappedFile>, String> {
        if let Some(file) = self.external.borrow().get(location) {
            return Ok(file.clone());
        }
        let folder = self.folder.as_deref().ok_or("external data cannot be read from here")?;
        let relative = Path::new(location);
        let mut path = folder.to_owned();
        for component in relative.components() {
            match component {
                Component::Normal(name) => path.push(name),
                Component::CurDir => continue,
                _ => {
                    return Err(format!(
                        "external data `{location}` lies outside the model's folder, which is refused"
                    ));
                }
            }
            let metadata = std::fs::symlink_metadata(&path)
                .map_err(|cause| format!("external data `{location}`: {cause}"))?;
            if metadata.file_type().is_symlink() {
                return Err(format!(
                    "external data `{location}` leads through a symbolic link, which is refused"
                ));
            }
        }
        if !path.is_file() {
            return Err(format!("external data `{location}` is no file"));
        }
        let file = MappedFile::map(&path).map_err(|cause| format!("external data `{location}`: {cause}"))?;
        let file = Arc::new(file);
        self.external.borrow_mut().insert(location.to_owned(), file.clone());
        Ok(file)
    }
}
