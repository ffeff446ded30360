//! Choices for one contraction, timed against each other: each as a function of its own with one launch, on
//! buffers as large as the launch's and full of numbers.
//!
//! Candidates take turns and the least time of each counts, since what disturbs a measurement only ever adds to it.
//! Those that are clearly behind are timed no more, and the winner has to beat the code generator's own choice once
//! again in a run of the two alone.

use crate::native::native_program_for;
use crate::{DriverError, Result};
use dlc_abi::{FunctionInterface, Interface};
use dlc_compiler::emit::{Choice, Target};
use dlc_compiler::lower::Lowered;
use dlc_compiler::rewrite::RewriteReport;
use dlc_compiler::{Compilation, CompiledFunction};
use dlc_ir::Builder;
use dlc_kernel::{Buffer, BufferId, Kernel, Launch, Program, Storage, parse_kernel};
use dlc_runtime::{FunctionHandle, Session};
use dlc_types::DType;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How much faster than the code generator's own choice another has to be, to be preferred.
const GAIN: f64 = 1.03;
/// Candidates so many times slower than the fastest are timed no more.
const BEHIND: f64 = 1.15;
/// Rounds over all candidates, at most.
const ROUNDS: usize = 12;
/// Rounds of the two that are left.
const FINAL: usize = 9;
/// Time for the rounds of one contraction; the first and the last ones are always run.
const SPAN: Duration = Duration::from_millis(40);
/// Time that one measurement takes at least.
const LEAST: Duration = Duration::from_micros(100);
/// Calls in one measurement, at most.
const CALLS: usize = 64;
/// Bytes between buffers, so that equal places of two do not compete in the cache.
const GAP: usize = 320;

/// What a trial found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Outcome {
    /// What to use.
    pub(super) choice: Choice,
    /// Seconds per launch with the code generator's own choice.
    pub(super) default: f64,
    /// Seconds per launch with the fastest candidate, preferred or not.
    pub(super) best: f64,
}

/// One launch of a program, to be tried in a batch on some threads.
pub(super) struct Trial<'a> {
    pub(super) program: &'a Program,
    pub(super) launch: &'a Launch,
    pub(super) batch: usize,
    pub(super) threads: usize,
}

/// A function that a session can call.
struct Subject {
    handle: FunctionHandle,
    choice: Choice,
    least: f64,
}

