//! The rules of repetitions.
//!
//! - The launches of a repetition stand next to one another, behind the prologue, within the same outer ones, and
//!   each has a stride for every operand.
//! - It is done once at least, places come again after one round at least, and no operand begins before its buffer.
//! - What lies in a thread's scratch stays where it is.
//!
//! That rounds stay inside of buffers is proved with the bounds of kernels ([`crate::verify_bounds`]); that
//! threads meet between rounds is checked with all other barriers ([`super::plan`]).

use super::plan::PlanError;
use crate::{Program, RepetitionId, Storage, Stride};
use std::collections::BTreeSet;

/// Checks all repetitions of a program.
pub(super) fn check_repetitions(program: &Program) -> Result<(), PlanError> {
    let mut begun: BTreeSet<RepetitionId> = BTreeSet::new();
    let mut before: Vec<RepetitionId> = Vec::new();
    for (position, launch) in program.launches.iter().enumerate() {
        let broken = |rule: &'static str| Err(PlanError::Repetition { launch: position, rule });
        let within: Vec<RepetitionId> = launch.rounds.iter().map(|round| round.repetition).collect();
        let shared = within.iter().zip(&before).take_while(|(now, before)| now == before).count();
        if within[shared..].iter().any(|&repetition| !begun.insert(repetition)) {
            return broken("stands apart from its repetition");
        }
        if position < program.prologue && !within.is_empty() {
            return broken("belongs to the prologue");
        }
        for round in &launch.rounds {
            match program.repetitions.get(round.repetition) {
                None => return broken("belongs to no repetition"),
                Some(repetition) if repetition.times == 0 => return broken("is done in no round"),
                Some(_) => {}
            }
            if round.strides.len() != launch.arguments.len() {
                return broken("has too few strides");
            }
            if round.strides.iter().any(|stride| stride.period == 0) {
                return broken("has places that come again after no round");
            }
            let scratch = launch.arguments.iter().zip(&round.strides).any(|(&buffer, stride)| {
                matches!(program.buffers[buffer].storage, Storage::Thread(_)) && *stride != Stride::STILL
            });
            if scratch {
                return broken("moves in a thread's scratch");
            }
        }
        if (0..launch.arguments.len()).any(|operand| program.reach(launch, operand).0 < 0) {
            return broken("begins before its buffer");
        }
        before = within;
    }
    Ok(())
}
