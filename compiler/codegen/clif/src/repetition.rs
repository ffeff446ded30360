//! Repetitions in an entry: a loop over rounds around their launches.

use crate::ClifError;
use crate::entry::{Entry, malformed};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use dlc_kernel::{Launch, RepetitionId, Stride};
use std::ops::Range;

impl Entry<'_, '_> {
    /// Does launches in order; `depth` repetitions are open around them.
    pub(crate) fn launches(&mut self, launches: Range<usize>, depth: usize) -> Result<(), ClifError> {
        let program = self.program;
        for (repetition, range) in program.blocks(launches, depth) {
            match repetition {
                Some(repetition) => self.repetition(repetition, range, depth)?,
                None => self.in_order(&program.launches[range])?,
            }
        }
        Ok(())
    }

    fn repetition(
        &mut self,
        repetition: RepetitionId,
        launches: Range<usize>,
        depth: usize,
    ) -> Result<(), ClifError> {
        let times =
            self.program.repetitions.get(repetition).and_then(|found| i64::try_from(found.times).ok());
        let times = times.ok_or_else(|| malformed(self.program, "a repetition has no number of rounds"))?;
        let (head, body, done) =
            (self.builder.create_block(), self.builder.create_block(), self.builder.create_block());
        let round = self.builder.append_block_param(head, types::I64);
        let first = self.builder.ins().iconst(types::I64, 0);
        self.builder.ins().jump(head, &[first.into()]);
        self.builder.switch_to_block(head);
        let end = self.builder.ins().iconst(types::I64, times);
        let more = self.builder.ins().icmp(IntCC::SignedLessThan, round, end);
        self.builder.ins().brif(more, body, &[], done, &[]);
        self.builder.switch_to_block(body);
        self.rounds.push(round);
        self.launches(launches, depth + 1)?;
        self.rounds.pop();
        let next = self.builder.ins().iadd_imm_s(round, 1);
        self.builder.ins().jump(head, &[next.into()]);
        self.builder.switch_to_block(done);
        Ok(())
    }

    /// Bytes behind which an operand begins in this round; nothing where it lies at its buffer's start.
    pub(crate) fn round_start(
        &mut self,
        launch: &Launch,
        operand: usize,
        size: usize,
    ) -> Result<Option<Value>, ClifError> {
        let mut start = None;
        for (number, round) in launch.rounds.iter().enumerate() {
            let none = || malformed(self.program, "a launch stands apart from its repetition");
            let counter = self.rounds.get(number).copied().ok_or_else(none)?;
            let stride = round.strides.get(operand).copied().unwrap_or(Stride::STILL);
            if let Some(offset) = self.stride_start(stride, round.repetition, counter, size)? {
                start = Some(match start {
                    Some(start) => self.builder.ins().iadd(start, offset),
                    None => offset,
                });
            }
        }
        Ok(start)
    }

    fn stride_start(
        &mut self,
        stride: Stride,
        repetition: RepetitionId,
        round: Value,
        size: usize,
    ) -> Result<Option<Value>, ClifError> {
        let far = || malformed(self.program, "a round is too far");
        let times = self.program.repetitions.get(repetition).map_or(1, |found| found.times);
        let size = i64::try_from(size).map_err(|_| far())?;
        let bytes = |elements: i64| elements.checked_mul(size).ok_or_else(far);
        let first = bytes(i64::try_from(stride.first).map_err(|_| far())?)?;
        if stride.is_still(times) {
            return Ok((first != 0).then(|| self.builder.ins().iconst(types::I64, first)));
        }
        let step = bytes(stride.step)?;
        let number = if stride.period < times {
            let period = i64::try_from(stride.period).map_err(|_| far())?;
            let period = self.builder.ins().iconst(types::I64, period);
            self.builder.ins().urem(round, period)
        } else {
            round
        };
        let moved = self.builder.ins().imul_imm_s(number, step);
        Ok(Some(self.builder.ins().iadd_imm_s(moved, first)))
    }
}
