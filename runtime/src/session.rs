//! One instance of a compiled program: its parameters and states, its threads, its memory.
//!
//! A call checks every length before any generated code runs. Persistent block, arena and staging are
//! this session's alone, so sessions of one program never meet.

use crate::block::Block;
use crate::device::{Device, Samples};
use crate::error::{Result, RuntimeError};
use crate::execution::{Asked, count};
use crate::host::Host;
use crate::mirror::Mirror;
use crate::program::Program;
use std::fmt;
use std::sync::Arc;

/// State (`i64` scalar) that seeds every random draw of a program.
const SEED: &str = "train.seed";

/// A function found once, to be called often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionHandle {
    index: usize,
}

/// A running instance of a [`Program`].
pub struct Session {
    pub(crate) program: Arc<Program>,
    pub(crate) place: Place,
    /// The function that used the arena last.
    pub(crate) arena_user: Option<usize>,
    /// Whether parameters and states are those that this function saw in its last call.
    pub(crate) persistent_seen: bool,
    /// The function, and the number of the samples, that the device was given ahead.
    pub(crate) ahead: Option<(usize, u64)>,
    /// Whether there are parameters and states to compute with.
    pub(crate) has_weights: bool,
    train: Option<usize>,
    evaluate: Option<usize>,
    predict: Option<usize>,
}

/// Where functions run.
pub(crate) enum Place {
    Host(Host),
    Device(Mirror),
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.program.interface().model;
        f.debug_struct("Session")
            .field("model", name)
            .field("threads", &self.threads())
            .finish_non_exhaustive()
    }
}

impl Session {
    /// A session with all parameters and states zero; zero threads count as one.
    pub fn new(program: Arc<Program>, threads: usize) -> Result<Session> {
        let persistent = Block::zeroed(program.interface().persistent_bytes, "parameters")?;
        Session::with_persistent(program, threads, persistent)
    }

    /// A session whose parameters and states lie in this block.
    pub(crate) fn with_persistent(
        program: Arc<Program>,
        threads: usize,
        persistent: Block,
    ) -> Result<Session> {
        if !program.is_native() {
            let model = program.interface().model.clone();
            return Err(RuntimeError::DeviceCode { model });
        }
        let host = Host::new(program.interface(), threads, persistent)?;
        Ok(Session::at(program, Place::Host(host)))
    }

    /// A session on a device that has loaded the program, with all parameters and states zero; of a program that was read
    /// from a file ([`Program::identity`]) without any, so that [`Session::load`] or [`Session::initialize`] comes first.
    pub fn on(program: Arc<Program>, device: Box<dyn Device>) -> Result<Session> {
        let persistent = Block::zeroed(program.interface().persistent_bytes, "parameters")?;
        let mirror = Mirror::new(&program, device, persistent);
        let has_weights = program.identity().is_none() || program.interface().tensors.is_empty();
        Ok(Session { has_weights, ..Session::at(program, Place::Device(mirror)) })
    }

    fn at(program: Arc<Program>, place: Place) -> Session {
        let find = |name| program.function(name).ok();
        Session {
            place,
            arena_user: None,
            persistent_seen: false,
            ahead: None,
            has_weights: true,
            train: find("train"),
            evaluate: find("evaluate"),
            predict: find("predict"),
            program,
        }
    }

    /// The program this is a session of.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// Number of threads of this process that a call runs on; one where a device does it.
    pub fn threads(&self) -> usize {
        match &self.place {
            Place::Host(host) => host.team.threads(),
            Place::Device(_) => 1,
        }
    }

    /// The device that functions run on; none where this process's threads do it.
    pub fn device(&self) -> Option<&dyn Device> {
        match &self.place {
            Place::Host(_) => None,
            Place::Device(mirror) => Some(mirror.device()),
        }
    }

