//! Models that were compiled ahead of time: opened from a shared library, or linked with the program.
//!
//! Both ways end at [`dlc_abi::Library`], which is checked before anything is called: magic number, version,
//! description and the machine's instructions. Constants are used where they lie, and so are embedded weights as long as
//! nothing changes them. Files of weights are found beside a shared library.

use crate::block::Block;
use crate::checkpoint::LoadPolicy;
use crate::error::{Result, RuntimeError};
use crate::identity::Identity;
use crate::instructions::{machine_features, missing};
use crate::program::{Parts, Program};
use crate::session::Session;
use dlc_abi::{Description, FindLibrary, Interface, LIBRARY, Library, VERSION};
use std::any::Any;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

/// A compiled model, ready to make [`Session`]s of.
///
/// Clones share the code, which stays loaded as long as a clone, a session or a program of it lives.
#[derive(Clone, Debug)]
pub struct Model {
    program: Arc<Program>,
    compiler: String,
    /// The instructions that the code in use was compiled for.
    cpu: String,
    /// The persistent block to begin with, if the library has one.
    weights: Option<Embedded>,
    /// Where a file of weights is looked for.
    beside: Option<PathBuf>,
}

/// Memory of a library, which the program's owner keeps.
#[derive(Clone, Copy, Debug)]
struct Embedded(NonNull<u8>);

// SAFETY: the memory is read alone.
unsafe impl Send for Embedded {}
// SAFETY: as above.
unsafe impl Sync for Embedded {}

/// As many threads as the machine runs at once.
fn all_threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The description behind a pointer, checked from its first word on.
///
/// # Safety
/// As [`Model::linked`] asks for.
unsafe fn description(library: &Library) -> Result<Description> {
    let damaged = || RuntimeError::Interface("its description is damaged".to_owned());
    if library.description.is_null() || library.constants.is_null() || library.entries.is_null() {
        return Err(damaged());
    }
    // SAFETY: every version's description begins with three words, and this is one, or at least so long.
    let first = unsafe { library.description.cast::<[u8; 24]>().read() };
    let (version, bytes) = Description::extent(&first).map_err(|_| damaged())?;
    if version != u64::from(VERSION) {
        return Err(RuntimeError::Version { found: version, expected: VERSION });
    }
    // SAFETY: a description is as long as it says, and read-only.
    let bytes = unsafe { std::slice::from_raw_parts(library.description, bytes) };
    Description::decode(bytes).map_err(|_| damaged())
}

impl Model {
    /// Opens a shared library that `dlc compile --emit so` wrote. Weights are those of `--embed-weights`, or the file
    /// `NAME.safetensors` in the same folder, which every session loads.
    ///
    /// # Safety
    /// Opening a library runs code of it, as calling it does: the file comes from someone whom you would let run a
    /// program, and nobody changes it while it is open. A file that is no library, or no model's, is an error.
    ///
    /// # Errors
    /// [`RuntimeError::File`] if there is no such file, [`RuntimeError::Library`] if the system cannot load it,
    /// [`RuntimeError::NoModel`] if it is not a library of dlc, [`RuntimeError::Version`] if it was made by another
    /// version, and [`RuntimeError::Instructions`] if this machine cannot run its code.
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<Model> {
        let path = path.as_ref();
        // A name alone would be looked for among the system's libraries.
        let absolute =
            path.canonicalize().map_err(|cause| RuntimeError::File { path: path.to_owned(), cause })?;
        // SAFETY: the caller's promise.
        let opened = unsafe { libloading::Library::new(&absolute) };
        let opened = opened.map_err(|error| {
            let reason =
                std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            RuntimeError::Library { path: path.to_owned(), reason }
        })?;
        let no_model = || RuntimeError::NoModel { path: path.to_owned() };
        // SAFETY: a library that has this symbol has it from dlc, whose glue gives it this type.
        let library = unsafe {
            let find = opened.get::<FindLibrary>(LIBRARY).map_err(|_| no_model())?;
            find().as_ref().copied().ok_or_else(no_model)?
        };
        // SAFETY: what the library gave is of one model, and lives as long as `opened`.
        let mut model = unsafe { Model::of(&library, Box::new(opened)) }?;
        let folder = path.parent().unwrap_or(Path::new(""));
        model.beside = Some(folder.join(format!("{}.safetensors", model.name())));
        Ok(model)
    }

    /// A model whose object file is part of the program.
    ///
    /// # Safety
    /// The pointers are those of one model: `NAME_description`, `NAME_constants`, `NAME_weights` (or null) and its bare
    /// functions in the order of the description, as dlc compiled them.
    pub unsafe fn linked(library: &'static Library) -> Result<Model> {
        // SAFETY: the caller's promise; a program's own data lives as long as the program.
        unsafe { Model::of(library, Box::new(())) }
    }

