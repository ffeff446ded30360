//! How long the GPU was busy with what.

use crate::owned::{Answer, Context, Event, Stream};
use std::sync::Arc;

/// Milliseconds of a call on the GPU's own clock.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CallTimes {
    /// Inputs on their way to the GPU.
    pub inputs: f32,
    /// All launches.
    pub kernels: f32,
    /// Wanted outputs on their way back.
    pub outputs: f32,
}

/// Milliseconds of one launch that was waited for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LaunchTime {
    /// The kernel's number in the module.
    pub kernel: usize,
    /// From the stream's start of it to its end.
    pub milliseconds: f32,
}

/// Marks between the parts of a call.
pub(crate) struct Marks {
    /// Before the inputs, before the launches, behind them, behind the outputs.
    events: [Event; 4],
    /// How many of them the last call has set.
    set: usize,
    /// Around one launch.
    launch: [Event; 2],
}

impl Marks {
    pub(crate) fn new(context: &Arc<Context>) -> Answer<Marks> {
        let event = || Event::new(context);
        Ok(Marks { events: [event()?, event()?, event()?, event()?], set: 0, launch: [event()?, event()?] })
    }

    /// Begins a call.
    pub(crate) fn begin(&mut self, stream: &Stream) -> Answer<()> {
        self.set = 0;
        self.next(stream)
    }

    /// Ends a part of the call.
    pub(crate) fn next(&mut self, stream: &Stream) -> Answer<()> {
        if let Some(event) = self.events.get(self.set) {
            event.record(stream)?;
            self.set += 1;
        }
        Ok(())
    }

    /// The times of the last call; waits for its end.
    pub(crate) fn times(&self) -> Answer<Option<CallTimes>> {
        let [begin, inputs, kernels, outputs] = &self.events;
        if self.set < self.events.len() {
            return Ok(None);
        }
        outputs.wait()?;
        Ok(Some(CallTimes {
            inputs: inputs.since(begin)?,
            kernels: kernels.since(inputs)?,
            outputs: outputs.since(kernels)?,
        }))
    }

    /// Does a launch between two marks and waits for it; its milliseconds.
    pub(crate) fn timed(&self, stream: &Stream, launch: impl FnOnce() -> Answer<()>) -> Answer<f32> {
        let [before, after] = &self.launch;
        before.record(stream)?;
        launch()?;
        after.record(stream)?;
        stream.wait()?;
        after.since(before)
    }
}
