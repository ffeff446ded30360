//! Loops of loop kernels: one iteration after the other, or whole vectors of lanes and a masked rest.

use crate::frame::Slot;
use crate::loops::{Done, Lanes, LoopEmitter, Stop};
use crate::schedule::{invariants, pressure, span};
use dlc_kernel::{Carry, Loop, Statement, Var};
use iced_x86::code_asm::registers::gpr64::{r11, rax, rcx, rdi};
use iced_x86::code_asm::{AsmRegister64, CodeLabel};

/// Counts the iterations of an innermost loop down.
const COUNTER: AsmRegister64 = r11;
/// Vectors of a lanes loop that is written out, at most, and statements of all its copies.
const WRITTEN_VECTORS: i64 = 8;
const WRITTEN_STATEMENTS: i64 = 96;
/// Iterations of a lanes loop that are written out one behind the other, at most.
const UNROLL: usize = 4;

impl<'k> LoopEmitter<'k> {
    /// Start and end of a loop into new slots; jumps to `done` where it is empty.
    fn bounds(&mut self, nest: &Loop, done: CodeLabel) -> Result<(Slot, Slot), Stop> {
        let (at, end) = (self.slot()?, self.slot()?);
        let (last, first) = (self.lanes_of(&nest.end).0, self.lanes_of(&nest.start).0);
        self.form(&last)?;
        self.code.asm.mov(end.memory(), rax)?;
        self.form(&first)?;
        self.code.asm.mov(at.memory(), rax)?;
        self.indices.insert(nest.var, at);
        self.code.asm.cmp(rax, end.memory())?;
        self.code.asm.jge(done)?;
        Ok((at, end))
    }

    /// Makes room for a loop's own values, and loads what it needs from outside as far as there is room.
    fn prepare(&mut self, nest: &Loop, carried: usize) -> Done {
        let needed = pressure(&nest.body) + carried;
        let inside = invariants(nest);
        let held: Vec<Var> = self.registers.held.keys().copied().collect();
        for var in held {
            if self.registers.free_count() >= needed {
                break;
            }
            if !inside.contains(&var) && !nest.carries.iter().any(|carry| carry.initial == var) {
                self.registers.send_home(&mut self.code, var)?;
                self.registers.held.remove(&var);
            }
        }
        for var in inside {
            let ready = self.registers.held.contains_key(&var) || !self.registers.has_memory(var);
            if !ready && self.registers.free_count() > needed + 1 {
                self.registers.pinned.clear();
                self.registers.fetch(&mut self.code, var)?;
            }
        }
        Ok(())
    }

    /// A loop, one iteration after the other.
    pub(crate) fn rolled(&mut self, nest: &'k Loop, now: usize) -> Done {
        if nest.carries.iter().any(|carry| nest.carries.iter().any(|other| other.current == carry.next)) {
            return Err(Stop::Unsupported);
        }
        let mark = self.frame.mark();
        self.prepare(nest, nest.carries.len())?;
        for Carry { current, initial, dtype, .. } in &nest.carries {
            self.registers.pinned.clear();
            let from = self.registers.fetch(&mut self.code, *initial)?;
            let to = self.registers.make(&mut self.code, *current, *dtype)?;
            self.code.copy(to, from)?;
        }
        self.registers.pinned.clear();
        let places = self.registers.places();
        if !nest.carries.iter().all(|carry| self.registers.held.contains_key(&carry.current)) {
            return Err(Stop::Unsupported);
        }
        let (mut head, mut done) = (self.code.asm.create_label(), self.code.asm.create_label());
        let (at, end) = self.bounds(nest, done)?;
        let counts = self.is_innermost(&nest.body);
        if counts {
            self.begin_pointers(&nest.body)?;
            self.code.asm.mov(COUNTER, end.memory())?;
            self.code.asm.sub(COUNTER, at.memory())?;
        }
        self.code.place(&mut head)?;
        let next: Vec<Var> = nest.carries.iter().map(|carry| carry.next).collect();
        self.statements(&nest.body, now + 1, &next)?;
        self.registers.leave_elements(&mut self.code)?;
        let pairs: Vec<(Var, Var)> = nest.carries.iter().map(|carry| (carry.current, carry.next)).collect();
        self.registers.arrive(&mut self.code, &places, &pairs)?;
        if counts {
            self.move_pointers(nest.var, 1)?;
            self.code.asm.dec(COUNTER)?;
            self.code.asm.jne(head)?;
            self.pointers.clear();
        } else {
            self.code.asm.mov(rax, at.memory())?;
            self.code.asm.inc(rax)?;
            self.code.asm.mov(at.memory(), rax)?;
            self.code.asm.cmp(rax, end.memory())?;
            self.code.asm.jl(head)?;
        }
        self.code.place(&mut done)?;
        for Carry { current, result, dtype, .. } in &nest.carries {
            self.registers.rename(*current, *result);
            self.registers.set_dtype(*result, *dtype);
        }
        self.frame.release(mark);
        Ok(())
    }

