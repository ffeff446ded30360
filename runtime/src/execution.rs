//! One call of a function: check every length, have the host's threads or a device do it, note what memory holds then.

use crate::device::{Ahead, Call};
use crate::error::{Result, RuntimeError};
use crate::plan::FunctionPlan;
use crate::program::Program;
use crate::session::{Place, Session};
use dlc_abi::{ElementType, FunctionInterface};
use std::sync::Arc;

/// Outputs that a call is asked for.
pub(crate) enum Asked<'a, 'b> {
    /// One buffer for each of these outputs.
    Buffers(&'a [usize], &'a mut [&'b mut [u8]]),
    /// The elements of the loss and of every metric, one behind the other.
    Report(&'a mut [f32]),
}

/// Puts loss and metrics into a report, one behind the other. `bytes` gives an output's elements, and maybe more behind
/// them; `FunctionPlan::new` admits no other types than these two.
pub(crate) fn report<'a>(
    plan: &FunctionPlan,
    batch: usize,
    report: &mut [f32],
    bytes: impl Fn(usize) -> &'a [u8],
) {
    let mut rest = report;
    for &number in &plan.report {
        let output = &plan.outputs[number];
        let (values, behind) = rest.split_at_mut(output.elements(batch));
        rest = behind;
        if output.element == ElementType::F64 {
            for (value, &bytes) in values.iter_mut().zip(bytes(number).as_chunks::<8>().0) {
                *value = f64::from_ne_bytes(bytes) as f32;
            }
        } else {
            for (value, &bytes) in values.iter_mut().zip(bytes(number).as_chunks::<4>().0) {
                *value = f32::from_ne_bytes(bytes);
            }
        }
    }
}

impl Session {
    /// Checks, runs, and hands out what was asked for.
    pub(crate) fn execute(
        &mut self,
        function: usize,
        batch: usize,
        inputs: &[&[u8]],
        asked: Asked<'_, '_>,
    ) -> Result<()> {
        self.ahead = None;
        self.execute_ahead(Ahead { function, batch, inputs }, false, None, asked)
    }

    /// The same with inputs that a device may have already, and what the next call of the function will be given.
    pub(crate) fn execute_ahead(
        &mut self,
        given: Ahead<'_>,
        staged: bool,
        next: Option<Ahead<'_>>,
        mut asked: Asked<'_, '_>,
    ) -> Result<()> {
        let Ahead { function, batch, inputs } = given;
        let program = Arc::clone(&self.program);
        self.check(&program, given, &asked)?;
        let clear = self.arena_user != Some(function);
        let call = Call { function, batch, prepare: clear || !self.persistent_seen, clear, staged };
        match &mut self.place {
            Place::Host(host) => host.call(&program, call, inputs, &mut asked)?,
            Place::Device(mirror) => mirror.call(&program, call, inputs, next, &mut asked)?,
        }
        self.arena_user = Some(function);
        self.persistent_seen = program.interface().functions[function].keeps_persistent;
        Ok(())
    }

    fn check(&self, program: &Program, given: Ahead<'_>, asked: &Asked<'_, '_>) -> Result<()> {
        self.check_inputs(program, given)?;
        let Ahead { function, batch, .. } = given;
        let interface = &program.interface().functions[function];
        let plan = program.plan(function);
        match asked {
            Asked::Buffers(numbers, buffers) => {
                for (&number, buffer) in numbers.iter().zip(buffers.iter()) {
                    let expected = plan.outputs[number].bytes(batch);
                    length(interface, &interface.outputs[number].name, batch, [expected, buffer.len()])?;
                }
            }
            Asked::Report(report) if report.len() != plan.report_length(batch) => {
                let expected = plan.report_length(batch);
                return Err(count(interface, "reported values", expected, report.len()));
            }
            Asked::Report(_) => {}
        }
        Ok(())
    }

    /// Whether a call can be given this.
    pub(crate) fn check_inputs(&self, program: &Program, given: Ahead<'_>) -> Result<()> {
        let Ahead { function, batch, inputs } = given;
        let interface = &program.interface().functions[function];
        let plan = program.plan(function);
        let batch_max = program.interface().batch_max;
        if !self.has_weights {
            return Err(RuntimeError::NoWeights { model: program.interface().model.clone() });
        }
        if batch == 0 || batch > batch_max {
            return Err(RuntimeError::Batch { batch, batch_max });
        }
        if inputs.len() != plan.inputs.len() {
            return Err(count(interface, "inputs", plan.inputs.len(), inputs.len()));
        }
        for ((port, plan), bytes) in interface.inputs.iter().zip(&plan.inputs).zip(inputs) {
            length(interface, &port.name, batch, [plan.bytes(batch), bytes.len()])?;
        }
        Ok(())
    }
}

/// The error of an input or output whose bytes are not as many as expected.
fn length(
    interface: &FunctionInterface,
    name: &str,
    batch: usize,
    [expected, found]: [usize; 2],
) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    let (function, name) = (interface.name.clone(), name.to_owned());
    Err(RuntimeError::Length { function, name, batch, expected, found })
}

/// The error of a wrong number of `what`.
pub(crate) fn count(
    interface: &FunctionInterface,
    what: &'static str,
    expected: usize,
    found: usize,
) -> RuntimeError {
    RuntimeError::Count { function: interface.name.clone(), what, expected, found }
}