    /// Has the session's device time every launch of later calls, or no longer ([`Device::times`]). Returns whether there
    /// is a device that does so.
    pub fn time_launches(&mut self, timed: bool) -> bool {
        match &mut self.place {
            Place::Host(_) => false,
            Place::Device(mirror) => mirror.time_launches(timed),
        }
    }

    /// Parameters and states to change.
    pub(crate) fn persistent_mut(&mut self) -> Result<&mut [u8]> {
        self.persistent_seen = false;
        // Another run may begin, which gives its samples the same numbers.
        self.ahead = None;
        match &mut self.place {
            Place::Host(host) => host.persistent_mut(),
            Place::Device(mirror) => mirror.persistent_mut(),
        }
    }

    /// Zeroes parameters and states, sets the seed and runs the function `initialize`.
    pub fn initialize(&mut self, seed: u64) -> Result<()> {
        let function = self.program.function("initialize")?;
        self.persistent_mut()?.fill(0);
        self.has_weights = true;
        if self.program.has_tensor(SEED) {
            self.set_scalar_i64(SEED, seed.cast_signed())?;
        }
        self.execute(function, 1, &[], Asked::Buffers(&[], &mut []))
    }

    /// Finds a function for [`Session::call`].
    pub fn prepare(&self, function: &str) -> Result<FunctionHandle> {
        Ok(FunctionHandle { index: self.program.function(function)? })
    }

    /// Calls a function with one buffer per input and one per output, in the interface's order. No
    /// allocation after the first call, no look-up of names.
    pub fn call(
        &mut self,
        function: FunctionHandle,
        batch: usize,
        inputs: &[&[u8]],
        outputs: &mut [&mut [u8]],
    ) -> Result<()> {
        let program = Arc::clone(&self.program);
        let Some(interface) = program.interface().functions.get(function.index) else {
            return Err(RuntimeError::Engine("the function handle is another program's".to_owned()));
        };
        if outputs.len() != interface.outputs.len() {
            return Err(count(interface, "outputs", interface.outputs.len(), outputs.len()));
        }
        self.execute_all_outputs(function.index, batch, inputs, outputs)
    }

    fn execute_all_outputs(
        &mut self,
        function: usize,
        batch: usize,
        inputs: &[&[u8]],
        outputs: &mut [&mut [u8]],
    ) -> Result<()> {
        // Outputs are few; the numbers on the stack keep this path free of allocation.
        const FEW: usize = 64;
        const NUMBERS: [usize; FEW] = {
            let mut numbers = [0; FEW];
            let mut number = 0;
            while number < FEW {
                numbers[number] = number;
                number += 1;
            }
            numbers
        };
        match NUMBERS.get(..outputs.len()) {
            Some(asked) => self.execute(function, batch, inputs, Asked::Buffers(asked, outputs)),
            None => {
                let asked: Vec<usize> = (0..outputs.len()).collect();
                self.execute(function, batch, inputs, Asked::Buffers(&asked, outputs))
            }
        }
    }

    /// Calls a function by names. Every input must be given; outputs not asked for are discarded.
    pub fn run(
        &mut self,
        function: &str,
        batch: usize,
        inputs: &[(&str, &[u8])],
        outputs: &mut [(&str, &mut [u8])],
    ) -> Result<()> {
        let program = Arc::clone(&self.program);
        let index = program.function(function)?;
        let interface = &program.interface().functions[index];
        let no_port = |what, name: &str, ports: &[dlc_abi::Port]| RuntimeError::NoPort {
            function: function.to_owned(),
            what,
            name: name.to_owned(),
            available: ports.iter().map(|port| port.name.as_str()).collect::<Vec<_>>().join(", "),
        };
        for (name, _) in inputs {
            if !interface.inputs.iter().any(|port| port.name == *name) {
                return Err(no_port("input", name, &interface.inputs));
            }
        }
        let mut ordered = Vec::with_capacity(interface.inputs.len());
        for port in &interface.inputs {
            let given = inputs.iter().find(|(name, _)| *name == port.name);
            let missing =
                || RuntimeError::MissingInput { function: function.to_owned(), name: port.name.clone() };
            ordered.push(given.ok_or_else(missing)?.1);
        }
        let mut asked = Vec::with_capacity(outputs.len());
        let mut buffers = Vec::with_capacity(outputs.len());
        for (name, buffer) in outputs {
            let position = interface.outputs.iter().position(|port| port.name == *name);
            let number = position.ok_or_else(|| no_port("output", name, &interface.outputs))?;
            if asked.contains(&number) {
                return Err(RuntimeError::Engine(format!("the output `{name}` is asked for twice")));
            }
            asked.push(number);
            buffers.push(&mut **buffer);
        }
        self.execute(index, batch, &ordered, Asked::Buffers(&asked, &mut buffers))
    }

