//! A GPU as a session's device: copies of whole blocks, calls, and errors in the session's words.

use crate::device::CudaDevice;
use crate::error::{CudaError, Result};
use crate::owned::{Answer, Stream};
use dlc_runtime::{Ahead, Call, CallTimes, Device, RuntimeError};

impl CudaDevice {
    /// Copies to or from the block, in the stream's order, and waits.
    fn copied(&self, copy: impl FnOnce(&Stream) -> Answer<()>) -> Result<()> {
        let copied = self.stream.context().enter().and_then(|_current| copy(&self.stream));
        let waited = copied.and_then(|()| self.stream.wait());
        self.keep(waited.map_err(|failure| self.of_unwaited(failure)))?;
        self.unwaited.borrow_mut().clear();
        Ok(())
    }

    fn told(&self, error: CudaError) -> RuntimeError {
        RuntimeError::Device { device: self.info.name.clone(), reason: error.to_string() }
    }
}

fn fitting(what: &str, needed: usize, given: usize) -> Result<()> {
    match needed == given {
        true => Ok(()),
        false => Err(CudaError::Call(format!("{what} have {needed} bytes, not {given}"))),
    }
}

impl Device for CudaDevice {
    fn name(&self) -> &str {
        &self.info.name
    }

    fn upload(&mut self, persistent: &[u8]) -> std::result::Result<(), RuntimeError> {
        let to = self.block.address() + self.plan.persistent_start() as u64;
        let fits = fitting("parameters and states", self.plan.persistent_bytes, persistent.len());
        // SAFETY: the persistent block has this length, and `copied` waits.
        let upload = || self.copied(|stream| unsafe { stream.copy_in(to, persistent) });
        self.alive().and(fits).and_then(|()| upload()).map_err(|error| self.told(error))
    }

    fn download(&self, persistent: &mut [u8]) -> std::result::Result<(), RuntimeError> {
        let from = self.block.address() + self.plan.persistent_start() as u64;
        let fits = fitting("parameters and states", self.plan.persistent_bytes, persistent.len());
        // SAFETY: the persistent block has this length, and `copied` waits.
        let mut download = || self.copied(|stream| unsafe { stream.copy_out(persistent, from) });
        self.alive().and(fits).and_then(|()| download()).map_err(|error| self.told(error))
    }

    fn scratch(&self, arena: &mut [u8]) -> std::result::Result<(), RuntimeError> {
        let most = self.plan.needs.arena;
        let fits = match arena.len() <= most {
            true => Ok(()),
            false => Err(CudaError::Call(format!("the arena has {most} bytes, not {}", arena.len()))),
        };
        let from = self.block.address();
        // SAFETY: the arena has at least this length, and `copied` waits.
        let mut read = || self.copied(|stream| unsafe { stream.copy_out(arena, from) });
        self.alive().and(fits).and_then(|()| read()).map_err(|error| self.told(error))
    }

    fn start(
        &mut self,
        call: Call,
        inputs: &[&[u8]],
        wanted: &[usize],
    ) -> std::result::Result<(), RuntimeError> {
        self.start_function(call, inputs, wanted).map_err(|error| self.told(error))
    }

    fn stage(&mut self, next: Ahead<'_>) -> std::result::Result<(), RuntimeError> {
        self.stage_inputs(next).map_err(|error| self.told(error))
    }

    fn finish(&mut self) -> std::result::Result<(), RuntimeError> {
        self.finish_function().map_err(|error| self.told(error))
    }

    fn time_launches(&mut self, timed: bool) -> bool {
        self.timed = timed;
        true
    }

    fn times(&self) -> std::result::Result<Option<CallTimes>, RuntimeError> {
        self.last_times().map_err(|error| self.told(error))
    }

    fn output(&self, number: usize) -> &[u8] {
        let range = self.output_ranges.get(number).cloned().unwrap_or(0..0);
        self.outputs.bytes().get(range).unwrap_or(&[])
    }
}
