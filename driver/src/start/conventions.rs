//! Names of other systems, where they differ from dlc's by convention alone.

use dlc_runtime::{Checkpoint, HostTensor};
use std::collections::BTreeSet;

/// Last parts of names: another system's, and dlc's for the same.
const LEAVES: [(&str, &str); 7] = [
    ("weight", "scale"),
    ("weight", "slope"),
    ("bias", "shift"),
    ("gamma", "scale"),
    ("beta", "shift"),
    ("running_mean", "mean"),
    ("running_var", "variance"),
];

/// PyTorch's count of the batches that a batch-norm saw; dlc needs none.
const COUNTER: &str = "num_batches_tracked";

/// Names in the model that a tensor's name may stand for: itself first.
pub(super) fn spellings(name: &str) -> Vec<String> {
    let (path, leaf) = split(name);
    let joined = |leaf: &str| if path.is_empty() { leaf.to_owned() } else { format!("{path}.{leaf}") };
    let mut all = vec![name.to_owned()];
    all.extend(LEAVES.iter().filter(|(other, _)| *other == leaf).map(|(_, own)| joined(own)));
    if let Some(layer) = path.strip_suffix("out_proj") {
        all.push(format!("{layer}output.{leaf}"));
    }
    all
}

/// Names in the model that the three parts of an attention's joint projection stand for.
pub(super) fn projections(name: &str) -> Option<[String; 3]> {
    let (path, leaf) = split(name);
    let leaf = leaf.strip_prefix("in_proj_").filter(|leaf| matches!(*leaf, "weight" | "bias"))?;
    let layer = if path.is_empty() { String::new() } else { format!("{path}.") };
    Some(["query", "key", "value"].map(|part| format!("{layer}{part}.{leaf}")))
}

/// A tensor cut into three along its first axis.
pub(super) fn thirds(tensor: &HostTensor) -> Option<[HostTensor; 3]> {
    let (&first, rest) = tensor.dims.split_first()?;
    if first == 0 || first % 3 != 0 {
        return None;
    }
    let dims: Vec<usize> = std::iter::once(first / 3).chain(rest.iter().copied()).collect();
    let length = tensor.bytes.len() / 3;
    let part = |number: usize| {
        let bytes = tensor.bytes[number * length..(number + 1) * length].to_vec();
        HostTensor::new(tensor.element, dims.clone(), bytes).ok()
    };
    Some([part(0)?, part(1)?, part(2)?])
}

/// Whether a name is one that no model of dlc needs.
pub(super) fn is_counter(name: &str) -> bool {
    split(name).1 == COUNTER
}

/// Whether a name tells that PyTorch wrote the file.
pub(super) fn is_of_pytorch(name: &str) -> bool {
    matches!(split(name).1, COUNTER | "running_mean" | "running_var" | "in_proj_weight" | "in_proj_bias")
}

/// Whether a name tells that dlc wrote the file.
pub(super) fn is_of_dlc(name: &str) -> bool {
    matches!(split(name).1, "scale" | "shift" | "mean" | "variance" | "slope") || is_of_run(name)
}

/// Whether a name belongs to a run of dlc and not to its model.
pub(super) fn is_of_run(name: &str) -> bool {
    ["trainer.", "train.", "data."].iter().any(|start| name.starts_with(start))
}

/// Leaves the model's own values of a checkpoint of dlc: averages in the place of what they are of, and nothing of
/// the run, its optimiser and its data. Other files stay as they are.
pub(super) fn model_alone(checkpoint: &mut Checkpoint) {
    let tensors = &mut checkpoint.tensors;
    if !tensors.keys().any(|name| is_of_run(name)) {
        return;
    }
    let names: BTreeSet<String> = tensors.keys().cloned().collect();
    for name in &names {
        let (path, leaf) = split(name);
        if is_of_run(name) {
            tensors.remove(name);
        } else if names.contains(path) {
            let value = tensors.remove(name);
            if let Some(average) = value.filter(|_| leaf == dlc_ir::training::AVERAGE) {
                tensors.insert(path.to_owned(), average);
            }
        }
    }
}

/// A name's path and its last part.
fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('.').unwrap_or(("", name))
}
