//! Work of the GPU in order, and marks in it that tell when it got there.

use super::{Answer, Context};
use crate::driver::Handle;
use std::sync::Arc;

/// `CU_STREAM_NON_BLOCKING`: other users of the process wait for this stream no more than it for them.
const NON_BLOCKING: u32 = 1;
/// `CU_EVENT_RECORD_EXTERNAL`: the mark is part of what is recorded, and passed whenever that runs.
const RECORDED: u32 = 1;

/// A queue of work.
pub(crate) struct Stream {
    context: Arc<Context>,
    handle: Handle,
}

impl Stream {
    pub(crate) fn new(context: &Arc<Context>) -> Answer<Stream> {
        let driver = context.driver();
        let _current = context.enter()?;
        let mut handle = Handle::NONE;
        // SAFETY: writes one handle.
        let status = unsafe { (driver.table.cuStreamCreate)(&mut handle, NON_BLOCKING) };
        driver.check("cuStreamCreate", status)?;
        Ok(Stream { context: Arc::clone(context), handle })
    }

    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    pub(crate) fn handle(&self) -> Handle {
        self.handle
    }

    /// Waits for everything in the queue.
    pub(crate) fn wait(&self) -> Answer<()> {
        let driver = self.context.driver();
        let _current = self.context.enter()?;
        // SAFETY: the stream is this owner's.
        driver.check("cuStreamSynchronize", unsafe { (driver.table.cuStreamSynchronize)(self.handle) })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _current = self.context.enter();
        // SAFETY: created by this owner.
        unsafe { (self.context.driver().table.cuStreamDestroy_v2)(self.handle) };
    }
}

/// A mark in a stream.
pub(crate) struct Event {
    context: Arc<Context>,
    handle: Handle,
}

impl Event {
    pub(crate) fn new(context: &Arc<Context>) -> Answer<Event> {
        let driver = context.driver();
        let _current = context.enter()?;
        let mut handle = Handle::NONE;
        // SAFETY: writes one handle; no flags.
        driver.check("cuEventCreate", unsafe { (driver.table.cuEventCreate)(&mut handle, 0) })?;
        Ok(Event { context: Arc::clone(context), handle })
    }

    /// Puts the mark behind all that is in the stream's queue. Needs the context to be current.
    pub(crate) fn record(&self, stream: &Stream) -> Answer<()> {
        let driver = self.context.driver();
        // SAFETY: both live.
        let status = unsafe { (driver.table.cuEventRecord)(self.handle, stream.handle()) };
        driver.check("cuEventRecord", status)
    }

    /// Puts the mark behind all that the stream has recorded so far. Needs the context to be current, and the stream to
    /// record.
    pub(crate) fn record_in_graph(&self, stream: &Stream) -> Answer<()> {
        let driver = self.context.driver();
        // SAFETY: both live.
        let status = unsafe { (driver.table.cuEventRecordWithFlags)(self.handle, stream.handle(), RECORDED) };
        driver.check("cuEventRecordWithFlags", status)
    }

    /// Waits until the GPU came to the mark.
    pub(crate) fn wait(&self) -> Answer<()> {
        let driver = self.context.driver();
        let _current = self.context.enter()?;
        // SAFETY: the event is this owner's.
        driver.check("cuEventSynchronize", unsafe { (driver.table.cuEventSynchronize)(self.handle) })
    }

    /// Milliseconds from another mark to this one; the GPU has come to both.
    pub(crate) fn since(&self, start: &Event) -> Answer<f32> {
        let driver = self.context.driver();
        let _current = self.context.enter()?;
        let mut milliseconds = 0.0;
        // SAFETY: writes one number; both events live.
        let status =
            unsafe { (driver.table.cuEventElapsedTime)(&mut milliseconds, start.handle, self.handle) };
        driver.check("cuEventElapsedTime", status)?;
        Ok(milliseconds)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        let _current = self.context.enter();
        // SAFETY: created by this owner.
        unsafe { (self.context.driver().table.cuEventDestroy_v2)(self.handle) };
    }
}
