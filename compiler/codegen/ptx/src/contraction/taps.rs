//! Taps as loops: a list of offsets that is a grid becomes nested loops with constant steps; any other list
//! becomes a table in constant memory that a loop reads.

use super::reduce::Level;
use crate::emitter::Emitter;
use crate::register::{Class, Value};
use dlc_kernel::{Tap, tap_grid};

/// Alignment of tables in bytes.
const TABLE_ALIGNMENT: usize = 16;

/// Taps that are a grid as levels of a reduction.
pub(super) fn grid_levels(taps: &[Tap]) -> Option<Vec<Level>> {
    let levels = tap_grid(taps)?.into_iter().map(|(count, step)| Level::Span {
        start: Value::Integer(0),
        end: Value::Integer(count),
        strides: [step.lanes, step.rows],
    });
    Some(levels.collect())
}

impl Emitter<'_> {
    /// The taps as levels of the reduction, and the offsets that all of them share.
    pub(super) fn tap_levels(&mut self, taps: &[Tap]) -> (Vec<Level>, [i64; 2]) {
        if let (Some(levels), Some(first)) = (grid_levels(taps), taps.first()) {
            return (levels, [first.lanes, first.rows]);
        }
        let name = self.tap_table(taps);
        (vec![Level::Table { name, count: taps.len() as i64 }], [0, 0])
    }

    /// The pair of a table at an index.
    pub(super) fn table_entry(&mut self, name: &str, index: Value) -> [Value; 2] {
        let base = self.fresh(Class::Long);
        self.put(format!("mov.u64 {base}, {name};"));
        let (size, kind) = if self.wide { (8, "b64") } else { (4, "b32") };
        let place = self.element(base, index, 2 * size);
        [0, 1].map(|factor| {
            let offset = self.fresh(self.index_class());
            self.put(format!("ld.const.{kind} {offset}, [{place}+{}];", factor * size));
            offset
        })
    }

    /// A table of pairs of offsets, of the width of indices.
    pub(super) fn tap_table(&mut self, taps: &[Tap]) -> String {
        let name = format!("_taps_{}", self.name);
        let numbers: Vec<String> = taps.iter().map(|tap| format!("{}, {}", tap.lanes, tap.rows)).collect();
        let ((kind, size), count) = (if self.wide { ("b64", 8) } else { ("b32", 4) }, 2 * taps.len());
        self.constant_bytes += (count * size).next_multiple_of(TABLE_ALIGNMENT);
        self.tables.push(format!(
            ".const .align {TABLE_ALIGNMENT} .{kind} {name}[{count}] = {{{}}};",
            numbers.join(", ")
        ));
        name
    }
}
