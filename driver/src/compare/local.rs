//! The local bound: each stored value against the oracle's, computed from the run's own stored values.

use super::measure::{Distance, allowed, coordinates, distance, is_exact};
use super::stored::Memory;
use super::ties::{before_rounding, is_rounding_tie, is_tie, other_choices};
use super::{LocalReport, Mismatch};
use crate::data::tensor_of_bytes;
use crate::{DriverError, Result};
use dlc_abi::{Interface, PersistentTensor};
use dlc_interp::{Tensor, Values, evaluate_nodes};
use dlc_ir::{NodeId, OutputRole};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Gradients smaller than this share of the largest one are measured against that share.
const GRADIENT_SHARE: f64 = 1e-3;

/// The verdict on one value.
struct Verdict {
    id: NodeId,
    distance: Distance,
    /// Whether it took a comparison of nearly equal numbers to fall the other way.
    tie: bool,
    compiled: Tensor,
    oracle: Tensor,
}

/// Checks every value that the run stored.
pub(crate) fn check_values(memory: &Memory<'_>, largest: f64) -> Result<(LocalReport, Vec<Mismatch>)> {
    let function = &memory.lowered.function;
    let stored = memory.lowered.values.keys().copied();
    let nodes: Vec<NodeId> =
        stored.filter(|&id| memory.holds(id) && !function.nodes[id].op.is_external()).collect();
    let mut report = LocalReport {
        function: function.name.clone(),
        values: nodes.len(),
        ties: 0,
        worst_error: 0.0,
        worst: String::new(),
    };
    let mut mismatches = Vec::new();
    for verdict in on_all_cores(&nodes, |id| check_value(memory, id, largest))? {
        let error = verdict.distance.error;
        report.ties += usize::from(verdict.tie && within(memory, error));
        if error > report.worst_error || error.is_nan() {
            report.worst_error = error;
            report.worst = memory.path(verdict.id);
        }
        if !within(memory, error) {
            mismatches.push(mismatch(memory, &verdict));
        }
    }
    Ok((report, mismatches))
}

fn within(memory: &Memory<'_>, error: f64) -> bool {
    error <= allowed(&memory.lowered.function, memory.math)
}

fn mismatch(memory: &Memory<'_>, verdict: &Verdict) -> Mismatch {
    let worst = verdict.distance.worst;
    let at = |tensor: &Tensor| tensor.to_f64().get(worst).copied().unwrap_or(f64::NAN);
    Mismatch {
        bound: "local",
        function: memory.lowered.function.name.clone(),
        path: memory.path(verdict.id),
        kernels: memory.kernels(verdict.id),
        index: coordinates(&verdict.compiled.dims, worst),
        compiled: at(&verdict.compiled),
        interpreted: at(&verdict.oracle),
        error: verdict.distance.error,
        allowed: allowed(&memory.lowered.function, memory.math),
    }
}

