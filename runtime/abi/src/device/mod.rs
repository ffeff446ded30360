//! Code for a device with blocks of threads, such as a GPU: a module of text, how each of its kernels is launched, and
//! the launches of every function in order.
//!
//! Invariants:
//!
//! - launches follow one another: whoever runs them may have two at the same time only where he proves that they do not
//!   touch the same bytes;
//! - a device has one arena, one persistent block, the constants, and a place for every input and output of a call, each
//!   aligned to [`ALIGNMENT`](crate::ALIGNMENT); the arena is zero when it is first used, and what
//!   [`FunctionInterface::cleared`](crate::FunctionInterface) says of other calls holds here, too;
//! - every launch is told the batch; its blocks follow from that alone.
//!
//! Loading, memory, streams and errors are a runtime's.

mod grid;
mod image;
mod steps;

pub use grid::{DECLARED_SHARED_BYTES, DeviceKernel, Tiles};
pub use image::{DEVICE_MAGIC, DeviceImage};

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::{self, Display, Formatter};

/// A model's code for a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceModule {
    /// What the text is for.
    pub capability: Capability,
    /// PTX, as a driver takes it.
    pub text: String,
    /// Every kernel of the text.
    pub kernels: Vec<DeviceKernel>,
    /// What every function does, in the order of [`Interface::functions`](crate::Interface::functions).
    pub functions: Vec<DeviceFunction>,
}

/// A generation of devices, as NVIDIA numbers them: 8.0, say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Capability {
    /// The number before the point.
    pub major: u32,
    /// The number behind it.
    pub minor: u32,
    /// Whether code for it runs on no later generation.
    pub exact: bool,
}

impl Capability {
    /// Whether a device of this generation runs code that is for `self`.
    pub fn runs_on(self, major: u32, minor: u32) -> bool {
        let (own, device) = ((self.major, self.minor), (major, minor));
        if self.exact { device == own } else { device >= own }
    }
}

impl Display for Capability {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let suffix = if self.exact { "a" } else { "" };
        write!(f, "sm_{}{}{suffix}", self.major, self.minor)
    }
}

/// What a call of a function launches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceFunction {
    /// What depends on persistent tensors alone: done before the steps where [`Context::prepare`](crate::Context) would
    /// not be 0.
    pub prologue: Vec<DeviceStep>,
    /// Everything else, in order.
    pub steps: Vec<DeviceStep>,
}

/// A launch, or launches that are done over and over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceStep {
    /// One launch.
    Launch(DeviceLaunch),
    /// All of these, so many times.
    Repeat {
        /// How often; at least once.
        times: usize,
        /// What a round does.
        steps: Vec<DeviceStep>,
    },
}

impl DeviceStep {
    /// How many launches steps are, every round counted; the greatest number where they are more.
    pub fn count(steps: &[DeviceStep]) -> u64 {
        let each = steps.iter().map(|step| match step {
            DeviceStep::Launch(_) => 1,
            DeviceStep::Repeat { times, steps } => DeviceStep::count(steps).saturating_mul(*times as u64),
        });
        each.fold(0, u64::saturating_add)
    }

    /// The launches of steps in order as they are written, those of a repetition once for all rounds.
    pub fn written(steps: &[DeviceStep]) -> Vec<&DeviceLaunch> {
        let each = steps.iter().flat_map(|step| match step {
            DeviceStep::Launch(launch) => vec![launch],
            DeviceStep::Repeat { steps, .. } => DeviceStep::written(steps),
        });
        each.collect()
    }
}

/// One launch of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceLaunch {
    /// Its number in [`DeviceModule::kernels`].
    pub kernel: usize,
    /// Where each operand begins.
    pub operands: Vec<DeviceOperand>,
}

/// A block of memory that operands lie in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeviceMemory {
    /// Scratch of [`FunctionInterface::arena_bytes`](crate::FunctionInterface::arena_bytes).
    Arena,
    /// Parameters and states.
    Persistent,
    /// [`Interface::constants`](crate::Interface::constants).
    Constants,
    /// The input of that number; outputs are counted behind the inputs.
    Binding(usize),
}

/// Where an operand begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceOperand {
    /// The block.
    pub memory: DeviceMemory,
    /// Its first byte there, in the first round of every repetition.
    pub byte: usize,
    /// How it moves with the rounds of the repetitions around the launch, outermost first; none where it never does.
    pub strides: Vec<DeviceStride>,
}

/// Bytes that an operand lies further in round `r` of a repetition: `step * (r mod period)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceStride {
    /// From one round to the next.
    pub step: i64,
    /// Rounds until places come again, at least one.
    pub period: usize,
}

