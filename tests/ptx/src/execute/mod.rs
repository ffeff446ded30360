//! Runs a launch: blocks one after the other, in each block the warps one after the other up to their next
//! barrier, in each warp all lanes that stand at the same instruction together.
//!
//! Lanes of a warp part at branches; those that stand furthest back run first, so they meet again where the
//! text joins. Lanes that reach an operation of several lanes wait there for the others that it names.

mod atomics;
mod block;
mod collective;
mod copies;
mod descriptor;
mod global;
mod lanes;
mod matrix;
mod meeting;
mod stop;
mod traffic;
mod warp;
mod warpgroup;

use crate::fault::Fault;
use crate::memory::Memory;
use crate::memory::region::Checks;
use crate::program::Program;
use block::Block;

/// A value of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// `.u8`, `.b8`.
    U8(u8),
    /// `.u16`, `.b16`.
    U16(u16),
    /// `.u32`, `.s32`, `.b32`.
    U32(u32),
    /// `.s32`, `.u32`, `.b32`.
    S32(i32),
    /// `.f32`, `.b32`.
    F32(f32),
    /// `.u64`, `.s64`, `.b64`: addresses too.
    U64(u64),
    /// `.s64`, `.u64`, `.b64`.
    S64(i64),
    /// `.f64`, `.b64`.
    F64(f64),
    /// An array of bytes.
    Bytes(Vec<u8>),
}

impl Argument {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Argument::U8(value) => vec![*value],
            Argument::U16(value) => value.to_le_bytes().to_vec(),
            Argument::U32(value) => value.to_le_bytes().to_vec(),
            Argument::S32(value) => value.to_le_bytes().to_vec(),
            Argument::F32(value) => value.to_le_bytes().to_vec(),
            Argument::U64(value) => value.to_le_bytes().to_vec(),
            Argument::S64(value) => value.to_le_bytes().to_vec(),
            Argument::F64(value) => value.to_le_bytes().to_vec(),
            Argument::Bytes(bytes) => bytes.clone(),
        }
    }

    fn is_float(&self) -> Option<bool> {
        match self {
            Argument::F32(_) | Argument::F64(_) => Some(true),
            Argument::Bytes(_) => None,
            _ => Some(false),
        }
    }
}

/// How an entry is launched.
#[derive(Debug, Clone, PartialEq)]
pub struct Launch<'a> {
    /// Blocks along x, y and z.
    pub grid: [u32; 3],
    /// Threads of a block along x, y and z.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub shared_bytes: usize,
    /// A value for each parameter.
    pub parameters: &'a [Argument],
    /// What is checked.
    pub checks: Checks,
}

impl Default for Launch<'_> {
    fn default() -> Self {
        Self { grid: [1; 3], block: [32, 1, 1], shared_bytes: 0, parameters: &[], checks: Checks::default() }
    }
}

/// What a launch did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Blocks that ran.
    pub blocks: u64,
    /// Threads that ran.
    pub threads: u64,
    /// Instructions that threads executed, those not counted whose guard was false.
    pub instructions: u64,
    /// Instructions that warps issued.
    pub issued: u64,
    /// Branches that parted a warp's lanes.
    pub divergent_branches: u64,
    /// Barriers that whole blocks passed.
    pub barriers: u64,
    /// Bytes that threads read from global memory, asynchronous copies included.
    pub global_read_bytes: u64,
    /// Bytes that threads wrote to global memory.
    pub global_written_bytes: u64,
    /// Sectors of 32 bytes of global memory that warps' loads and stores touched: with all lanes next to each
    /// other, a thirty-second part of the bytes.
    pub global_sectors: u64,
    /// Groups of lanes by which warps' loads, stores and `ldmatrix` access shared memory.
    pub shared_phases: u64,
    /// Wavefronts that these took: as many as phases where no two words of a bank meet.
    pub shared_wavefronts: u64,
    /// Matrix products of warps.
    pub matrix_products: u64,
}

