//! The epilogue at a tile: one vector of lanes after the other, all of its rows.
//!
//! Values that are the same in all rows are made once for a column of rows, as many as there are registers
//! for. An accumulator is free for other values once its row is done with it.

use crate::code::{Address, Code, ymm, zmm};
use crate::constants::Constants;
use crate::epilogue::Tail;
use crate::frame::{PLACE, Slot};
use crate::loops::{Done, Stop};
use crate::operations::Operations;
use crate::plan::{Emitter, SIZE};
use crate::points::Points;
use crate::registers::Registers;
use crate::steps::{Access, Step, Sum};
use crate::tile::Tile;
use crate::{Level, X86Error};
use dlc_kernel::Var;
use dlc_types::DType;
use iced_x86::code_asm::registers::gpr32::eax;
use iced_x86::code_asm::registers::gpr64::{r11, rcx, rdi, rdx, rsi};
use iced_x86::code_asm::registers::k::k2;
use iced_x86::code_asm::{AsmRegister64, byte_ptr, qword_ptr, xmmword_ptr};

/// Registers of an epilogue's first pointers. The result's own pointer follows where no tile reads it.
const POINTERS: [AsmRegister64; 5] = [rcx, rdx, rsi, r11, PLACE[2]];

/// Emission of one vector of lanes of a tile.
pub(crate) struct Column<'a> {
    pub(crate) tail: &'a Tail,
    pub(crate) code: &'a mut Code,
    pub(crate) constants: &'a mut Constants,
    pub(crate) points: &'a Points,
    pub(crate) registers: Registers,
    /// Where the pointers are.
    pub(crate) slots: &'a [Slot],
    /// Whether the result's own pointer serves nothing else.
    pub(crate) result_is_free: bool,
    pub(crate) masked: bool,
    /// Bytes from the tile's first lane.
    pub(crate) displacement: i64,
}

