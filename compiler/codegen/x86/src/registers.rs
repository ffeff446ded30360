//! Vector registers of values: a value has one from its definition to its last use, if there are enough.
//!
//! In loop kernels, values may also have a *home*: a place outside of the vector registers that holds them
//! for good, since values never change. A value in a home is loaded when it is used, or is read in place by
//! an instruction; where no register is free, the value whose next use is farthest is moved home, to a slot
//! of the frame if it has no other home.

use crate::Level;
use crate::code::{Address, Code};
use crate::constants::Number;
use crate::loops::{Done, Stop};
use crate::schedule::Schedule;
use dlc_kernel::Var;
use dlc_types::{DType, index::EntityIndex};
use iced_x86::code_asm::AsmMemoryOperand;
use iced_x86::code_asm::registers::gpr64::r10;
use std::collections::BTreeMap;

/// How many uses away a value is taken to be further because moving it home costs no store.
const HOMELY: usize = 24;
/// Numbers of values that no kernel has begin here.
const FIRST_FRESH: usize = 1 << 30;

/// Where a value lies beside its register.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Home {
    /// A vector of the frame.
    Slot(usize),
    /// Behind the code.
    Number(Number),
    /// In an operand: a whole vector, or one element that all lanes share.
    Element { address: Address, repeated: bool },
    /// A condition in a mask register.
    Mask(usize),
}

/// A value as the last operand of an instruction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operand {
    Register(usize),
    /// A whole vector in memory.
    Memory(AsmMemoryOperand),
    /// An element in memory that the instruction repeats; AVX-512 only.
    Repeated(AsmMemoryOperand),
}

/// Which values are where.
#[derive(Clone, Debug)]
pub(crate) struct Registers {
    /// Of the frame's vectors and masks.
    level: Level,
    pub(crate) held: BTreeMap<Var, usize>,
    all: Vec<usize>,
    pub(crate) homes: BTreeMap<Var, Home>,
    types: BTreeMap<Var, DType>,
    schedule: Schedule,
    /// The number of the current statement.
    pub(crate) now: usize,
    /// Values that the current instruction needs where they are.
    pub(crate) pinned: Vec<Var>,
    /// Values that end with the current statement.
    pub(crate) dying: Vec<Var>,
    /// Values that are needed behind their last use in the kernel.
    pub(crate) kept: Vec<Var>,
    /// Whether values may have homes.
    homely: bool,
    /// Vectors of the frame that were in use at once.
    pub(crate) slots: usize,
    fresh: usize,
}

impl Registers {
    /// All registers of a loop kernel, whose values may have homes.
    pub(crate) fn new(level: Level, schedule: Schedule) -> Registers {
        let mut registers = Registers::within(0..level.registers() - level.reserved(false));
        registers.level = level;
        registers.schedule = schedule;
        registers.homely = true;
        registers
    }

    /// These registers, none of which holds anything yet.
    pub(crate) fn within(numbers: std::ops::Range<usize>) -> Registers {
        Registers {
            level: Level::Avx2,
            held: BTreeMap::new(),
            all: numbers.collect(),
            homes: BTreeMap::new(),
            types: BTreeMap::new(),
            schedule: Schedule::default(),
            now: 0,
            pinned: Vec::new(),
            dying: Vec::new(),
            kept: Vec::new(),
            homely: false,
            slots: 0,
            fresh: FIRST_FRESH,
        }
    }

    /// Whether values may have homes.
    pub(crate) fn homely(&self) -> bool {
        self.homely
    }

    /// The register of a value.
    pub(crate) fn of(&self, var: Var) -> Result<usize, Stop> {
        self.held.get(&var).copied().ok_or(Stop::Unsupported)
    }

    fn free(&self) -> Option<usize> {
        self.all.iter().copied().find(|number| !self.held.values().any(|held| held == number))
    }

    /// How many registers hold nothing.
    pub(crate) fn free_count(&self) -> usize {
        self.all.len().saturating_sub(self.held.len())
    }

    /// How many registers there are.
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// Whether a value can be loaded into a register.
    pub(crate) fn has_memory(&self, var: Var) -> bool {
        self.homes.get(&var).is_some_and(|home| !matches!(home, Home::Mask(_)))
    }

    /// A register for a new value.
    pub(crate) fn define(&mut self, var: Var) -> Result<usize, Stop> {
        let register = self.free().ok_or(Stop::Unsupported)?;
        self.held.insert(var, register);
        Ok(register)
    }

    /// A value that is in a register outside of these, which is among them from the value's end on.
    pub(crate) fn hold(&mut self, var: Var, register: usize) {
        self.held.insert(var, register);
    }

    /// Ends a value, if it has a register or a home.
    pub(crate) fn end(&mut self, var: Var) {
        self.homes.remove(&var);
        self.release(var);
    }

    /// Takes a value's register away, if it has one.
    pub(crate) fn release(&mut self, var: Var) {
        if let Some(register) = self.held.remove(&var)
            && !self.all.contains(&register)
        {
            self.all.push(register);
        }
    }

    /// Gives a value's places to another value.
    pub(crate) fn rename(&mut self, from: Var, to: Var) {
        if let Some(register) = self.held.remove(&from) {
            self.held.insert(to, register);
        }
        if let Some(home) = self.homes.remove(&from) {
            self.homes.insert(to, home);
        }
    }

    /// A value that the kernel does not have.
    pub(crate) fn fresh(&mut self) -> Var {
        self.fresh += 1;
        Var::from_usize(self.fresh)
    }

