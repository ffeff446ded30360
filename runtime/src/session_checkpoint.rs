//! Saving a session's parameters and states, and putting them back.

use crate::checkpoint::{Checkpoint, LoadPolicy};
use crate::error::{Result, RuntimeError};
use crate::session::Session;
use crate::tensor::type_text;
use dlc_abi::{Interface, PersistentRole};
use std::collections::BTreeMap;
use std::path::Path;

/// That a checkpoint has what a program needs; what does not fit is told all at once.
pub(crate) fn check_fits(interface: &Interface, checkpoint: &Checkpoint, policy: LoadPolicy) -> Result<()> {
    let mut faults = Vec::new();
    for tensor in &interface.tensors {
        let expected = || type_text(tensor.element, &tensor.dims);
        let found = match policy {
            LoadPolicy::Exact => checkpoint.tensors.get(&tensor.name),
            _ => checkpoint.value_for(&tensor.name),
        };
        match found {
            Some(found) if found.element == tensor.element && found.dims == tensor.dims => {
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
            .filter(|name| !interface.tensors.iter().any(|tensor| tensor.name == **name));
        faults.extend(unexpected.map(|name| format!("`{name}` is not in the model")));
    }
    if !faults.is_empty() {
        return Err(RuntimeError::OtherModel { origin: checkpoint.origin(&interface.model), faults });
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
        Ok(Checkpoint { tensors, note: None, identity: None })
    }

    /// Takes parameters and states from a checkpoint. What does not fit is told all at once, and then
    /// nothing is changed.
    pub fn restore(&mut self, checkpoint: &Checkpoint, policy: LoadPolicy) -> Result<()> {
        let program = std::sync::Arc::clone(&self.program);
        let interface = program.interface();
        check_fits(interface, checkpoint, policy)?;
        for tensor in &interface.tensors {
            if let Some(value) = checkpoint.value_for(&tensor.name) {
                self.set_tensor(&tensor.name, value)?;
            }
        }
        Ok(())
    }

    /// Writes all parameters and states to a file; `note` becomes its one metadata entry.
    pub fn save(&self, path: &Path, note: Option<&str>) -> Result<()> {
        let mut checkpoint = self.checkpoint()?;
        checkpoint.note = note.map(str::to_owned);
        checkpoint.write(path)
    }

    /// Reads parameters and states from a file, as [`Session::restore`] does.
    pub fn load(&mut self, path: &Path, policy: LoadPolicy) -> Result<()> {
        self.restore(&Checkpoint::read(path)?, policy)
    }
}
