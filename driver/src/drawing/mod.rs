//! Functions as drawings: `dlc compile --emit dot,svg`.
//!
//! A function is drawn twice: as it was written, an op a box, and as it was lowered, where each launch is
//! a box around the ops that it computes and arrows are values in memory. Graphviz text leaves the places
//! to Graphviz; SVG is laid out here ([`layout`]), in time that grows with the number of boxes and arrows
//! alone, so that a training step of thousands of ops can be drawn.

mod dot;
mod layout;
mod svg;

pub(crate) use dot::lowered_dot;
pub(crate) use svg::escaped;

use crate::groups::{is_movement, launch_groups};
use dlc_compiler::lower::Lowered;
use dlc_ir::{Function, NodeId, Op};
use dlc_kernel::{Body, BufferId};
use std::collections::{BTreeMap, BTreeSet};

/// What a box stands for, which gives its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    External,
    Op,
    Contraction,
    Loop,
    Output,
}

/// A box with lines of text; the first is its title.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shape {
    kind: Kind,
    lines: Vec<String>,
}

/// Boxes, and arrows from earlier to later boxes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Drawing {
    shapes: Vec<Shape>,
    arrows: BTreeSet<(usize, usize)>,
}

impl Drawing {
    fn shape(&mut self, kind: Kind, lines: Vec<String>) -> usize {
        self.shapes.push(Shape { kind, lines });
        self.shapes.len() - 1
    }

    fn outputs(&mut self, function: &Function, places: &BTreeMap<NodeId, usize>) {
        for output in &function.outputs {
            if let Some(&from) = places.get(&output.value) {
                let line = format!("{} {}", output.role.name(), output.name);
                let to = self.shape(Kind::Output, vec![line]);
                self.arrows.insert((from, to));
            }
        }
    }
}

/// A function before rewriting as SVG.
pub(crate) fn written_svg(function: &Function) -> String {
    svg::svg(&written(function), &format!("fn {} as it was written", function.name))
}

/// A lowered function as SVG.
pub(crate) fn lowered_svg(lowered: &Lowered) -> String {
    svg::svg(&launches(lowered), &format!("fn {} as it was lowered", lowered.program.name))
}

/// The op in few words.
fn op_line(function: &Function, id: NodeId) -> String {
    let node = &function.nodes[id];
    let name = match &node.op {
        Op::Constant(literal) => match literal.as_scalar() {
            Some(value) => format!("constant {value}"),
            None => "constant".to_owned(),
        },
        op => op.name().to_owned(),
    };
    format!("{id} {name}: {}", node.ty)
}

/// Parameters, states and constants are named in the boxes of their users.
fn is_inline(op: &Op) -> bool {
    matches!(op, Op::Parameter { .. } | Op::State { .. } | Op::Constant(_) | Op::Extent(_))
}

fn inline_text(op: &Op) -> String {
    match op {
        Op::Parameter { name } | Op::State { name } => name.clone(),
        Op::Constant(literal) => literal.as_scalar().map_or("constant".to_owned(), |value| value.to_string()),
        other => other.to_string(),
    }
}

fn written(function: &Function) -> Drawing {
    let mut drawing = Drawing::default();
    let mut places: BTreeMap<NodeId, usize> = BTreeMap::new();
    for (id, node) in function.nodes.iter().filter(|(_, node)| !is_inline(&node.op)) {
        let mut lines = vec![match &node.op {
            Op::Input { name } => format!("input {name}: {}", node.ty),
            _ => op_line(function, id),
        }];
        if !node.origin.path.is_empty() {
            lines.push(node.origin.path.clone());
        }
        let operands = node.operands.iter().map(|&operand| &function.nodes[operand].op);
        let inline: Vec<String> = operands.filter(|op| is_inline(op)).map(inline_text).collect();
        if !inline.is_empty() {
            lines.push(format!("with {}", inline.join(", ")));
        }
        let kind = if node.op.is_external() { Kind::External } else { Kind::Op };
        let place = drawing.shape(kind, lines);
        places.insert(id, place);
        let from = node.operands.iter().filter_map(|operand| places.get(operand));
        drawing.arrows.extend(from.map(|&from| (from, place)));
    }
    drawing.outputs(function, &places);
    drawing
}

fn launches(lowered: &Lowered) -> Drawing {
    let (program, function) = (&lowered.program, &lowered.function);
    let mut drawing = Drawing::default();
    let mut places: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut writers: BTreeMap<BufferId, usize> = BTreeMap::new();
    for (id, node) in function.nodes.iter() {
        if let (Op::Input { name }, Some((buffer, _))) = (&node.op, lowered.values.get(&id)) {
            let place = drawing.shape(Kind::External, vec![format!("input {name}: {}", node.ty)]);
            writers.insert(*buffer, place);
        }
    }
    for (launch, group) in program.launches.iter().zip(launch_groups(lowered)) {
        let kernel = &program.kernels[launch.kernel];
        let kind = if matches!(kernel.body, Body::Contraction(_)) { Kind::Contraction } else { Kind::Loop };
        let mut lines = vec![kernel.name.clone()];
        let told = |id: &&NodeId| {
            let op = &function.nodes[**id].op;
            !is_inline(op) && (!is_movement(op) || group.stores.contains(id))
        };
        lines.extend(group.members.iter().filter(told).map(|&id| op_line(function, id)));
        let place = drawing.shape(kind, lines);
        let operands = || kernel.operands.iter().zip(&launch.arguments);
        for (_, buffer) in operands().filter(|(operand, _)| operand.reads) {
            if let Some(&from) = writers.get(buffer) {
                drawing.arrows.insert((from, place));
            }
        }
        for (_, &buffer) in operands().filter(|(operand, _)| operand.writes) {
            writers.insert(buffer, place);
        }
        places.extend(group.stores.iter().map(|&id| (id, place)));
    }
    drawing.outputs(function, &places);
    drawing
}

#[cfg(test)]
mod tests;
