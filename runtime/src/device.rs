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

    /// Begins a call. `inputs` are plain row-major tensors with the lengths that the interface asks for, and taken over
    /// when this returns; `wanted` are the numbers of the outputs that [`Device::output`] will be asked for.
    ///
    /// # Errors
    /// As above; parameters and states are then of no use.
    fn start(&mut self, call: Call, inputs: &[&[u8]], wanted: &[usize]) -> Result<()>;

    /// Takes over the inputs of the next call while the one that began may still be computed. The device may as well leave
    /// it; another call in between undoes it, copies of parameters and states do not.
    ///
    /// # Errors
    /// As above.
    fn stage(&mut self, _next: Ahead<'_>) -> Result<()> {
        Ok(())
    }

    /// Returns when the results of the call that began are there.
    ///
    /// # Errors
    /// As above.
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }

    /// Does a call, and returns when its results are there.
    ///
    /// # Errors
    /// As above.
    fn call(&mut self, call: Call, inputs: &[&[u8]], wanted: &[usize]) -> Result<()> {
        self.start(call, inputs, wanted)?;
        self.finish()
    }

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
    /// All launches; where each is timed, what it takes to record them, too.
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
    /// Whether its inputs are those that the device was last given ahead ([`Device::stage`]).
    pub staged: bool,
}

/// What the next call will be given.
#[derive(Clone, Copy, Debug)]
pub struct Ahead<'a> {
    /// Its function's number in the interface.
    pub function: usize,
    /// Samples.
    pub batch: usize,
    /// Inputs, as for the call itself.
    pub inputs: &'a [&'a [u8]],
}

/// Samples of a training step that may be told ahead of it.
#[derive(Clone, Copy, Debug)]
pub struct Samples<'a> {
    /// Which these are: no other samples have this number that a session is told of before its parameters are set anew.
    pub number: u64,
    /// How many.
    pub batch: usize,
    /// Plain tensors, as for [`Session::train_step`](crate::Session::train_step).
    pub inputs: &'a [&'a [u8]],
}

impl<'a> Samples<'a> {
    pub(crate) fn given_to(self, function: usize) -> Ahead<'a> {
        Ahead { function, batch: self.batch, inputs: self.inputs }
    }
}
