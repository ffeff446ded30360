//! What the arenas of a compilation hold, and whether they are as small as was asked for.

use crate::{CompileSettings, DriverError, Result};
use dlc_compiler::{Compilation, CompileOptions, CompiledFunction};
use dlc_ir::Model;
use dlc_kernel::{BufferId, Program, Storage};
use serde::Serialize;
use std::collections::BTreeMap;

/// What lies in a function's arena where most does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ArenaReport {
    /// Bytes in use there; the arena is as large, but for gaps between buffers and borders of zeros that nobody else
    /// may use.
    pub live_bytes: usize,
    /// The kernel that runs then.
    pub kernel: String,
    /// What is in use, the largest first.
    pub values: Vec<ArenaValue>,
}

/// A value in the arena.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArenaValue {
    /// Its name.
    pub name: String,
    /// Its bytes at the greatest batch.
    pub bytes: usize,
    /// The kernel that writes it first.
    pub from: String,
    /// The kernel that uses it last; none where it is kept for the next call.
    pub to: Option<String>,
}

/// First and last launch that a buffer of the arena is in use for; what is touched in a repetition is in use in all of
/// its rounds.
fn lives(program: &Program) -> BTreeMap<BufferId, (usize, usize)> {
    let blocks = program.blocks(0..program.launches.len(), 0);
    let mut lives: BTreeMap<BufferId, (usize, usize)> = BTreeMap::new();
    for (repetition, range) in blocks {
        for (position, launch) in program.launches[range.clone()].iter().enumerate() {
            let (first, last) = match repetition {
                Some(_) => (range.start, range.end - 1),
                None => (range.start + position, range.start + position),
            };
            for &buffer in &launch.arguments {
                if !matches!(program.buffers[buffer].storage, Storage::Arena(_)) {
                    continue;
                }
                let life = lives.entry(buffer).or_insert((first, last));
                *life = (life.0.min(first), life.1.max(last));
            }
        }
    }
    for (first, last) in lives.values_mut() {
        // What the prologue computes for later launches stays for the next call.
        if *first < program.prologue && *last >= program.prologue {
            *last = usize::MAX;
        }
    }
    lives
}

/// What lies in the arena of a program where most does.
pub(crate) fn arena_report(program: &Program) -> ArenaReport {
    let lives = lives(program);
    let alive = |at: usize| lives.iter().filter(move |(_, (first, last))| *first <= at && at <= *last);
    let bytes = |at: usize| alive(at).map(|(&id, _)| program.buffers[id].bytes).sum::<usize>();
    let peak = (0..program.launches.len()).max_by_key(|&at| (bytes(at), std::cmp::Reverse(at)));
    let Some(peak) = peak else { return ArenaReport::default() };
    let kernel =
        |at: usize| program.launches.get(at).map(|launch| program.kernels[launch.kernel].name.clone());
    let mut values: Vec<ArenaValue> = alive(peak)
        .map(|(&id, &(first, last))| ArenaValue {
            name: program.buffers[id].name.clone(),
            bytes: program.buffers[id].bytes,
            from: kernel(first).unwrap_or_default(),
            to: kernel(last),
        })
        .collect();
    values.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    ArenaReport { live_bytes: bytes(peak), kernel: kernel(peak).unwrap_or_default(), values }
}

/// Bytes of the arena of the function that needs most, with its name.
fn largest(compilation: &Compilation) -> (usize, &str) {
    let sizes = compilation.functions.iter();
    let sizes = sizes.map(|function| (function.lowered.program.arena_bytes, function.name.as_str()));
    sizes.max().unwrap_or((0, ""))
}

/// Whether a function has a backward pass, maybe, which computes values again.
fn has_loss(function: &CompiledFunction) -> bool {
    function.graph.outputs.iter().any(|output| output.role == dlc_ir::OutputRole::Loss)
}

/// Refuses a compilation with a larger arena than was asked for, with the batch that would do and the floor.
pub(crate) fn check_arena(
    model: &Model,
    options: &CompileOptions,
    compilation: &Compilation,
    settings: &CompileSettings,
) -> Result<()> {
    let (needed, function) = largest(compilation);
    let Some(limit) = settings.max_arena.filter(|&limit| needed > limit) else { return Ok(()) };
    let at = |batch_max| -> Result<usize> {
        let options = CompileOptions { batch_max, ..options.clone() };
        Ok(largest(&dlc_compiler::compile(model, &options)?).0)
    };
    let batch = options.batch_max;
    let trains = compilation.functions.iter().any(|one| one.name == function && has_loss(one));
    let again = if trains { ", with values computed again where that helps" } else { "" };
    let told = format!(
        "the function `{function}` needs an arena of {needed} bytes at batch {batch}{again}, more than the {limit} of \
         --max-arena"
    );
    let floor = if batch == 1 { needed } else { at(1)? };
    if floor > limit {
        return Err(DriverError::User(format!("{told}; the floor is {floor} bytes, at a batch of 1")));
    }
    // Arenas grow about evenly with the batch.
    let room = (batch - 1) as u128 * (limit - floor) as u128 / (needed.saturating_sub(floor)).max(1) as u128;
    let mut fits = usize::try_from(room).unwrap_or(batch).saturating_add(1).min(batch);
    let mut bytes = at(fits)?;
    while bytes > limit && fits > 1 {
        fits = (fits * 15 / 16).max(1);
        bytes = at(fits)?;
    }
    Err(DriverError::User(format!(
        "{told}; a --batch of {fits} needs {bytes} bytes, and the floor is {floor}, at a batch of 1"
    )))
}
