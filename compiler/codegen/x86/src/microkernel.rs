//! One register tile: where its sums start, the steps of its reduction, and where the sums go.
//!
//! Vector registers, from 0: sums (chain by chain, row by row), vectors of the current step, one repeated
//! element. Registers are renamed by the machine, so that one register for repeated elements does not hold
//! anything up.

use crate::code::{Address, Code};
use crate::frame::{CURSOR, PLACE};
use crate::plan::{Emitter, Idle};
use crate::primitives::Two;
use crate::products::{HIGHEST, Product};
use crate::registers::Operand;
use crate::tile::Tile;
use crate::{Level, X86Error};

/// Numbers of the vector registers of a tile.
impl Tile {
    pub(crate) fn sum(&self, chain: usize, row: usize, vector: usize) -> usize {
        (chain * self.rows + row) * self.vectors + vector
    }

    fn sums(&self) -> usize {
        self.vectors * self.rows * self.chains
    }

    fn vector(&self, vector: usize) -> usize {
        // With one row there is never more than one vector held.
        self.sums() + if self.rows == 1 { 0 } else { vector }
    }

    fn repeated(&self) -> usize {
        self.sums() + if self.rows == 1 { 1 } else { self.vectors }
    }

    /// A register for products that are not added by the instruction that makes them.
    fn spare(&self) -> usize {
        self.repeated() + 1
    }

    pub(crate) fn cuts(&self, vector: usize) -> bool {
        self.masked && vector + 1 == self.vectors
    }
}

