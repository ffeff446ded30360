//! Sessions on a device that a test stands in for: what is copied when, and that values are those of threads.
#![allow(clippy::unwrap_used, clippy::undocumented_unsafe_blocks, missing_docs, reason = "tests")]

mod stand_in;

use dlc_abi::{Context, Interface};
use dlc_runtime::{Ahead, Call, Device, HostTensor, LoadPolicy, Program, RuntimeError, Samples, Session};
use stand_in::{bytes, entries, interface, program};
use std::ffi::c_void;
use std::sync::{Arc, Mutex};

unsafe extern "C" fn alone(_: *const c_void) {}

type Log = Arc<Mutex<Vec<String>>>;

/// Memory of its own, in which it runs the stand-in's entries.
struct Remote {
    interface: Interface,
    persistent: Vec<u64>,
    arena: Vec<u64>,
    outputs: Vec<Vec<u64>>,
    log: Log,
    broken: bool,
}

fn raw(words: &[u64]) -> &[u8] {
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), words.len() * 8) }
}

fn raw_mut(words: &mut [u64]) -> &mut [u8] {
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), words.len() * 8) }
}

impl Remote {
    fn note(&self, what: &str) -> Result<(), RuntimeError> {
        self.log.lock().unwrap().push(what.to_owned());
        let fault = || RuntimeError::Device { device: "test".into(), reason: "it fell over".into() };
        if self.broken { Err(fault()) } else { Ok(()) }
    }
}

impl Device for Remote {
    fn name(&self) -> &str {
        "test"
    }

    fn upload(&mut self, persistent: &[u8]) -> Result<(), RuntimeError> {
        raw_mut(&mut self.persistent).copy_from_slice(persistent);
        self.note("upload")
    }

    fn download(&self, persistent: &mut [u8]) -> Result<(), RuntimeError> {
        persistent.copy_from_slice(raw(&self.persistent));
        self.note("download")
    }

    fn scratch(&self, arena: &mut [u8]) -> Result<(), RuntimeError> {
        arena.copy_from_slice(&raw(&self.arena)[..arena.len()]);
        self.note("scratch")
    }

    fn start(&mut self, call: Call, inputs: &[&[u8]], wanted: &[usize]) -> Result<(), RuntimeError> {
        let function = &self.interface.functions[call.function];
        let mut inputs: Vec<Vec<u8>> = inputs.iter().map(|bytes| bytes.to_vec()).collect();
        self.outputs =
            function.outputs.iter().map(|port| vec![0; port.elements(call.batch).div_ceil(2)]).collect();
        let inputs = inputs.iter_mut().map(|bytes| bytes.as_mut_ptr());
        let bindings: Vec<*mut u8> =
            inputs.chain(self.outputs.iter_mut().map(|words| words.as_mut_ptr().cast())).collect();
        let context = Context {
            arena: self.arena.as_mut_ptr().cast(),
            persistent: self.persistent.as_mut_ptr().cast(),
            constants: std::ptr::null(),
            bindings: bindings.as_ptr(),
            batch: call.batch as i64,
            threads: 1,
            barrier: alone,
            barrier_data: std::ptr::null(),
            prepare: i64::from(call.prepare),
            scratch: std::ptr::null_mut(),
            scratch_bytes: 0,
        };
        unsafe { entries()[call.function].1(&raw const context, 0) };
        let flags = [(call.prepare, " prepare"), (call.clear, " clear"), (call.staged, " staged")];
        let flags: String = flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
        self.note(&format!("{} of {}{flags} for {wanted:?}", function.name, call.batch))
    }

    fn stage(&mut self, next: Ahead<'_>) -> Result<(), RuntimeError> {
        self.note(&format!("stage {}", next.batch))
    }

    fn output(&self, number: usize) -> &[u8] {
        raw(&self.outputs[number])
    }
}

fn remote(broken: bool) -> (Session, Log) {
    let mut interface = interface();
    interface.functions[2].keeps_persistent = true;
    let log = Log::default();
    let device = Remote {
        persistent: vec![0; interface.persistent_bytes / 8],
        arena: vec![0; 8],
        outputs: Vec::new(),
        interface: interface.clone(),
        log: Arc::clone(&log),
        broken,
    };
    let program = Arc::new(Program::of_device(interface, None).unwrap());
    (Session::on(program, Box::new(device)).unwrap(), log)
}

fn taken(log: &Log) -> Vec<String> {
    std::mem::take(&mut *log.lock().unwrap())
}

