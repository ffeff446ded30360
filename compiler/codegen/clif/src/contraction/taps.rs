//! Taps as loops: a list of offsets that is a grid becomes nested loops with constant steps; any other list
//! becomes a table in the frame that a loop reads.

use super::Plan;
use super::reduce::Level;
use crate::emitter::Emitter;
use crate::statement::access;
use cranelift_codegen::ir::{InstBuilder, StackSlot, StackSlotData, StackSlotKind, types};
use dlc_kernel::tap_grid;

/// The taps as levels of the reduction.
pub(super) fn levels(plan: &Plan<'_>) -> Vec<Level> {
    let taps = &plan.contraction.taps;
    match (plan.table, tap_grid(taps)) {
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
        if tap_grid(taps).is_some() {
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
