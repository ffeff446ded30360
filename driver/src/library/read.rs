//! Object files, static and shared libraries, read back: what is known of the models in them.
//!
//! The bytes come from anywhere: everything is looked for within bounds, and a description is decoded as such.

use super::surface::type_text;
use crate::{DriverError, Result};
use dlc_runtime::abi::{
    Description, FEATURES, FunctionInterface, Interface, PersistentRole, PersistentTensor, Port, PortRole,
};
use object::read::archive::ArchiveFile;
use object::{Object, ObjectSection, ObjectSymbol};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;

/// What symbols of descriptions and of weights end with.
const DESCRIPTION: &str = "_description";
const WEIGHTS: &str = "_weights";

/// A model in a library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LibraryReport {
    /// The kind of file: ELF, Mach-O or COFF.
    pub format: &'static str,
    /// The processor.
    pub processor: &'static str,
    /// The name that its symbols begin with.
    pub model: String,
    /// Who made it.
    pub compiler: String,
    /// The graph's hash, which weights have to name.
    pub graph: String,
    /// The contract of its code.
    pub version: u32,
    /// Greatest batch.
    pub batch_max: usize,
    /// Whether the first values of parameters and states are inside.
    pub embeds_weights: bool,
    /// Bytes of parameters, states, both in memory, and constants.
    pub parameter_bytes: usize,
    /// See above.
    pub state_bytes: usize,
    /// See above.
    pub persistent_bytes: usize,
    /// See above.
    pub constant_bytes: usize,
    /// Its code, for each set of instructions.
    pub variants: Vec<VariantRow>,
    /// Its functions.
    pub functions: Vec<FunctionRow>,
    /// Parameters and states.
    pub tensors: Vec<TensorRow>,
}

/// The code for a set of instructions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VariantRow {
    /// What it was asked for by.
    pub name: String,
    /// What the machine has to have.
    pub instructions: Vec<&'static str>,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FunctionRow {
    /// Its name.
    pub name: String,
    /// Bytes of scratch.
    pub arena_bytes: usize,
    /// Bytes of scratch for each thread.
    pub thread_bytes: usize,
    /// What it takes.
    pub inputs: Vec<PortRow>,
    /// What it gives.
    pub outputs: Vec<PortRow>,
}

/// An input or output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortRow {
    /// Its name.
    pub name: String,
    /// input, output, loss, metric or gradient.
    pub role: &'static str,
    /// `f32[N, 1, 8, 8]`.
    #[serde(rename = "type")]
    pub ty: String,
}

/// A parameter or state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TensorRow {
    /// Its path.
    pub name: String,
    /// parameter or state.
    pub role: &'static str,
    /// `f32[16, 1, 3, 3]`.
    #[serde(rename = "type")]
    pub ty: String,
    /// Bytes in memory.
    pub bytes: usize,
}

/// Whether a file is one that [`read_library`] reads, by its first bytes.
pub fn is_library(path: &Path) -> bool {
    let mut first = [0; 64];
    let read = std::fs::File::open(path).and_then(|mut file| std::io::Read::read(&mut file, &mut first));
    read.is_ok_and(|length| length > 8 && object::FileKind::parse(&first[..]).is_ok())
}

/// The models in an object file, a static or a shared library.
///
/// # Errors
/// A file that is none of them, or that has no model of this version of dlc.
pub fn read_library(path: &Path) -> Result<Vec<LibraryReport>> {
    let bytes = std::fs::read(path).map_err(|cause| DriverError::File { path: path.to_owned(), cause })?;
    let shown = path.display();
    let none = |error: object::Error| {
        DriverError::User(format!("{shown} is no object file, static or shared library: {error}"))
    };
    let mut found = Vec::new();
    if bytes.starts_with(b"!<arch>\n") {
        let archive = ArchiveFile::parse(&*bytes).map_err(none)?;
        for member in archive.members() {
            let member = member.and_then(|member| member.data(&*bytes)).map_err(none)?;
            if let Ok(file) = object::File::parse(member) {
                models(&file, &mut found);
            }
        }
    } else {
        models(&object::File::parse(&*bytes).map_err(none)?, &mut found);
    }
    if found.is_empty() {
        let fault = format!("{shown} holds no model that this version of dlc compiled");
        return Err(DriverError::User(fault));
    }
    Ok(found)
}

