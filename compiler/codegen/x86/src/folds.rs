//! What loops over lanes carry: partial results in several vectors, joined in a fixed order behind the loop.
//!
//! Each lane of each vector combines the elements that it sees; lanes behind the mask of a tail keep what they
//! have. Then vectors are joined pairwise, lanes by halves, and the value before the loop comes first.

use crate::loops::{Done, LoopEmitter, Stop};
use dlc_kernel::{Binary, Carry, Combine, Loop, ScalarOp, Var};
use dlc_types::DType;

fn operation(combine: Combine) -> ScalarOp {
    ScalarOp::Binary(match combine {
        Combine::Sum => Binary::Add,
        Combine::Product => Binary::Multiply,
        Combine::Max => Binary::Max,
        Combine::Min => Binary::Min,
    })
}

/// Bits of the number that changes nothing.
fn identity(carry: &Carry) -> Result<u32, Stop> {
    let combine = carry.combine.ok_or(Stop::Unsupported)?;
    Ok(match (carry.dtype, combine) {
        (DType::F32 | DType::I32, Combine::Sum) => 0,
        (DType::F32, Combine::Product) => 1.0_f32.to_bits(),
        (DType::F32, Combine::Max) => f32::NEG_INFINITY.to_bits(),
        (DType::F32, Combine::Min) => f32::INFINITY.to_bits(),
        (DType::I32, Combine::Product) => 1,
        (DType::I32, Combine::Max) => i32::MIN as u32,
        (DType::I32, Combine::Min) => i32::MAX as u32,
        _ => return Err(Stop::Unsupported),
    })
}

impl<'k> LoopEmitter<'k> {
    /// Partial results that have seen nothing, for each carry one per copy of the body.
    pub(crate) fn begin_partial(&mut self, nest: &Loop, copies: usize) -> Result<Vec<Vec<Var>>, Stop> {
        let mut partial = Vec::new();
        for carry in &nest.carries {
            let bits = identity(carry)?;
            let mut vectors = Vec::new();
            for _ in 0..copies {
                let var = self.registers.fresh();
                self.registers.pinned.clear();
                let number = self.constants.number(&mut self.code, bits);
                let register = self.registers.make(&mut self.code, var, carry.dtype)?;
                self.code.load_number(register, number)?;
                vectors.push(var);
            }
            partial.push(vectors);
        }
        // What changes in a loop must have a register at its beginning.
        if !partial.iter().flatten().all(|var| self.registers.held.contains_key(var)) {
            return Err(Stop::Unsupported);
        }
        Ok(partial)
    }

    /// One vector of a lanes loop, onto the given copy of partial results.
    pub(crate) fn iteration(
        &mut self,
        nest: &'k Loop,
        now: usize,
        partial: &[Vec<Var>],
        copy: usize,
    ) -> Done {
        let mine: Vec<(Var, &Carry)> =
            partial.iter().filter_map(|vectors| vectors.get(copy).copied()).zip(&nest.carries).collect();
        for &(var, carry) in &mine {
            self.registers.rename(var, carry.current);
            self.registers.set_dtype(carry.current, carry.dtype);
        }
        let next: Vec<Var> = nest.carries.iter().map(|carry| carry.next).collect();
        let masked = self.lanes.is_some_and(|lanes| lanes.masked);
        if masked {
            // Lanes behind the mask go on with what they have.
            self.registers.kept.extend(nest.carries.iter().map(|carry| carry.current));
        }
        self.statements(&nest.body, now + 1, &next)?;
        for &(var, carry) in &mine {
            self.registers.pinned.clear();
            if masked {
                let to = self.registers.fetch(&mut self.code, carry.current)?;
                let from = self.registers.fetch(&mut self.code, carry.next)?;
                self.code.copy_masked(to, from)?;
                self.registers.homes.remove(&carry.current);
                self.registers.end(carry.next);
            } else {
                self.registers.pinned.push(carry.current);
                self.registers.assign(&mut self.code, carry.current, carry.next)?;
            }
            self.registers.rename(carry.current, var);
        }
        self.registers.kept.clear();
        Ok(())
    }

    /// The results of a lanes loop, repeated in all lanes.
    pub(crate) fn join(&mut self, nest: &Loop, partial: &[Vec<Var>]) -> Done {
        for (carry, vectors) in nest.carries.iter().zip(partial) {
            let op = operation(carry.combine.ok_or(Stop::Unsupported)?);
            let mut vectors = vectors.clone();
            while vectors.len() > 1 {
                let mut joined = Vec::new();
                for pair in vectors.chunks(2) {
                    joined.push(match *pair {
                        [a, b] => self.combined(op, carry.dtype, a, b, true)?,
                        _ => *pair.first().ok_or(Stop::Unsupported)?,
                    });
                }
                vectors = joined;
            }
            let mut total = *vectors.first().ok_or(Stop::Unsupported)?;
            let mut distance = self.code.level.lanes_f32() / 2;
            while distance > 0 {
                self.registers.pinned.clear();
                let from = self.registers.fetch(&mut self.code, total)?;
                let other = self.registers.fresh();
                let to = self.registers.make(&mut self.code, other, carry.dtype)?;
                self.code.exchange(to, from, distance)?;
                total = self.combined(op, carry.dtype, total, other, true)?;
                distance /= 2;
            }
            let result = self.combined(op, carry.dtype, carry.initial, total, false)?;
            self.registers.end(total);
            self.registers.rename(result, carry.result);
            self.registers.set_dtype(carry.result, carry.dtype);
        }
        Ok(())
    }

    /// `a op b`; the operands end if told so.
    fn combined(&mut self, op: ScalarOp, dtype: DType, a: Var, b: Var, ends: bool) -> Result<Var, Stop> {
        let result = self.registers.fresh();
        if ends {
            self.registers.dying = vec![a, b];
        }
        self.operation(result, dtype, op, &[a, b])?;
        if ends {
            self.registers.end(a);
            self.registers.end(b);
        }
        Ok(result)
    }
}
