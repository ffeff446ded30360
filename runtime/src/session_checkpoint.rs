//! Saving a session's parameters and states, and putting them back.

use crate::checkpoint::{Checkpoint, LoadPolicy};
use crate::error::{Result, RuntimeError};
use crate::identity::Identity;
use crate::order::scatter;
use crate::session::Session;
use crate::tensor::type_text;
use crate::tensor_file::{Contents, TensorFile};
use dlc_abi::{Interface, PersistentRole};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// That a checkpoint has what a program needs; what does not fit is told all at once.
pub(crate) fn check_fits(
    interface: &Interface,
    checkpoint: &TensorFile<'_>,
    policy: LoadPolicy,
) -> Result<()> {
    let mut faults = Vec::new();
    for tensor in &interface.tensors {
        let expected = || type_text(tensor.element, &tensor.dims);
        let found = match policy {
            LoadPolicy::Exact => checkpoint.tensors.get(tensor.name.as_str()),
            _ => checkpoint.value_for(&tensor.name),
        };
        match found {
            Some(found) if found.element == tensor.element && *found.dims == *tensor.dims => {
                found.check()?;
            }
            Some(found) => faults.push(format!(
                "`{}` is {} in the checkpoint, {} in the model",
                tensor.name,
                found.type_text(),
                expected()
            )),
            None if policy == LoadPolicy::Parameters && tensor.role == PersistentRole::State => {}
            None => faults.push(format!("`{}` ({}) is missing", tensor.name, expected())),
        }
    }
    if policy == LoadPolicy::Exact {
        let unexpected = checkpoint
            .tensors
            .keys()
            .filter(|name| !interface.tensors.iter().any(|tensor| tensor.name == ***name));
        faults.extend(unexpected.map(|name| format!("`{name}` is not in the model")));
    }
    if !faults.is_empty() {
        return Err(RuntimeError::OtherModel {
            origin: Identity::origin(checkpoint.identity.as_ref(), &interface.model),
            faults,
        });
    }
    Ok(())
}

impl Session {
    /// All parameters and states.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        let mut tensors = BTreeMap::new();
        for tensor in &self.program.interface().tensors {
            tensors.insert(tensor.name.clone(), self.tensor(&tensor.name)?);
        }
        Ok(Checkpoint { tensors, note: None, identity: self.program.identity().cloned() })
    }

    /// Takes parameters and states from a checkpoint. What does not fit is told all at once, and then
    /// nothing is changed.
    pub fn restore(&mut self, checkpoint: &Checkpoint, policy: LoadPolicy) -> Result<()> {
        self.take(&checkpoint.view(), policy)
    }

    fn take(&mut self, file: &TensorFile<'_>, policy: LoadPolicy) -> Result<()> {
        let program = Arc::clone(&self.program);
        let interface = program.interface();
        if let (Some(found), Some(own)) = (&file.identity, program.identity())
            && found.graph != own.graph
        {
            return Err(RuntimeError::OtherGraph { found: found.clone(), own: own.clone() });
        }
        check_fits(interface, file, policy)?;
        let block = self.persistent_mut()?;
        for tensor in &interface.tensors {
            if let Some(value) = file.value_for(&tensor.name) {
                let stored = &mut block[tensor.offset..][..tensor.bytes];
                scatter(&tensor.dims, &tensor.strides, tensor.element.size(), value.bytes, stored);
            }
        }
        self.has_weights = true;
        Ok(())
    }

    /// Writes all parameters and states to a file; `note` becomes a metadata entry of it. The session of a compiled
    /// library ([`Model`](crate::Model)) names its model there, too, which such a library checks.
    pub fn save(&self, path: impl AsRef<Path>, note: Option<&str>) -> Result<()> {
        if !self.has_weights {
            return Err(RuntimeError::NoWeights { model: self.program.interface().model.clone() });
        }
        let mut checkpoint = self.checkpoint()?;
        checkpoint.note = note.map(str::to_owned);
        checkpoint.write(path.as_ref())
    }

    /// Reads parameters and states from a file, as [`Session::restore`] does. A file that names the graph it
    /// is for is refused by the session of a library that was compiled from another one.
    pub fn load(&mut self, path: impl AsRef<Path>, policy: LoadPolicy) -> Result<()> {
        self.load_bytes(&Contents::of(path.as_ref())?, policy)
    }

    /// The same from a file's bytes.
    pub fn load_bytes(&mut self, bytes: &[u8], policy: LoadPolicy) -> Result<()> {
        self.take(&TensorFile::parse(bytes)?, policy)
    }
}