/// Most bytes of shared memory that a block can have, on any of the targets.
const SHARED_LIMIT: usize = 227 << 10;

/// All that a launch's blocks share.
pub(crate) struct Run<'a> {
    pub(crate) source: &'a str,
    pub(crate) program: &'a Program,
    pub(crate) constant: &'a [u8],
    pub(crate) launch: &'a Launch<'a>,
    pub(crate) arguments: Vec<u8>,
    pub(crate) memory: &'a mut Memory,
    pub(crate) statistics: Statistics,
    /// The launch's first epoch.
    pub(crate) start: u32,
}

pub(crate) fn launch(
    source: &str,
    program: &Program,
    constant: &[u8],
    launch: &Launch<'_>,
    memory: &mut Memory,
) -> Result<Statistics, Fault> {
    check(program, launch)?;
    let arguments = arguments(program, launch)?;
    memory.start();
    let start = memory.epoch + 1;
    let statistics = Statistics::default();
    let mut run = Run { source, program, constant, launch, arguments, memory, statistics, start };
    let mut block = Block::new(&run);
    let [columns, rows, layers] = launch.grid;
    for z in 0..layers {
        for y in 0..rows {
            for x in 0..columns {
                block.run(&mut run, [x, y, z])?;
            }
        }
    }
    Ok(run.statistics)
}

/// The launch against the limits of the entry and of the hardware.
fn check(program: &Program, launch: &Launch<'_>) -> Result<(), Fault> {
    let fault = |message: String| Err(Fault::Launch { entry: program.name.clone(), message });
    let Launch { grid, block, .. } = launch;
    let volume =
        |extents: &[u32; 3]| extents.iter().fold(1u64, |all, &extent| all.saturating_mul(extent.into()));
    let threads = volume(block);
    if threads == 0 || threads > 1024 || block[2] > 64 {
        return fault(format!("a block of {block:?} threads; it has 1 to 1024, at most 64 along z"));
    }
    if grid.contains(&0) || grid[0] > i32::MAX as u32 || grid[1] > 65535 || grid[2] > 65535 {
        return fault(format!("a grid of {grid:?} blocks; it has 1 to 65535 along y and z"));
    }
    if program.required.is_some_and(|required| required != *block) {
        return fault(format!("a block of {block:?} threads, where .reqntid is {:?}", program.required));
    }
    let most = program.most.map_or(1024, |most| volume(&most));
    if threads > most {
        return fault(format!("{threads} threads in a block, where .maxntid allows {most}"));
    }
    let shared = program.shared_bytes.saturating_add(launch.shared_bytes);
    if shared > SHARED_LIMIT {
        return fault(format!("{shared} bytes of shared memory; a block has at most {SHARED_LIMIT}"));
    }
    Ok(())
}

/// The parameter space.
fn arguments(program: &Program, launch: &Launch<'_>) -> Result<Vec<u8>, Fault> {
    let fault = |message: String| Err(Fault::Launch { entry: program.name.clone(), message });
    let (needed, given) = (program.parameters.len(), launch.parameters.len());
    if needed != given {
        return fault(format!("{needed} parameters are needed, {given} are given"));
    }
    let mut space = vec![0; program.parameter_bytes];
    for (placed, argument) in program.parameters.iter().zip(launch.parameters) {
        let bytes = argument.bytes();
        let parameter = &placed.parameter;
        let float =
            !parameter.ty.is_bits() && argument.is_float().is_some_and(|is| is != parameter.ty.is_float());
        if bytes.len() != parameter.bytes || float {
            let (name, ty, size) = (&parameter.name, parameter.ty, parameter.bytes);
            return fault(format!("parameter {name} is {ty} of {size} bytes, given is {argument:?}"));
        }
        space[placed.offset..placed.offset + bytes.len()].copy_from_slice(&bytes);
    }
    Ok(space)
}
