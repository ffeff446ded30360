//! Where a call's time goes, by the GPU's own clock: marks in the stream, behind whose last one all are read.
//!
//! Marks between the parts of a call are always there; those between launches, which take longer than a small launch, where
//! they are asked for. Then they are recorded with the launches, so that none of them waits for the CPU.

use crate::error::{CudaError, Result};
use crate::owned::{Answer, Context, Event, Stream};
use dlc_runtime::{CallTimes, LaunchTime};
use std::sync::Arc;

/// Most launches of a call that are timed: each has a mark, and a place in the recording.
pub(crate) const MOST_TIMED: u64 = crate::call::MOST_RECORDED;

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

    /// Waits for the end of the last call, and for nothing behind it.
    pub(crate) fn wait(&self) -> Answer<()> {
        self.events[3].wait()
    }

    /// The times of the last call but those of its launches; waits for its end.
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
            ..CallTimes::default()
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

/// Marks between the launches of a call.
#[derive(Default)]
pub(crate) struct LaunchMarks {
    /// Two before all launches, and one behind each.
    events: Vec<Event>,
    /// Numbers of the launches that were done, in order.
    numbers: Vec<usize>,
}

impl LaunchMarks {
    /// Makes marks for so many launches.
    pub(crate) fn reserve(&mut self, context: &Arc<Context>, launches: u64) -> Result<()> {
        let count = usize::try_from(launches.min(MOST_TIMED)).unwrap_or(0) + 2;
        while self.events.len() < count {
            self.events.push(Event::new(context)?);
        }
        Ok(())
    }

    /// Sets the marks before all launches.
    pub(crate) fn begin(&mut self, stream: &Stream, recording: bool) -> Result<()> {
        self.numbers.clear();
        self.events
            .iter()
            .take(2)
            .try_for_each(|event| put(event, stream, recording).map_err(CudaError::Driver))
    }

    /// Sets the mark behind a launch.
    pub(crate) fn behind(&mut self, number: usize, stream: &Stream, recording: bool) -> Answer<()> {
        self.numbers.push(number);
        match self.events.get(self.numbers.len() + 1) {
            Some(event) => put(event, stream, recording),
            None => Ok(()),
        }
    }

    /// The times of all launches, and that of nothing; the stream has been waited for.
    pub(crate) fn times(&self) -> Answer<(Vec<LaunchTime>, f32)> {
        let mut spans = self.events.windows(2).map(|pair| pair[1].since(&pair[0]));
        let mark = spans.next().unwrap_or(Ok(0.0))?;
        let time = |(&number, span): (&usize, Answer<f32>)| {
            span.map(|milliseconds| LaunchTime { number, milliseconds })
        };
        Ok((self.numbers.iter().zip(spans).map(time).collect::<Answer<_>>()?, mark))
    }
}

fn put(event: &Event, stream: &Stream, recording: bool) -> Answer<()> {
    if recording { event.record_in_graph(stream) } else { event.record(stream) }
}
