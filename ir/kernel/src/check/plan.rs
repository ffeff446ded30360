//! The checker of the memory plan and the barriers.
//!
//! - Arena buffers begin at multiples of 64 and end inside of the arena; persistent buffers and constants
//!   begin at multiples of their element's size.
//! - Two buffers that share bytes are never live at once, constants aside, which nobody writes. In the arena a
//!   buffer lives from the first launch that writes it to the last that touches it; a launch that reads one
//!   before is an error. Persistent buffers live always. Bindings share nothing unless their number is one.
//! - Bytes of a buffer with a border are shared with buffers of the same border at the same place alone,
//!   whenever they live: nobody writes the border.
//! - The prologue reads persistent buffers, constants and what it wrote, and no other function's bindings. What
//!   it writes for later launches shares bytes with nothing that they touch, and they do not write it.
//! - Constants are never written.
//! - Operands of one launch overlap only where they are one buffer, or constants.
//! - Launches of a sequence take place at the same time ([`super::sequences`]).
//! - A buffer that a repetition touches lives through all of it, unless nobody else does, every round begins by
//!   writing it, and it lies still: then it lives from the first launch to the last of the round.
//! - A launch that touches what an earlier one wrote, or writes what an earlier one read, has a barrier
//!   between, unless both have a single point: those run on one thread, in order. Behind the last launch of a
//!   round comes the first of the next.

use super::repetitions::check_repetitions;
use super::sequences::check_sequences;
use crate::{Border, Buffer, BufferId, Launch, Program, RepetitionId, Storage};
use std::fmt::{self, Display, Formatter};
use std::ops::Range;
use thiserror::Error;

/// The alignment of arena buffers in bytes: a cache line, and the widest vector.
const ALIGNMENT: usize = 64;

/// A program whose memory plan or schedule is wrong: always a bug in dlc.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "each variant's message says what it is")]
pub enum PlanError {
    #[error("bug in dlc: {0} has no place in the arena yet")]
    Unplanned(Place),
    #[error("bug in dlc: {place} is not aligned to {alignment} bytes")]
    Unaligned { place: Place, alignment: usize },
    #[error("bug in dlc: {place} does not lie in the arena of {arena_bytes} bytes")]
    OutsideArena { place: Place, arena_bytes: usize },
    #[error("bug in dlc: {first} and {second} share bytes while both are live")]
    Overlap { first: Place, second: Place },
    #[error("bug in dlc: {first} has a border and {second}, of another one, shares its bytes")]
    BorderShared { first: Place, second: Place },
    #[error("bug in dlc: the border of {0} does not fit its size")]
    BorderSize(Place),
    #[error("bug in dlc: launch {launch} of the prologue touches {place}, or the prologue is too long")]
    PrologueVaries { launch: usize, place: Place },
    #[error("bug in dlc: launch {launch} writes {place}, which the prologue computed")]
    PrologueOverwritten { launch: usize, place: Place },
    #[error("bug in dlc: launch {launch} reads {place}, which nothing has written")]
    ReadBeforeWrite { launch: usize, place: Place },
    #[error("bug in dlc: launch {launch} writes {place}")]
    ConstantWritten { launch: usize, place: Place },
    #[error("bug in dlc: two operands of launch {launch}, {first} and {second}, share bytes")]
    OperandOverlap { launch: usize, first: Place, second: Place },
    #[error(
        "bug in dlc: launch {later} {later_access} {second} and launch {earlier} {earlier_access} {first}, \
         without a barrier between"
    )]
    NoBarrier {
        earlier: usize,
        earlier_access: &'static str,
        first: Place,
        later: usize,
        later_access: &'static str,
        second: Place,
    },
    #[error("bug in dlc: launch {launch} of a sequence {rule}")]
    Sequence { launch: usize, rule: &'static str },
    #[error("bug in dlc: launch {launch} of a repetition {rule}")]
    Repetition { launch: usize, rule: &'static str },
    #[error("bug in dlc: launch {0} names a kernel or buffer that is none, or too few buffers")]
    Malformed(usize),
}

/// A buffer and where it lies, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The buffer.
    pub id: BufferId,
    /// What is known of it.
    pub buffer: Box<Buffer>,
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Buffer { name, bytes, storage, .. } = self.buffer.as_ref();
        write!(f, "{} `{name}` ({bytes} bytes at {storage})", self.id)
    }
}

