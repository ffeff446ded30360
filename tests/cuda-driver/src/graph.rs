//! Streams that record, and graphs of what they recorded.

use crate::start::put;
use crate::state::{Answer, Name, Object, State, within};
use crate::status::*;
use crate::stream::Work;
use std::ffi::c_uint;
use std::sync::Arc;

#[unsafe(no_mangle)]
extern "system" fn cuStreamBeginCapture_v2(stream: Name, mode: c_uint) -> Status {
    within(|state| {
        let stream = state.stream(stream)?;
        if mode > 2 {
            return Err(INVALID_VALUE);
        }
        if stream.capture.is_some() {
            return Err(CAPTURE_UNSUPPORTED);
        }
        stream.capture = Some(Vec::new());
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "system" fn cuStreamEndCapture(stream: Name, to: *mut Name) -> Status {
    within(|state| {
        let recorded = state.stream(stream)?.capture.take().ok_or(CAPTURE_UNMATCHED)?;
        let name = state.add(Object::Graph(Arc::new(recorded)));
        // SAFETY: by the interface.
        unsafe { put(to, name) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "system" fn cuGraphInstantiateWithFlags(to: *mut Name, graph: Name, flags: u64) -> Status {
    within(|state| {
        let Some(Object::Graph(recorded)) = state.objects.get(&graph) else { return Err(INVALID_HANDLE) };
        if flags != 0 {
            return Err(INVALID_VALUE);
        }
        if state.counters.graphs >= state.settings.graphs {
            return Err(OUT_OF_MEMORY);
        }
        let executable = Object::Executable(Arc::clone(recorded));
        state.counters.graphs += 1;
        let name = state.add(executable);
        // SAFETY: by the interface.
        unsafe { put(to, name) }
    })
}

fn recorded(state: &State, name: Name) -> Answer<Arc<Vec<Work>>> {
    match state.objects.get(&name) {
        Some(Object::Executable(recorded)) => Ok(Arc::clone(recorded)),
        _ => Err(INVALID_HANDLE),
    }
}

#[unsafe(no_mangle)]
extern "system" fn cuGraphLaunch(executable: Name, stream: Name) -> Status {
    within(|state| {
        let recorded = recorded(state, executable)?;
        state.counters.graph_launches += 1;
        state.enqueue(stream, Work::Graph(recorded))
    })
}

#[unsafe(no_mangle)]
extern "system" fn cuGraphExecDestroy(executable: Name) -> Status {
    within(|state| state.remove(executable, |object| matches!(object, Object::Executable(_))))
}

#[unsafe(no_mangle)]
extern "system" fn cuGraphDestroy(graph: Name) -> Status {
    within(|state| state.remove(graph, |object| matches!(object, Object::Graph(_))))
}