    /// The element type of a value; `f32` where nothing else is known.
    pub(crate) fn dtype(&self, var: Var) -> DType {
        self.types.get(&var).copied().unwrap_or(DType::F32)
    }

    /// Sets the element type of a value.
    pub(crate) fn set_dtype(&mut self, var: Var, dtype: DType) {
        self.types.insert(var, dtype);
    }

    /// A mask register that holds no condition.
    pub(crate) fn free_mask(&self) -> Option<usize> {
        let taken = |mask: usize| self.homes.values().any(|home| matches!(home, Home::Mask(m) if *m == mask));
        (self.homely && self.level == Level::Avx512).then(|| (3..8).find(|&mask| !taken(mask))).flatten()
    }

    /// A vector of the frame.
    fn slot(&self, slot: usize) -> Address {
        Address { base: r10, displacement: (slot * 4 * self.level.lanes_f32()) as i64 }
    }

    /// Puts a value that has a register into a slot of the frame as well, if it has no home.
    pub(crate) fn send_home(&mut self, code: &mut Code, var: Var) -> Done {
        if self.homes.contains_key(&var) {
            return Ok(());
        }
        let taken = |slot: usize| self.homes.values().any(|home| matches!(home, Home::Slot(s) if *s == slot));
        let slot = (0..).find(|&slot| !taken(slot)).unwrap_or_default();
        self.slots = self.slots.max(slot + 1);
        code.store(self.slot(slot), self.of(var)?, false)?;
        self.homes.insert(var, Home::Slot(slot));
        Ok(())
    }

    fn next_use(&self, var: Var) -> Option<usize> {
        let next = self.schedule.next_use(var, self.now);
        next.or_else(|| self.kept.contains(&var).then_some(usize::MAX - 1))
    }

    /// Frees a register if none is free.
    fn make_room(&mut self, code: &mut Code) -> Done {
        if self.free().is_some() {
            return Ok(());
        }
        if !self.homely {
            return Err(Stop::Unsupported);
        }
        let distance = |var: &Var| match self.next_use(*var) {
            None => usize::MAX,
            Some(next) if self.homes.contains_key(var) => next.saturating_add(HOMELY),
            Some(next) => next,
        };
        let evicted = self.held.keys().copied().filter(|var| !self.pinned.contains(var)).max_by_key(distance);
        let evicted = evicted.ok_or(Stop::Unsupported)?;
        if self.next_use(evicted).is_some() {
            self.send_home(code, evicted)?;
        }
        self.held.remove(&evicted);
        Ok(())
    }

    /// A register for a new value; others may have to go home.
    pub(crate) fn make(&mut self, code: &mut Code, var: Var, dtype: DType) -> Result<usize, Stop> {
        self.make_room(code)?;
        self.types.insert(var, dtype);
        self.define(var)
    }

    /// Loads a value from its home into a register.
    pub(crate) fn load(&self, code: &mut Code, register: usize, home: Home) -> Done {
        match home {
            Home::Slot(slot) => code.load(register, self.slot(slot), false)?,
            Home::Number(number) => code.load_number(register, number)?,
            Home::Element { address, repeated: false } => code.load(register, address, false)?,
            Home::Element { address, repeated: true } => code.broadcast(register, address)?,
            Home::Mask(mask) => code.expand_mask(register, mask)?,
        }
        Ok(())
    }

    /// The register of a value, which is loaded if it is at home.
    pub(crate) fn fetch(&mut self, code: &mut Code, var: Var) -> Result<usize, Stop> {
        self.pinned.push(var);
        if let Some(&register) = self.held.get(&var) {
            return Ok(register);
        }
        let home = *self.homes.get(&var).ok_or(Stop::Unsupported)?;
        self.make_room(code)?;
        let register = self.define(var)?;
        self.load(code, register, home)?;
        Ok(register)
    }

    /// A value as the last operand of an instruction: read in place where it is not needed again, or where
    /// no register is free.
    pub(crate) fn operand(&mut self, code: &mut Code, var: Var, dying: bool) -> Result<Operand, Stop> {
        let in_place = !self.held.contains_key(&var) && (dying || self.free().is_none());
        if in_place {
            match (self.homes.get(&var), code.level) {
                (Some(Home::Slot(slot)), _) => return Ok(Operand::Memory(self.slot(*slot).operand()?)),
                (Some(Home::Element { address, repeated: false }), _) => {
                    return Ok(Operand::Memory(address.operand()?));
                }
                (Some(Home::Element { address, repeated: true }), Level::Avx512) => {
                    return Ok(Operand::Repeated(address.operand()?));
                }
                (Some(Home::Number(number)), Level::Avx512) => {
                    return Ok(Operand::Repeated(number.label.into()));
                }
                (Some(Home::Number(number)), Level::Avx2) => return Ok(Operand::Memory(number.label.into())),
                _ => {}
            }
        }
        Ok(Operand::Register(self.fetch(code, var)?))
    }

    /// Values that lie in operands of the kernel leave them: memory or pointers are about to change.
    pub(crate) fn leave_elements(&mut self, code: &mut Code) -> Done {
        let there: Vec<Var> = self
            .homes
            .iter()
            .filter(|(_, home)| matches!(home, Home::Element { .. }))
            .map(|(var, _)| *var)
            .collect();
        for var in there {
            self.pinned.clear();
            self.fetch(code, var)?;
            self.homes.remove(&var);
        }
        Ok(())
    }
}
