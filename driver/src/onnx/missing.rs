//! The list of what a model needs and this version does not have.

use crate::DriverError;
use dlc_onnx::Node;
use std::collections::{BTreeMap, BTreeSet};

/// What is missing, told apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Missing {
    unknown: BTreeMap<String, usize>,
    not_done: BTreeMap<String, BTreeSet<String>>,
    nodes: Vec<String>,
}

impl Missing {
    pub(super) fn is_empty(&self) -> bool {
        self.unknown.is_empty() && self.not_done.is_empty()
    }

    /// An operator that nobody knows.
    pub(super) fn unknown(&mut self, node: &Node) {
        *self.unknown.entry(node.operator()).or_default() += 1;
    }

    /// A case of a known operator.
    pub(super) fn not_done(&mut self, node: &Node, what: &str) {
        self.nodes.push(format!("  not done: {}: {what}", node.label()));
        self.not_done.entry(node.operator()).or_default().insert(what.to_owned());
    }

    /// All of it; the last line sums it up.
    pub(super) fn error(&self, file: &str) -> DriverError {
        self.listed(&format!("{file} needs what this version does not have:"))
    }

    /// The same below another first line.
    pub(super) fn listed(&self, title: &str) -> DriverError {
        let mut lines = vec![title.to_owned()];
        for (operator, count) in &self.unknown {
            let nodes = if *count == 1 { "1 node".to_owned() } else { format!("{count} nodes") };
            lines.push(format!("  unknown operator: {operator} ({nodes})"));
        }
        lines.extend(self.nodes.iter().cloned());
        let unknown = self.unknown.keys().cloned();
        let cases = self.not_done.iter().map(|(operator, cases)| {
            let cases: Vec<&str> = cases.iter().map(String::as_str).collect();
            format!("{operator} ({})", cases.join("; "))
        });
        let mut summary = Vec::new();
        for (title, names) in
            [("unknown operators", unknown.collect::<Vec<_>>()), ("cases not done", cases.collect())]
        {
            if !names.is_empty() {
                summary.push(format!("{title}: {}", names.join(", ")));
            }
        }
        lines.push(format!("not supported: {}", summary.join("; ")));
        DriverError::Unsupported(lines.join("\n"))
    }
}
