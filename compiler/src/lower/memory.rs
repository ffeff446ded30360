//! Places in the arena.
//!
//! A buffer lives from the first launch that writes it to the last that touches it. Buffers are placed
//! by size, greatest first, each at the lowest place where no buffer that lives at the same time lies:
//! greedy by size, as in Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference",
//! 2020. [`dlc_kernel::check`] proves the outcome without knowing this method.

use super::error::LowerError;
use dlc_kernel::{BufferId, Program, Storage};
use dlc_types::IndexVec;

const ALIGNMENT: usize = 64;

/// Gives every arena buffer its offset. With `keep_all` no two buffers share a place.
pub(crate) fn plan(program: &mut Program, keep_all: bool) -> Result<(), LowerError> {
    let mut lives: IndexVec<BufferId, Option<(usize, usize)>> =
        program.buffers.indices().map(|_| None).collect();
    for (time, launch) in program.launches.iter().enumerate() {
        for &buffer in &launch.arguments {
            let first = lives[buffer].map_or(time, |(first, _)| first);
            lives[buffer] = Some(if keep_all { (0, usize::MAX) } else { (first, time) });
        }
    }
    let mut pending: Vec<(usize, BufferId)> = program
        .buffers
        .iter()
        .filter(|(_, buffer)| matches!(buffer.storage, Storage::Arena(_)))
        .map(|(id, buffer)| (buffer.bytes.next_multiple_of(ALIGNMENT), id))
        .collect();
    pending.sort_by_key(|&(bytes, id)| (std::cmp::Reverse(bytes), id));
    let mut placed: Vec<(usize, usize, (usize, usize))> = Vec::new();
    for (bytes, id) in pending {
        let Some(life) = lives[id] else {
            program.buffers[id].storage = Storage::Arena(0);
            continue;
        };
        let mut neighbours: Vec<(usize, usize)> = placed
            .iter()
            .filter(|&&(_, _, other)| life.0 <= other.1 && other.0 <= life.1)
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
        program.buffers[id].storage = Storage::Arena(start);
        program.arena_bytes = program.arena_bytes.max(end);
    }
    Ok(())
}