impl DeviceOperand {
    /// The first byte in its block in these rounds of the repetitions around, outermost first.
    pub fn start(&self, rounds: &[usize]) -> usize {
        self.strides.iter().zip(rounds).fold(self.byte, |byte, (stride, &round)| {
            let moved = stride.step.wrapping_mul((round % stride.period.max(1)) as i64);
            byte.wrapping_add_signed(moved as isize)
        })
    }
}

/// A launch on its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaunchTurn<'a> {
    /// Its number among the function's launches as they are written, the prologue's first: the same in every round, and
    /// with or without the prologue.
    pub number: usize,
    /// What is launched.
    pub launch: &'a DeviceLaunch,
    /// Rounds of the repetitions that it stands in, outermost first.
    pub rounds: &'a [usize],
}

/// What is done with every launch.
pub type EachLaunch<'a, E> = dyn FnMut(LaunchTurn<'_>) -> Result<(), E> + 'a;

impl DeviceFunction {
    /// Calls `each` with every launch in the order in which they are done. The prologue is left out unless it is asked
    /// for.
    ///
    /// # Errors
    /// The first one of `each`, which ends the walk.
    pub fn walk<E>(&self, prepare: bool, each: &mut EachLaunch<'_, E>) -> Result<(), E> {
        let mut rounds = Vec::new();
        if prepare {
            walk(&self.prologue, 0, &mut rounds, each)?;
        }
        walk(&self.steps, DeviceStep::written(&self.prologue).len(), &mut rounds, each).map(drop)
    }
}

/// Returns the number behind that of the last launch.
fn walk<E>(
    steps: &[DeviceStep],
    first: usize,
    rounds: &mut Vec<usize>,
    each: &mut EachLaunch<'_, E>,
) -> Result<usize, E> {
    let mut number = first;
    for step in steps {
        match step {
            DeviceStep::Launch(launch) => {
                each(LaunchTurn { number, launch, rounds })?;
                number += 1;
            }
            DeviceStep::Repeat { times, steps } => {
                let first = number;
                for round in 0..*times {
                    rounds.push(round);
                    number = walk(steps, first, rounds, each)?;
                    rounds.pop();
                }
            }
        }
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_say_where_code_runs() {
        let later = Capability { major: 8, minor: 0, exact: false };
        assert_eq!(
            [(7, 5), (8, 0), (8, 9), (9, 0)].map(|(a, b)| later.runs_on(a, b)),
            [false, true, true, true]
        );
        let exact = Capability { major: 9, minor: 0, exact: true };
        assert_eq!([(8, 9), (9, 0), (10, 0)].map(|(a, b)| exact.runs_on(a, b)), [false, true, false]);
        assert_eq!((alloc::format!("{later}"), alloc::format!("{exact}")), ("sm_80".into(), "sm_90a".into()));
    }

    #[test]
    fn rounds_move_operands() {
        let operand = |strides| DeviceOperand { memory: DeviceMemory::Arena, byte: 100, strides };
        let launch =
            |kernel, strides| DeviceStep::Launch(DeviceLaunch { kernel, operands: vec![operand(strides)] });
        let along = |step, period| DeviceStride { step, period };
        let inner = DeviceStep::Repeat { times: 3, steps: vec![launch(1, vec![along(-40, 9), along(4, 2)])] };
        let function = DeviceFunction {
            prologue: vec![launch(0, vec![])],
            steps: vec![DeviceStep::Repeat { times: 2, steps: vec![inner, launch(2, vec![along(8, 9)])] }],
        };
        let numbers: Vec<usize> =
            DeviceStep::written(&function.steps).iter().map(|launch| launch.kernel).collect();
        assert_eq!((numbers, DeviceStep::count(&function.steps)), (vec![1, 2], 2 * (3 + 1)));
        let walked = |prepare| {
            let mut found = Vec::new();
            let walked: Result<(), ()> = function.walk(prepare, &mut |turn| {
                // Kernels are numbered as the launches are.
                assert_eq!(turn.number, turn.launch.kernel);
                found.push((turn.launch.kernel, turn.launch.operands[0].start(turn.rounds)));
                Ok(())
            });
            assert_eq!(walked, Ok(()));
            found
        };
        let steps = [(1, 100), (1, 104), (1, 100), (2, 100), (1, 60), (1, 64), (1, 60), (2, 108)];
        assert_eq!(walked(false), steps);
        assert_eq!(walked(true)[0], (0, 100));
        assert_eq!(walked(true)[1..], steps);
    }

    #[test]
    fn an_error_ends_the_walk() {
        let launch = |kernel| DeviceStep::Launch(DeviceLaunch { kernel, operands: vec![] });
        let function = DeviceFunction { prologue: vec![], steps: vec![launch(0), launch(1), launch(2)] };
        let mut seen = 0;
        let stopped = function.walk(true, &mut |turn| {
            seen += 1;
            if turn.launch.kernel == 1 { Err(turn.launch.kernel) } else { Ok(()) }
        });
        assert_eq!((stopped, seen), (Err(1), 2));
    }
}