/// Checks the memory plan and the barriers of a program.
///
/// # Errors
///
/// The first rule that is broken.
pub fn check_plan(program: &Program) -> Result<(), PlanError> {
    for (id, _) in program.buffers.iter() {
        check_place(program, id)?;
    }
    let touches = touches(program)?;
    check_sequences(program, &touches)?;
    check_repetitions(program)?;
    check_prologue(program, &touches)?;
    check_lives(program, &touches)?;
    check_barriers(program, &touches)
}

pub(super) fn place(program: &Program, id: BufferId) -> Place {
    Place { id, buffer: Box::new(program.buffers[id].clone()) }
}

fn check_place(program: &Program, id: BufferId) -> Result<(), PlanError> {
    let buffer = &program.buffers[id];
    let (start, alignment) = match buffer.storage {
        Storage::Arena(usize::MAX) | Storage::Thread(usize::MAX) => {
            return Err(PlanError::Unplanned(place(program, id)));
        }
        Storage::Arena(start) | Storage::Thread(start) => (start, ALIGNMENT),
        Storage::Persistent(start) | Storage::Constants(start) => (start, buffer.dtype.size()),
        Storage::Binding(_) => return Ok(()),
    };
    if start % alignment != 0 {
        return Err(PlanError::Unaligned { place: place(program, id), alignment });
    }
    let fits = |border: &Border| {
        border.elements().and_then(|elements| elements.checked_mul(buffer.dtype.size())) == Some(buffer.bytes)
    };
    if buffer.border.as_ref().is_some_and(|border| !fits(border)) {
        return Err(PlanError::BorderSize(place(program, id)));
    }
    let scratch = match buffer.storage {
        Storage::Arena(_) => Some(program.arena_bytes),
        Storage::Thread(_) => Some(program.thread_bytes),
        Storage::Persistent(_) | Storage::Constants(_) | Storage::Binding(_) => None,
    };
    let end = start.checked_add(buffer.bytes);
    if let Some(arena_bytes) = scratch.filter(|&bytes| end.is_none_or(|end| end > bytes)) {
        return Err(PlanError::OutsideArena { place: place(program, id), arena_bytes });
    }
    Ok(())
}

/// One operand of a launch.
#[derive(Clone, Copy)]
pub(super) struct Touch {
    pub(super) buffer: BufferId,
    pub(super) reads: bool,
    pub(super) writes: bool,
}

/// The operands of all launches.
fn touches(program: &Program) -> Result<Vec<Vec<Touch>>, PlanError> {
    let of_launch = |(position, launch): (usize, &Launch)| {
        let kernel = program.kernels.get(launch.kernel).ok_or(PlanError::Malformed(position))?;
        if kernel.operands.len() != launch.arguments.len() {
            return Err(PlanError::Malformed(position));
        }
        let mut touches = Vec::new();
        for (operand, &id) in kernel.operands.iter().zip(&launch.arguments) {
            let buffer = program.buffers.get(id).ok_or(PlanError::Malformed(position))?;
            if operand.writes && matches!(buffer.storage, Storage::Constants(_)) {
                return Err(PlanError::ConstantWritten { launch: position, place: place(program, id) });
            }
            touches.push(Touch { buffer: id, reads: operand.reads, writes: operand.writes });
        }
        Ok(touches)
    };
    program.launches.iter().enumerate().map(of_launch).collect()
}

