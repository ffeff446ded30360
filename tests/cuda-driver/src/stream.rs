//! Streams: work that waits until somebody waits for it.

use crate::host::HostRange;
use crate::launch::Launch;
use crate::start::put;
use crate::state::{Answer, Name, Object, State, within};
use crate::status::*;
use std::collections::VecDeque;
use std::ffi::c_uint;
use std::sync::Arc;
use std::time::Instant;

/// Something for the device to do.
#[derive(Clone)]
pub(crate) enum Work {
    /// From the host's memory as it is by then.
    CopyIn {
        to: u64,
        from: HostRange,
    },
    /// These bytes.
    Store {
        to: u64,
        bytes: Arc<[u8]>,
    },
    CopyOut {
        to: HostRange,
        from: u64,
    },
    Fill {
        to: u64,
        value: u8,
        bytes: usize,
    },
    Launch(Arc<Launch>),
    Record(Name),
    Graph(Arc<Vec<Work>>),
}

/// A queue of it.
#[derive(Default)]
pub(crate) struct Stream {
    pub(crate) queue: VecDeque<Work>,
    /// What was put into it since it began to record.
    pub(crate) capture: Option<Vec<Work>>,
}

impl State {
    pub(crate) fn stream(&mut self, name: Name) -> Answer<&mut Stream> {
        match self.objects.get_mut(&name) {
            Some(Object::Stream(stream)) => Ok(stream),
            _ => Err(INVALID_HANDLE),
        }
    }

    pub(crate) fn enqueue(&mut self, stream: Name, work: Work) -> Answer<()> {
        let stream = self.stream(stream)?;
        match &mut stream.capture {
            Some(recorded) => recorded.push(work),
            None => stream.queue.push_back(work),
        }
        Ok(())
    }

    /// Does all that is in a stream.
    pub(crate) fn finish(&mut self, stream: Name) -> Answer<()> {
        self.finish_until(stream, |_| false)
    }

    /// Does what is in a stream, in order, until it is enough.
    pub(crate) fn finish_until(&mut self, stream: Name, enough: impl Fn(&State) -> bool) -> Answer<()> {
        while !enough(self) {
            let Some(work) = self.stream(stream)?.queue.pop_front() else { break };
            self.work(&work)?;
        }
        Ok(())
    }

    /// Does all that is in any stream.
    pub(crate) fn finish_all(&mut self) -> Answer<()> {
        let names: Vec<Name> = self.objects.keys().copied().collect();
        for name in names {
            if matches!(self.objects.get(&name), Some(Object::Stream(_))) {
                self.finish(name)?;
            }
        }
        Ok(())
    }

    fn work(&mut self, work: &Work) -> Answer<()> {
        match work {
            Work::CopyIn { to, from } => {
                let bytes = self.is_pinned(*from).then(|| {
                    // SAFETY: the block is there; the interface forbids to write it before the copy is done.
                    unsafe { from.read() }
                });
                let Some(bytes) = bytes else {
                    return Err(self.fail(ILLEGAL_ADDRESS, "the host's memory is gone"));
                };
                self.store(*to, &bytes)
            }
            Work::Store { to, bytes } => self.store(*to, bytes),
            Work::CopyOut { to, from } => {
                if !self.is_pinned(*to) {
                    return Err(self.fail(ILLEGAL_ADDRESS, "the host's memory is gone"));
                }
                match self.memory.read(*from, to.bytes) {
                    Ok(bytes) => {
                        // SAFETY: the block is there; the interface forbids to use it before the copy is done.
                        unsafe { to.write(bytes) };
                        Ok(())
                    }
                    Err(fault) => Err(self.fail(ILLEGAL_ADDRESS, &fault.to_string())),
                }
            }
            Work::Fill { to, value, bytes } => {
                const PIECE: usize = 1 << 20;
                let piece = vec![*value; PIECE.min(*bytes)];
                (0..*bytes)
                    .step_by(PIECE)
                    .try_for_each(|start| self.store(to + start as u64, &piece[..PIECE.min(bytes - start)]))
            }
            Work::Launch(launch) => self.run(launch),
            Work::Record(event) => {
                if let Some(Object::Event { reached, .. }) = self.objects.get_mut(event) {
                    *reached = Some(Instant::now());
                }
                Ok(())
            }
            Work::Graph(recorded) => recorded.iter().try_for_each(|work| self.work(work)),
        }
    }

    fn store(&mut self, to: u64, bytes: &[u8]) -> Answer<()> {
        match self.memory.write(to, bytes) {
            Ok(()) => Ok(()),
            Err(fault) => Err(self.fail(ILLEGAL_ADDRESS, &fault.to_string())),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "system" fn cuStreamCreate(to: *mut Name, flags: c_uint) -> Status {
    within(|state| {
        if flags > 1 {
            return Err(INVALID_VALUE);
        }
        let name = state.add(Object::Stream(Stream::default()));
        // SAFETY: by the interface.
        unsafe { put(to, name) }
    })
}

#[unsafe(no_mangle)]
extern "system" fn cuStreamDestroy_v2(stream: Name) -> Status {
    within(|state| {
        state.finish(stream)?;
        state.remove(stream, |object| matches!(object, Object::Stream(_)))
    })
}

#[unsafe(no_mangle)]
extern "system" fn cuStreamSynchronize(stream: Name) -> Status {
    within(|state| {
        state.outside_capture()?;
        state.counters.waits += 1;
        state.finish(stream)
    })
}
