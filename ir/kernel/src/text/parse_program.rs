//! Kernels and programs.

use super::cursor::{Cursor, Parsed, entity};
use crate::{
    Body, Border, BorderAxis, Buffer, BufferId, Kernel, KernelId, Launch, LoopBody, Operand, Part, Program,
    Repetition, RepetitionId, Round, Sequence, SequenceId, Steps, Storage, Stride, Turns,
};

impl Cursor<'_> {
    pub(super) fn kernel(&mut self) -> Parsed<Kernel> {
        self.keyword("kernel")?;
        let name = self.quoted()?;
        let operands = self.list("(", ")", Self::operand)?;
        self.operands.clone_from(&operands);
        self.keyword("space")?;
        let space = self.list("[", "]", Self::dim)?;
        let contraction = self.eat_word("contraction");
        self.symbol("{")?;
        let body = if contraction {
            Body::Contraction(self.contraction()?)
        } else {
            let coordinates =
                if self.eat_word("at") { self.list("(", ")", Self::index_var)? } else { Vec::new() };
            Body::Loop(LoopBody { coordinates, statements: self.block()? })
        };
        Ok(Kernel { name, operands, space, body })
    }

    fn operand(&mut self) -> Parsed<Operand> {
        let name = self.name()?;
        self.symbol(":")?;
        let dtype = self.dtype()?;
        let reads = self.eat_word("read");
        let writes = self.eat_word("write");
        Ok(Operand { name, dtype, writes, reads })
    }

    pub(super) fn program(&mut self) -> Parsed<Program> {
        self.keyword("program")?;
        let name = self.quoted()?;
        self.keyword("arena")?;
        let mut program = Program { name, arena_bytes: self.number()?, ..Program::default() };
        if self.eat_word("thread") {
            program.thread_bytes = self.number()?;
        }
        if self.eat_word("prologue") {
            program.prologue = self.number()?;
        }
        self.symbol("{")?;
        while self.eat_word("buffer") {
            let id: BufferId = self.buffer_id()?;
            let buffer = self.buffer()?;
            if program.buffers.push(buffer) != id {
                return self.error(format_args!("{id} is out of order"));
            }
        }
        while self.peek_word() == Some("kernel") {
            program.kernels.push(self.kernel()?);
        }
        while self.eat_word("sequence") {
            let id: SequenceId = self.word("a sequence", |word| entity(word, "s"))?;
            let sequence = self.sequence()?;
            if program.sequences.push(sequence) != id {
                return self.error(format_args!("{id} is out of order"));
            }
        }
        while self.eat_word("repetition") {
            let id: RepetitionId = self.repetition_id()?;
            self.keyword("times")?;
            let repetition = Repetition { times: self.number()? };
            if program.repetitions.push(repetition) != id {
                return self.error(format_args!("{id} is out of order"));
            }
        }
        while !self.eat("}") {
            program.launches.push(self.launch()?);
        }
        Ok(program)
    }

    fn buffer_id(&mut self) -> Parsed<BufferId> {
        self.word("a buffer", |word| entity(word, "b"))
    }

    fn buffer(&mut self) -> Parsed<Buffer> {
        let name = self.quoted()?;
        let dtype = self.dtype()?;
        let bytes = self.number()?;
        self.keyword("bytes")?;
        let place =
            self.word("`arena`, `thread`, `persistent`, `constants` or `binding`", |word| match word {
                "arena" => Some(Storage::Arena as fn(usize) -> Storage),
                "thread" => Some(Storage::Thread),
                "persistent" => Some(Storage::Persistent),
                "constants" => Some(Storage::Constants),
                "binding" => Some(Storage::Binding),
                _ => None,
            })?;
        let storage = if self.eat_word("unplanned") { place(usize::MAX) } else { place(self.number()?) };
        let border = if self.eat_word("border") {
            Some(Border { axes: self.list("[", "]", Self::border_axis)? })
        } else {
            None
        };
        Ok(Buffer { name, dtype, bytes, storage, border })
    }

    fn border_axis(&mut self) -> Parsed<BorderAxis> {
        let low = self.number()?;
        self.symbol("+")?;
        let length = self.number()?;
        self.symbol("+")?;
        Ok(BorderAxis { low, length, high: self.number()? })
    }

    fn launch(&mut self) -> Parsed<Launch> {
        let barrier = self.eat_word("barrier");
        self.keyword("launch")?;
        let kernel: KernelId = self.word("a kernel", |word| entity(word, "k"))?;
        let arguments = self.list("(", ")", Self::buffer_id)?;
        let part = if self.eat_word("in") {
            let sequence = self.word("a sequence", |word| entity(word, "s"))?;
            self.keyword("step")?;
            Some(Part { sequence, steps: self.list("[", "]", Self::steps)? })
        } else {
            None
        };
        let mut rounds = Vec::new();
        while self.eat_word("of") {
            let repetition = self.repetition_id()?;
            self.keyword("stride")?;
            rounds.push(Round { repetition, strides: self.list("[", "]", Self::stride)? });
        }
        Ok(Launch { kernel, arguments, barrier, part, rounds })
    }

    fn repetition_id(&mut self) -> Parsed<RepetitionId> {
        self.word("a repetition", |word| entity(word, "r"))
    }

    fn stride(&mut self) -> Parsed<Stride> {
        self.symbol("(")?;
        let first = self.number()?;
        self.symbol(",")?;
        let step = self.integer()?;
        self.symbol(",")?;
        let period = self.number()?;
        self.symbol(")")?;
        Ok(Stride { first, step, period })
    }

    fn sequence(&mut self) -> Parsed<Sequence> {
        self.keyword("images")?;
        let images = self.number()?;
        self.keyword("strips")?;
        let strips = self.number()?;
        let turns = if self.eat_word("together") {
            Turns::Together
        } else {
            self.keyword("alone")?;
            Turns::Alone { parts: self.number()? }
        };
        Ok(Sequence { images, strips, turns })
    }

    fn steps(&mut self) -> Parsed<Steps> {
        self.symbol("(")?;
        let image = self.number()?;
        self.symbol(",")?;
        let strip = self.number()?;
        self.symbol(",")?;
        let run = self.number()?;
        self.symbol(")")?;
        Ok(Steps { image, strip, run })
    }
}