/// What the prologue touches, and that nobody behind it writes what it computed.
fn check_prologue(program: &Program, touches: &[Vec<Touch>]) -> Result<(), PlanError> {
    if program.prologue > touches.len() {
        return Err(PlanError::Malformed(program.prologue));
    }
    let (prologue, others) = touches.split_at(program.prologue);
    let mut computed = Vec::new();
    for (launch, touches) in prologue.iter().enumerate() {
        for touch in touches {
            let storage = program.buffers[touch.buffer].storage;
            let foreign = matches!(storage, Storage::Binding(_))
                || touch.writes && matches!(storage, Storage::Persistent(_));
            if foreign {
                return Err(PlanError::PrologueVaries { launch, place: place(program, touch.buffer) });
            }
            if touch.writes {
                computed.push(touch.buffer);
            }
        }
    }
    for (position, touches) in others.iter().enumerate() {
        if let Some(touch) = touches.iter().find(|touch| touch.writes && computed.contains(&touch.buffer)) {
            let launch = program.prologue + position;
            return Err(PlanError::PrologueOverwritten { launch, place: place(program, touch.buffer) });
        }
    }
    Ok(())
}

/// Whether two buffers share memory that is written. Constants are not, and equal ones lie at one place.
pub(super) fn share(program: &Program, a: BufferId, b: BufferId) -> bool {
    let (a, b) = (&program.buffers[a], &program.buffers[b]);
    let overlap = |start_a: usize, start_b: usize| {
        a.bytes > 0
            && b.bytes > 0
            && start_a < start_b.saturating_add(b.bytes)
            && start_b < start_a.saturating_add(a.bytes)
    };
    match (a.storage, b.storage) {
        (Storage::Arena(a), Storage::Arena(b))
        | (Storage::Thread(a), Storage::Thread(b))
        | (Storage::Persistent(a), Storage::Persistent(b)) => overlap(a, b),
        (Storage::Binding(a), Storage::Binding(b)) => a == b,
        _ => false,
    }
}

/// When each buffer lives, in launches; checks that arena buffers are written before they are read.
fn lives(program: &Program, touches: &[Vec<Touch>]) -> Result<Vec<Range<usize>>, PlanError> {
    let mut lives: Vec<Range<usize>> = program
        .buffers
        .values()
        .map(|buffer| if matches!(buffer.storage, Storage::Arena(_)) { 0..0 } else { 0..usize::MAX })
        .collect();
    let position_of = |id: BufferId| dlc_types::index::EntityIndex::as_usize(id);
    let times = program.times();
    for (launch, touches) in touches.iter().enumerate() {
        let unwritten = |touch: &&Touch| touch.reads && lives[position_of(touch.buffer)].is_empty();
        if let Some(touch) = touches.iter().find(unwritten) {
            return Err(PlanError::ReadBeforeWrite { launch, place: place(program, touch.buffer) });
        }
        for touch in touches {
            let life = &mut lives[position_of(touch.buffer)];
            if life.start >= life.end {
                life.start = times[launch];
            }
            let kept = life.start < program.prologue && launch >= program.prologue;
            life.end = if kept { usize::MAX } else { life.end.max(times[launch] + 1) };
        }
    }
    for depth in (0..depth(program)).rev() {
        let blocks = program.blocks(0..touches.len(), depth);
        for (repetition, range) in blocks {
            let Some(repetition) = repetition else { continue };
            for (position, life) in lives.iter_mut().enumerate() {
                let id = dlc_types::index::EntityIndex::from_usize(position);
                let touched = touches[range.clone()].iter().flatten().any(|touch| touch.buffer == id);
                if touched && !of_one_round(program, touches, id, repetition, &range, depth) {
                    *life = life.start.min(range.start)..life.end.max(range.end);
                }
            }
        }
    }
    Ok(lives)
}

/// How many repetitions stand in one another at most.
fn depth(program: &Program) -> usize {
    program.launches.iter().map(|launch| launch.rounds.len()).max().unwrap_or(0)
}

