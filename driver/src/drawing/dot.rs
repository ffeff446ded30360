//! Lowered functions for Graphviz: every launch a cluster of the ops that it computes.
//!
//! A value that several launches compute stands in each of them.

use super::{inline_text, is_inline, op_line};
use crate::groups::launch_groups;
use dlc_compiler::lower::Lowered;
use dlc_ir::{NodeId, Op};
use std::collections::BTreeMap;

fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

/// The lowered function in Graphviz' DOT language, the same text for the same function.
pub(crate) fn lowered_dot(lowered: &Lowered) -> String {
    let (program, function) = (&lowered.program, &lowered.function);
    let mut text = format!("digraph {} {{\n    node [shape=ellipse]\n", quoted(&program.name));
    let mut arrows = String::new();
    // Where each value comes from: the node that stands for what is in memory.
    let mut sources: BTreeMap<NodeId, String> = BTreeMap::new();
    for (id, node) in function.nodes.iter() {
        if let Op::Input { name } | Op::Parameter { name } | Op::State { name } = &node.op {
            let vertex = format!("e{}", id.to_string().trim_start_matches('%'));
            let label = quoted(&format!("{name}\n{}", node.ty));
            text.push_str(&format!("    {vertex} [label={label} shape=box]\n"));
            sources.insert(id, vertex);
        }
    }
    for (number, (launch, group)) in program.launches.iter().zip(launch_groups(lowered)).enumerate() {
        let name = quoted(&program.kernels[launch.kernel].name);
        text.push_str(&format!(
            "    subgraph cluster_{number} {{\n        label={name} style=filled color=lightgrey\n"
        ));
        let mut own: BTreeMap<NodeId, String> = BTreeMap::new();
        for &id in &group.members {
            let node = &function.nodes[id];
            if is_inline(&node.op) {
                continue;
            }
            let vertex = format!("l{number}_{}", id.to_string().trim_start_matches('%'));
            let operands = node.operands.iter().map(|&operand| &function.nodes[operand].op);
            let constants: Vec<String> =
                operands.filter(|op| is_inline(op) && !op.is_external()).map(inline_text).collect();
            let with =
                if constants.is_empty() { String::new() } else { format!("\nwith {}", constants.join(", ")) };
            let bold = if group.stores.contains(&id) { " penwidth=2" } else { "" };
            let label = quoted(&format!("{}{with}", op_line(function, id)));
            text.push_str(&format!("        {vertex} [label={label}{bold}]\n"));
            for operand in &node.operands {
                if let Some(from) = own.get(operand).or_else(|| sources.get(operand)) {
                    arrows.push_str(&format!("    {from} -> {vertex}\n"));
                }
            }
            own.insert(id, vertex);
        }
        if own.is_empty() {
            let vertex = format!("l{number}");
            let label = quoted(&format!("part of {}", op_line(function, group.purpose)));
            text.push_str(&format!("        {vertex} [label={label} shape=plain]\n"));
            if let Some(from) = sources.get(&group.purpose) {
                arrows.push_str(&format!("    {from} -> {vertex}\n"));
            }
            sources.insert(group.purpose, vertex);
        }
        text.push_str("    }\n");
        for id in &group.stores {
            if let Some(vertex) = own.get(id) {
                sources.insert(*id, vertex.clone());
            }
        }
        if let (Some(vertex), false) = (own.get(&group.purpose), sources.contains_key(&group.purpose)) {
            sources.insert(group.purpose, vertex.clone());
        }
    }
    for (number, output) in function.outputs.iter().enumerate() {
        let label = quoted(&format!("{} {}", output.role.name(), output.name));
        text.push_str(&format!("    o{number} [label={label} shape=doubleoctagon]\n"));
        if let Some(from) = sources.get(&output.value) {
            arrows.push_str(&format!("    {from} -> o{number}\n"));
        }
    }
    text + &arrows + "}\n"
}
