//! What runs a session's functions when that is not this process's threads: a GPU, say.
//!
//! The session keeps what is common to all: it checks every length before a call, knows names and orders, and reads and
//! writes checkpoints. A device has memory of its own for parameters and states, for scratch, inputs and outputs.

use crate::error::Result;

/// A place with memory and processors of its own, on which one program is loaded for one session.
pub trait Device: Send {
    /// What it is, for people: `NVIDIA H100 80GB HBM3`, say.
    fn name(&self) -> &str;

    /// Replaces parameters and states: the whole persistent block, as the interface lays it out.
    ///
    /// # Errors
    /// That of a device that does not do what it is asked for.
    fn upload(&mut self, persistent: &[u8]) -> Result<()>;

    /// Reads parameters and states back, all of the block.
    ///
    /// # Errors
    /// As above.
    fn download(&self, persistent: &mut [u8]) -> Result<()>;

    /// Reads the arena as the last call left it, from its first byte on.
    ///
    /// # Errors
    /// As above.
    fn scratch(&self, arena: &mut [u8]) -> Result<()>;

    /// Does a call, and returns when its results are there. `inputs` are plain row-major tensors with the lengths that
    /// the interface asks for; `wanted` are the numbers of the outputs that [`Device::output`] will be asked for.
    ///
    /// # Errors
    /// As above; parameters and states are then of no use.
    fn call(&mut self, call: Call, inputs: &[&[u8]], wanted: &[usize]) -> Result<()>;

    /// A wanted output of the last call, with the length that the interface tells for its batch.
    fn output(&self, number: usize) -> &[u8];

    /// Has every launch of later calls timed, or no longer. Results stay the same bits; calls may take longer. Returns
    /// whether the device has a clock for it.
    fn time_launches(&mut self, _timed: bool) -> bool {
        false
    }

    /// How long the last call took; `None` before the first one, or where nobody knows.
    ///
    /// # Errors
    /// As above.
    fn times(&self) -> Result<Option<CallTimes>> {
        Ok(None)
    }
}

/// Milliseconds of a call by the device's own clock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallTimes {
    /// Inputs on their way to the device.
    pub inputs: f32,
    /// All launches.
    pub kernels: f32,
    /// Wanted outputs on their way back.
    pub outputs: f32,
    /// Every launch that was done, in order; none unless launches are timed.
    pub launches: Vec<LaunchTime>,
    /// What every launch's time has on top: the time between two marks with nothing between them.
    pub mark: f32,
}

/// Milliseconds of a launch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LaunchTime {
    /// Its number among the function's, as [`LaunchTurn`](dlc_abi::LaunchTurn) counts them.
    pub number: usize,
    /// From the end of what was before it to its own end.
    pub milliseconds: f32,
}

/// A call of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its number in the interface.
    pub function: usize,
    /// Samples.
    pub batch: usize,
    /// Whether what depends on persistent tensors alone has to be computed: [`Context::prepare`](dlc_abi::Context).
    pub prepare: bool,
    /// Whether another function has used the arena since this one did, so that the parts that
    /// [`FunctionInterface::cleared`](dlc_abi::FunctionInterface) names have to be zeroed.
    pub clear: bool,
}
