//! The end-to-end bound: whole functions against the oracle in `f64` from the same weights.

use super::local::persistent;
use super::measure::{allowed_end_to_end, coordinates, distance, is_exact, norm};
use super::stored::Memory;
use super::{Mismatch, Subject, flips};
use crate::data::{element_of, port_dims, tensor_of_bytes, tensor_of_host};
use crate::{DriverError, Math, Result};
use dlc_compiler::Compilation;
use dlc_interp::{Tensor, Values, evaluate, evaluate_nodes};
use dlc_ir::{Function, Op, OutputRole};
use dlc_runtime::Session;
use serde::Serialize;
use std::collections::BTreeMap;

/// Gradients smaller than this share of the largest one are measured against that share.
const GRADIENT_SHARE: f64 = 1e-3;

/// How far one result is from the oracle's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OutputError {
    /// The function.
    pub function: String,
    /// Name of the result.
    pub name: String,
    /// Norm-wise error.
    pub error: f64,
}

/// How far gradients are from the oracle's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GradientReport {
    /// Gradients compared.
    pub parameters: usize,
    /// Greatest norm-wise error.
    pub worst_error: f64,
    /// The parameter that has it.
    pub worst: String,
    /// Norm of the largest gradient.
    pub largest_norm: f64,
    /// Rectifiers, maxima and comparisons that fell differently.
    pub flipped_decisions: usize,
}

/// Compares one result and notes a mismatch.
fn compare_tensors(
    function: &Function,
    math: Math,
    name: &str,
    compiled: &Tensor,
    oracle: &Tensor,
    mismatches: &mut Vec<Mismatch>,
) -> OutputError {
    let (a, b) = (compiled.to_f64(), oracle.to_f64());
    let found = distance(&a, &b, 0.0);
    let allowed = allowed_end_to_end(function, math);
    let wrong = if is_exact(oracle) { a != b } else { found.error.is_nan() || found.error > allowed };
    if wrong {
        mismatches.push(Mismatch {
            bound: "end_to_end",
            function: function.name.clone(),
            path: name.to_owned(),
            kernels: Vec::new(),
            index: coordinates(&oracle.dims, found.worst),
            compiled: a.get(found.worst).copied().unwrap_or(f64::NAN),
            interpreted: b.get(found.worst).copied().unwrap_or(f64::NAN),
            error: found.error,
            allowed,
        });
    }
    OutputError { function: function.name.clone(), name: name.to_owned(), error: found.error }
}

/// A session's parameter or state for the oracle.
fn current(session: &Session, op: &Op) -> Option<Tensor> {
    match op {
        Op::Parameter { name } | Op::State { name } => tensor_of_host(&session.tensor(name).ok()?).ok(),
        _ => None,
    }
}

/// The initial values of parameters and states: one entry, for the worst of them.
pub(crate) fn initial_values(
    compilation: &Compilation,
    math: Math,
    session: &Session,
    mismatches: &mut Vec<Mismatch>,
) -> Result<Vec<OutputError>> {
    let Some(subject) = Subject::find(compilation, "initialize", math) else { return Ok(Vec::new()) };
    let graph = &subject.function.graph;
    let oracle = evaluate(graph, 1, &|op| current(session, op))?;
    let mut worst: Option<OutputError> = None;
    for (output, oracle) in graph.outputs.iter().zip(oracle) {
        let tensor = compilation.interface.tensors.iter().find(|tensor| tensor.name == output.name);
        let missing = || DriverError::Bug(format!("`{}` is no parameter or state", output.name));
        let compiled = persistent(tensor.ok_or_else(missing)?, &session.persistent()?)?;
        let error = compare_tensors(graph, math, &output.name, &compiled, &oracle, mismatches);
        if worst.as_ref().is_none_or(|worst| error.error > worst.error) {
            worst = Some(error);
        }
    }
    Ok(worst.into_iter().collect())
}

/// The outputs of one function.
pub(crate) fn outputs(
    subject: &Subject<'_>,
    session: &mut Session,
    batch: usize,
    inputs: &BTreeMap<String, Vec<u8>>,
    mismatches: &mut Vec<Mismatch>,
) -> Result<Vec<OutputError>> {
    let bytes = subject.inputs(inputs)?;
    let compiled = subject.call(session, batch, &bytes)?;
    let graph = &subject.function.graph;
    let fed = fed_tensors(subject, batch, &bytes)?;
    let oracle = evaluate(graph, batch, &|op| match op {
        Op::Input { name } => fed.get(name).cloned(),
        other => current(session, other),
    })?;
    let mut errors = Vec::new();
    for (output, oracle) in graph.outputs.iter().zip(oracle) {
        let ports = subject.interface.outputs.iter().zip(&compiled);
        let port = ports.into_iter().find(|(port, _)| port.name == output.name);
        let Some((port, bytes)) = port else { continue };
        let compiled = tensor_of_bytes(port.element, &port_dims(port, batch), bytes)?;
        errors.push(compare_tensors(graph, subject.math, &output.name, &compiled, &oracle, mismatches));
    }
    Ok(errors)
}