    /// Whether a body has no loops but those that are written out, and computes no indices.
    fn is_innermost(&self, body: &[Statement]) -> bool {
        !body.iter().any(|statement| match statement {
            Statement::For(nest) => !nest.lanes || self.written_out(nest).is_none(),
            statement => matches!(statement, Statement::Index { .. }),
        })
    }

    /// First and last of a short lanes loop that is written out.
    fn written_out(&self, nest: &Loop) -> Option<(i64, i64)> {
        let (start, end) = nest.start.as_constant().zip(nest.end.as_constant())?;
        let plain = |statement: &Statement| !matches!(statement, Statement::For(_) | Statement::Index { .. });
        let vectors = (end - start + self.width() - 1) / self.width();
        let short = vectors <= WRITTEN_VECTORS
            && vectors * nest.body.iter().map(span).sum::<usize>() as i64 <= WRITTEN_STATEMENTS;
        (short && nest.body.iter().all(plain)).then_some((start, end))
    }

    pub(crate) fn width(&self) -> i64 {
        self.code.level.lanes_f32() as i64
    }

    /// A lanes loop: whole vectors, then the masked rest.
    pub(crate) fn lanes_loop(&mut self, nest: &'k Loop, now: usize) -> Done {
        if self.lanes.is_some() {
            return Err(Stop::Unsupported);
        }
        let mark = self.frame.mark();
        let partial = match self.written_out(nest) {
            Some((start, end)) => self.short_lanes(nest, now, start, end)?,
            None => self.long_lanes(nest, now)?,
        };
        self.lanes = None;
        self.join(nest, &partial)?;
        self.frame.release(mark);
        Ok(())
    }

    /// All vectors one behind the other; the partial results of what the loop carries.
    fn short_lanes(
        &mut self,
        nest: &'k Loop,
        now: usize,
        start: i64,
        end: i64,
    ) -> Result<Vec<Vec<Var>>, Stop> {
        let width = self.width();
        let partial = self.begin_partial(nest, 1)?;
        let own = self.pointers.is_empty();
        for (copy, first) in (start..end).step_by(width as usize).enumerate() {
            let masked = end - first < width;
            self.known.insert(nest.var, first);
            self.lanes = Some(Lanes { var: nest.var, masked, offset: 0 });
            if own && copy == 0 {
                self.begin_pointers(&nest.body)?;
            }
            if masked {
                self.first_lanes((end - first) as usize)?;
            }
            self.iteration(nest, now, &partial, 0)?;
            self.registers.leave_elements(&mut self.code)?;
        }
        if own {
            self.pointers.clear();
        }
        self.known.remove(&nest.var);
        Ok(partial)
    }

