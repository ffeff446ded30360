//! Marks in a stream.

use crate::start::put;
use crate::state::{Answer, Name, Object, State, within};
use crate::status::*;
use crate::stream::Work;
use std::ffi::c_uint;
use std::time::Instant;

#[unsafe(no_mangle)]
unsafe extern "system" fn cuEventCreate(to: *mut Name, flags: c_uint) -> Status {
    within(|state| {
        if flags > 3 {
            return Err(INVALID_VALUE);
        }
        let name = state.add(Object::Event { stream: None, reached: None });
        // SAFETY: by the interface.
        unsafe { put(to, name) }
    })
}

/// `CU_EVENT_RECORD_EXTERNAL`
const EXTERNAL: c_uint = 1;

/// In a stream that records, a mark by this function orders what is recorded and is no work that a graph does: its time
/// is never known.
#[unsafe(no_mangle)]
extern "system" fn cuEventRecord(event: Name, into: Name) -> Status {
    within(|state| record(state, event, into, 0))
}

#[unsafe(no_mangle)]
extern "system" fn cuEventRecordWithFlags(event: Name, into: Name, flags: c_uint) -> Status {
    within(|state| record(state, event, into, flags))
}

fn record(state: &mut State, event: Name, into: Name, flags: c_uint) -> Answer<()> {
    let recording = state.stream(into)?.capture.is_some();
    let Some(Object::Event { stream, reached }) = state.objects.get_mut(&event) else {
        return Err(INVALID_HANDLE);
    };
    match (recording, flags) {
        (false, 0) => (*stream, *reached) = (Some(into), None),
        (true, EXTERNAL) => (*stream, *reached) = (None, None),
        (true, 0) => {
            (*stream, *reached) = (None, None);
            return Ok(());
        }
        _ => return Err(INVALID_VALUE),
    }
    state.enqueue(into, Work::Record(event))
}

#[unsafe(no_mangle)]
extern "system" fn cuEventSynchronize(event: Name) -> Status {
    within(|state| {
        state.outside_capture()?;
        match state.objects.get(&event) {
            Some(Object::Event { stream: Some(stream), reached: None }) => {
                let stream = *stream;
                state.finish_until(stream, |state| reached(state, event).is_ok())
            }
            // What was never recorded counts as reached.
            Some(Object::Event { .. }) => Ok(()),
            _ => Err(INVALID_HANDLE),
        }
    })
}

fn reached(state: &State, event: Name) -> Answer<Instant> {
    match state.objects.get(&event) {
        Some(Object::Event { reached: Some(instant), .. }) => Ok(*instant),
        Some(Object::Event { stream: Some(_), .. }) => Err(NOT_READY),
        _ => Err(INVALID_HANDLE),
    }
}

#[unsafe(no_mangle)]
unsafe extern "system" fn cuEventElapsedTime(to: *mut f32, start: Name, end: Name) -> Status {
    within(|state| {
        let time = reached(state, end)?.duration_since(reached(state, start)?);
        // SAFETY: by the interface.
        unsafe { put(to, time.as_secs_f32() * 1e3) }
    })
}

#[unsafe(no_mangle)]
extern "system" fn cuEventDestroy_v2(event: Name) -> Status {
    within(|state| state.remove(event, |object| matches!(object, Object::Event { .. })))
}
