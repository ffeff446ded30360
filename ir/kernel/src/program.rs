//! Programs: buffers, kernels and launches of one compiled function.

use crate::{
    Affine, Border, Contraction, IndexExpr, LoopBody, Part, Repetition, RepetitionId, Round, ScalarOp,
    Sequence, SequenceId, Statement,
};
use dlc_types::{DType, Dim, IndexVec, define_index};
use std::collections::BTreeMap;

define_index!(
    /// A kernel of a program.
    KernelId,
    "k"
);
define_index!(
    /// A buffer of a program.
    BufferId,
    "b"
);

/// One compiled function: every thread of a team runs all launches in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// `initialize`, `train`, `evaluate`, `predict`, ….
    pub name: String,
    /// Memory.
    pub buffers: IndexVec<BufferId, Buffer>,
    /// Code; several launches may share a kernel.
    pub kernels: IndexVec<KernelId, Kernel>,
    /// Work in order.
    pub launches: Vec<Launch>,
    /// What launches may be a part of.
    pub sequences: IndexVec<SequenceId, Sequence>,
    /// What launches may be done over and over in.
    pub repetitions: IndexVec<RepetitionId, Repetition>,
    /// Bytes of scratch that [`Storage::Arena`] buffers lie in.
    pub arena_bytes: usize,
    /// Bytes of scratch that every thread has for [`Storage::Thread`] buffers.
    pub thread_bytes: usize,
    /// How many launches, counted from the first, depend on nothing but persistent buffers and constants. A
    /// caller may leave them out if it ran them before in the same arena and nothing has changed there or in
    /// the persistent block since, but by the launches behind them.
    pub prologue: usize,
}

/// A piece of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// For texts.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Size for the greatest batch.
    pub bytes: usize,
    /// Where it lies.
    pub storage: Storage,
    /// The zeros around its tensor, if there are any.
    pub border: Option<Border>,
}

/// Where a buffer lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Storage {
    /// In the arena at this byte; `usize::MAX` before memory is planned.
    Arena(usize),
    /// In each thread's own scratch at this byte; `usize::MAX` before memory is planned. Holds what one part of a
    /// sequence writes for its later launches.
    Thread(usize),
    /// In the persistent block at this byte.
    Persistent(usize),
    /// In the constants at this byte.
    Constants(usize),
    /// At the pointer that the caller binds under this number.
    Binding(usize),
}

/// A kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    /// Unique in the program; made from the origin of what it computes.
    pub name: String,
    /// What it reads and writes.
    pub operands: Vec<Operand>,
    /// The parallel index space; its points may run in any order on any thread. Empty for one point.
    pub space: Vec<Dim>,
    /// What is done at each point.
    pub body: Body,
}

impl Program {
    /// The sequence that a launch belongs to.
    pub fn sequence(&self, launch: &Launch) -> Option<&Sequence> {
        launch.part.as_ref().and_then(|part| self.sequences.get(part.sequence))
    }

    /// The batches that a launch's kernel is run for, with the number of times: all of it or its parts, in every
    /// round.
    pub fn batches(&self, launch: &Launch, batch: usize) -> Vec<(usize, u64)> {
        let rounds = self.rounds(launch);
        let Some(sequence) = self.sequence(launch) else { return vec![(batch, rounds)] };
        let mut by_images: BTreeMap<usize, u64> = BTreeMap::new();
        for number in 0..sequence.parts(batch) {
            *by_images.entry(sequence.piece(number, batch).count).or_insert(0) += rounds;
        }
        by_images.into_iter().collect()
    }

    /// For every launch the position of the first one of its sequence, or its own: launches with the same number
    /// take place at the same time.
    pub fn times(&self) -> Vec<usize> {
        let mut times: Vec<usize> = Vec::with_capacity(self.launches.len());
        for (position, launch) in self.launches.iter().enumerate() {
            let sequence = launch.part.as_ref().map(|part| part.sequence);
            let before = position.checked_sub(1).and_then(|before| {
                let other = self.launches[before].part.as_ref().map(|part| part.sequence);
                (other.is_some() && other == sequence).then_some(times[before])
            });
            times.push(before.unwrap_or(position));
        }
        times
    }
}

impl Kernel {
    /// Whether the size of the batch is used anywhere.
    pub fn depends_on_batch(&self) -> bool {
        let in_body = match &self.body {
            Body::Loop(body) => any_batch(&body.statements),
            Body::Contraction(contraction) => {
                contraction.dims.iter().any(|dim| dim.extent.is_batch())
                    || contraction.epilogue.as_ref().is_some_and(|epilogue| any_batch(&epilogue.statements))
            }
        };
        in_body || self.space.iter().any(|dim| dim.is_batch())
    }

    /// All of the kernel but its own and its operands' names: kernels of one form compute the same.
    pub fn form(&self) -> String {
        let operands: Vec<_> =
            self.operands.iter().map(|operand| (operand.dtype, operand.reads, operand.writes)).collect();
        format!("{operands:?} {:?} {:?}", self.space, self.body)
    }

    /// Whether the parallel space has exactly one point.
    pub fn is_single_point(&self) -> bool {
        self.space.iter().all(|&extent| extent == Dim::Fixed(1))
    }
}

/// An operand of a kernel: a pointer to elements of one type. Two operands of a launch never overlap,
/// unless they are the same buffer and every point of the kernel reads the elements it writes before
/// it writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operand {
    /// For texts.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Whether the kernel writes through it.
    pub writes: bool,
    /// Whether the kernel reads through it.
    pub reads: bool,
}

/// The body of a kernel.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "there are few kernels and they are never moved in bulk")]
pub enum Body {
    /// Loops around scalar operations.
    Loop(LoopBody),
    /// A batch-reduce matrix product.
    Contraction(Contraction),
}

/// One run of a kernel over its whole space, shared by all threads: the space's points, numbered
/// row-major, are divided into one contiguous range per thread: thread `t` of `T` takes points
/// `t * points / T .. (t + 1) * points / T`. All launches of a single point therefore run on one thread, in
/// order, and need no barrier between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The kernel.
    pub kernel: KernelId,
    /// A buffer for each operand.
    pub arguments: Vec<BufferId>,
    /// Whether all threads meet before this launch: it touches what an earlier one since the last
    /// meeting wrote, or writes what one read.
    pub barrier: bool,
    /// Its place in a sequence, if it is done part of the batch by part. Then `barrier` is that of all launches of
    /// the sequence where threads are alone, and stands at the first of them.
    pub part: Option<Part>,
    /// Its places in repetitions, outermost first.
    pub rounds: Vec<Round>,
}

/// Whether a statement uses the size of the batch.
fn any_batch(statements: &[Statement]) -> bool {
    let in_form = |form: &Affine| form.batch != 0;
    statements.iter().any(|statement| match statement {
        Statement::Let { op, .. } => matches!(op, ScalarOp::Extent(dim) if dim.is_batch()),
        Statement::Load { index, guard, .. } => {
            let mut guards = guard.iter().flat_map(|guard| &guard.ranges);
            in_form(index) || guards.any(|(form, ..)| in_form(form))
        }
        Statement::Store { index, .. } => in_form(index),
        Statement::Index { expr, .. } => match expr {
            IndexExpr::Form(form) | IndexExpr::Quotient(form, _) | IndexExpr::Remainder(form, _) => {
                in_form(form)
            }
            IndexExpr::ChunkStart { form, chunk, .. } => in_form(form) || in_form(chunk),
            IndexExpr::Clamped(_, form) => in_form(form),
        },
        Statement::For(inner) => in_form(&inner.start) || in_form(&inner.end) || any_batch(&inner.body),
    })
}