    /// Several vectors an iteration as long as there are so many, single ones, and the masked rest.
    fn long_lanes(&mut self, nest: &'k Loop, now: usize) -> Result<Vec<Vec<Var>>, Stop> {
        let width = self.width() * self.source.vectors.get(&nest.var).copied().unwrap_or(1);
        let innermost = self.is_innermost(&nest.body);
        let copies = self.copies(nest, innermost);
        self.prepare(nest, nest.carries.len() * copies)?;
        let partial = self.begin_partial(nest, copies)?;
        self.registers.pinned.clear();
        let places = self.registers.places();
        let mut done = self.code.asm.create_label();
        let (at, end) = self.bounds(nest, done)?;
        let fixed = nest.start.as_constant().zip(nest.end.as_constant()).map(|(start, end)| end - start);
        let mut vectors = vec![copies as i64, 1];
        vectors.dedup();
        for copies in vectors {
            if fixed.is_some_and(|length| length < copies * width) {
                continue;
            }
            let mut behind = self.code.asm.create_label();
            self.code.asm.mov(rax, end.memory())?;
            self.code.asm.sub(rax, at.memory())?;
            self.code.asm.cmp(rax, (copies * width) as i32)?;
            self.code.asm.jl(behind)?;
            self.lanes = Some(Lanes { var: nest.var, masked: false, offset: 0 });
            if innermost {
                self.begin_pointers(&nest.body)?;
                // The index is not read inside, so that it takes its last value before the loop.
                self.code.asm.mov(COUNTER, end.memory())?;
                self.code.asm.sub(COUNTER, at.memory())?;
                self.code.asm.sar(COUNTER, (copies * width).trailing_zeros())?;
                self.code.asm.imul_3(rax, COUNTER, (copies * width) as i32)?;
                self.code.asm.add(at.memory(), rax)?;
            }
            let mut head = self.code.asm.create_label();
            self.code.place(&mut head)?;
            for copy in 0..copies {
                self.lanes = Some(Lanes { var: nest.var, masked: false, offset: copy * width });
                self.iteration(nest, now, &partial, copy as usize)?;
                self.registers.leave_elements(&mut self.code)?;
            }
            self.registers.arrive(&mut self.code, &places, &[])?;
            if innermost {
                self.move_pointers(nest.var, copies * width)?;
                self.code.asm.dec(COUNTER)?;
                self.code.asm.jne(head)?;
                self.pointers.clear();
            } else {
                self.code.asm.mov(rax, at.memory())?;
                self.code.asm.add(rax, (copies * width) as i32)?;
                self.code.asm.mov(at.memory(), rax)?;
                self.code.asm.mov(rdi, end.memory())?;
                self.code.asm.sub(rdi, rax)?;
                self.code.asm.cmp(rdi, (copies * width) as i32)?;
                self.code.asm.jge(head)?;
            }
            self.code.place(&mut behind)?;
        }
        if fixed.is_none_or(|length| length % width != 0) {
            self.code.asm.mov(rcx, end.memory())?;
            self.code.asm.sub(rcx, at.memory())?;
            self.code.asm.jle(done)?;
            self.code.first_lanes(self.mask_table)?;
            self.lanes = Some(Lanes { var: nest.var, masked: true, offset: 0 });
            if innermost {
                self.begin_pointers(&nest.body)?;
            }
            self.iteration(nest, now, &partial, 0)?;
            self.registers.leave_elements(&mut self.code)?;
            self.pointers.clear();
            self.registers.arrive(&mut self.code, &places, &[])?;
        }
        self.code.place(&mut done)?;
        Ok(partial)
    }

    /// How many vectors an iteration takes: several where sums would wait for each other.
    fn copies(&self, nest: &Loop, innermost: bool) -> usize {
        let longest = nest.start.as_constant().zip(nest.end.as_constant()).map(|(start, end)| end - start);
        let fits = |copies: usize| {
            let statements: usize = nest.body.iter().map(span).sum();
            statements * copies <= WRITTEN_STATEMENTS as usize
                && longest.is_none_or(|length| length >= copies as i64 * self.width())
                && pressure(&nest.body) + copies * nest.carries.len() <= self.registers.count()
        };
        match innermost && !nest.carries.is_empty() {
            true => [UNROLL, 2].into_iter().find(|&copies| fits(copies)).unwrap_or(1),
            false => 1,
        }
    }
}
