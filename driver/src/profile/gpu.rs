//! On a GPU: its own times of the whole and of each launch, taken in turns.
//!
//! The whole is timed as it always runs, between a mark before its graph and one behind it: what this machine takes to
//! start the graph is part of it, so a small model's whole may be longer than the sum of its launches. Those are timed with
//! marks between them in a graph of their own. Both are the GPU's times, without transfers, which are told apart.

use super::subject::{Rounds, Subject, Times, nothing_to_time};
use crate::{DriverError, Loaded, Result, TimedOptions};
use dlc_compiler::Compilation;
use dlc_runtime::{CallTimes, FunctionHandle};

/// Times the last function of a compilation and its launches on synthetic inputs.
pub(super) fn measure(
    loaded: &Loaded,
    compilation: &Compilation,
    batch: usize,
    options: &TimedOptions,
) -> Result<Times> {
    let function = compilation.functions.last().ok_or_else(nothing_to_time)?;
    let mut subject = Subject::new(loaded, compilation, batch, options)?;
    let whole = subject.session.prepare(&function.name)?;
    let launches = function.lowered.program.launches.len();
    let mut least = Times {
        whole: f64::MAX,
        call: f64::MAX,
        launches: vec![f64::MAX; launches],
        timings: vec![1; launches],
        transfers: None,
    };
    // The first call does what later ones need not, the prologue, whose launches are timed here alone.
    keep_least(&mut least, &timed(&mut subject, whole)?);
    for _ in Rounds::begin() {
        let times = called(&mut subject, whole)?;
        least.whole = least.whole.min(times.kernels.into());
        let transfers = f64::from(times.inputs + times.outputs);
        least.transfers = Some(least.transfers.map_or(transfers, |before| before.min(transfers)));
        keep_least(&mut least, &timed(&mut subject, whole)?);
    }
    // A launch without work is left out of every call.
    least.launches.iter_mut().filter(|time| **time == f64::MAX).for_each(|time| *time = 0.0);
    Ok(least)
}

/// A call with the times of its launches.
fn timed(subject: &mut Subject, whole: FunctionHandle) -> Result<CallTimes> {
    subject.session.time_launches(true);
    let times = called(subject, whole);
    subject.session.time_launches(false);
    times
}

fn called(subject: &mut Subject, whole: FunctionHandle) -> Result<CallTimes> {
    subject.call(whole)?;
    let device = subject.session.device().ok_or_else(untimed)?;
    device.times()?.ok_or_else(untimed)
}

fn untimed() -> DriverError {
    DriverError::Bug("there is no device that times its calls".to_owned())
}

/// Keeps the least times of every launch in all its rounds.
fn keep_least(least: &mut Times, times: &CallTimes) {
    let mut sums = vec![(0.0, 0); least.launches.len()];
    for launch in &times.launches {
        if let Some((sum, rounds)) = sums.get_mut(launch.number) {
            *sum += f64::from(launch.milliseconds);
            *rounds += 1;
        }
    }
    let kept = least.launches.iter_mut().zip(&mut least.timings).zip(sums);
    for ((least, timings), (sum, rounds)) in kept.filter(|(_, (_, rounds))| *rounds > 0) {
        *least = least.min(sum);
        *timings = rounds;
    }
    least.call = least.call.min(times.mark.into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use dlc_runtime::LaunchTime;

    #[test]
    fn rounds_of_a_launch_are_one_time() {
        let call = |mark, launches: &[(usize, f32)]| CallTimes {
            mark,
            launches: launches
                .iter()
                .map(|&(number, milliseconds)| LaunchTime { number, milliseconds })
                .collect(),
            ..CallTimes::default()
        };
        let mut least =
            Times { call: f64::MAX, launches: vec![f64::MAX; 4], timings: vec![1; 4], ..Times::default() };
        keep_least(&mut least, &call(0.5, &[(0, 1.0), (1, 2.0), (2, 0.25), (1, 2.0), (2, 0.25)]));
        keep_least(&mut least, &call(0.25, &[(1, 1.0), (2, 0.5), (1, 1.5), (2, 0.5)]));
        assert_eq!((least.call, least.launches), (0.25, vec![1.0, 2.5, 0.5, f64::MAX]));
        assert_eq!(least.timings, [1, 2, 2, 1]);
    }
}