    /// One step of training. `report` gets the loss, then the elements of the metrics in the interface's
    /// order: one for most, more for those that a batch only counts for (see [`Session::report_length`]).
    pub fn train_step(&mut self, batch: usize, inputs: &[&[u8]], report: &mut [f32]) -> Result<()> {
        let function = self.train.map_or_else(|| self.program.function("train"), Ok)?;
        self.execute(function, batch, inputs, Asked::Report(report))
    }

    /// A step of training for a caller that knows the samples of the next one already: a device takes these over while it
    /// computes, and has them when this is called with them.
    pub fn train_step_ahead(
        &mut self,
        step: Samples<'_>,
        next: Option<Samples<'_>>,
        report: &mut [f32],
    ) -> Result<()> {
        let function = self.train.map_or_else(|| self.program.function("train"), Ok)?;
        let staged = self.ahead.take() == Some((function, step.number));
        // What cannot be called tells so when it is called.
        let program = Arc::clone(&self.program);
        let next = next.filter(|&next| self.check_inputs(&program, next.given_to(function)).is_ok());
        let following = next.map(|next| next.given_to(function));
        self.execute_ahead(step.given_to(function), staged, following, Asked::Report(report))?;
        self.ahead = next.map(|next| (function, next.number));
        Ok(())
    }

    /// Loss and metrics of a batch in inference mode; `report` as in [`Session::train_step`].
    pub fn evaluate(&mut self, batch: usize, inputs: &[&[u8]], report: &mut [f32]) -> Result<()> {
        let function = self.evaluate.map_or_else(|| self.program.function("evaluate"), Ok)?;
        self.execute(function, batch, inputs, Asked::Report(report))
    }

    /// The model's outputs for a batch: one buffer per port of role `Output`, in the interface's order.
    pub fn predict(&mut self, batch: usize, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) -> Result<()> {
        let function = self.predict.map_or_else(|| self.program.function("predict"), Ok)?;
        let program = Arc::clone(&self.program);
        let results = &program.plan(function).results;
        if results.len() != outputs.len() {
            let interface = &program.interface().functions[function];
            return Err(count(interface, "results", results.len(), outputs.len()));
        }
        self.execute(function, batch, inputs, Asked::Buffers(results, outputs))
    }

    /// Values in a report of the function for a batch.
    pub fn report_length(&self, function: &str, batch: usize) -> Result<usize> {
        let batch_max = self.program.interface().batch_max;
        if batch == 0 || batch > batch_max {
            return Err(RuntimeError::Batch { batch, batch_max });
        }
        Ok(self.program.plan(self.program.function(function)?).report_length(batch))
    }

    /// What a report of the function holds: names of the loss and the metrics, in order.
    pub fn report_names(&self, function: &str) -> Result<Vec<String>> {
        let index = self.program.function(function)?;
        let outputs = &self.program.interface().functions[index].outputs;
        let report = &self.program.plan(index).report;
        Ok(report.iter().map(|&output| outputs[output].name.clone()).collect())
    }
}