    /// # Safety
    /// As for [`Model::linked`], as long as `owner` lives.
    unsafe fn of(library: &Library, owner: Box<dyn Any + Send + Sync>) -> Result<Model> {
        // SAFETY: the caller's promise.
        let description = unsafe { description(library) }?;
        let Some(variant) = description.variant_for(machine_features()) else {
            let missing = missing(description.features);
            return Err(RuntimeError::Instructions { model: description.interface.model, missing });
        };
        let cpu = description.variants.get(variant).map(|one| one.name.clone()).unwrap_or_default();
        let Description { interface, constant_bytes, graph, variants, compiler, .. } = description;
        let constants = NonNull::new(library.constants.cast_mut()).unwrap_or(NonNull::dangling());
        // SAFETY: there are as many entries as the description has functions, and as many bytes of constants as it
        // says, which `owner` keeps and nobody writes.
        let (entries, constants) = unsafe {
            let functions = interface.functions.len();
            let entries = std::slice::from_raw_parts(library.entries, functions * variants.len());
            let entries = entries.iter().skip(functions * variant).take(functions).copied().collect();
            (entries, Block::shared(constants, constant_bytes))
        };
        let identity = Some(Identity { model: interface.model.clone(), graph });
        let parts = Parts { entries, constants, identity };
        // SAFETY: dlc compiled the entries with this description, and `owner` keeps them.
        let program = unsafe { Program::of_parts(interface, parts, owner) }?;
        let weights = NonNull::new(library.weights.cast_mut()).map(Embedded);
        Ok(Model { program: Arc::new(program), compiler, cpu, weights, beside: None })
    }

    /// The name that it was compiled with.
    pub fn name(&self) -> &str {
        &self.interface().model
    }

    /// Its functions with their inputs and outputs, and its parameters and states.
    pub fn interface(&self) -> &Interface {
        self.program.interface()
    }

    /// The hash of the graph that it was compiled from, which its weights have to name.
    pub fn graph(&self) -> u64 {
        self.program.identity().map_or(0, |identity| identity.graph)
    }

    /// The compiler's name and version.
    pub fn compiler(&self) -> &str {
        &self.compiler
    }

    /// The instructions that the code in use was compiled for: `--cpu`, or the most demanding of `--cpu multi` that this
    /// machine has.
    pub fn cpu(&self) -> &str {
        &self.cpu
    }

    /// The code, for a [`Session`] with other first values than [`Model::session`] gives.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// Whether weights are part of the library.
    pub fn embeds_weights(&self) -> bool {
        self.weights.is_some()
    }

    /// An instance on so many threads; 0 for as many as the machine runs at once. It has the weights that are part of
    /// the library, or those of the file beside it; where there are none, [`Session::load`] or [`Session::initialize`]
    /// comes before any other call.
    pub fn session(&self, threads: usize) -> Result<Session> {
        let threads = if threads == 0 { all_threads() } else { threads };
        let program = Arc::clone(&self.program);
        if let Some(Embedded(start)) = self.weights {
            let interface = program.interface();
            // SAFETY: embedded weights are a persistent block, which the session's program keeps.
            let weights = unsafe { Block::shared(start, interface.persistent_bytes) };
            let reads_alone = interface.functions.iter().all(|function| function.keeps_persistent);
            // Where every function leaves them as they are, all instances share the library's pages.
            let persistent =
                if reads_alone { weights } else { Block::copy_of(weights.bytes(), "parameters")? };
            return Session::with_persistent(program, threads, persistent);
        }
        let mut session = Session::new(program, threads)?;
        session.has_weights = self.interface().tensors.is_empty();
        if let Some(beside) = self.beside.as_ref().filter(|path| path.is_file()) {
            session.load(beside, LoadPolicy::IgnoreExtra)?;
        }
        Ok(session)
    }
}

/// A model whose object file is part of the program, checked when it is first used: what generated modules hold.
#[derive(Debug)]
pub struct LinkedModel {
    library: Library,
    checked: OnceLock<Model>,
}

impl LinkedModel {
    /// Names the model.
    ///
    /// # Safety
    /// As for [`Model::linked`].
    pub const unsafe fn new(library: Library) -> LinkedModel {
        LinkedModel { library, checked: OnceLock::new() }
    }

    /// The model; all callers share one.
    pub fn model(&'static self) -> Result<&'static Model> {
        if let Some(model) = self.checked.get() {
            return Ok(model);
        }
        // SAFETY: promised to `new`.
        let model = unsafe { Model::linked(&self.library) }?;
        Ok(self.checked.get_or_init(|| model))
    }
}
