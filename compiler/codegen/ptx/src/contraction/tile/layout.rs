//! How a factor's part of a tile lies in shared memory: lines along the reduction or along the tile, whichever way the
//! factor is contiguous in global memory, without gaps.
//!
//! Shared memory has 32 banks of a word; what a warp reads at once must not meet in one. Units of 16 bytes change
//! places within 128 bytes: by exclusive or with bits of the line's number, so that reading one unit of eight
//! neighbouring lines touches all banks once, and writing a line still touches each once. Words of `tf32` are read one
//! by one where lines lie along the tile: there, units of 32 bytes change places. Scalars along the tile are
//! read by vectors as they lie. For `wgmma` lines are of 128 bytes at most (`descriptor`), and a longer tile has panels.
//! The machine of `dlc-ptx-machine` counts accesses that meet (`tests/ptx/tiles.rs`, `tests/ptx/warpgroups.rs`).

use super::shape::{Products, Shape};
use crate::emitter::Emitter;
use crate::register::{Class, Value};
use std::collections::BTreeMap;

/// What runs along a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Along {
    /// Steps of the reduction, of one place in the tile.
    Depth,
    /// Places in the tile, of one step.
    Tile,
}

/// One factor's part of a tile in one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) along: Along,
    /// Bytes of an element.
    pub(super) element: u32,
    /// Elements of a line, and lines: powers of two.
    pub(super) line: u32,
    pub(super) lines: u32,
    /// Lines of a panel: behind all steps of as many places as a line has come those of the next places. There are
    /// several only where lines run along the tile.
    panel: u32,
    /// Bytes that change places together.
    unit: u32,
}

/// Bytes that all banks hold side by side.
const BANKS: u32 = 128;

impl Layout {
    /// Of a factor of which a tile has so many places.
    pub(super) fn new(shape: Shape, length: u32, along: Along) -> Layout {
        let element = if shape.products == Products::Bf16 { 2 } else { 4 };
        let (line, lines) = match along {
            Along::Depth => (shape.depth, length),
            Along::Tile => (length, shape.depth),
        };
        // `wgmma` takes no longer lines.
        let most = if shape.left.is_some() { BANKS / element } else { line };
        let (line, lines, panel) = match along {
            Along::Tile if line > most => (most, lines * (line / most), lines),
            _ => (line, lines, lines),
        };
        let unit = match (along, shape.products) {
            (Along::Tile, Products::Scalars) => BANKS,
            (Along::Tile, Products::Tf32) => 32,
            _ => 16,
        };
        Layout { along, element, line, lines, panel, unit }
    }

    pub(super) fn line_bytes(self) -> u32 {
        self.line * self.element
    }

    /// Bytes of a panel.
    pub(super) fn panel_bytes(self) -> u32 {
        self.panel * self.line_bytes()
    }

    /// Bytes of a stage.
    pub(super) fn bytes(self) -> u32 {
        self.lines * self.line_bytes()
    }

    /// Lines that share all banks, and the number of units of a line that change places.
    fn turning(self) -> (u32, u32) {
        let units = (self.line_bytes().min(BANKS) / self.unit).max(1);
        ((BANKS / self.line_bytes()).max(1), units)
    }

    /// What the places of a line's bytes are combined with by exclusive or.
    pub(super) fn turn(self, line: u32) -> u32 {
        let (shared, units) = self.turning();
        line / shared % units * self.unit
    }

    /// Line and byte in it of a place in the tile and a step of the reduction.
    pub(super) fn at(self, place: u32, depth: u32) -> (u32, u32) {
        match self.along {
            Along::Depth => (place, depth * self.element),
            Along::Tile => (place / self.line * self.panel + depth, place % self.line * self.element),
        }
    }

    /// Place in the tile and step of the reduction of a line's element.
    pub(super) fn placed(self, line: u32, at: u32) -> (u32, u32) {
        match self.along {
            Along::Depth => (line, at),
            Along::Tile => (line / self.panel * self.line + at, line % self.panel),
        }
    }
}

/// An address in a stage, and what else has been worked out from it.
pub(super) struct Reader {
    pub(super) layout: Layout,
    turned: BTreeMap<u32, Value>,
}