impl Emitter<'_> {
    /// A whole tile.
    pub(crate) fn tile(&mut self, tile: Tile) -> Result<(), X86Error> {
        self.fetch_ahead(tile)?;
        self.start(tile)?;
        match self.idle {
            Idle::Never => self.reduction(tile)?,
            Idle::Always => {}
            Idle::When(slot) => {
                let mut idle = self.code.asm.create_label();
                self.code.asm.cmp(slot.memory(), 0)?;
                self.code.asm.jne(idle)?;
                self.reduction(tile)?;
                self.code.place(&mut idle)?;
            }
        }
        self.finish(tile)
    }

    /// An element of the tile in the result.
    fn result(&self, row: usize, vector: usize) -> Address {
        let displacement = row as i64 * self.strides(self.rows)[2] + self.vector_bytes() * vector as i64;
        Address { base: PLACE[2], displacement }
    }

    /// Bytes of a vector.
    pub(crate) fn vector_bytes(&self) -> i64 {
        (self.code.level.lanes_f32() * 4) as i64
    }

    /// Zeros, or what the result holds.
    fn start(&mut self, tile: Tile) -> Result<(), X86Error> {
        let elements = tile.vectors * tile.rows;
        for sum in elements..tile.sums() {
            self.code.zero(sum)?;
        }
        if self.contraction.accumulate {
            return self.held(tile);
        }
        let Some(fresh) = self.fresh else { return self.zeros(elements) };
        let (mut again, mut ready) = (self.code.asm.create_label(), self.code.asm.create_label());
        self.code.asm.cmp(fresh.memory(), 0)?;
        self.code.asm.je(again)?;
        self.zeros(elements)?;
        self.code.asm.jmp(ready)?;
        self.code.place(&mut again)?;
        self.held(tile)?;
        self.code.place(&mut ready)
    }

    fn zeros(&mut self, elements: usize) -> Result<(), X86Error> {
        (0..elements).try_for_each(|sum| self.code.zero(sum))
    }

    fn held(&mut self, tile: Tile) -> Result<(), X86Error> {
        for row in 0..tile.rows {
            for vector in 0..tile.vectors {
                self.code.load(tile.sum(0, row, vector), self.result(row, vector), tile.cuts(vector))?;
            }
        }
        Ok(())
    }

    /// Adds the chains up in pairs and writes the result, or does what the epilogue says.
    fn finish(&mut self, tile: Tile) -> Result<(), X86Error> {
        let mut chains = tile.chains;
        while chains > 1 {
            chains /= 2;
            for chain in 0..chains {
                for row in 0..tile.rows {
                    for vector in 0..tile.vectors {
                        let [sum, other] = [chain, chain + chains].map(|chain| tile.sum(chain, row, vector));
                        match self.product {
                            Product::Floats => self.code.add_vectors(sum, other)?,
                            _ => self.code.two(Two::AddIntegers, sum, sum, Operand::Register(other))?,
                        }
                    }
                }
            }
        }
        if let Some(tail) = self.tail.clone() {
            return self.epilogue(&tail, tile);
        }
        for row in 0..tile.rows {
            for vector in 0..tile.vectors {
                self.code.store(self.result(row, vector), tile.sum(0, row, vector), tile.cuts(vector))?;
            }
        }
        Ok(())
    }

    /// One step of the reduction, at so many bytes from the cursors, added to one chain.
    pub(crate) fn step(&mut self, tile: Tile, at: [i64; 2], chain: usize) -> Result<(), X86Error> {
        let [lanes_base, rows_base] = CURSOR;
        let gathers = self.gathers;
        let bytes = match gathers {
            true => self.strides(self.lanes)[0] * self.code.level.lanes_f32() as i64,
            false => self.vector_bytes(),
        };
        let lanes = |vector: usize| Address { base: lanes_base, displacement: at[0] + vector as i64 * bytes };
        let take = |code: &mut Code, vector: usize| match gathers {
            true => code.gather(tile.vector(vector), lanes(vector), tile.cuts(vector)),
            false => code.load(tile.vector(vector), lanes(vector), tile.cuts(vector)),
        };
        let stride = self.strides(self.rows)[1];
        let element = |row: usize| Address { base: rows_base, displacement: at[1] + row as i64 * stride };
        if self.pairs {
            return self.paired_step(tile, lanes, element, chain);
        }
        let (product, spare) = (self.product, tile.spare());
        let whole = product.reads_memory() && !gathers;
        if tile.rows == 1 {
            self.repeat(tile.repeated(), element(0))?;
            for vector in 0..tile.vectors {
                let sum = tile.sum(chain, 0, vector);
                if !whole || tile.cuts(vector) {
                    take(&mut self.code, vector)?;
                    self.code.add_product(product, sum, [tile.repeated(), tile.vector(vector), spare])?;
                } else {
                    self.code.add_product_of_memory(product, sum, tile.repeated(), lanes(vector), spare)?;
                }
            }
            return Ok(());
        }
        for vector in 0..tile.vectors {
            take(&mut self.code, vector)?;
        }
        for row in 0..tile.rows {
            if tile.vectors == 1 && product == Product::Floats {
                let sum = tile.sum(chain, row, 0);
                self.code.multiply_add_repeated(sum, tile.vector(0), element(row), tile.repeated())?;
                continue;
            }
            self.repeat(tile.repeated(), element(row))?;
            for vector in 0..tile.vectors {
                let sum = tile.sum(chain, row, vector);
                self.code.add_product(product, sum, [tile.repeated(), tile.vector(vector), spare])?;
            }
        }
        Ok(())
    }

    /// `vector` = an element of the rows operand in all lanes, as it is multiplied.
    fn repeat(&mut self, vector: usize, element: Address) -> Result<(), X86Error> {
        self.code.broadcast(vector, element)?;
        if !matches!(self.product, Product::Bytes { turns: true, .. }) {
            return Ok(());
        }
        let highest = self.numbers.number(&mut self.code, HIGHEST);
        let highest = match self.code.level {
            Level::Avx512 => Operand::Repeated(highest.label.into()),
            Level::Avx2 => Operand::Memory(highest.label.into()),
        };
        self.code.two(Two::Xor, vector, vector, highest)
    }

    /// One step where each lane multiplies an element of its own, from the first vectors of both operands.
    fn paired_step(
        &mut self,
        tile: Tile,
        lanes: impl Fn(usize) -> Address,
        element: impl Fn(usize) -> Address,
        chain: usize,
    ) -> Result<(), X86Error> {
        let bytes = self.vector_bytes();
        for vector in 0..tile.vectors {
            self.code.load(tile.vector(vector), lanes(vector), tile.cuts(vector))?;
            for row in 0..tile.rows {
                let (sum, first) = (tile.sum(chain, row, vector), element(row));
                let own = Address { displacement: first.displacement + vector as i64 * bytes, ..first };
                if tile.cuts(vector) {
                    self.code.load(tile.repeated(), own, true)?;
                    self.code.multiply_add(sum, tile.vector(vector), tile.repeated())?;
                } else {
                    self.code.multiply_add_memory(sum, tile.vector(vector), own)?;
                }
            }
        }
        Ok(())
    }
}
