//! Ops as lines of text.

use crate::groups::LaunchGroup;
use dlc_compiler::lower::Lowered;
use dlc_ir::{Function, NodeId, Op};
use std::collections::BTreeSet;

/// Ops of a layer that are written out; the rest is counted.
const SHOWN: usize = 60;

fn line(function: &Function, id: NodeId) -> String {
    let node = &function.nodes[id];
    match &node.op {
        // A table of numbers says nothing here.
        Op::Constant(literal) if literal.as_scalar().is_none() => format!("{id}: {} = constant", node.ty),
        _ => format!("{id}: {} = {node}", node.ty),
    }
}

/// The ops of these layers with what they read from outside, in order.
pub(super) fn of_layers(function: &Function, layers: &BTreeSet<&str>) -> Vec<String> {
    let inside = |id: &NodeId| layers.contains(function.nodes[*id].origin.path.as_str());
    let own: Vec<NodeId> = function.nodes.indices().filter(inside).collect();
    let mut shown: BTreeSet<NodeId> = own.iter().copied().take(SHOWN).collect();
    let read: Vec<NodeId> =
        shown.iter().flat_map(|&id| function.nodes[id].operands.iter().copied()).collect();
    shown.extend(read);
    let mut lines: Vec<String> = shown
        .iter()
        .map(|&id| {
            let node = &function.nodes[id];
            if inside(&id) || node.op.is_external() {
                line(function, id)
            } else if node.origin.path.is_empty() {
                format!("{id}: {} = …", node.ty)
            } else {
                format!("{id}: {} = … of {}", node.ty, node.origin.path)
            }
        })
        .collect();
    if own.len() > SHOWN {
        lines.push(format!("… and {} more ops of these layers", own.len() - SHOWN));
    }
    lines
}

/// The ops of a group, with the stored values that they read, in order.
pub(super) fn of_group(lowered: &Lowered, group: &LaunchGroup) -> Vec<String> {
    let function = &lowered.function;
    let all: BTreeSet<NodeId> = group.reads.iter().chain(&group.members).copied().collect();
    let mut lines: Vec<String> = Vec::new();
    for id in all {
        let stored = group.stores.contains(&id);
        if group.members.contains(&id) {
            lines.push(format!("{}{}", line(function, id), if stored { "  (stored)" } else { "" }));
        } else if function.nodes[id].op.is_external() {
            lines.push(line(function, id));
        } else {
            let path = &function.nodes[id].origin.path;
            let of = if path.is_empty() { String::new() } else { format!(" of {path}") };
            lines.push(format!("{id}: {} = …{of}, from memory", function.nodes[id].ty));
        }
    }
    if group.members.is_empty() {
        lines.push(format!("joins partial results, or copies: {}", line(function, group.purpose)));
    }
    lines
}
