//! Taps as loops: a list of offsets that is a grid becomes nested loops with constant steps; any other list
//! becomes a table in the frame that a loop reads.

use super::Plan;
use super::reduce::Level;
use crate::emitter::Emitter;
use crate::statement::access;
use cranelift_codegen::ir::{InstBuilder, StackSlot, StackSlotData, StackSlotKind, types};
use dlc_kernel::Tap;

/// The nested loops that visit the taps in order, outermost first, if there are such.
fn grid(taps: &[Tap]) -> Option<Vec<(i64, Tap)>> {
    let step = |from: &Tap, to: &Tap| Tap {
        lanes: to.lanes.wrapping_sub(from.lanes),
        rows: to.rows.wrapping_sub(from.rows),
    };
    let (first, second) = match taps {
        [] | [_] => return Some(Vec::new()),
        [first, second, ..] => (first, second),
    };
    let inner = step(first, second);
    let run = taps.windows(2).take_while(|pair| step(&pair[0], &pair[1]) == inner).count() + 1;
    if !taps.len().is_multiple_of(run) {
        return None;
    }
    let regular =
        taps.chunks(run).all(|chunk| chunk.windows(2).all(|pair| step(&pair[0], &pair[1]) == inner));
    if !regular {
        return None;
    }
    let heads: Vec<Tap> = taps.iter().step_by(run).copied().collect();
    let mut loops = grid(&heads)?;
    loops.push((run as i64, inner));
    Some(loops)
}

/// The taps as levels of the reduction.
pub(super) fn levels(plan: &Plan<'_>) -> Vec<Level> {
    let taps = &plan.contraction.taps;
    match (plan.table, grid(taps)) {
        (None, Some(loops)) => loops
            .into_iter()
            .map(|(count, step)| Level::Fixed {
                count,
                steps: [step.lanes.wrapping_mul(plan.size), step.rows.wrapping_mul(plan.size)],
            })
            .collect(),
        _ => vec![Level::Table { count: taps.len() as i64 }],
    }
}

/// The offset of the first tap, in bytes; taps of a grid are told from there.
pub(super) fn origin(plan: &Plan<'_>) -> [i64; 2] {
    match (plan.table, plan.contraction.taps.first()) {
        (None, Some(tap)) => [tap.lanes.wrapping_mul(plan.size), tap.rows.wrapping_mul(plan.size)],
        _ => [0, 0],
    }
}

impl Emitter<'_, '_> {
    /// Writes the taps' byte offsets into the frame, where they follow no grid.
    pub(super) fn tap_table(&mut self, plan: &Plan<'_>) -> Option<StackSlot> {
        let taps = &plan.contraction.taps;
        if grid(taps).is_some() {
            return None;
        }
        let bytes = u32::try_from(taps.len() * 16).unwrap_or(u32::MAX);
        let slot =
            self.builder.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 3));
        let table = self.builder.ins().stack_addr(types::I64, slot, 0);
        for (number, tap) in taps.iter().enumerate() {
            for (half, offset) in [tap.lanes, tap.rows].into_iter().enumerate() {
                let offset = self.int(offset.wrapping_mul(plan.size));
                self.builder.ins().store(access(), offset, table, (number * 16 + half * 8) as i32);
            }
        }
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(height: i64, width: i64) -> Vec<Tap> {
        (0..height)
            .flat_map(|r| {
                (0..width).map(move |s| Tap { lanes: (r * width + s) * 64, rows: r * 1000 + s * 16 })
            })
            .collect()
    }

    #[test]
    fn a_window_is_two_loops() {
        let loops = grid(&window(3, 3)).unwrap_or_default();
        assert_eq!(loops, [(3, Tap { lanes: 192, rows: 1000 }), (3, Tap { lanes: 64, rows: 16 })]);
        assert_eq!(grid(&window(1, 1)), Some(Vec::new()));
        assert_eq!(grid(&window(1, 5)).map(|loops| loops.len()), Some(1));
    }

    #[test]
    fn a_ragged_list_is_no_grid() {
        let mut taps = window(3, 3);
        taps.remove(4);
        assert_eq!(grid(&taps), None);
    }
}
