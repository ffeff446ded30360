//! Saving a session's parameters and states, and putting them back.

use crate::checkpoint::{Checkpoint, LoadPolicy};
use crate::error::{Result, RuntimeError};
use crate::identity::Identity;
use crate::order::scatter;
use crate::session::Session;
use crate::session_tensors::plain;
use crate::tensor::type_text;
use crate::tensor_file::{Contents, TensorFile, TensorSlice};
use dlc_abi::{Interface, PersistentRole, PersistentTensor};
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

/// Whether a tensor is the network's own, rather than of a run that trained it: no counter, and no slot of an optimiser,
/// which is named after its parameter.
fn is_own(interface: &Interface, tensor: &PersistentTensor) -> bool {
    let is_parameter = |name: &str| {
        interface.tensors.iter().any(|one| one.role == PersistentRole::Parameter && one.name == name)
    };
    let mut dots = tensor.name.match_indices('.').map(|(place, _)| &tensor.name[..place]);
    tensor.role == PersistentRole::Parameter || !tensor.name.starts_with("train.") && !dots.any(is_parameter)
}

impl Session {
    /// All parameters and states.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        let persistent = self.persistent()?;
        let mut tensors = BTreeMap::new();
        for tensor in &self.program.interface().tensors {
            tensors.insert(tensor.name.clone(), plain(tensor, &persistent)?);
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
        self.put(interface.tensors.iter().filter_map(|tensor| Some((tensor, file.value_for(&tensor.name)?))))
    }

    /// Replaces tensors by values that were found to fit.
    fn put<'a>(
        &mut self,
        values: impl Iterator<Item = (&'a PersistentTensor, &'a TensorSlice<'a>)>,
    ) -> Result<()> {
        let block = self.persistent_mut()?;
        for (tensor, value) in values {
            let stored = &mut block[tensor.offset..][..tensor.bytes];
            scatter(&tensor.dims, &tensor.strides, tensor.element.size(), value.bytes, stored);
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

    /// Takes from a file what fits: tensors of the network by name, type and shape, whatever model the file is of, to go
    /// on with another head, say. What the file lacks stays as it is, and so does all that belongs to a run (slots of the
    /// optimiser, counters). Returns the names of what was taken.
    ///
    /// # Errors
    /// [`RuntimeError::NoWeights`] if the rest has no values yet, [`RuntimeError::OtherModel`] if no parameter fits.
    pub fn load_matching(&mut self, path: impl AsRef<Path>) -> Result<Vec<String>> {
        let program = Arc::clone(&self.program);
        let interface = program.interface();
        if !self.has_weights {
            return Err(RuntimeError::NoWeights { model: interface.model.clone() });
        }
        let contents = Contents::of(path.as_ref())?;
        let file = TensorFile::parse(&contents)?;
        let own = interface.tensors.iter().filter(|tensor| is_own(interface, tensor));
        let found: Vec<_> = own
            .filter_map(|tensor| Some((tensor, file.value_for(&tensor.name)?)))
            .filter(|(tensor, value)| value.element == tensor.element && *value.dims == *tensor.dims)
            .collect();
        if !found.iter().any(|(tensor, _)| tensor.role == PersistentRole::Parameter) {
            let origin = Identity::origin(file.identity.as_ref(), &interface.model);
            let faults = vec!["it has no parameter of the model by name, type and shape".to_owned()];
            return Err(RuntimeError::OtherModel { origin, faults });
        }
        self.put(found.iter().copied())?;
        Ok(found.into_iter().map(|(tensor, _)| tensor.name.clone()).collect())
    }
}
