//! Models that were compiled ahead of time: opened from a shared library, or linked with the program.
//!
//! Both ways end at [`dlc_abi::Library`], which is checked before anything is called: magic number, version,
//! description and the machine's instructions. Constants are used where they lie, and so are embedded weights as long as
//! nothing changes them. Files of weights are found beside a shared library.

use crate::block::Block;
use crate::checkpoint::LoadPolicy;
use crate::error::{Result, RuntimeError};
use crate::identity::Identity;
use crate::instructions::{machine, missing};
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
    /// Names of the sets of instructions that there is code for, and the number of the one in use.
    cpus: Vec<String>,
    cpu: usize,
    library: Library,
    /// Keeps all that the library points to.
    owner: Arc<dyn Any + Send + Sync>,
    /// Where a file of weights is looked for.
    beside: Option<PathBuf>,
}

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

/// The number of the variant to use.
fn chosen(description: &Description, asked: Option<&str>) -> Result<usize> {
    let variants = &description.variants;
    let named = |name| variants.iter().position(|variant| variant.name == name);
    let number = match asked {
        Some(name) => named(name).ok_or_else(|| RuntimeError::NoVariant {
            model: description.interface.model.clone(),
            cpu: name.to_owned(),
            available: variants.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", "),
        })?,
        None => description.variant_for(machine()).unwrap_or(0),
    };
    let missing = missing(variants.get(number).map_or(description.features, |variant| variant.features));
    if missing.is_empty() {
        return Ok(number);
    }
    Err(RuntimeError::Instructions { model: description.interface.model.clone(), missing })
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
        let mut model = unsafe { Model::of(library, Arc::new(opened), None) }?;
        let folder = path.parent().unwrap_or(Path::new(""));
        model.beside = Some(folder.join(format!("{}.safetensors", model.name())));
        Ok(model)
    }

    /// A model whose object file is part of the program.
    ///
    /// # Safety
    /// The pointers are those of one model: `NAME_description`, `NAME_constants`, `NAME_weights` (or null) and its bare
    /// functions in the order of the description, for each of its variants, as dlc compiled them.
    pub unsafe fn linked(library: &'static Library) -> Result<Model> {
        // SAFETY: the caller's promise; a program's own data lives as long as the program.
        unsafe { Model::of(*library, Arc::new(()), None) }
    }

    /// With the code for these instructions, or the most demanding that this machine runs.
    ///
    /// # Safety
    /// As for [`Model::linked`], as long as `owner` lives.
    unsafe fn of(library: Library, owner: Arc<dyn Any + Send + Sync>, asked: Option<&str>) -> Result<Model> {
        // SAFETY: the caller's promise.
        let description = unsafe { description(&library) }?;
        let cpu = chosen(&description, asked)?;
        let Description { interface, constant_bytes, graph, variants, compiler, .. } = description;
        let functions = interface.functions.len();
        let constants = NonNull::new(library.constants.cast_mut()).unwrap_or(NonNull::dangling());
        // SAFETY: there are as many entries as the description has functions, for each of its variants, and as many bytes
        // of constants as it says, which `owner` keeps and nobody writes.
        let (entries, constants) = unsafe {
            let entries =
                std::slice::from_raw_parts(library.entries.wrapping_add(cpu * functions), functions);
            (entries.to_vec(), Block::shared(constants, constant_bytes))
        };
        let identity = Some(Identity { model: interface.model.clone(), graph });
        let parts = Parts { entries, constants, identity };
        // SAFETY: dlc compiled the entries with this description, and `owner` keeps them.
        let program = unsafe { Program::of_parts(interface, parts, Box::new(Arc::clone(&owner))) }?;
        let cpus = variants.into_iter().map(|variant| variant.name).collect();
        Ok(Model { program: Arc::new(program), compiler, cpus, cpu, library, owner, beside: None })
    }

    /// The same model with its code for other instructions: one of [`Model::cpus`].
    ///
    /// # Errors
    /// [`RuntimeError::NoVariant`] if there is no such code, [`RuntimeError::Instructions`] if this machine cannot run it.
    pub fn for_cpu(&self, cpu: &str) -> Result<Model> {
        // SAFETY: `self` was made of this library, which the owner keeps.
        let model = unsafe { Model::of(self.library, Arc::clone(&self.owner), Some(cpu)) }?;
        Ok(Model { beside: self.beside.clone(), ..model })
    }

    /// The instructions of its code: the `--cpu` that it was compiled for; of several the most demanding that this machine
    /// has, if nothing else was asked for.
    pub fn cpu(&self) -> &str {
        self.cpus.get(self.cpu).map_or("", String::as_str)
    }

    /// All that there is code for, the least demanding first.
    pub fn cpus(&self) -> &[String] {
        &self.cpus
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

    /// The code, for a [`Session`] with other first values than [`Model::session`] gives.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// Whether weights are part of the library.
    pub fn embeds_weights(&self) -> bool {
        !self.library.weights.is_null()
    }

    /// An instance on so many threads; 0 for as many as the machine runs at once. It has the weights that are part of
    /// the library, or those of the file beside it; where there are none, [`Session::load`] or [`Session::initialize`]
    /// comes before any other call.
    pub fn session(&self, threads: usize) -> Result<Session> {
        let threads = if threads == 0 { all_threads() } else { threads };
        let program = Arc::clone(&self.program);
        if let Some(start) = NonNull::new(self.library.weights.cast_mut()) {
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
