//! All that the driver knows, behind one lock.

use crate::counters::Counters;
use crate::host::Pinned;
use crate::settings::Settings;
use crate::status::{self, *};
use crate::stream::{Stream, Work};
use dlc_ptx_machine::{Memory, Module};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Results of the driver's functions.
pub(crate) type Answer<T> = Result<T, Status>;
/// The number behind a handle.
pub(crate) type Name = usize;

/// What a handle names.
pub(crate) enum Object {
    /// A device's primary context.
    Context,
    Module(Arc<Module>),
    Function {
        module: Name,
        text: Arc<Module>,
        name: String,
        /// Bytes of shared memory that a launch may ask for, beside those that the entry declares.
        dynamic_shared: usize,
    },
    Stream(Stream),
    Event {
        /// The stream in which it was recorded last.
        stream: Option<Name>,
        reached: Option<Instant>,
    },
    Graph(Arc<Vec<Work>>),
    Executable(Arc<Vec<Work>>),
}

/// The driver, once it was started.
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) memory: Memory,
    /// Bytes of every block of the device's memory.
    pub(crate) blocks: BTreeMap<u64, usize>,
    pub(crate) pinned: Vec<Pinned>,
    pub(crate) objects: BTreeMap<Name, Object>,
    /// Holds on each device's context.
    pub(crate) holds: BTreeMap<i32, (Name, u64)>,
    next: Name,
    /// A fault that every call answers with from then on, and the machine's report of it.
    pub(crate) fault: Option<(Status, &'static CStr)>,
    pub(crate) counters: Counters,
}

static STATE: Mutex<Option<State>> = Mutex::new(None);

thread_local! {
    /// Contexts that this thread has made current, the last one in use.
    pub(crate) static CURRENT: RefCell<Vec<Name>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn lock() -> MutexGuard<'static, Option<State>> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does a call that needs no context.
pub(crate) fn started(call: impl FnOnce(&mut State) -> Answer<()>) -> Status {
    let mut state = lock();
    let Some(state) = state.as_mut() else { return NOT_INITIALIZED };
    let answer = call(state).err().unwrap_or(0);
    state.counters.refused += u64::from(state.fault.is_none() && status::is_misuse(answer));
    answer
}

/// Does a call within the thread's current context, unless there was a fault.
pub(crate) fn within(call: impl FnOnce(&mut State) -> Answer<()>) -> Status {
    started(|state| {
        if let Some((status, _)) = state.fault {
            return Err(status);
        }
        let current = CURRENT.with_borrow(|contexts| contexts.last().copied());
        match current.and_then(|name| state.objects.get(&name)) {
            Some(Object::Context) => call(state),
            _ => Err(INVALID_CONTEXT),
        }
    })
}

impl State {
    pub(crate) fn new() -> State {
        State {
            settings: Settings::new(),
            memory: Memory::new(),
            blocks: BTreeMap::new(),
            pinned: Vec::new(),
            objects: BTreeMap::new(),
            holds: BTreeMap::new(),
            // No small numbers, which stand for special streams.
            next: 0x5000,
            fault: None,
            counters: Counters::default(),
        }
    }

    /// A new object's name.
    pub(crate) fn add(&mut self, object: Object) -> Name {
        self.next += 16;
        self.objects.insert(self.next, object);
        self.next
    }

    /// Takes an object of the right kind away.
    pub(crate) fn remove(&mut self, name: Name, right: impl Fn(&Object) -> bool) -> Answer<()> {
        match self.objects.get(&name) {
            Some(object) if right(object) => {
                self.objects.remove(&name);
                Ok(())
            }
            _ => Err(INVALID_HANDLE),
        }
    }

    /// Remembers a fault.
    pub(crate) fn fail(&mut self, status: Status, report: &str) -> Status {
        let known = status::text(status).map_or("", |text| text.to_str().unwrap_or(""));
        let words = CString::new(format!("{known}: {report}")).unwrap_or_default();
        self.fault = Some((status, Box::leak(words.into_boxed_c_str())));
        status
    }

    /// The machine's report of the fault, where this is its answer.
    pub(crate) fn report(&self, status: Status) -> Option<&'static CStr> {
        self.fault.filter(|(fault, _)| *fault == status).map(|(_, report)| report)
    }

    pub(crate) fn counters(&self) -> Counters {
        let kept = |object: &&Object| !matches!(object, Object::Context | Object::Function { .. });
        let objects = self.objects.values().filter(kept).count() + self.blocks.len() + self.pinned.len();
        let holds: u64 = self.holds.values().map(|(_, holds)| holds).sum();
        Counters { living: objects as u64 + holds, ..self.counters }
    }

    /// Whether a stream records what is put into it.
    pub(crate) fn capturing(&self) -> bool {
        self.objects
            .values()
            .any(|object| matches!(object, Object::Stream(stream) if stream.capture.is_some()))
    }

    /// Refuses what may not be done while a stream records.
    pub(crate) fn outside_capture(&mut self) -> Answer<()> {
        if self.capturing() { Err(CAPTURE_UNSUPPORTED) } else { Ok(()) }
    }
}
