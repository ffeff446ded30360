//! A model as a native library: the object file, its header, C file and Rust module, archives of them, and weights.

mod example;
mod glue;
mod gpu;
mod header;
mod link;
mod macros;
mod names;
mod read;
mod rust;
mod surface;
mod targets;

use crate::folder::make_folder;
use crate::identity::identity;
use crate::{ArtifactKind, CompileSettings, DriverError, Loaded, Result};
use dlc_compiler::emit::{self, ObjectData, Platform, object};
use dlc_compiler::{Compilation, FunctionKind};
use dlc_runtime::abi::{Description, Interface, Variant};
use dlc_runtime::{Checkpoint, persistent_image, weights_file, weights_header, write_atomically};
use header::{Header, Runs};
use std::path::{Path, PathBuf};

pub(crate) use gpu::{is_for_gpu, write_for_gpu};
pub use read::{FunctionRow, LibraryReport, PortRow, TensorRow, VariantRow, is_library, read_library};
pub(crate) use read::{function_rows, tensor_rows};
pub(crate) use targets::{MadeFor, targets};
pub use targets::{TargetRow, target_table};

/// The common runtime, which is written beside every library.
const RUNTIME: [(&str, &str); 2] = [
    ("dlc_runtime.h", include_str!("../../../runtime/c/dlc_runtime.h")),
    ("dlc_runtime.c", include_str!("../../../runtime/c/dlc_runtime.c")),
];

/// The functions of a library.
pub(crate) fn functions(loaded: &Loaded, train: bool) -> Result<Vec<FunctionKind>> {
    match (train, &loaded.model.training) {
        (false, _) => Ok(vec![FunctionKind::Predict]),
        (true, Some(_)) => Ok(FunctionKind::STANDARD.to_vec()),
        (true, None) => Err(DriverError::User(format!(
            "`--train` needs a `data` and a `train` section, which the model `{}` does not have",
            loaded.model.name
        ))),
    }
}

/// The weights that a library comes with, if there are any.
pub(crate) fn weights(
    loaded: &Loaded,
    compilation: &Compilation,
    settings: &CompileSettings,
) -> Result<Option<Checkpoint>> {
    if let Some(path) = &settings.checkpoint {
        return Ok(Some(Checkpoint::read(path)?));
    }
    let mut checkpoint = Checkpoint::default();
    for tensor in &compilation.interface.tensors {
        if let Some(value) = loaded.weights.tensor(&tensor.name)? {
            checkpoint.tensors.insert(tensor.name.clone(), value);
        }
    }
    let whole = checkpoint.tensors.len() == compilation.interface.tensors.len();
    Ok(Some(checkpoint).filter(|_| whole && !loaded.weights.is_empty()))
}

/// What files and symbols are called by.
pub(crate) fn checked_name<'a>(settings: &'a CompileSettings, interface: &'a Interface) -> Result<&'a str> {
    let name = settings.name.as_deref().unwrap_or(&interface.model);
    match names::is_identifier(name) {
        true => Ok(name),
        false => Err(DriverError::User(format!(
            "`{name}` is no name of C, which symbols begin with; `--name NAME` gives another one"
        ))),
    }
}

/// What lies beside code that was made for these variants, the least demanding first.
pub(crate) fn description(
    loaded: &Loaded,
    interface: &Interface,
    name: &str,
    variants: Vec<Variant>,
) -> Result<Description> {
    let graph = identity(&loaded.model).graph;
    let (weights_header, weights_places) = weights_header(interface, graph)?;
    Ok(Description {
        interface: Interface { model: name.to_owned(), constants: Vec::new(), ..interface.clone() },
        constant_bytes: interface.constants.len(),
        graph,
        features: variants.first().map_or(0, |variant| variant.features),
        variants,
        compiler: format!("dlc {}", env!("CARGO_PKG_VERSION")),
        weights_header,
        weights_places,
    })
}