impl Trial<'_> {
    /// Times the candidates, the first of which is the code generator's own choice.
    pub(super) fn run(&self, target: &Target, candidates: &[Choice]) -> Result<Outcome> {
        let (mut session, mut subjects) = self.prepare(target, candidates)?;
        let mut calls = 1;
        if let Some(first) = subjects.first() {
            self.time(&mut session, first.handle, 1)?;
            let once = self.time(&mut session, first.handle, 1)?;
            calls = (LEAST.as_secs_f64() / once.max(1e-9)).ceil().clamp(1.0, CALLS as f64) as usize;
        }
        let started = Instant::now();
        for round in 0..ROUNDS {
            if round >= 2 && started.elapsed() > SPAN {
                break;
            }
            self.round(&mut session, &mut subjects, calls)?;
            let fastest = subjects.iter().map(|subject| subject.least).fold(f64::INFINITY, f64::min);
            let mut number = 0;
            subjects.retain(|subject| {
                number += 1;
                number == 1 || subject.least <= BEHIND * fastest
            });
        }
        let fastest = subjects.iter().skip(1).min_by(|a, b| a.least.total_cmp(&b.least));
        let fastest = fastest.map(|subject| (subject.handle, subject.choice));
        let own = subjects.first().ok_or_else(|| DriverError::Bug("nothing is tried".to_owned()))?;
        let mut own = Subject { least: f64::INFINITY, ..*own };
        let Some((handle, choice)) = fastest else {
            let default = self.time(&mut session, own.handle, calls)?;
            return Ok(Outcome { choice: own.choice, default, best: default });
        };
        let mut two = [own, Subject { handle, choice, least: f64::INFINITY }];
        for _ in 0..FINAL {
            self.round(&mut session, &mut two, calls)?;
        }
        let [first, second] = two;
        own = first;
        let wins = second.least * GAIN < own.least;
        let choice = if wins { second.choice } else { own.choice };
        Ok(Outcome { choice, default: own.least, best: second.least.min(own.least) })
    }

    fn round(&self, session: &mut Session, subjects: &mut [Subject], calls: usize) -> Result<()> {
        for subject in subjects {
            subject.least = subject.least.min(self.time(session, subject.handle, calls)?);
        }
        Ok(())
    }

    /// Seconds per call.
    fn time(&self, session: &mut Session, handle: FunctionHandle, calls: usize) -> Result<f64> {
        let started = Instant::now();
        for _ in 0..calls {
            session.call(handle, self.batch, &[], &mut [])?;
        }
        Ok(started.elapsed().as_secs_f64() / calls as f64)
    }

    fn prepare(&self, target: &Target, candidates: &[Choice]) -> Result<(Session, Vec<Subject>)> {
        let (memory, arguments) = self.memory();
        let mut target = target.clone();
        let mut functions = vec![self.fill(&memory)?];
        for (number, &choice) in candidates.iter().enumerate() {
            let name = format!("candidate{number}");
            let kernel = Kernel { name: name.clone(), ..self.program.kernels[self.launch.kernel].clone() };
            target.tuning.by_name.insert(name.clone(), choice);
            let mut program = Program { name, ..memory.clone() };
            let kernel = program.kernels.push(kernel);
            program.launches.push(Launch {
                kernel,
                arguments: arguments.clone(),
                barrier: false,
                part: self.launch.part.clone(),
                rounds: self.launch.rounds.clone(),
            });
            functions.push(program);
        }
        let compilation = compilation(functions, self.batch);
        let program = Arc::new(native_program_for(&compilation, &target)?);
        let mut session = Session::new(program, self.threads)?;
        let fill = session.prepare("fill")?;
        session.call(fill, self.batch, &[], &mut [])?;
        let mut subjects = Vec::new();
        for (number, &choice) in candidates.iter().enumerate() {
            let handle = session.prepare(&format!("candidate{number}"))?;
            subjects.push(Subject { handle, choice, least: f64::INFINITY });
        }
        Ok((session, subjects))
    }

    /// A program without launches that has the launch's buffers in its arena, and the launch's arguments there.
    fn memory(&self) -> (Program, Vec<BufferId>) {
        let mut program = Program {
            sequences: self.program.sequences.clone(),
            repetitions: self.program.repetitions.clone(),
            ..Program::default()
        };
        let mut places: BTreeMap<BufferId, BufferId> = BTreeMap::new();
        let mut arguments = Vec::new();
        for &argument in &self.launch.arguments {
            let place = *places.entry(argument).or_insert_with(|| {
                let buffer = &self.program.buffers[argument];
                let (end, storage): (&mut usize, fn(usize) -> Storage) = match buffer.storage {
                    Storage::Thread(_) => (&mut program.thread_bytes, Storage::Thread),
                    _ => (&mut program.arena_bytes, Storage::Arena),
                };
                let start = end.next_multiple_of(dlc_abi::ALIGNMENT);
                *end = start + buffer.bytes + GAP;
                program.buffers.push(Buffer { storage: storage(start), border: None, ..buffer.clone() })
            });
            arguments.push(place);
        }
        (program, arguments)
    }

    /// Puts numbers into all buffers of floats: memory that nobody has written would lie in one page.
    fn fill(&self, memory: &Program) -> Result<Program> {
        let mut program = Program { name: "fill".to_owned(), ..memory.clone() };
        let floats =
            |buffer: &Buffer| buffer.dtype == DType::F32 && !matches!(buffer.storage, Storage::Thread(_));
        for (id, buffer) in memory.buffers.iter().filter(|(_, buffer)| floats(buffer)) {
            let text = format!(
                "kernel \"fill_{id}\" (o: f32 write) space [] {{ v0: f32 = const 0.5 \
                 lanes for i0 in 0 .. {} {{ store o[i0] = v0 }} }}",
                buffer.bytes / DType::F32.size()
            );
            let kernel = parse_kernel(&text).map_err(|error| DriverError::Bug(format!("{error:?}")))?;
            let kernel = program.kernels.push(kernel);
            program.launches.push(Launch {
                kernel,
                arguments: vec![id],
                barrier: false,
                part: None,
                rounds: Vec::new(),
            });
        }
        Ok(program)
    }
}

/// Programs that use nothing but the arena as a compilation.
fn compilation(programs: Vec<Program>, batch_max: usize) -> Compilation {
    let mut functions = Vec::new();
    let mut interfaces = Vec::new();
    for program in programs {
        interfaces.push(FunctionInterface {
            name: program.name.clone(),
            arena_bytes: program.arena_bytes,
            thread_bytes: program.thread_bytes,
            cleared: Vec::new(),
            keeps_persistent: true,
            inputs: Vec::new(),
            outputs: Vec::new(),
        });
        let empty = Builder::new(&program.name).finish();
        functions.push(CompiledFunction {
            name: program.name.clone(),
            graph: empty.clone(),
            expanded: empty.clone(),
            rewrites: RewriteReport::default(),
            lowered: Lowered {
                program,
                function: empty,
                values: BTreeMap::new(),
                inputs: Vec::new(),
                outputs: Vec::new(),
                purposes: Vec::new(),
            },
        });
    }
    let interface = Interface {
        version: dlc_abi::VERSION,
        model: "trial".to_owned(),
        batch_max,
        persistent_bytes: 0,
        tensors: Vec::new(),
        constants: Vec::new(),
        functions: interfaces,
    };
    Compilation { interface, functions, timings: Vec::new() }
}
