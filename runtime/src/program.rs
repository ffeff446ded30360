//! Compiled code together with the description that makes it safe to call.

use crate::block::Block;
use crate::error::{Result, RuntimeError};
use crate::identity::Identity;
use crate::order::span;
use crate::plan::FunctionPlan;
use dlc_abi::{Entry, Interface, PersistentTensor, VERSION};
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;

/// A compiled module: its interface, its entries and whatever keeps the code alive.
pub struct Program {
    interface: Interface,
    entries: Vec<Entry>,
    plans: Vec<FunctionPlan>,
    constants: Block,
    identity: Option<Identity>,
    tensor_index: BTreeMap<String, usize>,
    function_index: BTreeMap<String, usize>,
    /// Dropped last, after everything that may point into the code.
    _owner: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("model", &self.interface.model).finish_non_exhaustive()
    }
}

fn check_tensor(tensor: &PersistentTensor, persistent_bytes: usize) -> Result<()> {
    let fault = |what| RuntimeError::Interface(format!("the tensor `{}` {what}", tensor.name));
    if tensor.dims.len() != tensor.strides.len() {
        return Err(fault("has not one stride per axis"));
    }
    let size = tensor.element.size();
    let span = span(&tensor.dims, &tensor.strides, size).ok_or_else(|| fault("is too large"))?;
    if span > tensor.bytes {
        return Err(fault("reaches beyond its bytes"));
    }
    if !tensor.offset.is_multiple_of(size) {
        return Err(fault("is not aligned"));
    }
    match tensor.offset.checked_add(tensor.bytes) {
        Some(end) if end <= persistent_bytes => Ok(()),
        _ => Err(fault("reaches beyond the persistent block")),
    }
}

/// What code brings beside its interface.
pub(crate) struct Parts {
    /// One per function; none where a device runs them.
    pub(crate) entries: Vec<Entry>,
    pub(crate) constants: Block,
    pub(crate) identity: Option<Identity>,
}

fn check_interface(interface: &Interface) -> Result<()> {
    if interface.version != VERSION {
        return Err(RuntimeError::Version { found: u64::from(interface.version), expected: VERSION });
    }
    if interface.batch_max == 0 || i64::try_from(interface.batch_max).is_err() {
        return Err(RuntimeError::Interface("its greatest batch is out of range".to_owned()));
    }
    for function in &interface.functions {
        let inside = |&(start, bytes): &(usize, usize)| {
            usize::checked_add(start, bytes).is_some_and(|end| end <= function.arena_bytes)
        };
        if !function.cleared.iter().all(inside) {
            let fault = format!("the function `{}` clears more than its arena", function.name);
            return Err(RuntimeError::Interface(fault));
        }
    }
    interface.tensors.iter().try_for_each(|tensor| check_tensor(tensor, interface.persistent_bytes))
}

/// Numbers the names; a name that comes twice is an inconsistency.
fn index_of<'a>(names: impl Iterator<Item = &'a str>) -> Result<BTreeMap<String, usize>> {
    let mut index = BTreeMap::new();
    for (number, name) in names.enumerate() {
        if index.insert(name.to_owned(), number).is_some() {
            return Err(RuntimeError::Interface(format!("the name `{name}` comes twice")));
        }
    }
    Ok(index)
}

impl Program {
    /// Joins an interface to its code. `entries` are found by the functions' names; more of them do no
    /// harm.
    ///
    /// # Safety
    /// Each entry obeys the contract of [`dlc_abi`] for the function of its name: called by every
    /// thread of a team with a context that `interface` describes, it touches only that context's
    /// memory. The code lives at least as long as `owner`.
    pub unsafe fn new(
        interface: Interface,
        entries: Vec<(String, Entry)>,
        owner: Box<dyn Any + Send + Sync>,
    ) -> Result<Program> {
        let by_name: BTreeMap<String, Entry> = entries.into_iter().collect();
        let entries = interface.functions.iter().map(|function| {
            by_name.get(&function.name).copied().ok_or_else(|| {
                RuntimeError::Interface(format!("the function `{}` has no entry", function.name))
            })
        });
        let entries = entries.collect::<Result<_>>()?;
        let constants = Block::copy_of(&interface.constants, "constants")?;
        // SAFETY: the caller's promise.
        unsafe { Program::of_parts(interface, Parts { entries, constants, identity: None }, owner) }
    }

    /// The same with constants where they lie, and one entry per function.
    ///
    /// # Safety
    /// As for [`Program::new`]; and `owner` keeps the constants, too.
    pub(crate) unsafe fn of_parts(
        interface: Interface,
        parts: Parts,
        owner: Box<dyn Any + Send + Sync>,
    ) -> Result<Program> {
        if parts.entries.len() != interface.functions.len() {
            return Err(RuntimeError::Interface("it has not one entry per function".to_owned()));
        }
        Program::joined(interface, parts, owner)
    }

    /// What has one entry per function, or none.
    fn joined(interface: Interface, parts: Parts, owner: Box<dyn Any + Send + Sync>) -> Result<Program> {
        check_interface(&interface)?;
        Ok(Program {
            entries: parts.entries,
            plans: interface
                .functions
                .iter()
                .map(|function| FunctionPlan::new(&interface, function))
                .collect::<Result<_>>()?,
            constants: parts.constants,
            identity: parts.identity,
            tensor_index: index_of(interface.tensors.iter().map(|tensor| tensor.name.as_str()))?,
            function_index: index_of(interface.functions.iter().map(|function| function.name.as_str()))?,
            interface,
            _owner: owner,
        })
    }

    /// A program whose code is a device's: its functions run on a [`Device`](crate::Device) alone.
    ///
    /// # Errors
    /// [`RuntimeError::Version`] and [`RuntimeError::Interface`] if the interface is not one of this runtime's.
    pub fn of_device(interface: Interface, identity: Option<Identity>) -> Result<Program> {
        let parts = Parts { entries: Vec::new(), constants: Block::zeroed(0, "constants")?, identity };
        Program::joined(interface, parts, Box::new(()))
    }

    /// Whether there is code for this process's threads.
    pub(crate) fn is_native(&self) -> bool {
        self.entries.len() == self.interface.functions.len()
    }

    /// The model that a library was compiled from; `None` for code that was compiled in this process.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// What the code can do.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    pub(crate) fn entry(&self, function: usize) -> Entry {
        self.entries[function]
    }

    pub(crate) fn plan(&self, function: usize) -> &FunctionPlan {
        &self.plans[function]
    }

    pub(crate) fn constants(&self) -> &Block {
        &self.constants
    }

    /// The number of the function of that name.
    pub(crate) fn function(&self, name: &str) -> Result<usize> {
        self.function_index.get(name).copied().ok_or_else(|| RuntimeError::NoFunction {
            model: self.interface.model.clone(),
            function: name.to_owned(),
            available: self.function_index.keys().cloned().collect::<Vec<_>>().join(", "),
        })
    }

    /// The parameter or state of that name.
    pub(crate) fn tensor(&self, name: &str) -> Result<&PersistentTensor> {
        let index = self.tensor_index.get(name).ok_or_else(|| RuntimeError::NoTensor {
            model: self.interface.model.clone(),
            name: name.to_owned(),
        })?;
        Ok(&self.interface.tensors[*index])
    }

    /// Whether there is a parameter or state of that name.
    pub(crate) fn has_tensor(&self, name: &str) -> bool {
        self.tensor_index.contains_key(name)
    }
}