impl Emitter<'_> {
    /// The address of a place and a step in the first stage. `base` is a multiple of all banks' bytes.
    pub(super) fn spot(&mut self, layout: Layout, base: Value, place: Value, depth: Value) -> Value {
        let (line, at) = match layout.along {
            Along::Depth => (place, depth),
            Along::Tile => self.in_panels(layout, place, depth),
        };
        let bytes = self.word_mad(at, i64::from(layout.element), base);
        let straight = self.word_mad(line, i64::from(layout.line_bytes()), bytes);
        let (shared, units) = layout.turning();
        if units == 1 || line == Value::Integer(0) {
            return straight;
        }
        let number = |count: u32| Value::Integer(i64::from(count));
        let first = number(shared.trailing_zeros());
        let turn = self.ins(Class::Word, "bfe.u32", &[line, first, number(units.trailing_zeros())]);
        let turn = self.ins(Class::Word, "shl.b32", &[turn, number(layout.unit.trailing_zeros())]);
        self.ins(Class::Word, "xor.b32", &[straight, turn])
    }

    /// The line and the element in it of a place and a step, where lines run along the tile.
    fn in_panels(&mut self, layout: Layout, place: Value, depth: Value) -> (Value, Value) {
        if layout.panel == layout.lines {
            return (depth, place);
        }
        let number = |count: u32| Value::Integer(i64::from(count));
        let panel = self.ins(Class::Word, "shr.u32", &[place, number(layout.line.trailing_zeros())]);
        let at = self.ins(Class::Word, "and.b32", &[place, number(layout.line - 1)]);
        (self.word_mad(panel, i64::from(layout.panel), depth), at)
    }

    /// Place and step of an element of a line.
    pub(super) fn placed_at(&mut self, layout: Layout, line: Value, at: Value) -> (Value, Value) {
        let number = Value::Integer(i64::from(layout.panel));
        match layout.along {
            Along::Depth => (line, at),
            Along::Tile if layout.panel == layout.lines => (at, line),
            Along::Tile => {
                let panel = self.index_quotient(line, number);
                let depth = self.index_remainder(line, number, panel);
                (self.index_mad(panel, i64::from(layout.line), at), depth)
            }
        }
    }

    /// Reads around an address of [`spot`](Self::spot), `stage` bytes further.
    pub(super) fn reader(&mut self, layout: Layout, spot: Value, stage: Value) -> Reader {
        let at = self.ins(Class::Word, "add.s32", &[spot, stage]);
        Reader { layout, turned: BTreeMap::from([(0, at)]) }
    }

    /// The address of a place and a step further: numbers that have no bit in common with those of the address.
    pub(super) fn reach(&mut self, reader: &mut Reader, place: u32, depth: u32) -> String {
        let layout = reader.layout;
        let (line, byte) = layout.at(place, depth);
        let within = if layout.turning().1 == 1 { 0 } else { byte % BANKS / 16 * 16 };
        let turn = within ^ layout.turn(line);
        let address = match (reader.turned.get(&turn), reader.turned.get(&0)) {
            (Some(&known), _) => known,
            (None, Some(&plain)) => {
                let turned = self.ins(Class::Word, "xor.b32", &[plain, Value::Integer(i64::from(turn))]);
                reader.turned.insert(turn, turned);
                turned
            }
            (None, None) => Value::Integer(0),
        };
        crate::memory::place(address, i64::from(line * layout.line_bytes() + byte - within))
    }

    /// An index in a 32-bit register.
    pub(super) fn narrowed_index(&mut self, value: Value) -> Value {
        match value {
            Value::Register(Class::Long, _) => self.ins(Class::Word, "cvt.u32.u64", &[value]),
            other => other,
        }
    }

    /// `a * factor + b` in 32 bits.
    pub(super) fn word_mad(&mut self, a: Value, factor: i64, b: Value) -> Value {
        match (a, b) {
            (Value::Integer(0), _) => b,
            (Value::Integer(number), _) => {
                self.ins(Class::Word, "add.s32", &[b, Value::Integer(number * factor)])
            }
            (_, Value::Integer(0)) => self.ins(Class::Word, "mul.lo.s32", &[a, Value::Integer(factor)]),
            _ => self.ins(Class::Word, "mad.lo.s32", &[a, Value::Integer(factor), b]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::warpgroups::Left;
    use super::*;

    fn layouts() -> Vec<Layout> {
        let mut all = Vec::new();
        for products in [Products::Scalars, Products::Tf32, Products::Bf16] {
            for depth in [4, 8, 16, 32] {
                for length in [16, 32, 64, 128] {
                    let shape = Shape { depth, products, ..Shape::example() };
                    for left in [None, Some(Left::Rows)] {
                        let shape = Shape { left, ..shape };
                        all.extend(
                            [Along::Depth, Along::Tile].map(|along| Layout::new(shape, length, along)),
                        );
                    }
                }
            }
        }
        all
    }

    /// The byte of an element.
    fn byte(layout: Layout, place: u32, depth: u32) -> u32 {
        let (line, at) = layout.at(place, depth);
        line * layout.line_bytes() + (at ^ layout.turn(line))
    }

    #[test]
    fn elements_have_places_of_their_own() {
        for layout in layouts() {
            let (length, depth) = match layout.along {
                Along::Depth => (layout.lines, layout.line),
                Along::Tile => (layout.line * (layout.lines / layout.panel), layout.panel),
            };
            let mut all: Vec<u32> =
                (0..length).flat_map(|place| (0..depth).map(move |step| byte(layout, place, step))).collect();
            all.sort_unstable();
            let whole: Vec<u32> = (0..layout.bytes()).step_by(layout.element as usize).collect();
            assert_eq!(all, whole, "{layout:?}");
            for line in 0..layout.lines {
                let (place, depth) = layout.placed(line, layout.line - 1);
                assert_eq!(layout.at(place, depth), (line, layout.line_bytes() - layout.element));
            }
        }
    }

    #[test]
    fn neighbouring_lines_touch_all_banks() {
        for layout in layouts().into_iter().filter(|layout| layout.unit == 16 && layout.line_bytes() >= 16) {
            let mut banks: Vec<u32> = (0..8.min(layout.lines))
                .map(|line| (line * layout.line_bytes() + layout.turn(line)) % BANKS)
                .collect();
            banks.sort_unstable();
            banks.dedup();
            assert_eq!(banks.len() as u32, 8.min(layout.lines), "{layout:?}");
        }
    }
}
