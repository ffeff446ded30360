//! Hints for memory that is needed soon: nothing is read by them, and a wrong one does no harm.
//!
//! A tile's reduction is long beside the time that memory takes to answer, so what is asked for where a tile
//! begins is there where it ends: elements that its epilogue loads, and elements of the rows operand that the
//! next point of the parallel space reads first. Repeated single elements, as rows are read, do not let the
//! machine see by itself what comes next.

use crate::X86Error;
use crate::code::Address;
use crate::frame::PLACE;
use crate::plan::{Emitter, SIZE};
use crate::steps::{Access, Step};
use crate::tile::Tile;
use dlc_kernel::Role;
use iced_x86::code_asm::byte_ptr;
use iced_x86::code_asm::registers::gpr64::rdi;

/// Steps of a reduction during which elements can come from afar.
const LONG: i64 = 32;
/// Bytes that come at once.
const LINE: i64 = 64;
/// Lines of the rows operand that one tile asks for at most.
const MOST_LINES: i64 = 64;

impl Emitter<'_> {
    /// Asks for what this tile and the next point need.
    pub(crate) fn fetch_ahead(&mut self, tile: Tile) -> Result<(), X86Error> {
        if !self.ahead || self.tiling.steps < LONG {
            return Ok(());
        }
        self.fetch_rows(tile)?;
        self.fetch_for_epilogue(tile)
    }

    /// The elements under the last taps of the next point: of its taps these alone lie in a row that the
    /// current point has not read.
    fn fetch_rows(&mut self, tile: Tile) -> Result<(), X86Error> {
        let stride = self.strides(self.rows)[1];
        let outer = [Role::Sequential, Role::Parallel].map(|role| self.of_role(role));
        let next = outer.iter().find_map(|dims| dims.iter().rev().find(|&&dim| self.steps(dim)));
        let next = next.map_or(0, |&dim| self.strides(dim)[1]);
        let taps: Vec<i64> = self.contraction.taps.iter().map(|tap| tap.rows * SIZE).collect();
        let Some(&last) = taps.iter().max().filter(|_| next > 0 && stride > 0 && taps.len() > 1) else {
            return Ok(());
        };
        let first = taps.into_iter().filter(|&tap| tap > last - next).min().unwrap_or(last);
        let bytes = (stride * tile.rows as i64).min(MOST_LINES * LINE);
        // Both ends of the row, which meet where the tile is wide.
        let (middle, step) = (last.min(first + bytes), LINE as usize);
        for line in (first..middle).step_by(step).chain((last.max(middle)..last + bytes).step_by(step)) {
            let from = Address { base: PLACE[1], displacement: line + next };
            if i32::try_from(from.displacement).is_ok() {
                self.code.asm.prefetcht0(byte_ptr(from.operand()?))?;
            }
        }
        Ok(())
    }

    /// Whether a dimension has more than one step and moves the rows operand.
    fn steps(&self, number: usize) -> bool {
        self.dim(number).extent.fixed() != Some(1) && self.strides(number)[1] != 0
    }

    /// What the epilogue loads at each element.
    fn fetch_for_epilogue(&mut self, tile: Tile) -> Result<(), X86Error> {
        let Some(tail) = self.tail.clone() else { return Ok(()) };
        let width = self.vector_bytes();
        for step in &tail.steps {
            let Step::Load { at: Access { pointer, constant, row, lanes: true, size, .. }, .. } = *step
            else {
                continue;
            };
            let Some(slot) = self.pointers.get(pointer).filter(|_| row != 0) else { continue };
            self.code.asm.mov(rdi, slot.memory())?;
            for number in 0..tile.rows as i64 {
                for vector in 0..tile.vectors as i64 {
                    let along = vector * width * size / SIZE;
                    let displacement = constant + number * row + along;
                    if along % LINE == 0 {
                        let from = Address { base: rdi, displacement }.operand()?;
                        self.code.asm.prefetcht0(byte_ptr(from))?;
                    }
                }
            }
        }
        Ok(())
    }
}
