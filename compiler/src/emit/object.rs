//! Machine code as an object file for the system's linker.
//!
//! Nothing in it depends on where it was made; code is position independent, and there is no data that can be
//! written. The only symbols that it may leave undefined are `memcpy` and `memset`, which every C library and every
//! freestanding C compiler has.

use super::{Names, ObjectFormat, Target, define};
use crate::pipeline::{Compilation, CompileError};
use cranelift_module::{DataDescription, Linkage, Module, default_libcall_names};
use cranelift_object::object::write::MachOBuildVersion;
use cranelift_object::{ObjectBuilder, ObjectModule};
use dlc_abi::ALIGNMENT;
use std::sync::{Arc, Mutex, PoisonError};

/// Functions that an object may leave to whoever links it.
const FOREIGN: [&str; 2] = ["memcpy", "memset"];

/// Bytes that can only be read, under a symbol that others see.
#[derive(Clone, Debug)]
pub struct ObjectData<'a> {
    /// Its symbol.
    pub symbol: String,
    /// The bytes; they are aligned to [`ALIGNMENT`].
    pub bytes: &'a [u8],
}

/// An object file.
#[derive(Clone, Debug)]
pub struct ObjectCode {
    /// The file.
    pub bytes: Vec<u8>,
    /// Bytes of machine code in it.
    pub code_bytes: usize,
}

/// The code of a compilation for one set of instructions; an object may hold several, made of the same programs.
#[derive(Clone, Copy, Debug)]
pub struct Variant<'a> {
    /// What it is for.
    pub target: &'a Target,
    /// What its symbols end with; variants of an object differ in it.
    pub suffix: &'a str,
}

impl<'a> Variant<'a> {
    /// The only one of an object.
    pub fn only(target: &'a Target) -> [Variant<'a>; 1] {
        [Variant { target, suffix: "" }]
    }
}

/// The oldest macOS that objects are marked for: 11, the first on both of its processors.
const MACOS: u32 = 11 << 16;
const PLATFORM_MACOS: u32 = 1;

/// Generates the machine code of a compilation and drops it; returns its length in bytes. The target may be any
/// machine, since nothing is called.
pub fn measure_code(compilation: &Compilation, target: &Target) -> Result<usize, CompileError> {
    let name = &compilation.interface.model;
    let entry = |function: &str| format!("{name}_{function}");
    Ok(object(compilation, &Variant::only(target), name, &entry, &[])?.code_bytes)
}

/// All functions of a compilation and `data` as one object file. Symbols begin with `name`; `entry` names the
/// exported entry of each function, before the suffix of the variant. All targets are of one platform.
pub fn object(
    compilation: &Compilation,
    variants: &[Variant<'_>],
    name: &str,
    entry: &dyn Fn(&str) -> String,
    data: &[ObjectData<'_>],
) -> Result<ObjectCode, CompileError> {
    let Some(first) = variants.first().map(|variant| variant.target) else {
        return Err(CompileError::Module("an object without code".to_owned()));
    };
    let called = Arc::new(Mutex::new(Vec::new()));
    let (names, calls) = (default_libcall_names(), Arc::clone(&called));
    let libcalls = Box::new(move |call| {
        let name = names(call);
        calls.lock().unwrap_or_else(PoisonError::into_inner).push(name.clone());
        name
    });
    let mut module = ObjectModule::new(ObjectBuilder::new(first.object_isa.clone(), name, libcalls)?);
    let mut code_bytes = 0;
    for Variant { target, suffix } in variants {
        let prefix = format!("{name}{suffix}");
        let entry = |function: &str| format!("{}{suffix}", entry(function));
        let names = Names { prefix: &prefix, entry: &entry };
        let functions = define(&mut module, target.object_isa.as_ref(), compilation, target, names)?;
        code_bytes += functions.iter().flatten().map(|defined| defined.bytes).sum::<usize>();
    }
    for ObjectData { symbol, bytes } in data {
        let id = module.declare_data(symbol, Linkage::Export, false, false)?;
        let mut description = DataDescription::new();
        // A symbol needs a place of its own.
        description.define(if bytes.is_empty() { Box::new([0]) } else { Box::from(*bytes) });
        description.set_align(ALIGNMENT as u64);
        module.define_data(id, &description)?;
    }
    let mut product = module.finish();
    if first.format() == Some(ObjectFormat::MachO) {
        let mut version = MachOBuildVersion::default();
        (version.platform, version.minos) = (PLATFORM_MACOS, MACOS);
        product.object.set_macho_build_version(version);
    }
    let bytes = product.emit().map_err(|error| CompileError::Module(error.to_string()))?;
    let called = called.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(foreign) = called.iter().find(|name| !FOREIGN.contains(&name.as_str())) {
        return Err(CompileError::Module(format!("the code calls `{foreign}`, which no object may")));
    }
    Ok(ObjectCode { bytes, code_bytes })
}
