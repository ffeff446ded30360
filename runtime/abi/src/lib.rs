//! The contract between generated code and the runtime: the structure that generated code reads, the
//! signature it is entered by, and the description of a compiled module that a session works from.
//!
//! A module has one *persistent* block (parameters and states, shared by all its functions) and
//! several *functions* (`initialize`, `train`, `evaluate`, `predict`). Each function is one SPMD
//! program: every thread of the team calls the same entry with its own number, work is divided by
//! (thread, threads) alone, and threads meet at the barrier that the context carries. Generated code
//! allocates nothing and calls nothing but the barrier.
//!
//! Inputs and outputs at this boundary are plain row-major tensors. Tensors in the persistent block may
//! lie in another order, told by their strides; checkpoints are always in the plain order.
//!
//! `no_std`, no dependency: an embedded target's runtime can use it.

#![no_std]

extern crate alloc;

mod description;
mod device;
mod records;

pub use description::{Description, FEATURES, MAGIC, Variant};
pub use device::{
    Capability, DECLARED_SHARED_BYTES, DEVICE_MAGIC, DeviceFunction, DeviceImage, DeviceKernel, DeviceLaunch,
    DeviceMemory, DeviceModule, DeviceOperand, DeviceStep, DeviceStride, EachLaunch, LaunchTurn, Tiles,
};
pub use records::Malformed;

use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::c_void;

/// Raised when [`Context`] or the meaning of [`Interface`] changes.
pub const VERSION: u32 = 5;

/// Alignment in bytes of the arena, of the persistent block and of every buffer in them.
pub const ALIGNMENT: usize = 64;

/// What generated code is given; one per call, shared by all threads of the team.
///
/// Field order is the contract: generated code loads fields at the offsets in [`offset`].
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// Scratch of at least [`FunctionInterface::arena_bytes`], aligned to [`ALIGNMENT`].
    pub arena: *mut u8,
    /// Parameters and states, [`Interface::persistent_bytes`] long, aligned to [`ALIGNMENT`].
    pub persistent: *mut u8,
    /// [`Interface::constants`], aligned to [`ALIGNMENT`].
    pub constants: *const u8,
    /// One pointer per input, then one per output, each aligned to its element.
    pub bindings: *const *mut u8,
    /// Samples in this call, in `0..=batch_max`.
    pub batch: i64,
    /// Number of threads in the team, at least one.
    pub threads: i64,
    /// Called by every thread of the team; returns when all have called it.
    pub barrier: unsafe extern "C" fn(*const c_void),
    /// The argument of `barrier`.
    pub barrier_data: *const c_void,
    /// Not 0 where the function has to compute what depends on persistent tensors alone; 0 where its last
    /// call with this arena has done so, and neither has been written since, but by this function.
    pub prepare: i64,
    /// Scratch of every thread, one behind the other, aligned to [`ALIGNMENT`].
    pub scratch: *mut u8,
    /// Bytes from one thread's scratch to the next one's: at least [`FunctionInterface::thread_bytes`], a multiple
    /// of [`ALIGNMENT`].
    pub scratch_bytes: i64,
}

/// Byte offsets of [`Context`]'s fields on 64-bit targets.
pub mod offset {
    use super::Context;
    use core::mem::offset_of;

    /// [`Context::arena`]
    pub const ARENA: usize = offset_of!(Context, arena);
    /// [`Context::persistent`]
    pub const PERSISTENT: usize = offset_of!(Context, persistent);
    /// [`Context::constants`]
    pub const CONSTANTS: usize = offset_of!(Context, constants);
    /// [`Context::bindings`]
    pub const BINDINGS: usize = offset_of!(Context, bindings);
    /// [`Context::batch`]
    pub const BATCH: usize = offset_of!(Context, batch);
    /// [`Context::threads`]
    pub const THREADS: usize = offset_of!(Context, threads);
    /// [`Context::barrier`]
    pub const BARRIER: usize = offset_of!(Context, barrier);
    /// [`Context::barrier_data`]
    pub const BARRIER_DATA: usize = offset_of!(Context, barrier_data);
    /// [`Context::prepare`]
    pub const PREPARE: usize = offset_of!(Context, prepare);
    /// [`Context::scratch`]
    pub const SCRATCH: usize = offset_of!(Context, scratch);
    /// [`Context::scratch_bytes`]
    pub const SCRATCH_BYTES: usize = offset_of!(Context, scratch_bytes);
}

/// The entry of a function: `(context, thread)` with `thread` in `0..context.threads`.
pub type Entry = unsafe extern "C" fn(*const Context, i64);

/// A compiled model as its object file holds it: what a program links, or finds in a shared library by [`LIBRARY`].
///
/// `dlc_model` of `runtime/c/dlc_runtime.h` is the same structure.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Library {
    /// The bytes of a [`Description`], aligned to [`ALIGNMENT`].
    pub description: *const u8,
    /// [`Interface::constants`], aligned to [`ALIGNMENT`].
    pub constants: *const u8,
    /// The persistent block to begin with, aligned to [`ALIGNMENT`]; null where the library has no weights.
    pub weights: *const u8,
    /// One per function, in the order of [`Interface::functions`], for each of [`Description::variants`].
    pub entries: *const Entry,
}

// SAFETY: all that it points to is read alone.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

/// The symbol of a shared library by which a program that loads it finds the model: a [`FindLibrary`].
pub const LIBRARY: &str = "dlc_library";

