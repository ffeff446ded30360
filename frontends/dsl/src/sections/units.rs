//! In whose units a model's outputs are.
//!
//! An output is in the units of a field where the loss takes the difference of the two, as all losses of numbers do: the
//! graph says it. Both may be reshaped, and the field cast, on the way there; anything else makes another value of them.
//! Comparisons of another kind, such as cross-entropy of logits and shares, say nothing about units.

use super::scaling::{FieldScaling, Outputs};
use crate::codes;
use crate::report::Reporter;
use dlc_ir::{Binary, Function, Model, NodeId, Op, OutputRole};
use dlc_types::{Diagnostic, IndexVec, Span};
use std::collections::{BTreeMap, BTreeSet};

/// Whether an output of a function is read by somebody who knows raw values only.
pub(super) fn is_read(role: OutputRole) -> bool {
    matches!(role, OutputRole::Output | OutputRole::Metric)
}

/// What values depend on, themselves included.
pub(super) fn ancestors(function: &Function, of: impl Iterator<Item = NodeId>) -> IndexVec<NodeId, bool> {
    let mut found: IndexVec<NodeId, bool> = function.nodes.indices().map(|_| false).collect();
    of.for_each(|id| found[id] = true);
    for (id, node) in function.nodes.iter().rev() {
        if found[id] {
            node.operands.iter().for_each(|&operand| found[operand] = true);
        }
    }
    found
}

/// One side of a difference.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side<'a> {
    /// These outputs are one value.
    Output(NodeId),
    Field(&'a str),
    Other,
}

/// What a value is but for its shape and type.
fn side<'a>(function: &'a Function, outputs: &Outputs, mut id: NodeId, fields: &BTreeSet<&str>) -> Side<'a> {
    loop {
        if outputs.iter().any(|(_, value)| *value == id) {
            return Side::Output(id);
        }
        let node = &function.nodes[id];
        match (&node.op, node.operands.first()) {
            (Op::Input { name }, _) if fields.contains(name.as_str()) => return Side::Field(name),
            (Op::Reshape | Op::Cast(_), Some(&operand)) => id = operand,
            _ => return Side::Other,
        }
    }
}

/// A difference in the loss, behind the model.
struct Difference<'a> {
    output: Option<NodeId>,
    field: &'a str,
    span: Option<Span>,
}

fn differences<'a>(function: &'a Function, outputs: &Outputs, model: &Model) -> Vec<Difference<'a>> {
    let losses = function.outputs.iter().filter(|output| output.role == OutputRole::Loss);
    let of_loss = ancestors(function, losses.map(|output| output.value));
    let of_model = ancestors(function, outputs.iter().map(|(_, value)| *value));
    let declared = model.inputs.iter().chain(&model.targets);
    let fields: BTreeSet<&str> = declared.map(|field| field.name.as_str()).collect();
    let mut found = Vec::new();
    for (id, node) in function.nodes.iter().filter(|&(id, _)| of_loss[id] && !of_model[id]) {
        let (Op::Binary(Binary::Subtract), [a, b]) = (&node.op, node.operands.as_slice()) else { continue };
        let sides = [*a, *b].map(|operand| side(function, outputs, operand, &fields));
        let span = function.nodes[id].origin.span;
        match sides {
            [Side::Output(output), Side::Field(field)] | [Side::Field(field), Side::Output(output)] => {
                found.push(Difference { output: Some(output), field, span });
            }
            [Side::Other, Side::Field(field)] | [Side::Field(field), Side::Other] => {
                found.push(Difference { output: None, field, span });
            }
            _ => {}
        }
    }
    found
}

/// The scaled field in whose units each output is, by its number. An output of two fields' units is an error, a scaled
/// target that is compared with no output a warning.
pub(super) fn relate(
    evaluate: &Function,
    outputs: &Outputs,
    scaled: &[FieldScaling],
    model: &Model,
    source: Span,
    reporter: &mut Reporter,
) -> BTreeMap<String, usize> {
    let number = |name: &str| scaled.iter().position(|scaling| scaling.field == name);
    let found = differences(evaluate, outputs, model);
    let mut related: BTreeMap<String, usize> = BTreeMap::new();
    for (name, value) in outputs {
        let mut fields: Vec<&Difference<'_>> = Vec::new();
        for difference in found.iter().filter(|difference| difference.output == Some(*value)) {
            if !fields.iter().any(|known| known.field == difference.field) {
                fields.push(difference);
            }
        }
        let Some(scaling) = fields.iter().find_map(|difference| number(difference.field)) else { continue };
        if let [first, second, ..] = fields.as_slice() {
            let message = format!(
                "the loss compares `{name}` with `{}` and `{}`, which are not scaled alike: it has no units",
                first.field, second.field
            );
            reporter.push(
                Diagnostic::error(codes::FIELD, message)
                    .at(second.span.unwrap_or(source), "the second one")
                    .help("give the model one output for each, or do not scale them"),
            );
        }
        related.insert(name.clone(), scaling);
    }
    for difference in found.iter().filter(|difference| difference.output.is_none()) {
        let is_target = model.targets.iter().any(|target| target.name == difference.field);
        let Some(place) = number(difference.field).filter(|_| is_target) else { continue };
        if related.values().any(|&field| field == place) {
            continue;
        }
        let message = format!(
            "`{}` is scaled, but the loss compares it with a value that is no output of the model: predictions and \
             metrics stay in scaled units",
            difference.field
        );
        reporter.push(
            Diagnostic::warning(codes::FIELD, message)
                .at(difference.span.unwrap_or(source), "computed behind the outputs")
                .help("let the model compute that value as an output, and compare the output itself"),
        );
    }
    related
}
