//! A machine that executes PTX text without a GPU, to check the code that we emit for NVIDIA's.
//!
//! It reads the very text that a driver would be given, in the subset that is emitted, and refuses whatever
//! it does not know. It runs one thread at a time where that matters and in a fixed order, so the same launch
//! gives the same bytes. What a GPU leaves to chance it reports as a [`Fault`] that names line, block and
//! thread: accesses out of bounds, misaligned or to bytes that nobody wrote; races between threads and
//! between blocks; destinations of asynchronous copies that are touched before the wait; registers and shared memory
//! of a warpgroup's product that are touched before its wait or without the fences that it needs; bytes read by `.nc`
//! and written in the same launch; barriers that not all threads reach; warp operations whose masks name
//! lanes that do not come.
//!
//! ```
//! use dlc_ptx_machine::{Argument, Launch, Memory, Module};
//!
//! let text = "
//! .version 8.0
//! .target sm_80
//! .address_size 64
//! .visible .entry twice(.param .u64 values) {
//!     .reg .b64 %a<3>;
//!     .reg .b32 %i;
//!     .reg .f32 %x;
//!     ld.param.u64 %a0, [values];
//!     mov.u32 %i, %tid.x;
//!     mul.wide.u32 %a1, %i, 4;
//!     add.u64 %a2, %a0, %a1;
//!     ld.global.f32 %x, [%a2];
//!     add.f32 %x, %x, %x;
//!     st.global.f32 [%a2], %x;
//!     ret;
//! }";
//! let module = Module::parse(text)?;
//! let mut memory = Memory::new();
//! let values = memory.store_f32(&[1.0, 2.5]);
//! let launch = Launch { block: [2, 1, 1], parameters: &[Argument::U64(values)], ..Launch::default() };
//! module.launch("twice", &launch, &mut memory)?;
//! assert_eq!(memory.read_f32(values, 2)?, [2.0, 5.0]);
//! # Ok::<(), dlc_ptx_machine::Fault>(())
//! ```
//!
//! What differs from a GPU:
//! - approximate instructions are computed more exactly (`value::float`), and matrix products are rounded once
//!   (`execute::matrix`), so a comparison with a GPU needs a bound;
//! - a barrier that some threads of the block do not reach is a fault also where they have returned, for which a
//!   GPU would not wait;
//! - blocks are never ordered, so a grid that hands results on by atomics and fences counts as racing
//!   ([`Checks::races`] turns that off);
//! - a register that nothing wrote holds a NaN that is no address;
//! - barriers for a part of a block, bulk copies and their barriers are refused when a thread reaches them.

pub mod assembler;
mod decode;
mod execute;
mod fault;
mod memory;
mod module;
mod parse;
mod program;
mod types;
mod value;

pub use execute::{Argument, Launch, Statistics};
pub use fault::{Access, Fault, Other, Place};
pub use memory::Memory;
pub use memory::region::Checks;
pub use module::Module;
