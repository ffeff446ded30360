//! Sequences in an entry: a loop over the parts of the batch around all launches.

use crate::ClifError;
use crate::entry::{Entry, malformed};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use dlc_kernel::{Launch, Part, Sequence, Turns};

/// One part in the loop: its images, and what operands' places depend on.
struct Piece {
    count: Value,
    first: Value,
    strip: Value,
    run: Value,
}

impl Entry<'_, '_> {
    /// Does the launches of a sequence for all parts, or this thread's.
    pub(crate) fn sequence(&mut self, sequence: &Sequence, launches: &[Launch]) -> Result<(), ClifError> {
        let wrong = || malformed(self.program, "a sequence divides the batch into nothing");
        let number = |value: usize| i64::try_from(value).ok().filter(|&value| value > 0).ok_or_else(wrong);
        let (images, strips) = (number(sequence.images)?, number(sequence.strips)?);
        let alone = match sequence.turns {
            Turns::Together => None,
            Turns::Alone { parts } => Some(number(parts)?),
        };
        if alone.is_some() && launches.first().is_some_and(|launch| launch.barrier) {
            self.meet();
        }
        let parts = self.builder.ins().iadd_imm_s(self.batch, images - 1);
        let parts = self.divided(parts, images);
        let parts = self.builder.ins().imul_imm_s(parts, strips);
        let (first, end) = match alone {
            None => (self.builder.ins().iconst(types::I64, 0), parts),
            Some(length) => {
                let runs = self.builder.ins().iadd_imm_s(parts, length - 1);
                let runs = self.divided(runs, length);
                let (begin, end) = self.shares(runs);
                let [begin, end] = [begin, end].map(|run| self.builder.ins().imul_imm_s(run, length));
                (begin, self.builder.ins().smin(end, parts))
            }
        };
        let (head, body, done) =
            (self.builder.create_block(), self.builder.create_block(), self.builder.create_block());
        let part = self.builder.append_block_param(head, types::I64);
        self.builder.ins().jump(head, &[first.into()]);
        self.builder.switch_to_block(head);
        let more = self.builder.ins().icmp(IntCC::SignedLessThan, part, end);
        self.builder.ins().brif(more, body, &[], done, &[]);
        self.builder.switch_to_block(body);
        let piece = self.piece(part, images, strips, alone);
        for launch in launches {
            self.launch_part(launch, &piece, alone.is_some())?;
        }
        let next = self.builder.ins().iadd_imm_s(part, 1);
        self.builder.ins().jump(head, &[next.into()]);
        self.builder.switch_to_block(done);
        Ok(())
    }

    fn divided(&mut self, value: Value, by: i64) -> Value {
        match by {
            1 => value,
            _ => self.builder.ins().udiv_imm_s(value, by),
        }
    }

    fn piece(&mut self, part: Value, images: i64, strips: i64, run: Option<i64>) -> Piece {
        let block = self.divided(part, strips);
        let whole = self.builder.ins().imul_imm_s(block, strips);
        let strip = self.builder.ins().isub(part, whole);
        let first = self.builder.ins().imul_imm_s(block, images);
        let left = self.builder.ins().isub(self.batch, first);
        let most = self.builder.ins().iconst(types::I64, images);
        let count = self.builder.ins().smin(left, most);
        let run = match run {
            Some(length) => self.divided(part, length),
            None => self.builder.ins().iconst(types::I64, 0),
        };
        Piece { count, first, strip, run }
    }

    /// One launch for one part: all of it, or this thread's share.
    fn launch_part(&mut self, launch: &Launch, piece: &Piece, alone: bool) -> Result<(), ClifError> {
        let Some(part) = &launch.part else {
            return Err(malformed(self.program, "a launch of a sequence has no part"));
        };
        let kernel = self.kernel(launch)?;
        let total = self.total(&kernel.space, piece.count)?;
        let sizes: Vec<i64> = kernel.operands.iter().map(|operand| operand.dtype.size() as i64).collect();
        if alone {
            let starts = self.starts(part, piece, &sizes)?;
            let begin = self.builder.ins().iconst(types::I64, 0);
            return self.call(launch, [piece.count, begin, total], &starts);
        }
        self.meet();
        let (begin, end) = self.shares(total);
        self.where_some(begin, end, |entry| {
            let starts = entry.starts(part, piece, &sizes)?;
            entry.call(launch, [piece.count, begin, end], &starts)
        })
    }

    /// Bytes behind which operands of a part begin.
    fn starts(&mut self, part: &Part, piece: &Piece, sizes: &[i64]) -> Result<Vec<Option<Value>>, ClifError> {
        let mut starts = Vec::with_capacity(sizes.len());
        for (&size, steps) in sizes.iter().zip(&part.steps) {
            let mut sum = None;
            for (step, count) in
                [(steps.image, piece.first), (steps.strip, piece.strip), (steps.run, piece.run)]
            {
                if step > 0 {
                    let bytes = i64::try_from(step).ok().and_then(|step| step.checked_mul(size));
                    let bytes = bytes.ok_or_else(|| malformed(self.program, "a part is too far"))?;
                    let offset = self.builder.ins().imul_imm_s(count, bytes);
                    sum = Some(match sum {
                        Some(sum) => self.builder.ins().iadd(sum, offset),
                        None => offset,
                    });
                }
            }
            starts.push(sum);
        }
        Ok(starts)
    }
}