/// Writes what `settings` ask for of a library.
pub(crate) fn write(
    loaded: &Loaded,
    compilation: &Compilation,
    made_for: &[MadeFor],
    settings: &CompileSettings,
    files: &mut Vec<PathBuf>,
) -> Result<()> {
    let interface = &compilation.interface;
    let name = checked_name(settings, interface)?;
    let weights = weights(loaded, compilation, settings)?;
    let image = match (&weights, settings.embed_weights) {
        (_, false) => None,
        (Some(weights), true) => Some(persistent_image(interface, weights)?),
        (None, true) => {
            let fault =
                "`--embed-weights` needs weights: `--checkpoint FILE`, or a model that comes with them";
            return Err(DriverError::User(fault.to_owned()));
        }
    };
    let variants = made_for
        .iter()
        .map(|made| Variant { name: made.cpu.name().to_owned(), features: made.features() })
        .collect();
    let description = description(loaded, interface, name, variants)?;
    let graph = description.graph;
    let described = description.encode();
    let data = |what: &str, bytes| ObjectData { symbol: format!("{name}_{what}"), bytes };
    let mut beside = vec![data("description", &*described), data("constants", &*interface.constants)];
    beside.extend(image.as_deref().map(|image| data("weights", image)));
    let entry = |function: &str| format!("{name}_bare_{}", surface::suffix(function));
    let suffixes: Vec<String> = (0..made_for.len()).map(|number| description.suffix(number)).collect();
    let variants = made_for.iter().zip(&suffixes);
    let variants: Vec<_> =
        variants.map(|(made, suffix)| emit::Variant { target: &made.target, suffix }).collect();
    let object = object(compilation, &variants, name, &entry, &beside)?.bytes;
    let functions = surface::offered(interface);
    let embedded = image.is_some();
    let runs = Runs::Here { embedded };
    let header = Header { name, functions: &functions, description: &description, runs }.text();
    let glue = glue::glue(name, &functions, &suffixes, embedded);
    let module = rust::module(name, &functions, &description, embedded);
    let platform = settings.platform.or_else(Platform::host);
    let parts = Parts { name, platform, object: &object, header: &header, glue: &glue, module: &module };
    parts.write(settings, files)?;
    if let (Some(weights), None) = (&weights, &image) {
        let file = weights_file(interface, graph, weights)?;
        put(folder(settings), &format!("{name}.safetensors"), &file, files)?;
    }
    Ok(())
}

pub(crate) fn folder(settings: &CompileSettings) -> &Path {
    settings.output_dir.as_deref().unwrap_or(Path::new("."))
}

/// What files are made of.
struct Parts<'a> {
    name: &'a str,
    /// What they are for; nothing for this machine where it is no known one.
    platform: Option<Platform>,
    object: &'a [u8],
    header: &'a str,
    glue: &'a str,
    module: &'a str,
}

impl Parts<'_> {
    fn write(&self, settings: &CompileSettings, files: &mut Vec<PathBuf>) -> Result<()> {
        let (folder, name) = (folder(settings), self.name);
        let asked = |kind| settings.emit.contains(&kind);
        let [header, source] = RUNTIME;
        if asked(ArtifactKind::Obj) {
            put(folder, &format!("{name}.o"), self.object, files)?;
        }
        if asked(ArtifactKind::Header) {
            put(folder, &format!("{name}.h"), self.header.as_bytes(), files)?;
            put(folder, header.0, header.1.as_bytes(), files)?;
        }
        if asked(ArtifactKind::C) {
            put(folder, &format!("{name}.c"), self.glue.as_bytes(), files)?;
            put(folder, source.0, source.1.as_bytes(), files)?;
        }
        if asked(ArtifactKind::Staticlib) {
            let file = self.platform.map_or_else(|| format!("lib{name}.a"), |one| one.static_library(name));
            put(folder, &file, &link::archive(name, self.platform, self.object)?, files)?;
        }
        if asked(ArtifactKind::Rust) {
            put(folder, &format!("{name}.rs"), self.module.as_bytes(), files)?;
        }
        if asked(ArtifactKind::So) {
            put(folder, &link::shared_name(name, self.platform), &self.linked()?, files)?;
        }
        Ok(())
    }

    /// The shared library, made in a folder of its own.
    fn linked(&self) -> Result<Vec<u8>> {
        let fault = |cause| DriverError::File { path: std::env::temp_dir(), cause };
        let place = tempfile::tempdir().map_err(fault)?;
        let name = self.name;
        let own = [
            (format!("{name}.o"), self.object),
            (format!("{name}.h"), self.header.as_bytes()),
            (format!("{name}.c"), self.glue.as_bytes()),
        ];
        let common = RUNTIME.map(|(file, text)| (file.to_owned(), text.as_bytes()));
        for (file, bytes) in own.into_iter().chain(common) {
            std::fs::write(place.path().join(file), bytes).map_err(fault)?;
        }
        link::shared(name, self.platform, place.path())
    }
}

pub(crate) fn put(folder: &Path, name: &str, bytes: &[u8], files: &mut Vec<PathBuf>) -> Result<()> {
    make_folder(folder)?;
    let path = folder.join(name);
    write_atomically(&path, bytes)?;
    files.push(path);
    Ok(())
}