impl Column<'_> {
    fn held_pointers(&self) -> usize {
        POINTERS.len() - usize::from(!self.result_is_free)
    }

    /// Loads the pointers that have registers.
    fn begin(&mut self) -> Result<(), X86Error> {
        let held = self.held_pointers();
        for (&register, slot) in POINTERS.iter().zip(self.slots).take(held) {
            self.code.asm.mov(register, slot.memory())?;
        }
        Ok(())
    }

    fn address(&mut self, at: Access, row: usize) -> Result<Address, X86Error> {
        let lanes = if at.lanes { self.displacement * at.size / SIZE } else { 0 };
        let displacement = at.constant + at.row * row as i64 + lanes;
        if at.pointer < self.held_pointers() {
            return Ok(Address { base: POINTERS[at.pointer], displacement });
        }
        if let Some(slot) = self.slots.get(at.pointer) {
            self.code.asm.mov(rdi, slot.memory())?;
        }
        Ok(Address { base: rdi, displacement })
    }

    /// The whole column; `rows` gives the register of each row's sum. With `first`, sums are put in place of
    /// what is there, otherwise added to it.
    pub(crate) fn whole(&mut self, kept: usize, rows: impl Iterator<Item = usize>, first: bool) -> Done {
        let tail = self.tail;
        let mut before = Vec::new();
        let mut steps = Vec::new();
        for (step, same) in tail.steps.iter().zip(&tail.same) {
            if *same && before.len() < kept { before.push(step) } else { steps.push(step) }
        }
        for step in &before {
            self.step(step, 0)?;
        }
        for (row, sum) in rows.enumerate() {
            self.registers.hold(tail.value, sum);
            self.registers.set_dtype(tail.value, tail.sum);
            self.row(&steps, row)?;
        }
        for step in before {
            step.result().into_iter().for_each(|value| self.registers.end(value));
        }
        tail.sums.iter().try_for_each(|sum| self.write(sum, first))
    }

    fn row(&mut self, steps: &[&Step], row: usize) -> Done {
        let tail = self.tail;
        let mut own = vec![tail.value];
        for at in 0..=steps.len() {
            own.retain(|value| {
                let needed = steps[at..].iter().any(|step| step.uses().contains(value));
                if !needed {
                    self.registers.end(*value);
                }
                needed
            });
            let Some(step) = steps.get(at) else { break };
            self.step(step, row)?;
            own.extend(step.result());
        }
        Ok(())
    }

    fn step(&mut self, step: &Step, row: usize) -> Done {
        match step {
            Step::Let { result, dtype, op, args } => {
                let mut operations = Operations {
                    code: self.code,
                    registers: &mut self.registers,
                    constants: self.constants,
                    points: self.points,
                };
                operations.operation(*result, *dtype, *op, args)
            }
            Step::Load { result, at } => {
                let vector = self.registers.define(*result)?;
                let address = self.address(*at, row)?;
                self.registers.set_dtype(*result, at.dtype);
                match at.lanes {
                    _ if at.dtype == DType::Bool => self.load_condition(vector, address, at.lanes)?,
                    lanes if at.dtype.is_narrow() => {
                        self.code.load_narrow(at.dtype, vector, address, (lanes, self.masked))?;
                    }
                    true => self.code.load(vector, address, self.masked)?,
                    false => self.code.broadcast(vector, address)?,
                }
                Ok(())
            }
            Step::Store { value, at } => {
                let vector = self.registers.of(*value)?;
                let address = self.address(*at, row)?;
                if !at.dtype.is_narrow() {
                    return Ok(self.code.store(address, vector, self.masked)?);
                }
                let scratch = self.tail.scratch;
                let spare = match self.code.level {
                    Level::Avx512 => vector,
                    Level::Avx2 => self.registers.define(scratch)?,
                };
                let vectors = [vector, spare];
                self.code.store_narrow(self.constants, at.dtype, address, vectors, self.masked)?;
                self.registers.end(scratch);
                Ok(())
            }
            Step::Sum { number, value } => {
                let sum = self.tail.sums.get(*number).ok_or(Stop::Unsupported)?;
                self.add_to(sum.running, *value, row == 0)
            }
        }
    }

    /// Bytes of 0 or 1 as all bits or none.
    fn load_condition(&mut self, vector: usize, address: Address, lanes: bool) -> Done {
        let from = address.operand()?;
        match (lanes, self.code.level, self.masked) {
            (false, ..) => {
                self.code.asm.movzx(eax, byte_ptr(from))?;
                self.code.asm.neg(eax)?;
                self.code.broadcast_eax(vector)?;
            }
            (true, Level::Avx512, masked) => {
                let vector = zmm(vector)?;
                let to = if masked { vector.k1().z() } else { vector };
                self.code.asm.vpmovzxbd(to, xmmword_ptr(from))?;
                self.code.asm.vptestmd(k2, vector, vector)?;
                self.code.asm.vpmovm2d(vector, k2)?;
            }
            (true, Level::Avx2, false) => {
                let vector = ymm(vector)?;
                self.code.asm.vpmovzxbd(vector, qword_ptr(from))?;
                self.code.asm.vpslld(vector, vector, 31)?;
                self.code.asm.vpsrad(vector, vector, 31)?;
            }
            // No instruction of this level reads some bytes of eight.
            (true, Level::Avx2, true) => return Err(Stop::Unsupported),
        }
        Ok(())
    }

    fn add_to(&mut self, running: Var, value: Var, first: bool) -> Done {
        let vector = self.registers.of(value)?;
        if first {
            let running = self.registers.define(running)?;
            return Ok(self.code.copy(running, vector)?);
        }
        Ok(self.code.add_vectors(self.registers.of(running)?, vector)?)
    }

    fn write(&mut self, sum: &Sum, first: bool) -> Done {
        let running = self.registers.of(sum.running)?;
        let address = self.address(sum.at, 0)?;
        if !first {
            let before = self.registers.define(self.tail.scratch)?;
            self.code.load(before, address, self.masked)?;
            self.code.add_vectors(running, before)?;
            self.registers.end(self.tail.scratch);
        }
        self.code.store(address, running, self.masked)?;
        self.registers.end(sum.running);
        Ok(())
    }
}

impl Emitter<'_> {
    /// The epilogue at a tile whose sums are complete.
    pub(crate) fn epilogue(&mut self, tail: &Tail, tile: Tile) -> Result<(), X86Error> {
        let level = self.code.level;
        let end = level.registers() - level.reserved(self.gathers);
        let taken = tile.vectors * tile.rows;
        let kept = tail.kept(level, &self.points, end - taken).ok_or(X86Error::TooFar)?;
        let first = self.sums_fit_one_tile();
        let width = self.vector_bytes();
        let mut column = Column {
            tail,
            code: &mut self.code,
            constants: &mut self.numbers,
            points: &self.points,
            registers: Registers::within(taken..end),
            slots: &self.pointers,
            result_is_free: !self.contraction.accumulate,
            masked: false,
            displacement: 0,
        };
        column.begin()?;
        for vector in 0..tile.vectors {
            column.masked = tile.cuts(vector);
            column.displacement = vector as i64 * width;
            let rows = (0..tile.rows).map(|row| tile.sum(0, row, vector));
            column.whole(kept, rows, first).map_err(Stop::refusal)?;
        }
        Ok(())
    }
}
