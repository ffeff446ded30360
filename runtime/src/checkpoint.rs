//! Named tensors in a safetensors file.
//!
//! Equal content gives equal bytes: tensors and metadata are written in a fixed order. A file is written
//! beside its place and renamed, so that a full disk or a killed process loses no earlier one.

use crate::error::{Result, RuntimeError};
use crate::identity::Identity;
use crate::tensor::HostTensor;
use crate::tensor_file::{Contents, NOTE, TensorFile, TensorSlice};
use dlc_abi::ElementType;
use safetensors::tensor::{Dtype, TensorView};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What a checkpoint must have in common with a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadPolicy {
    /// The same tensors.
    Exact,
    /// All of the program's; more are ignored (a predict-only program lacks optimiser slots).
    IgnoreExtra,
    /// All of the program's parameters; its states where the checkpoint has them, more are ignored
    /// (training starts from weights alone).
    Parameters,
}

/// Named tensors with an optional note.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// The tensors by name.
    pub tensors: BTreeMap<String, HostTensor>,
    /// A text beside the tensors, kept as metadata.
    pub note: Option<String>,
    /// The model that they are of, where that is known.
    pub identity: Option<Identity>,
}

pub(crate) fn dtype(element: ElementType) -> Dtype {
    match element {
        ElementType::F16 => Dtype::F16,
        ElementType::BF16 => Dtype::BF16,
        ElementType::F32 => Dtype::F32,
        ElementType::F64 => Dtype::F64,
        ElementType::I8 => Dtype::I8,
        ElementType::U8 => Dtype::U8,
        ElementType::I16 => Dtype::I16,
        ElementType::U16 => Dtype::U16,
        ElementType::I32 => Dtype::I32,
        ElementType::U32 => Dtype::U32,
        ElementType::I64 => Dtype::I64,
        ElementType::U64 => Dtype::U64,
        ElementType::Bool => Dtype::BOOL,
    }
}

pub(crate) fn damaged(cause: impl ToString) -> RuntimeError {
    RuntimeError::DamagedCheckpoint(cause.to_string())
}

impl Checkpoint {
    /// The value of a tensor. An average of weights that is not there is the weights themselves, so that a file
    /// with weights alone fits a program that keeps averages.
    pub fn value_for(&self, name: &str) -> Option<&HostTensor> {
        let averaged = || self.tensors.get(name.strip_suffix(".average")?);
        self.tensors.get(name).or_else(averaged)
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut views = Vec::with_capacity(self.tensors.len());
        for (name, tensor) in &self.tensors {
            let view = TensorView::new(dtype(tensor.element), tensor.dims.clone(), &tensor.bytes);
            views.push((name.as_str(), view.map_err(damaged)?));
        }
        let metadata = self.note.as_ref().map(|note| HashMap::from([(NOTE.to_owned(), note.clone())]));
        let mut file = safetensors::serialize(views, metadata).map_err(damaged)?;
        self.identity.iter().for_each(|identity| identity.insert(&mut file));
        Ok(file)
    }

    /// What to say of a checkpoint that does not fit a model: which one it is of.
    pub fn origin(&self, model: &str) -> String {
        Identity::origin(self.identity.as_ref(), model)
    }

    /// Reads a file's bytes; anything damaged, truncated or of an element type that no program has is
    /// an error.
    pub fn from_bytes(bytes: &[u8]) -> Result<Checkpoint> {
        let file = TensorFile::parse(bytes)?;
        let tensors = file.tensors.into_iter().map(|(name, tensor)| {
            let value = HostTensor::new(tensor.element, tensor.dims.into_owned(), tensor.bytes.to_vec())?;
            Ok((name.into_owned(), value))
        });
        let tensors = tensors.collect::<Result<_>>()?;
        Ok(Checkpoint { tensors, note: file.note, identity: file.identity })
    }

    /// The tensors where they lie.
    pub(crate) fn view(&self) -> TensorFile<'_> {
        let tensors = self.tensors.iter().map(|(name, value)| {
            let dims = Cow::Borrowed(&*value.dims);
            (Cow::Borrowed(&**name), TensorSlice { element: value.element, dims, bytes: &value.bytes })
        });
        let (note, identity) = (self.note.clone(), self.identity.clone());
        TensorFile { tensors: tensors.collect(), note, identity }
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Checkpoint> {
        Checkpoint::from_bytes(&Contents::of(path)?)
    }

    /// The note of a file alone.
    pub fn read_note(path: &Path) -> Result<Option<String>> {
        let contents = Contents::of(path)?;
        let (_, metadata) = safetensors::SafeTensors::read_metadata(&contents).map_err(damaged)?;
        Ok(metadata.metadata().as_ref().and_then(|metadata| metadata.get(NOTE).cloned()))
    }

    /// Writes a file, as [`write_atomically`] does.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_atomically(path, &self.to_bytes()?)
    }
}

/// Writes a file so that its place holds the old or the new content, never a part: into a file beside
/// it, flushed to disk, then renamed.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    // What is no file, such as a terminal or a pipe, keeps its place.
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return std::fs::write(path, bytes)
            .map_err(|cause| RuntimeError::File { path: path.to_owned(), cause });
    }
    let Some(name) = path.file_name() else {
        let cause = std::io::Error::new(std::io::ErrorKind::InvalidInput, "this is not a file's name");
        return Err(RuntimeError::File { path: path.to_owned(), cause });
    };
    let mut partial = std::ffi::OsString::from(".");
    partial.push(name);
    partial.push(format!(".{}.partial", std::process::id()));
    let partial: PathBuf = path.with_file_name(partial);
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        drop(file);
        std::fs::rename(&partial, path)
    };
    if let Err(cause) = write() {
        // The first failure is the one to tell; a leftover is harmless.
        let _ = std::fs::remove_file(&partial);
        return Err(RuntimeError::File { path: path.to_owned(), cause });
    }
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        // Some file systems cannot flush a folder; the file itself is already safe.
        if let Ok(folder) = File::open(folder) {
            let _ = folder.sync_all();
        }
    }
    Ok(())
}
