//! The rules of sequences.
//!
//! - Launches of a sequence stand next to one another, behind the prologue, with steps for every operand. Several
//!   strips divide single images.
//! - Where threads are together, every launch has a barrier: the next part's first launch meets the last one of
//!   the part before. Where they are alone, only the first launch may have one.
//! - A buffer of a thread's scratch lies inside of it, is used by sequences whose threads are alone, with the same
//!   elements for every part, and is written there before it is read. Two of them that a sequence uses share
//!   nothing.
//! - What else such a sequence writes, it touches at other elements for every part or run alone.

use super::plan::{PlanError, Touch, place, share};
use crate::{BufferId, Program, Sequence, Steps, Storage, Turns};

/// Checks all sequences of a program.
pub(super) fn check_sequences(program: &Program, touches: &[Vec<Touch>]) -> Result<(), PlanError> {
    let times = program.times();
    let mut begun = Vec::new();
    for (position, launch) in program.launches.iter().enumerate() {
        let broken = |rule: &'static str| Err(PlanError::Sequence { launch: position, rule });
        let Some(part) = &launch.part else {
            let is_thread =
                |touch: &Touch| matches!(program.buffers[touch.buffer].storage, Storage::Thread(_));
            match touches[position].iter().any(is_thread) {
                true => return broken("uses a thread's scratch outside of a sequence"),
                false => continue,
            }
        };
        let Some(sequence) = program.sequences.get(part.sequence) else {
            return broken("belongs to no sequence");
        };
        if position < program.prologue || part.steps.len() != launch.arguments.len() {
            return broken("belongs to the prologue or has too few steps");
        }
        if sequence.images == 0 || sequence.strips == 0 || sequence.strips > 1 && sequence.images > 1 {
            return broken("divides images wrongly");
        }
        let first = times[position] == position;
        if first && begun.contains(&part.sequence) {
            return broken("stands apart from its sequence");
        }
        begun.push(part.sequence);
        match sequence.turns {
            Turns::Together if !launch.barrier => return broken("has no barrier before it"),
            Turns::Alone { parts: 0 } => return broken("has runs without parts"),
            Turns::Alone { .. } if launch.barrier && !first => return broken("has a barrier within a part"),
            Turns::Together | Turns::Alone { .. } => {}
        }
        if first {
            let end = times.iter().rposition(|&time| time == position).map_or(position, |last| last + 1);
            check_buffers(program, sequence, position, &touches[position..end])?;
        }
    }
    Ok(())
}

/// Checks what the launches of one sequence, from a position on, do to buffers.
fn check_buffers(
    program: &Program,
    sequence: &Sequence,
    first: usize,
    touches: &[Vec<Touch>],
) -> Result<(), PlanError> {
    let mut scratch: Vec<BufferId> = Vec::new();
    for (offset, of_launch) in touches.iter().enumerate() {
        let launch = first + offset;
        let broken = |rule: &'static str| Err(PlanError::Sequence { launch, rule });
        let steps = program.launches[launch].part.as_ref().map_or(&[][..], |part| &part.steps);
        for (touch, steps) in of_launch.iter().zip(steps) {
            let id = touch.buffer;
            if matches!(program.buffers[id].storage, Storage::Thread(_)) {
                if sequence.turns == Turns::Together || *steps != Steps::default() {
                    return broken("shares a thread's scratch");
                }
                if !scratch.contains(&id) {
                    if touch.reads || !touch.writes {
                        return Err(PlanError::ReadBeforeWrite { launch, place: place(program, id) });
                    }
                    if let Some(&other) = scratch.iter().find(|&&other| share(program, id, other)) {
                        let (first, second) = (place(program, other), place(program, id));
                        return Err(PlanError::Overlap { first, second });
                    }
                    scratch.push(id);
                }
            } else if touch.writes && sequence.turns != Turns::Together {
                let everywhere = touches.iter().enumerate().flat_map(|(other, touches)| {
                    let part = program.launches[first + other].part.as_ref();
                    touches.iter().zip(part.map_or(&[][..], |part| &part.steps))
                });
                let foreign = |(other, of_other): (&Touch, &Steps)| {
                    share(program, other.buffer, id) && (other.buffer != id || of_other != steps)
                };
                let shared = everywhere.into_iter().any(foreign);
                let apart = steps.run > 0 || steps.image > 0 && (sequence.strips == 1 || steps.strip > 0);
                if shared || !apart {
                    return broken("writes what another part touches");
                }
            }
        }
    }
    Ok(())
}
