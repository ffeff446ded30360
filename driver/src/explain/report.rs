//! What an explanation is made of; serialises as `dlc explain --json` prints it.

use crate::Movement;
use serde::Serialize;

/// A rule that something came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleUse {
    /// Its name.
    pub rule: String,
    /// The theme that it belongs to.
    pub theme: &'static str,
    /// How far its sides may differ: exact, rounding or fast-math.
    pub tag: &'static str,
    /// One line of mathematics, side conditions included.
    pub law: &'static str,
    /// How many of the chosen ops it is behind.
    pub times: usize,
}

/// A value that a kernel computes and nobody stores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnstoredValue {
    /// Its number in the graph as it was lowered.
    pub value: String,
    /// The op.
    pub op: String,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: String,
    /// Path of its layer.
    pub layer: String,
    /// Its size.
    pub bytes: u64,
    /// Bytes that this kernel would read or write more if the value were stored.
    pub saved: u64,
}

/// One kernel, over all of its runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KernelExplanation {
    /// Its name.
    pub name: String,
    /// Numbers of its runs in the order of the program.
    pub launches: Vec<usize>,
    /// How often it runs in all: launches in the steps of a scan run in every step.
    pub rounds: u64,
    /// Names of the ops that it computes, movements left out, with how many of each.
    pub ops: Vec<(String, usize)>,
    /// Paths of the layers that those ops come from.
    pub layers: Vec<String>,
    /// Rules behind the ops of those layers.
    pub rules: Vec<RuleUse>,
    /// Values that are computed on the way and never stored.
    pub unstored: Vec<UnstoredValue>,
    /// Estimated operations.
    pub operations: u64,
    /// Estimated bytes read and written.
    pub bytes: u64,
    /// The same if each of `unstored` were stored.
    pub bytes_if_stored: u64,
}

/// All about one kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KernelDetail {
    /// Its name.
    pub name: String,
    /// The run that is told: the first, or the first of the layer that was asked for.
    pub launch: usize,
    /// The ops of its layers as they stood in the graph before rewriting, one per line.
    pub before: Vec<String>,
    /// The ops that it computes, after rewriting, one per line.
    pub computes: Vec<String>,
    /// The kernel's text.
    pub after: String,
}

/// How one function became its kernels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainReport {
    /// Name of the model.
    pub model: String,
    /// Name of the function.
    pub function: String,
    /// Samples that costs are estimated for.
    pub batch: usize,
    /// All kernels in the order of their first runs, or the one that was asked for.
    pub kernels: Vec<KernelExplanation>,
    /// All about the kernel that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<KernelDetail>,
    /// Rules that the lowered function came from, most used first.
    pub rules: Vec<RuleUse>,
    /// Ops of the graph before rewriting, composite ones expanded.
    pub ops_before: usize,
    /// Ops after it.
    pub ops_after: usize,
    /// Ops that were equal to another, before any rule was applied.
    pub merged: usize,
    /// Ops that nothing needed.
    pub removed: usize,
    /// What a call takes.
    pub moved: Movement,
    /// The same without the optimiser: elementwise fusion alone.
    pub baseline: Movement,
}

impl KernelExplanation {
    pub(super) fn named(name: &str) -> KernelExplanation {
        KernelExplanation {
            name: name.to_owned(),
            launches: Vec::new(),
            rounds: 0,
            ops: Vec::new(),
            layers: Vec::new(),
            rules: Vec::new(),
            unstored: Vec::new(),
            operations: 0,
            bytes: 0,
            bytes_if_stored: 0,
        }
    }
}