/// Names and addresses of what others may see, without what the format puts in front of names.
fn exported<'f>(file: &'f object::File<'f>) -> Vec<(&'f str, u64)> {
    let prefix = if file.format() == object::BinaryFormat::MachO { "_" } else { "" };
    let symbols = file.symbols().chain(file.dynamic_symbols()).filter(|symbol| symbol.is_definition());
    let symbols = symbols.filter_map(|symbol| Some((symbol.name().ok()?, symbol.address())));
    let exports = file.exports().into_iter().flatten();
    let exports =
        exports.filter_map(|export| Some((std::str::from_utf8(export.name()).ok()?, export.address())));
    let all = symbols.chain(exports);
    all.filter_map(|(name, address)| Some((name.strip_prefix(prefix)?, address))).collect()
}

/// The bytes from an address to the end of its section; several sections of an object file may begin at 0, of which the
/// right one holds a description.
fn described(file: &object::File<'_>, address: u64) -> Option<Description> {
    let within = |section: &object::Section<'_, '_>| {
        let start = section.address();
        start <= address && address < start.saturating_add(section.size())
    };
    file.sections().filter(within).find_map(|section| {
        let from = usize::try_from(address - section.address()).ok()?;
        Description::decode(section.data().ok()?.get(from..)?).ok()
    })
}

fn models(file: &object::File<'_>, found: &mut Vec<LibraryReport>) {
    let exported = exported(file);
    let mut seen = BTreeSet::new();
    for &(name, address) in exported.iter().filter(|(name, _)| name.ends_with(DESCRIPTION)) {
        let Some(description) = described(file, address).filter(|_| seen.insert(name)) else { continue };
        let weights = format!("{}{WEIGHTS}", description.interface.model);
        let embeds_weights = exported.iter().any(|(name, _)| *name == weights);
        found.push(report(file, &description, embeds_weights));
    }
}

fn report(file: &object::File<'_>, description: &Description, embeds_weights: bool) -> LibraryReport {
    let interface = &description.interface;
    let of_role = |role| {
        let tensors = interface.tensors.iter().filter(|tensor| tensor.role == role);
        tensors.fold(0_usize, |sum, tensor| sum.saturating_add(tensor.bytes))
    };
    LibraryReport {
        format: match file.format() {
            object::BinaryFormat::Elf => "ELF",
            object::BinaryFormat::MachO => "Mach-O",
            _ => "COFF",
        },
        processor: match file.architecture() {
            object::Architecture::X86_64 => "x86_64",
            object::Architecture::Aarch64 => "aarch64",
            object::Architecture::Riscv64 => "riscv64",
            _ => "unknown",
        },
        model: interface.model.clone(),
        compiler: description.compiler.clone(),
        graph: format!("{:016x}", description.graph),
        version: interface.version,
        batch_max: interface.batch_max,
        embeds_weights,
        parameter_bytes: of_role(PersistentRole::Parameter),
        state_bytes: of_role(PersistentRole::State),
        persistent_bytes: interface.persistent_bytes,
        constant_bytes: description.constant_bytes,
        variants: description
            .variants
            .iter()
            .map(|variant| VariantRow {
                name: variant.name.clone(),
                instructions: instructions(variant.features),
            })
            .collect(),
        functions: function_rows(interface),
        tensors: tensor_rows(interface),
    }
}

/// The functions of an interface.
pub(crate) fn function_rows(interface: &Interface) -> Vec<FunctionRow> {
    let row = |function: &FunctionInterface| FunctionRow {
        name: function.name.clone(),
        arena_bytes: function.arena_bytes,
        thread_bytes: function.thread_bytes,
        inputs: function.inputs.iter().map(port).collect(),
        outputs: function.outputs.iter().map(port).collect(),
    };
    interface.functions.iter().map(row).collect()
}

/// The parameters and states of an interface.
pub(crate) fn tensor_rows(interface: &Interface) -> Vec<TensorRow> {
    let row = |tensor: &PersistentTensor| TensorRow {
        name: tensor.name.clone(),
        role: match tensor.role {
            PersistentRole::Parameter => "parameter",
            PersistentRole::State => "state",
        },
        ty: format!(
            "{}[{}]",
            tensor.element.name(),
            tensor.dims.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        ),
        bytes: tensor.bytes,
    };
    interface.tensors.iter().map(row).collect()
}

fn instructions(features: u64) -> Vec<&'static str> {
    let bits = FEATURES.iter().enumerate().filter(|(bit, _)| features >> bit & 1 == 1);
    bits.map(|(_, name)| name.trim_start_matches("has_")).collect()
}

fn port(port: &Port) -> PortRow {
    let role = match port.role {
        PortRole::Input => "input",
        PortRole::Output => "output",
        PortRole::Loss => "loss",
        PortRole::Metric => "metric",
        PortRole::Gradient => "gradient",
    };
    PortRow { name: port.name.clone(), role, ty: type_text(port) }
}