#[test]
fn a_device_gives_what_threads_give() {
    let x = bytes(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    let results = [Session::new(program(), 2).unwrap(), remote(false).0].map(|mut session| {
        session.initialize(5).unwrap();
        let mut report = [0.0; 2];
        for _ in 0..3 {
            session.train_step(4, &[&x], &mut report).unwrap();
        }
        let mut y = [0; 16];
        // Neither the buffer's length nor its place is a device's.
        session.predict(2, &[&x[..16]], &mut [&mut y]).unwrap();
        (report, y, session.checkpoint().unwrap(), session.threads())
    });
    let [threads, device] = results;
    assert_eq!((threads.0, threads.1), (device.0, device.1));
    assert_eq!(threads.2, device.2);
    assert_eq!((threads.3, device.3), (2, 1));
}

#[test]
fn only_what_is_newer_is_copied() {
    let (mut session, log) = remote(false);
    assert_eq!(session.device().unwrap().name(), "test");
    let x = bytes(&[1.0, 2.0]);
    session.initialize(5).unwrap();
    assert_eq!(taken(&log), ["upload", "initialize of 1 prepare clear for []"]);
    let mut report = [0.0; 2];
    session.train_step(1, &[&x], &mut report).unwrap();
    session.train_step(1, &[&x], &mut report).unwrap();
    // Loss, then metric: outputs 1 and 0.
    assert_eq!(taken(&log), ["train of 1 prepare clear for [1, 0]", "train of 1 prepare for [1, 0]"]);
    let mut y = [0; 8];
    session.predict(1, &[&x], &mut [&mut y]).unwrap();
    session.predict(1, &[&x], &mut [&mut y]).unwrap();
    assert_eq!(taken(&log), ["predict of 1 prepare clear for [0]", "predict of 1 for [0]"]);
    let checkpoint = session.checkpoint().unwrap();
    assert_eq!(taken(&log), ["download"]);
    session.restore(&checkpoint, LoadPolicy::Exact).unwrap();
    assert_eq!(taken(&log), ["download"]);
    session.predict(1, &[&x], &mut [&mut y]).unwrap();
    session.predict(1, &[&x], &mut [&mut y]).unwrap();
    assert_eq!(taken(&log), ["upload", "predict of 1 prepare for [0]", "predict of 1 for [0]"]);
    // The function leaves parameters alone, so the session's own are as new as the device's.
    assert_eq!(session.checkpoint().unwrap(), checkpoint);
    assert!(taken(&log).is_empty());
    assert_eq!(session.arena().unwrap().len(), 64);
    assert_eq!(taken(&log), ["scratch"]);
}

#[test]
fn samples_of_the_next_step_are_given_ahead() {
    let (mut session, log) = remote(false);
    session.initialize(5).unwrap();
    taken(&log);
    let x = bytes(&[1.0, 2.0, 3.0, 4.0]);
    let (one, two) = ([&x[..8]], [&x[..]]);
    let step = |number, batch| Samples { number, batch, inputs: if batch == 1 { &one } else { &two } };
    let mut report = [0.0; 2];
    let mut train =
        |session: &mut Session, now, next| session.train_step_ahead(now, next, &mut report).unwrap();
    train(&mut session, step(0, 1), Some(step(1, 2)));
    assert_eq!(taken(&log), ["train of 1 prepare clear for [1, 0]", "stage 2"]);
    train(&mut session, step(1, 2), Some(step(2, 1)));
    assert_eq!(taken(&log), ["train of 2 prepare staged for [1, 0]", "stage 1"]);
    // Other samples than were told.
    train(&mut session, step(7, 1), None);
    assert_eq!(taken(&log), ["train of 1 prepare for [1, 0]"]);
    train(&mut session, step(8, 1), None);
    assert_eq!(taken(&log), ["train of 1 prepare for [1, 0]"]);
    // Any other call in between uses the same memory.
    train(&mut session, step(9, 1), Some(step(10, 1)));
    session.predict(1, &one, &mut [&mut [0; 8]]).unwrap();
    train(&mut session, step(10, 1), Some(step(11, 1)));
    session.train_step(1, &one, &mut [0.0; 2]).unwrap();
    train(&mut session, step(11, 1), None);
    assert!(taken(&log).iter().all(|call| !call.contains("staged")));
    // What does not fit is left for its own call to refuse.
    let wrong = Samples { number: 12, batch: 1, inputs: &two };
    train(&mut session, step(11, 1), Some(wrong));
    assert_eq!(taken(&log), ["train of 1 prepare for [1, 0]"]);
    assert!(session.train_step_ahead(wrong, None, &mut [0.0; 2]).is_err());
    assert!(session.train_step_ahead(step(12, 1), Some(step(13, 1)), &mut [0.0; 3]).is_err());
    train(&mut session, step(13, 1), None);
    assert_eq!(taken(&log), ["train of 1 prepare for [1, 0]"]);
}

/// Another run's samples have the same numbers.
#[test]
fn a_run_that_begins_anew_has_no_samples_ahead() {
    let (mut session, log) = remote(false);
    let x = bytes(&[1.0, 2.0]);
    let inputs = [&x[..]];
    let step = |number| Samples { number, batch: 1, inputs: &inputs };
    session.initialize(5).unwrap();
    session.train_step_ahead(step(0), Some(step(1)), &mut [0.0; 2]).unwrap();
    let checkpoint = session.checkpoint().unwrap();
    session.restore(&checkpoint, LoadPolicy::Exact).unwrap();
    session.train_step_ahead(step(1), Some(step(2)), &mut [0.0; 2]).unwrap();
    session.initialize(6).unwrap();
    session.train_step_ahead(step(2), None, &mut [0.0; 2]).unwrap();
    assert!(taken(&log).iter().all(|call| !call.contains("staged")));
}

#[test]
fn a_devices_faults_are_errors() {
    let (mut session, _) = remote(true);
    let value = HostTensor::from_f32(&[3, 2], &[0.0; 6]).unwrap();
    session.set_tensor("weight", &value).unwrap();
    let fault = session.predict(1, &[&bytes(&[1.0, 2.0])], &mut [&mut [0; 8]]).unwrap_err();
    assert_eq!(fault.to_string(), "test: it fell over");
    // What was not uploaded is still the newest.
    assert_eq!(session.tensor("weight").unwrap(), value);
}

#[test]
fn code_for_a_device_does_not_run_on_threads() {
    let program = Arc::new(Program::of_device(interface(), None).unwrap());
    let refused = Session::new(program, 1).unwrap_err().to_string();
    assert_eq!(refused, "the code of stand_in is for a device, not for threads");
}
