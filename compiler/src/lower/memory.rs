//! Places in the arena.
//!
//! Launches of one sequence take place at the same time; what threads keep for themselves during it has places in
//! their own scratch. A buffer lives from the first launch that writes it to the last that touches it. Buffers are placed
//! by size, greatest first, each at the lowest place where no buffer that lives at the same time lies:
//! greedy by size, as in Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference",
//! 2020. Buffers with a border share a place with those of the same border alone, which then belongs to them
//! from the first launch to the last: nobody writes their zeros. [`dlc_kernel::check`] proves the outcome
//! without knowing this method.

use super::error::LowerError;
use dlc_kernel::{BufferId, Program, Storage};
use dlc_types::IndexVec;
use std::collections::BTreeSet;

const ALIGNMENT: usize = 64;

/// Gives every arena buffer its offset. With `keep_all` no two buffers share a place.
pub(crate) fn plan(program: &mut Program, keep_all: bool) -> Result<(), LowerError> {
    let mut lives: IndexVec<BufferId, Option<(usize, usize)>> =
        program.buffers.indices().map(|_| None).collect();
    let times = program.times();
    for (&time, launch) in times.iter().zip(&program.launches) {
        for &buffer in &launch.arguments {
            let first = lives[buffer].map_or(time, |(first, _)| first);
            // What the prologue computes for later launches is kept from one call to the next.
            let kept = first < program.prologue && time >= program.prologue;
            lives[buffer] = Some(match (keep_all, kept) {
                (true, _) => (0, usize::MAX),
                (false, true) => (first, usize::MAX),
                (false, false) => (first, time),
            });
        }
    }
    outlive_rounds(program, &times, &mut lives);
    let mut pending: Vec<Piece> = Vec::new();
    for (id, buffer) in program.buffers.iter() {
        let Storage::Arena(_) = buffer.storage else { continue };
        let Some(life) = lives[id] else { continue };
        let bytes = buffer.bytes.next_multiple_of(ALIGNMENT);
        let alike = |piece: &&mut Piece| {
            let first = &program.buffers[piece.buffers[0].0];
            buffer.border.is_some()
                && first.border == buffer.border
                && first.dtype == buffer.dtype
                && piece.buffers.iter().all(|&(_, other)| !meet(life, other))
        };
        match pending.iter_mut().find(alike) {
            Some(piece) => piece.buffers.push((id, life)),
            None => {
                let life = if buffer.border.is_some() { (0, usize::MAX) } else { life };
                pending.push(Piece { bytes, life, buffers: vec![(id, lives[id].unwrap_or(life))] });
            }
        }
    }
    let unused: Vec<BufferId> = program
        .buffers
        .iter()
        .filter(|(id, buffer)| matches!(buffer.storage, Storage::Arena(_)) && lives[*id].is_none())
        .map(|(id, _)| id)
        .collect();
    for id in unused {
        // What no launch touches may lie anywhere, but has no border to keep.
        let buffer = &mut program.buffers[id];
        (buffer.storage, buffer.bytes, buffer.border) = (Storage::Arena(0), 0, None);
    }
    place_scratch(program, &times)?;
    place(program, pending)
}

/// Lets what outlasts a round of a repetition live through all rounds: what others know, what moves from round to
/// round, and what a round reads before it writes it.
fn outlive_rounds(
    program: &Program,
    times: &[usize],
    lives: &mut IndexVec<BufferId, Option<(usize, usize)>>,
) {
    let deepest = program.launches.iter().map(|launch| launch.rounds.len()).max().unwrap_or(0);
    for depth in (0..deepest).rev() {
        for (repetition, range) in program.blocks(0..program.launches.len(), depth) {
            let Some(repetition) = repetition else { continue };
            let (start, end) = (times[range.start], times[range.end - 1]);
            let rounds = program.repetitions[repetition].times;
            let mut seen: BTreeSet<BufferId> = BTreeSet::new();
            let mut outlasting: BTreeSet<BufferId> = BTreeSet::new();
            for launch in &program.launches[range.clone()] {
                let operands = &program.kernels[launch.kernel].operands;
                for (operand, &buffer) in launch.arguments.iter().enumerate() {
                    let outside = lives[buffer].is_some_and(|(first, last)| first < start || last > end);
                    let moves = !launch.rounds[depth].strides[operand].is_still(rounds);
                    if outside || moves || seen.insert(buffer) && operands[operand].reads {
                        outlasting.insert(buffer);
                    }
                }
            }
            for buffer in outlasting {
                lives[buffer] = lives[buffer].map(|(first, last)| (first.min(start), last.max(end)));
            }
        }
    }
}

/// Places what threads keep for themselves during a sequence: one buffer behind the other, in every sequence from
/// the first byte on.
fn place_scratch(program: &mut Program, times: &[usize]) -> Result<(), LowerError> {
    let mut end = (usize::MAX, 0_usize);
    for (&time, launch) in times.iter().zip(&program.launches) {
        if time != end.0 {
            end = (time, 0);
        }
        for &id in &launch.arguments {
            let buffer = &mut program.buffers[id];
            if buffer.storage == Storage::Thread(usize::MAX) {
                buffer.storage = Storage::Thread(end.1);
                let too_large = || LowerError::TooLarge("a thread's scratch".to_owned());
                let bytes = buffer.bytes.checked_next_multiple_of(ALIGNMENT);
                end.1 = bytes.and_then(|bytes| end.1.checked_add(bytes)).ok_or_else(too_large)?;
                program.thread_bytes = program.thread_bytes.max(end.1);
            }
        }
    }
    Ok(())
}

/// Buffers that share a place.
struct Piece {
    bytes: usize,
    /// When the place is taken: first and last launch.
    life: (usize, usize),
    /// The buffers with their own lives.
    buffers: Vec<(BufferId, (usize, usize))>,
}

fn meet(a: (usize, usize), b: (usize, usize)) -> bool {
    a.0 <= b.1 && b.0 <= a.1
}

/// Places the pieces, greatest first, each as low as it can lie.
fn place(program: &mut Program, mut pending: Vec<Piece>) -> Result<(), LowerError> {
    pending.sort_by_key(|piece| (std::cmp::Reverse(piece.bytes), piece.buffers[0].0));
    let mut placed: Vec<(usize, usize, (usize, usize))> = Vec::new();
    for Piece { bytes, life, buffers } in pending {
        let mut neighbours: Vec<(usize, usize)> = placed
            .iter()
            .filter(|&&(_, _, other)| meet(life, other))
            .map(|&(start, end, _)| (start, end))
            .collect();
        neighbours.sort_unstable();
        let mut start = 0;
        for (low, high) in neighbours {
            if start + bytes <= low {
                break;
            }
            start = start.max(high);
        }
        let end = start.checked_add(bytes).ok_or_else(|| LowerError::TooLarge("the arena".to_owned()))?;
        placed.push((start, end, life));
        for (id, _) in buffers {
            program.buffers[id].storage = Storage::Arena(start);
        }
        program.arena_bytes = program.arena_bytes.max(end);
    }
    Ok(())
}
