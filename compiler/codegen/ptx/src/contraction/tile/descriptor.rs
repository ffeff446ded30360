//! Descriptors of matrices in shared memory, as `wgmma` wants them (PTX ISA 8.0, *Matrix Descriptor Format*): the address
//! in units of 16 bytes in bits 0 to 13, two distances in such units from bits 16 and 32 on, and in bits 62 and 63 how
//! many units of a line change places.
//!
//! Lines of a layout are of 32, 64 or 128 bytes, and their units change places as the manual's modes have it, since a
//! stage's parts begin at multiples of eight lines ([`PATTERN`]). Along the reduction eight lines are followed by the
//! next eight places, a *stride* further; the other distance is not used. Along the tile eight lines are followed by
//! the next eight steps, and a tile that is longer than a line has several panels of all steps, a *leading* distance
//! apart.

use super::layout::{Along, Layout};
use crate::emitter::Emitter;
use crate::register::{Class, Value};

/// Bytes that divide where a matrix begins: those of eight of the longest lines.
pub(super) const PATTERN: u32 = 1024;

/// Bytes of the unit that addresses and distances are counted in.
const UNIT: u32 = 16;

/// A matrix that a layout is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix {
    layout: Layout,
}

impl Matrix {
    pub(super) fn new(layout: Layout) -> Matrix {
        Matrix { layout }
    }

    /// Whether lines run along the tile.
    pub(super) fn transposed(self) -> bool {
        self.layout.along == Along::Tile
    }

    /// All but the address.
    fn fields(self) -> u64 {
        let line = self.layout.line_bytes();
        let mode = match line {
            128 => 1,
            64 => 2,
            _ => 3,
        };
        let leading = if self.transposed() { self.layout.panel_bytes() / UNIT } else { 1 };
        mode << 62 | u64::from(8 * line / UNIT) << 32 | u64::from(leading) << 16
    }

    /// Units between the first step and another.
    pub(super) fn steps(self, depth: u32) -> u32 {
        let bytes = if self.transposed() { self.layout.line_bytes() } else { self.layout.element };
        depth * bytes / UNIT
    }

    /// Units between the first place and one that is a whole number of patterns further.
    pub(super) fn places(self, count: u32) -> u32 {
        match self.transposed() {
            true => count / self.layout.line * self.layout.panel_bytes() / UNIT,
            false => count * self.layout.line_bytes() / UNIT,
        }
    }
}

impl Emitter<'_> {
    /// The descriptor of a matrix at an address.
    pub(super) fn descriptor(&mut self, matrix: Matrix, base: Value) -> Value {
        let shift = Value::Integer(i64::from(UNIT.trailing_zeros()));
        let units = self.ins(Class::Word, "shr.u32", &[base, shift]);
        let wide = self.ins(Class::Long, "cvt.u64.u32", &[units]);
        self.ins(Class::Long, "or.b64", &[wide, Value::Integer(matrix.fields() as i64)])
    }

    /// A descriptor so many bytes further.
    pub(super) fn staged(&mut self, descriptor: Value, stage: Value) -> Value {
        let shift = Value::Integer(i64::from(UNIT.trailing_zeros()));
        let units = self.ins(Class::Word, "shr.u32", &[stage, shift]);
        let wide = self.ins(Class::Long, "cvt.u64.u32", &[units]);
        self.ins(Class::Long, "add.s64", &[descriptor, wide])
    }

    /// The name of a descriptor so many units further.
    pub(super) fn further(&mut self, descriptor: Value, units: u32) -> String {
        if units == 0 {
            return descriptor.to_string();
        }
        self.ins(Class::Long, "add.s64", &[descriptor, Value::Integer(i64::from(units))]).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::super::shape::{Products, Shape};
    use super::super::warpgroups::Left;
    use super::*;

    fn matrix(products: Products, depth: u32, length: u32, along: Along) -> Matrix {
        let shape = Shape { products, depth, left: Some(Left::Rows), ..Shape::example() };
        Matrix::new(Layout::new(shape, length, along))
    }

    #[test]
    fn fields_are_those_of_canonical_layouts() {
        let fields = |products, depth, length, along| {
            let bits = matrix(products, depth, length, along).fields();
            (bits >> 62, bits >> 16 & 0x3FFF, bits >> 32 & 0x3FFF)
        };
        // Mode, leading and stride: eight lines of 64, 128 and 32 bytes.
        assert_eq!(fields(Products::Tf32, 16, 128, Along::Depth), (2, 1, 32));
        assert_eq!(fields(Products::Tf32, 32, 64, Along::Depth), (1, 1, 64));
        assert_eq!(fields(Products::Bf16, 16, 64, Along::Depth), (3, 1, 16));
        // Two panels of 32 steps of 64 places.
        assert_eq!(fields(Products::Bf16, 32, 128, Along::Tile), (1, 256, 64));
        assert_eq!(fields(Products::Bf16, 32, 32, Along::Tile), (2, 128, 32));
    }

    #[test]
    fn steps_and_places_are_further_by_units() {
        assert_eq!(matrix(Products::Tf32, 16, 128, Along::Depth).steps(8), 2);
        assert_eq!(matrix(Products::Bf16, 32, 128, Along::Depth).steps(16), 2);
        assert_eq!(matrix(Products::Bf16, 32, 128, Along::Tile).steps(16), 128);
        assert_eq!(matrix(Products::Bf16, 32, 128, Along::Depth).places(64), 256);
        assert_eq!(matrix(Products::Bf16, 32, 128, Along::Tile).places(64), 256);
    }
}
