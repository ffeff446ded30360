//! A safetensors file looked at where it lies: names and places of its tensors, none of which is copied.

use crate::checkpoint::{damaged, dtype};
use crate::error::{Result, RuntimeError};
use crate::identity::Identity;
use crate::tensor::{plain_bytes, type_text};
use dlc_abi::ElementType;
use memmap2::Mmap;
use safetensors::tensor::SafeTensors;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Deref;
use std::path::Path;

/// The metadata key of a text that goes with a checkpoint.
pub(crate) const NOTE: &str = "dlc";

/// A tensor in someone else's memory, plain row-major.
#[derive(Clone, Debug)]
pub(crate) struct TensorSlice<'a> {
    pub(crate) element: ElementType,
    pub(crate) dims: Cow<'a, [usize]>,
    pub(crate) bytes: &'a [u8],
}

impl TensorSlice<'_> {
    /// Element type and shape: `f32[64, 10]`.
    pub(crate) fn type_text(&self) -> String {
        type_text(self.element, &self.dims)
    }

    /// That there are as many bytes as the type asks for.
    pub(crate) fn check(&self) -> Result<()> {
        let (expected, found) = (plain_bytes(self.element, &self.dims)?, self.bytes.len());
        if expected == found {
            return Ok(());
        }
        Err(RuntimeError::TensorBytes { shape: self.type_text(), expected, found })
    }
}

/// Tensors by name, and what a file says beside them.
#[derive(Clone, Debug, Default)]
pub(crate) struct TensorFile<'a> {
    pub(crate) tensors: BTreeMap<Cow<'a, str>, TensorSlice<'a>>,
    pub(crate) note: Option<String>,
    /// The model that the tensors are of, where the file says it.
    pub(crate) identity: Option<Identity>,
}

fn element(dtype: safetensors::Dtype) -> Option<ElementType> {
    ElementType::ALL.into_iter().find(|&element| self::dtype(element) == dtype)
}

impl<'a> TensorFile<'a> {
    /// Looks at a file's bytes; anything damaged, truncated or of an element type that no program has is an error.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<TensorFile<'a>> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            let element = element(view.dtype()).ok_or_else(|| {
                damaged(format!("`{name}` has element type {:?}, which dlc cannot hold", view.dtype()))
            })?;
            if element == ElementType::Bool && view.data().iter().any(|&byte| byte > 1) {
                return Err(damaged(format!("`{name}` holds a bool that is neither 0 nor 1")));
            }
            let dims = Cow::Owned(view.shape().to_vec());
            let slice = TensorSlice { element, dims, bytes: view.data() };
            slice.check()?;
            tensors.insert(Cow::Owned(name), slice);
        }
        let told = metadata.metadata().as_ref();
        let note = told.and_then(|texts| texts.get(NOTE).cloned());
        Ok(TensorFile { tensors, note, identity: told.and_then(Identity::read) })
    }

    /// The value of a tensor. An average of weights that is not there is the weights themselves, so that a file
    /// with weights alone fits a program that keeps averages.
    pub(crate) fn value_for(&self, name: &str) -> Option<&TensorSlice<'a>> {
        let averaged = || self.tensors.get(name.strip_suffix(".average")?);
        self.tensors.get(name).or_else(averaged)
    }
}

/// The contents of a file: mapped where the system can, else read.
pub(crate) enum Contents {
    /// Pages of the file itself.
    Mapped(Mmap),
    /// A copy.
    Read(Vec<u8>),
}

impl Contents {
    /// Opens a file.
    pub(crate) fn of(path: &Path) -> Result<Contents> {
        let fault = |cause| RuntimeError::File { path: path.to_owned(), cause };
        let file = File::open(path).map_err(fault)?;
        // SAFETY: the mapping is read alone and lives no longer than the call that made it. As with every mapped file, a
        // process that truncates it in this time ends this one; dlc itself renames files into their places.
        match unsafe { Mmap::map(&file) } {
            Ok(map) => Ok(Contents::Mapped(map)),
            // A pipe, a folder or a file system that maps nothing.
            Err(_) => std::fs::read(path).map(Contents::Read).map_err(fault),
        }
    }
}

impl Deref for Contents {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Contents::Mapped(map) => map,
            Contents::Read(bytes) => bytes,
        }
    }
}