/// Runs `work` on every item, and gives the results in the order of the items.
fn on_all_cores<T: Send>(items: &[NodeId], work: impl Fn(NodeId) -> Result<T> + Sync) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(&item) = items.get(place) else { return done };
            done.push((place, work(item)));
        }
    };
    let threads = crate::engine::default_threads();
    let mut all = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(take)).collect();
        let mut all = take();
        for other in others {
            match other.join() {
                Ok(done) => all.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    all.sort_by_key(|&(place, _)| place);
    all.into_iter().map(|(_, result)| result).collect()
}

/// The least norm that a value's error is measured against.
fn floor_of(memory: &Memory<'_>, id: NodeId, largest: f64) -> f64 {
    let gradient = memory.lowered.function.nodes[id].origin.path.starts_with("d(");
    if gradient { GRADIENT_SHARE * largest } else { 0.0 }
}

pub(crate) fn evaluate_one(memory: &Memory<'_>, known: &Values, id: NodeId) -> Result<Tensor> {
    let mut values = evaluate_nodes(&memory.lowered.function, memory.batch, known, &[id])?;
    let tensor = values.remove(&id).and_then(|mut tensors| tensors.pop());
    tensor.ok_or_else(|| DriverError::Bug(format!("the oracle gave no value {id}")))
}

fn check_value(memory: &Memory<'_>, id: NodeId, largest: f64) -> Result<Verdict> {
    let (known, between) = memory.sources(id)?;
    let compiled = memory.read(id)?;
    let oracle = evaluate_one(memory, &known, id)?;
    let floor = floor_of(memory, id, largest);
    let distance = judge(memory, &known, id, &compiled, &oracle, floor)?;
    if within(memory, distance.error) {
        return Ok(Verdict { id, distance, tie: false, compiled, oracle });
    }
    for changed in other_choices(memory, &known, &between)? {
        let oracle = evaluate_one(memory, &changed, id)?;
        let distance = judge(memory, &changed, id, &compiled, &oracle, floor)?;
        if within(memory, distance.error) {
            return Ok(Verdict { id, distance, tie: true, compiled, oracle });
        }
    }
    Ok(Verdict { id, distance, tie: false, compiled, oracle })
}

/// The distance of a value; for integers and bools the number of elements that differ and are no choice
/// between nearly equal numbers.
fn judge(
    memory: &Memory<'_>,
    known: &Values,
    id: NodeId,
    compiled: &Tensor,
    oracle: &Tensor,
    floor: f64,
) -> Result<Distance> {
    let (a, b) = (compiled.to_f64(), oracle.to_f64());
    if !is_exact(oracle) {
        return Ok(distance(&a, &b, floor));
    }
    let different: Vec<usize> = (0..b.len()).filter(|&place| a.get(place) != b.get(place)).collect();
    if different.is_empty() {
        return Ok(Distance { error: 0.0, worst: 0 });
    }
    let node = &memory.lowered.function.nodes[id];
    let operands = node.operands.iter().map(|&operand| operand_value(memory, known, operand));
    let operands: Vec<Tensor> = operands.collect::<Result<_>>()?;
    let rounded = before_rounding(memory, known, id)?.unwrap_or_default();
    let tie = |place: usize| {
        let chosen = (a[place], b[place]);
        is_tie(&node.op, &operands, &oracle.dims, place, chosen) || is_rounding_tie(&rounded, place, chosen)
    };
    let wrong: Vec<usize> = different.into_iter().filter(|&place| !tie(place)).collect();
    Ok(Distance { error: wrong.len() as f64, worst: wrong.first().copied().unwrap_or(0) })
}

pub(crate) fn operand_value(memory: &Memory<'_>, known: &Values, id: NodeId) -> Result<Tensor> {
    match known.get(&id).map(Vec::as_slice) {
        Some([tensor]) => Ok(tensor.clone()),
        _ => evaluate_one(memory, known, id),
    }
}

/// Checks that every output holds its value, wherever that was computed.
pub(crate) fn check_outputs(
    memory: &Memory<'_>,
    interface: &Interface,
    largest: f64,
) -> Result<Vec<Mismatch>> {
    let function = &memory.lowered.function;
    let mut mismatches = Vec::new();
    let mut number = 0;
    for output in &function.outputs {
        let id = output.value;
        let ty = function.tensor_type(id);
        let compiled = if matches!(output.role, OutputRole::Parameter | OutputRole::State) {
            let tensor = interface.tensors.iter().find(|tensor| tensor.name == output.name);
            let missing = || DriverError::Bug(format!("`{}` is no parameter or state", output.name));
            persistent(tensor.ok_or_else(missing)?, memory.after)?
        } else {
            let missing = || DriverError::Bug(format!("the output `{}` has no buffer", output.name));
            let bytes = memory.outputs.get(number).ok_or_else(missing)?;
            number += 1;
            tensor_of_bytes(crate::data::element_of(ty.dtype), &ty.shape.at(memory.batch), bytes)?
        };
        let (mut known, _) = memory.sources(id)?;
        if memory.holds(id) {
            known = Values::from([(id, vec![memory.read(id)?])]);
        }
        let oracle = evaluate_one(memory, &known, id)?;
        let distance = judge(memory, &known, id, &compiled, &oracle, floor_of(memory, id, largest))?;
        if !within(memory, distance.error) {
            let mut found = mismatch(memory, &Verdict { id, distance, tie: false, compiled, oracle });
            found.path = format!("{} {}", output.role.name(), output.name);
            mismatches.push(found);
        }
    }
    Ok(mismatches)
}

/// A parameter or state out of a persistent block.
pub(crate) fn persistent(tensor: &PersistentTensor, block: &[u8]) -> Result<Tensor> {
    let size = tensor.element.size();
    let mut plain = Vec::with_capacity(tensor.bytes);
    let count: usize = tensor.dims.iter().product();
    for element in 0..count {
        let index = coordinates(&tensor.dims, element);
        let place: usize = index.iter().zip(&tensor.strides).map(|(at, stride)| at * stride).sum();
        let start = tensor.offset + place * size;
        let bytes = block.get(start..start + size);
        plain.extend_from_slice(
            bytes.ok_or_else(|| DriverError::Bug(format!("`{}` lies outside", tensor.name)))?,
        );
    }
    tensor_of_bytes(tensor.element, &tensor.dims, &plain)
}

/// Checks that parameters and states without a next value kept theirs.
pub(crate) fn check_unchanged(memory: &Memory<'_>, interface: &Interface) -> Vec<Mismatch> {
    let function = &memory.lowered.function;
    let moved = |name: &str| {
        let roles = [OutputRole::Parameter, OutputRole::State];
        roles.into_iter().any(|role| function.output(role, name).is_some())
    };
    let still = interface.tensors.iter().filter(|tensor| !moved(&tensor.name));
    let changed = still.filter(|tensor| {
        let range = tensor.offset..tensor.offset + tensor.bytes;
        memory.before.get(range.clone()) != memory.after.get(range)
    });
    changed
        .map(|tensor| Mismatch {
            bound: "unchanged",
            function: function.name.clone(),
            path: tensor.name.clone(),
            kernels: Vec::new(),
            index: Vec::new(),
            compiled: f64::NAN,
            interpreted: f64::NAN,
            error: f64::INFINITY,
            allowed: 0.0,
        })
        .collect()
}
