//! Launches that were recorded once and are started as one.

use super::{Answer, Context, Stream};
use crate::driver::Handle;
use std::sync::Arc;

/// `CU_STREAM_CAPTURE_MODE_THREAD_LOCAL`: what other threads do meanwhile is their own.
const THREAD_LOCAL: u32 = 1;

/// A recorded sequence of launches.
pub(crate) struct Graph {
    context: Arc<Context>,
    executable: Handle,
}

impl Graph {
    /// Records what `work` puts into the stream, which does not run it. Needs the context to be current.
    ///
    /// # Errors
    /// That of `work`, or the driver's.
    pub(crate) fn record<E: From<crate::driver::Failure>>(
        stream: &Stream,
        work: impl FnOnce() -> Result<(), E>,
    ) -> Result<Graph, E> {
        let context = stream.context();
        let driver = context.driver();
        // SAFETY: the stream lives.
        let status = unsafe { (driver.table.cuStreamBeginCapture_v2)(stream.handle(), THREAD_LOCAL) };
        driver.check("cuStreamBeginCapture_v2", status)?;
        let worked = work();
        let mut graph = Handle::NONE;
        // The recording is ended whatever became of it, so that the stream runs again.
        // SAFETY: the stream lives; writes one handle.
        let status = unsafe { (driver.table.cuStreamEndCapture)(stream.handle(), &mut graph) };
        let ended = driver.check("cuStreamEndCapture", status);
        let instantiated = worked.and_then(|()| {
            ended?;
            let mut executable = Handle::NONE;
            // SAFETY: the graph lives; writes one handle; no flags.
            let status = unsafe { (driver.table.cuGraphInstantiateWithFlags)(&mut executable, graph, 0) };
            driver.check("cuGraphInstantiateWithFlags", status)?;
            Ok(Graph { context: Arc::clone(context), executable })
        });
        if graph != Handle::NONE {
            // SAFETY: the recording is this function's; what was made of it stands alone.
            unsafe { (driver.table.cuGraphDestroy)(graph) };
        }
        instantiated
    }

    /// Starts it. Needs the context to be current.
    pub(crate) fn launch(&self, stream: &Stream) -> Answer<()> {
        let driver = self.context.driver();
        // SAFETY: both live.
        let status = unsafe { (driver.table.cuGraphLaunch)(self.executable, stream.handle()) };
        driver.check("cuGraphLaunch", status)
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        let _current = self.context.enter();
        // SAFETY: made by this owner, and whoever drops it has waited for the stream.
        unsafe { (self.context.driver().table.cuGraphExecDestroy)(self.executable) };
    }
}
