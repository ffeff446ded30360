//! Calls whose launches are timed.
//!
//! Launches and the marks between them are recorded and started as one graph, so that what is measured is the GPU's time
//! and not how fast this machine starts launches; without memory for the graph they are started one by one. Such a call
//! waits for its launches.

use crate::call::launches;
use crate::device::CudaDevice;
use crate::driver::OUT_OF_MEMORY;
use crate::error::{CudaError, Result};
use crate::owned::Graph;
use crate::times::LaunchMarks;
use dlc_runtime::Call;

impl CudaDevice {
    pub(crate) fn launch_timed(&mut self, call: Call) -> Result<()> {
        let mut marks = std::mem::take(&mut self.launch_marks);
        let timed = self.launch_between(call, &mut marks);
        let times = timed.and_then(|()| marks.times().map_err(|failure| self.of_function(call, failure)));
        self.launch_marks = marks;
        (self.launch_times, self.mark_time) = times?;
        Ok(())
    }

    /// Launches all between marks and waits for them.
    fn launch_between(&self, call: Call, marks: &mut LaunchMarks) -> Result<()> {
        marks.reserve(self.stream.context(), launches(&self.functions[call.function]))?;
        // It is kept until its launches are done.
        let graph = self.timed_graph(call, marks)?;
        let started = match graph.as_ref().map(|graph| graph.launch(&self.stream)) {
            Some(Err(failure)) if failure.code == OUT_OF_MEMORY => self.launch_marked(call, marks, false),
            Some(launched) => launched.map_err(|failure| self.of_function(call, failure)),
            None => self.launch_marked(call, marks, false),
        };
        // Waited for whatever became of it, since the graph goes.
        let waited = self.stream.wait().map_err(|failure| self.of_function(call, failure));
        started.and(waited)
    }

    /// The recording; `None` where there is no memory for one.
    fn timed_graph(&self, call: Call, marks: &mut LaunchMarks) -> Result<Option<Graph>> {
        if !self.recording {
            return Ok(None);
        }
        match self.recorded(call, || self.launch_marked(call, marks, true)) {
            Err(CudaError::Function { failure, .. }) if failure.code == OUT_OF_MEMORY => Ok(None),
            recorded => recorded.map(Some),
        }
    }

    fn launch_marked(&self, call: Call, marks: &mut LaunchMarks, recording: bool) -> Result<()> {
        marks.begin(&self.stream, recording)?;
        self.walk(call, &mut |launch| {
            let started = launch.start(&self.stream);
            let marked = started.and_then(|()| marks.behind(launch.number, &self.stream, recording));
            marked.map_err(|failure| self.of_function(call, failure))
        })
    }
}
