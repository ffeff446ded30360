//! A program's launches on the machine that executes PTX: memory with a place for every storage, and the order in which
//! repetitions and parts of sequences come.

use dlc_codegen_ptx::{Architecture, Math, Module, Options, Source, alignments, emit_module};
use dlc_compiler::Compilation;
use dlc_kernel::{Launch, Piece, Program, Storage};
use dlc_ptx_machine::{Argument, Launch as DeviceLaunch, Memory, Module as Text};
use dlc_types::index::EntityIndex;
use std::ops::Range;

/// Most blocks along the first direction of a grid.
const MOST_BLOCKS: usize = (1 << 31) - 1;

/// The number of blocks of a launch, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocks(pub(crate) u32);

impl Blocks {
    /// The blocks of a launch that takes place; `None` where there is no work.
    pub(crate) fn checked(count: Option<usize>) -> Result<Option<Blocks>, String> {
        match count {
            Some(0) => Ok(None),
            Some(count @ 1..=MOST_BLOCKS) => Ok(Some(Blocks(count as u32))),
            _ => Err(format!("{count:?} blocks are too many for a grid")),
        }
    }
}

/// Memory of a device in which one function runs.
pub(crate) struct Device {
    memory: Memory,
    arena: u64,
    /// What parts of sequences leave for one another; launches follow one another, so one is enough.
    scratch: u64,
    persistent: u64,
    constants: u64,
    bindings: Vec<u64>,
}

impl Device {
    /// Memory for the first function of a compilation.
    pub(crate) fn new(compilation: &Compilation) -> Device {
        let mut memory = Memory::new();
        let program = &compilation.functions[0].lowered.program;
        let mut zeroed = |bytes: usize| memory.store(&vec![0; bytes]);
        let (arena, scratch) = (zeroed(program.arena_bytes), zeroed(program.thread_bytes));
        let persistent = zeroed(compilation.interface.persistent_bytes);
        let constants = memory.store(&compilation.interface.constants);
        Device { memory, arena, scratch, persistent, constants, bindings: Vec::new() }
    }

    /// Binds the next input.
    pub(crate) fn bind(&mut self, bytes: &[u8]) {
        let address = self.memory.store(bytes);
        self.bindings.push(address);
    }

    /// Binds the next output, whose bytes nobody has written yet.
    pub(crate) fn bind_output(&mut self, bytes: usize) -> u64 {
        let address = self.memory.allocate(bytes);
        self.bindings.push(address);
        address
    }

    /// Bytes of the device.
    pub(crate) fn read(&mut self, address: u64, bytes: usize) -> Result<Vec<u8>, String> {
        self.memory.read(address, bytes).map(<[u8]>::to_vec).map_err(|fault| fault.to_string())
    }

    /// Runs all launches in order.
    pub(crate) fn run(&mut self, program: &Program, batch: usize) -> Result<(), String> {
        let names: Vec<String> = program.kernels.indices().map(|id| format!("kernel_{id}")).collect();
        let alignments = alignments(program);
        let kernels: Vec<Source<'_>> = names
            .iter()
            .zip(program.kernels.values().zip(alignments.values()))
            .map(|(name, (kernel, alignments))| Source { name, kernel, alignments })
            .collect();
        let options = Options { architecture: Architecture::Sm80, math: Math::F32, batch_max: batch };
        let module = emit_module(&program.name, &kernels, options).map_err(|error| error.to_string())?;
        let text = Text::parse(&module.text).map_err(|fault| format!("{fault}\n{}", module.text))?;
        let mut run = Run { device: self, program, module: &module, text: &text, batch, rounds: Vec::new() };
        run.blocks(0..program.launches.len())
    }
}

/// Launches of a program on the way.
struct Run<'a> {
    device: &'a mut Device,
    program: &'a Program,
    module: &'a Module,
    text: &'a Text,
    batch: usize,
    /// The round of every repetition around this place, outermost first.
    rounds: Vec<usize>,
}

impl Run<'_> {
    fn blocks(&mut self, launches: Range<usize>) -> Result<(), String> {
        for (repetition, range) in self.program.blocks(launches, self.rounds.len()) {
            let Some(repetition) = repetition else {
                self.in_order(range)?;
                continue;
            };
            for round in 0..self.program.repetitions[repetition].times {
                self.rounds.push(round);
                self.blocks(range.clone())?;
                self.rounds.pop();
            }
        }
        Ok(())
    }

    /// Launches and sequences that stand in no more repetitions.
    fn in_order(&mut self, launches: Range<usize>) -> Result<(), String> {
        let mut rest = &self.program.launches[launches];
        while let Some(launch) = rest.first() {
            let of = |launch: &Launch| launch.part.as_ref().map(|part| part.sequence);
            let count = match of(launch) {
                Some(sequence) => rest.iter().take_while(|other| of(other) == Some(sequence)).count(),
                None => 1,
            };
            let (now, later) = rest.split_at(count);
            match self.program.sequence(launch).copied() {
                Some(sequence) => {
                    for number in 0..sequence.parts(self.batch) {
                        let piece = sequence.piece(number, self.batch);
                        now.iter().try_for_each(|launch| self.launch(launch, Some(piece)))?;
                    }
                }
                None => self.launch(launch, None)?,
            }
            rest = later;
        }
        Ok(())
    }

    fn launch(&mut self, launch: &Launch, piece: Option<Piece>) -> Result<(), String> {
        let batch = piece.map_or(self.batch, |piece| piece.count);
        let entry = &self.module.entries[launch.kernel.as_usize()];
        let Some(Blocks(blocks)) = Blocks::checked(entry.blocks(batch))? else { return Ok(()) };
        let mut parameters = vec![Argument::U64(batch as u64)];
        for operand in 0..launch.arguments.len() {
            parameters.push(Argument::U64(self.pointer(launch, operand, piece)));
        }
        let grid = DeviceLaunch {
            grid: [blocks, 1, 1],
            block: [entry.threads, 1, 1],
            parameters: &parameters,
            ..DeviceLaunch::default()
        };
        let name = &self.program.kernels[launch.kernel].name;
        let launched = self.text.launch(&entry.name, &grid, &mut self.device.memory);
        launched.map(drop).map_err(|fault| format!("`{name}`: {fault}\n{}", self.module.text))
    }

    /// Where an operand begins in this round and part.
    fn pointer(&self, launch: &Launch, operand: usize, piece: Option<Piece>) -> u64 {
        let buffer = &self.program.buffers[launch.arguments[operand]];
        let base = match buffer.storage {
            Storage::Arena(byte) => self.device.arena + byte as u64,
            Storage::Thread(byte) => self.device.scratch + byte as u64,
            Storage::Persistent(byte) => self.device.persistent + byte as u64,
            Storage::Constants(byte) => self.device.constants + byte as u64,
            Storage::Binding(number) => self.device.bindings[number],
        };
        let part = launch.part.as_ref().zip(piece).map_or(0, |(part, piece)| part.start(operand, piece));
        let rounds = launch.rounds.iter().zip(&self.rounds).map(|(round, &number)| {
            let stride = round.strides[operand];
            stride.first as i64 + stride.step * (number % stride.period.max(1)) as i64
        });
        let element = part as i64 + rounds.sum::<i64>();
        base.wrapping_add_signed(element * buffer.dtype.size() as i64)
    }
}