fn fed_tensors(subject: &Subject<'_>, batch: usize, bytes: &[Vec<u8>]) -> Result<BTreeMap<String, Tensor>> {
    let ports = subject.interface.inputs.iter().zip(bytes);
    ports
        .map(|(port, bytes)| {
            Ok((port.name.clone(), tensor_of_bytes(port.element, &port_dims(port, batch), bytes)?))
        })
        .collect()
}

/// Everything that a function reads from outside, by name.
pub(crate) fn externals(
    subject: &Subject<'_>,
    session: &Session,
    batch: usize,
    inputs: &BTreeMap<String, Vec<u8>>,
) -> Result<BTreeMap<String, Tensor>> {
    let mut all = fed_tensors(subject, batch, &subject.inputs(inputs)?)?;
    for node in subject.function.graph.nodes.values() {
        if let (Op::Parameter { name } | Op::State { name }, Some(tensor)) =
            (&node.op, current(session, &node.op))
        {
            all.insert(name.clone(), tensor);
        }
    }
    Ok(all)
}

/// Gradients of a batch, and the decisions behind them.
pub(crate) fn gradients(
    subject: &Subject<'_>,
    session: &mut Session,
    batch: usize,
    inputs: &BTreeMap<String, Vec<u8>>,
) -> Result<GradientReport> {
    let bytes = subject.inputs(inputs)?;
    let before = session.persistent()?.into_owned();
    let compiled = subject.call(session, batch, &bytes)?;
    let fed = fed_tensors(subject, batch, &bytes)?;
    let function = &subject.function.lowered.function;
    let mut known = Values::new();
    for (id, node) in function.nodes.iter().filter(|(_, node)| node.op.is_external()) {
        let tensor = match &node.op {
            Op::Input { name } => fed.get(name).cloned(),
            other => current(session, other),
        };
        let tensor = tensor.ok_or_else(|| DriverError::Bug(format!("nothing feeds {id}")))?;
        known.insert(id, vec![tensor]);
    }
    let decisions = flips::decisions(function);
    let gradients: Vec<_> =
        function.outputs.iter().filter(|output| output.role == OutputRole::Gradient).collect();
    let wanted: Vec<_> =
        decisions.iter().copied().chain(gradients.iter().map(|output| output.value)).collect();
    let oracle = evaluate_nodes(function, batch, &known, &wanted)?;
    let mut pairs = Vec::new();
    for output in gradients {
        let found = subject
            .interface
            .outputs
            .iter()
            .position(|port| port.name == output.name && port.role == dlc_abi::PortRole::Gradient);
        let missing = || DriverError::Bug(format!("the gradient of `{}` is not given", output.name));
        let bytes = found.and_then(|number| compiled.get(number)).ok_or_else(missing)?;
        let ty = function.tensor_type(output.value);
        let compiled = tensor_of_bytes(element_of(ty.dtype), &ty.shape.at(batch), bytes)?.to_f64();
        let oracle = oracle.get(&output.value).and_then(|tensors| tensors.first()).ok_or_else(missing)?;
        pairs.push((output.name.clone(), compiled, oracle.to_f64()));
    }
    let largest_norm = pairs.iter().map(|(_, _, oracle)| norm(oracle)).fold(0.0, f64::max);
    let mut report = GradientReport {
        parameters: pairs.len(),
        worst_error: 0.0,
        worst: String::new(),
        largest_norm,
        flipped_decisions: 0,
    };
    for (name, compiled, oracle) in pairs {
        let error = distance(&compiled, &oracle, GRADIENT_SHARE * largest_norm).error;
        if error > report.worst_error {
            report.worst_error = error;
            report.worst = name;
        }
    }
    let memory = Memory {
        lowered: &subject.function.lowered,
        batch,
        math: subject.math,
        arena: &session.arena()?,
        before: &before,
        after: &session.persistent()?,
        inputs: &bytes,
        outputs: &compiled,
    };
    report.flipped_decisions = flips::count(&memory, &decisions, &oracle)?;
    Ok(report)
}
