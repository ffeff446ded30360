//! The machine on PTX text: each family of instructions against values worked out by hand, whole kernels, and
//! every fault. All of this text is accepted by `ptxas`; with `DLC_PTX_TEXTS` naming a folder the tests write
//! it there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "machine/harness.rs"]
mod harness;

#[path = "machine/bits.rs"]
mod bits;
#[path = "machine/conversions.rs"]
mod conversions;
#[path = "machine/damaged.rs"]
mod damaged;
#[path = "machine/faults.rs"]
mod faults;
#[path = "machine/floats.rs"]
mod floats;
#[path = "machine/integers.rs"]
mod integers;
#[path = "machine/kernels.rs"]
mod kernels;
#[path = "machine/matrices.rs"]
mod matrices;
#[path = "machine/memory.rs"]
mod memory;
#[path = "machine/races.rs"]
mod races;
#[path = "machine/text.rs"]
mod text;
#[path = "machine/warpgroups.rs"]
mod warpgroups;
#[path = "machine/warps.rs"]
mod warps;
