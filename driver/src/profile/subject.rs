//! A session of a model with synthetic inputs, ready to be timed, and what timing finds.

use crate::compare::synthetic_inputs;
use crate::data::port_bytes;
use crate::{DriverError, Loaded, Result, TimedOptions, session};
use dlc_compiler::Compilation;
use dlc_runtime::{FunctionHandle, Session};
use dlc_trainer::Engine;
use std::time::{Duration, Instant};

/// Least number of timed rounds, each of the whole and all launches; the least time of each counts.
const ROUNDS: usize = 3;
/// Rounds go on for this long,
const SPAN: Duration = Duration::from_secs(2);
/// but not beyond this number.
const ROUNDS_LIMIT: usize = 100;
/// Steps that a schedule is told of: more than are timed.
const TOTAL_STEPS: usize = 1_000_000;

/// Least times in milliseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Times {
    /// The whole function; on a device its launches.
    pub(super) whole: f64,
    /// What each launch's time has on top.
    pub(super) call: f64,
    /// Each launch by itself, all its rounds.
    pub(super) launches: Vec<f64>,
    /// How many times a call times each.
    pub(super) timings: Vec<usize>,
    /// Inputs to a device and outputs back.
    pub(super) transfers: Option<f64>,
}

/// A session with its inputs, and room for outputs.
pub(super) struct Subject {
    pub(super) session: Session,
    batch: usize,
    inputs: Vec<Vec<u8>>,
    outputs: Vec<Vec<u8>>,
}

impl Subject {
    /// A session of a compilation, to call functions that have the last one's inputs and outputs.
    pub(super) fn new(
        loaded: &Loaded,
        compilation: &Compilation,
        batch: usize,
        options: &TimedOptions,
    ) -> Result<Subject> {
        let choices = options.choices.without_trials();
        let mut session = session(compilation, options.machine, options.threads(), &choices)?;
        loaded.begin(&mut session, options.seed)?;
        Engine::set_total_steps(&mut session, TOTAL_STEPS)?;
        let mut all = synthetic_inputs(loaded, &compilation.interface, batch, options.seed);
        let ports = compilation.interface.functions.last().ok_or_else(nothing_to_time)?;
        Ok(Subject {
            session,
            batch,
            inputs: ports.inputs.iter().filter_map(|port| all.remove(&port.name)).collect(),
            outputs: ports.outputs.iter().map(|port| vec![0; port_bytes(port, batch)]).collect(),
        })
    }

    pub(super) fn call(&mut self, handle: FunctionHandle) -> Result<()> {
        let inputs: Vec<&[u8]> = self.inputs.iter().map(Vec::as_slice).collect();
        let mut slots: Vec<&mut [u8]> = self.outputs.iter_mut().map(Vec::as_mut_slice).collect();
        Ok(self.session.call(handle, self.batch, &inputs, &mut slots)?)
    }
}

/// As many rounds as are timed.
pub(super) struct Rounds {
    started: Instant,
    done: usize,
}

impl Rounds {
    pub(super) fn begin() -> Rounds {
        Rounds { started: Instant::now(), done: 0 }
    }
}

impl Iterator for Rounds {
    type Item = ();

    fn next(&mut self) -> Option<()> {
        let enough = self.done >= ROUNDS && self.started.elapsed() >= SPAN;
        self.done += 1;
        (!enough && self.done <= ROUNDS_LIMIT).then_some(())
    }
}

pub(super) fn nothing_to_time() -> DriverError {
    DriverError::Bug("there is no function to time".to_owned())
}