/// Gives the model that a shared library holds, which lives as long as the library is loaded.
pub type FindLibrary = unsafe extern "C" fn() -> *const Library;

/// Element types at the boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each variant is its own name")]
pub enum ElementType {
    F16,
    BF16,
    F32,
    F64,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    Bool,
}

impl ElementType {
    /// Every element type, in the order of declaration.
    pub const ALL: [ElementType; 13] = [
        ElementType::F16,
        ElementType::BF16,
        ElementType::F32,
        ElementType::F64,
        ElementType::I8,
        ElementType::U8,
        ElementType::I16,
        ElementType::U16,
        ElementType::I32,
        ElementType::U32,
        ElementType::I64,
        ElementType::U64,
        ElementType::Bool,
    ];

    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            ElementType::I8 | ElementType::U8 | ElementType::Bool => 1,
            ElementType::F16 | ElementType::BF16 | ElementType::I16 | ElementType::U16 => 2,
            ElementType::F32 | ElementType::I32 | ElementType::U32 => 4,
            ElementType::F64 | ElementType::I64 | ElementType::U64 => 8,
        }
    }

    /// The name that every text form uses: `f32`, `bool`, ….
    pub const fn name(self) -> &'static str {
        match self {
            ElementType::F16 => "f16",
            ElementType::BF16 => "bf16",
            ElementType::F32 => "f32",
            ElementType::F64 => "f64",
            ElementType::I8 => "i8",
            ElementType::U8 => "u8",
            ElementType::I16 => "i16",
            ElementType::U16 => "u16",
            ElementType::I32 => "i32",
            ElementType::U32 => "u32",
            ElementType::I64 => "i64",
            ElementType::U64 => "u64",
            ElementType::Bool => "bool",
        }
    }
}

/// One extent at the boundary: `scale`, times the batch where `batch` is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The number, or the batch's factor.
    pub scale: usize,
    /// Whether the extent is a multiple of the batch.
    pub batch: bool,
}

impl Extent {
    /// The extent for a batch of `n`.
    pub const fn at(self, n: usize) -> usize {
        if self.batch { self.scale * n } else { self.scale }
    }
}

/// What a result of a function is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PortRole {
    /// A tensor the caller feeds.
    Input,
    /// A tensor the caller asked for.
    Output,
    /// The loss, a scalar.
    Loss,
    /// Something to report: a scalar that is a mean over the batch, or numbers (counts, sums, scores)
    /// that whoever calls combines over batches.
    Metric,
    /// The gradient of the parameter of that name.
    Gradient,
}

/// An input or output of a function; plain row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Name, unique among the function's ports of that role.
    pub name: String,
    /// What it is for.
    pub role: PortRole,
    /// Element type.
    pub element: ElementType,
    /// Extents, outermost first.
    pub dims: Vec<Extent>,
}

impl Port {
    /// Number of elements for a batch of `n`.
    pub fn elements(&self, n: usize) -> usize {
        self.dims.iter().map(|dim| dim.at(n)).product()
    }
}

/// Whether a persistent tensor is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PersistentRole {
    /// Trained by gradient.
    Parameter,
    /// Statistics, optimiser slots, counters.
    State,
}

/// A parameter or state in the persistent block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersistentTensor {
    /// Path, unique among parameters and states together.
    pub name: String,
    /// Whether it is trained.
    pub role: PersistentRole,
    /// Element type.
    pub element: ElementType,
    /// Extents in the plain order, outermost first.
    pub dims: Vec<usize>,
    /// Distance in elements between neighbours along each of `dims`.
    pub strides: Vec<usize>,
    /// First byte in the persistent block.
    pub offset: usize,
    /// Bytes it occupies, padding included.
    pub bytes: usize,
}

/// One function of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionInterface {
    /// `initialize`, `train`, `evaluate`, `predict`, ….
    pub name: String,
    /// Scratch that a call needs, for a batch of `batch_max`.
    pub arena_bytes: usize,
    /// Bytes of scratch that every thread needs.
    pub thread_bytes: usize,
    /// Parts of the arena, as first byte and length, that must be zero when a call begins, unless the last
    /// call with that arena was one of this function: it leaves zero what it needs to be.
    pub cleared: Vec<(usize, usize)>,
    /// Whether a call leaves parameters and states as they are.
    pub keeps_persistent: bool,
    /// Inputs in the order of the bindings.
    pub inputs: Vec<Port>,
    /// Outputs in the order of the bindings, after the inputs.
    pub outputs: Vec<Port>,
}

/// A compiled module as a session needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// [`VERSION`] of the compiler that made it.
    pub version: u32,
    /// Name of the model.
    pub model: String,
    /// Greatest batch that any function may be called with.
    pub batch_max: usize,
    /// Size of the persistent block.
    pub persistent_bytes: usize,
    /// What lies in it.
    pub tensors: Vec<PersistentTensor>,
    /// Read-only data of all functions.
    pub constants: Vec<u8>,
    /// The functions.
    pub functions: Vec<FunctionInterface>,
}

/// Where a piece of generated code lies in memory: for profilers and reports of crashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeRange {
    /// Address of its first byte.
    pub start: usize,
    /// Its length in bytes.
    pub bytes: usize,
    /// The name it has in a module.
    pub symbol: String,
    /// The function that it belongs to.
    pub function: String,
    /// The kernel; `None` for the function's entry.
    pub kernel: Option<String>,
}