/// Whether every round of a repetition begins with a buffer's first writing, and no other launch knows the buffer.
fn of_one_round(
    program: &Program,
    touches: &[Vec<Touch>],
    id: BufferId,
    repetition: RepetitionId,
    range: &Range<usize>,
    depth: usize,
) -> bool {
    let times = program.repetitions.get(repetition).map_or(0, |found| found.times);
    let mut first = None;
    for (position, touches) in touches.iter().enumerate() {
        for (operand, touch) in touches.iter().enumerate().filter(|(_, touch)| touch.buffer == id) {
            let rounds = &program.launches[position].rounds;
            let still = rounds.get(depth).and_then(|round| round.strides.get(operand));
            if !range.contains(&position) || still.is_none_or(|stride| !stride.is_still(times)) {
                return false;
            }
            first.get_or_insert(*touch);
        }
    }
    first.is_some_and(|touch| touch.writes && !touch.reads)
}

fn check_lives(program: &Program, touches: &[Vec<Touch>]) -> Result<(), PlanError> {
    for (launch, touches) in touches.iter().enumerate() {
        for (position, first) in touches.iter().enumerate() {
            let other = touches[position + 1..]
                .iter()
                .find(|second| second.buffer != first.buffer && share(program, first.buffer, second.buffer));
            if let Some(second) = other {
                let (first, second) = (place(program, first.buffer), place(program, second.buffer));
                return Err(PlanError::OperandOverlap { launch, first, second });
            }
        }
    }
    let lives = lives(program, touches)?;
    let buffers: Vec<(BufferId, &Range<usize>)> = program.buffers.indices().zip(&lives).collect();
    for (position, &(first, life)) in buffers.iter().enumerate() {
        for &(second, other) in &buffers[position + 1..] {
            let together = life.start.max(other.start) < life.end.min(other.end);
            let bound = matches!(program.buffers[first].storage, Storage::Binding(_) | Storage::Thread(_));
            let borders = [first, second].map(|id| program.buffers[id].border.as_ref());
            let arena = matches!(program.buffers[first].storage, Storage::Arena(_));
            if arena && borders != [None, None] && share(program, first, second) && {
                let storages = [first, second].map(|id| program.buffers[id].storage);
                borders[0] != borders[1] || storages[0] != storages[1]
            } {
                let (first, second) = (place(program, first), place(program, second));
                return Err(PlanError::BorderShared { first, second });
            }
            if together && !bound && share(program, first, second) {
                let (first, second) = (place(program, first), place(program, second));
                return Err(PlanError::Overlap { first, second });
            }
        }
    }
    Ok(())
}

fn check_barriers(program: &Program, touches: &[Vec<Touch>]) -> Result<(), PlanError> {
    let mut pending: Vec<(usize, usize, Touch)> = Vec::new();
    let times = program.times();
    let (mut occasion, mut before) = (0, None);
    for launch in program.two_rounds() {
        let now = &touches[launch];
        // Launches of one sequence take place at the same time.
        let goes_on = |before: usize| before < launch && times[before] == times[launch];
        occasion += usize::from(!before.is_some_and(goes_on));
        before = Some(launch);
        if program.launches[launch].barrier {
            pending.clear();
        }
        let single = |launch: usize| {
            let launch = &program.launches[launch];
            launch.part.is_none() && program.kernels[launch.kernel].is_single_point()
        };
        for later in now {
            for &(when, earlier_launch, earlier) in &pending {
                let conflict =
                    earlier.writes && (later.reads || later.writes) || earlier.reads && later.writes;
                if conflict
                    && when != occasion
                    && !(single(launch) && single(earlier_launch))
                    && (earlier.buffer == later.buffer || share(program, earlier.buffer, later.buffer))
                {
                    return Err(PlanError::NoBarrier {
                        earlier: earlier_launch,
                        earlier_access: if earlier.writes { "writes" } else { "reads" },
                        first: place(program, earlier.buffer),
                        later: launch,
                        later_access: if later.writes { "writes" } else { "reads" },
                        second: place(program, later.buffer),
                    });
                }
            }
        }
        let seen =
            now.iter().filter(|touch| !matches!(program.buffers[touch.buffer].storage, Storage::Thread(_)));
        pending.extend(seen.map(|&touch| (occasion, launch, touch)));
    }
    Ok(())
}
