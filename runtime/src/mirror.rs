//! A session's functions on a device, with parameters and states mirrored here.
//!
//! Two blocks hold parameters and states, the device's and this one; at any time one of them is the newest. A call
//! uploads first where this one is, and leaves the device's the newest where the function writes them. What
//! only reads (a checkpoint) copies the device's and leaves the mirror alone.

use crate::block::Block;
use crate::device::{Ahead, Call, Device};
use crate::error::Result;
use crate::execution::{Asked, report};
use crate::program::Program;
use std::borrow::Cow;

/// Which block has the newest parameters and states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Newest {
    Mirror,
    Device,
    Both,
}

/// A device and what is known of its memory.
pub(crate) struct Mirror {
    device: Box<dyn Device>,
    persistent: Block,
    newest: Newest,
    arena_bytes: usize,
    /// Outputs that make up a report, or that the last call asked for; kept for its memory.
    wanted: Vec<usize>,
}

impl Mirror {
    /// A device with these parameters and states.
    pub(crate) fn new(program: &Program, device: Box<dyn Device>, persistent: Block) -> Mirror {
        let functions = &program.interface().functions;
        let outputs = functions.iter().map(|function| function.outputs.len()).max();
        Mirror {
            device,
            persistent,
            newest: Newest::Mirror,
            arena_bytes: functions.iter().map(|function| function.arena_bytes).max().unwrap_or(0),
            wanted: Vec::with_capacity(outputs.unwrap_or(0)),
        }
    }

    pub(crate) fn device(&self) -> &dyn Device {
        self.device.as_ref()
    }

    pub(crate) fn time_launches(&mut self, timed: bool) -> bool {
        self.device.time_launches(timed)
    }

    /// Parameters and states to change.
    pub(crate) fn persistent_mut(&mut self) -> Result<&mut [u8]> {
        if self.newest == Newest::Device {
            self.device.download(self.persistent.bytes_mut())?;
        }
        self.newest = Newest::Mirror;
        Ok(self.persistent.bytes_mut())
    }

    /// Parameters and states to read.
    pub(crate) fn persistent(&self) -> Result<Cow<'_, [u8]>> {
        if self.newest != Newest::Device {
            return Ok(Cow::Borrowed(self.persistent.bytes()));
        }
        let mut bytes = vec![0; self.persistent.len()];
        self.device.download(&mut bytes)?;
        Ok(Cow::Owned(bytes))
    }

    /// The arena to read.
    pub(crate) fn arena(&self) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.arena_bytes];
        self.device.scratch(&mut bytes)?;
        Ok(bytes)
    }

    /// Has the device do a call, and hands out what was asked for. What the next call will be given is taken over meanwhile.
    pub(crate) fn call(
        &mut self,
        program: &Program,
        call: Call,
        inputs: &[&[u8]],
        next: Option<Ahead<'_>>,
        asked: &mut Asked<'_, '_>,
    ) -> Result<()> {
        if self.newest == Newest::Mirror {
            self.device.upload(self.persistent.bytes())?;
            self.newest = Newest::Both;
        }
        let plan = program.plan(call.function);
        self.wanted.clear();
        self.wanted.extend_from_slice(match asked {
            Asked::Buffers(numbers, _) => numbers,
            Asked::Report(_) => &plan.report,
        });
        if !program.interface().functions[call.function].keeps_persistent {
            self.newest = Newest::Device;
        }
        self.device.start(call, inputs, &self.wanted)?;
        if let Some(next) = next {
            self.device.stage(next)?;
        }
        self.device.finish()?;
        match asked {
            Asked::Buffers(numbers, buffers) => {
                for (&number, buffer) in numbers.iter().zip(buffers.iter_mut()) {
                    let found = self.device.output(number);
                    buffer.copy_from_slice(&found[..buffer.len()]);
                }
            }
            Asked::Report(values) => report(plan, call.batch, values, |number| self.device.output(number)),
        }
        Ok(())
    }
}
