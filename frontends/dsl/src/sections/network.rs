//! A network from a file as the body of a model: its nodes are copied into the function at hand, and layers
//! that the text replaces are made by the text.

use crate::ast::{Expr, ExprKind, Ident, ModelSection, NetworkSource};
use crate::codes;
use crate::elaborate::{Elaborator, Mode};
use crate::networks::ImportedNetwork;
use crate::report::{Eval, Poison};
use crate::value::Value;
use dlc_ir::{Declaration, Function, Initializer, Node, NodeId, Op, OutputRole};
use dlc_types::{Diagnostic, IndexVec};
use std::collections::BTreeMap;

/// Copies the network; binds its outputs to their names. Gives the inputs, and the names of the outputs.
pub(super) fn copy(
    el: &mut Elaborator<'_>,
    model: &ModelSection,
    source: &NetworkSource,
) -> Eval<(Vec<Declaration>, Vec<Ident>)> {
    let program = el.program;
    let forms = program.networks.get(&source.path).ok_or(Poison)?;
    let network = match (el.mode, &forms.training) {
        (Mode::Training, Some(training)) => training,
        _ => &forms.inference,
    };
    let inputs = renamed_inputs(el, source, network)?;
    let mut fed = BTreeMap::new();
    for (declaration, original) in inputs.iter().zip(&network.inputs) {
        let node =
            el.build(source.span, |builder| builder.input(&declaration.name, declaration.ty.clone()))?;
        el.bind(&declaration.name, Value::Tensor(node));
        fed.insert(original.name.as_str(), node);
    }
    let mut copied =
        Copied { network, source, fed, nodes: network.function.nodes.indices().map(|_| None).collect() };
    copied.run(el)?;
    let outputs = output_names(el, model, source, &network.function)?;
    let results = network.function.outputs.iter().filter(|output| output.role == OutputRole::Output);
    for (name, output) in outputs.iter().zip(results) {
        let node = copied.nodes[output.value].ok_or(Poison)?;
        el.bind(&name.text, Value::Tensor(node));
    }
    for output in network.function.outputs.iter().filter(|output| output.role == OutputRole::State) {
        if let Some(node) = copied.nodes[output.value] {
            el.update_state(&output.name, node);
        }
    }
    Ok((inputs, outputs))
}

/// The inputs under the names that the text gives them.
fn renamed_inputs(
    el: &mut Elaborator<'_>,
    source: &NetworkSource,
    network: &ImportedNetwork,
) -> Eval<Vec<Declaration>> {
    if source.inputs.is_empty() {
        return Ok(network.inputs.clone());
    }
    if source.inputs.len() != network.inputs.len() {
        let names: Vec<&str> = network.inputs.iter().map(|input| input.name.as_str()).collect();
        let message = format!(
            "the header names {} inputs, but \"{}\" has {}: {}",
            source.inputs.len(),
            source.path,
            names.len(),
            names.join(", ")
        );
        return el.fail_at(codes::RESULTS, message, source.span, "this file");
    }
    let rename =
        |(name, input): (&Ident, &Declaration)| Declaration { name: name.text.clone(), ty: input.ty.clone() };
    Ok(source.inputs.iter().zip(&network.inputs).map(rename).collect())
}

/// The names of the outputs: the header's, or else the file's.
fn output_names(
    el: &mut Elaborator<'_>,
    model: &ModelSection,
    source: &NetworkSource,
    function: &Function,
) -> Eval<Vec<Ident>> {
    let results = function.outputs.iter().filter(|output| output.role == OutputRole::Output);
    let names: Vec<Ident> =
        results.map(|output| Ident { text: output.name.clone(), span: source.span }).collect();
    if model.outputs.is_empty() {
        return Ok(names);
    }
    if model.outputs.len() != names.len() {
        let texts: Vec<&str> = names.iter().map(|name| name.text.as_str()).collect();
        let message = format!(
            "the header names {} outputs, but \"{}\" has {}: {}",
            model.outputs.len(),
            source.path,
            texts.len(),
            texts.join(", ")
        );
        return el.fail_at(codes::RESULTS, message, source.span, "this file");
    }
    Ok(model.outputs.clone())
}

/// A network while it is copied.
struct Copied<'n> {
    network: &'n ImportedNetwork,
    source: &'n NetworkSource,
    fed: BTreeMap<&'n str, NodeId>,
    /// The copy of each node that is needed.
    nodes: IndexVec<NodeId, Option<NodeId>>,
}

impl<'n> Copied<'n> {
    fn run(&mut self, el: &mut Elaborator<'_>) -> Eval<()> {
        let network = self.network;
        let mut replaced: BTreeMap<NodeId, (NodeId, &Ident, &Expr)> = BTreeMap::new();
        for (layer, expr) in &self.source.replaced {
            let &(input, output) = network.layers.get(&layer.text).ok_or(Poison)?;
            replaced.insert(output, (input, layer, expr));
        }
        let mut needed: IndexVec<NodeId, bool> = network.function.nodes.indices().map(|_| false).collect();
        for output in &network.function.outputs {
            needed[output.value] = true;
        }
        for (id, node) in network.function.nodes.iter().rev() {
            match replaced.get(&id) {
                _ if !needed[id] => {}
                Some(&(input, ..)) => needed[input] = true,
                None => node.operands.iter().for_each(|&operand| needed[operand] = true),
            }
        }
        let first_stream = el.streams;
        for (id, node) in network.function.nodes.iter().filter(|&(id, _)| needed[id]) {
            let copy = match replaced.get(&id) {
                Some(&(input, layer, expr)) => self.replacement(el, input, layer, expr)?,
                None => self.node(el, node, first_stream)?,
            };
            self.nodes[id] = Some(copy);
        }
        Ok(())
    }

    /// The layer of the text, on what the replaced one reads.
    fn replacement(
        &self,
        el: &mut Elaborator<'_>,
        input: NodeId,
        layer: &Ident,
        expr: &Expr,
    ) -> Eval<NodeId> {
        let input = self.nodes[input].ok_or(Poison)?;
        let ExprKind::Call(call) = &expr.kind else {
            return el.fail(
                Diagnostic::error(codes::KIND, format!("`{}` is not replaced by a layer", layer.text))
                    .at(expr.span, "not a call")
                    .help("write a layer such as `dense(10)`"),
            );
        };
        match el.call_as(call, Value::Tensor(input), &layer.text)? {
            Value::Tensor(node) => Ok(node),
            other => {
                let message = format!("`{}` is replaced by {}", layer.text, other.describe(&el.builder));
                el.fail_at(codes::KIND, message, expr.span, "not a tensor")
            }
        }
    }

    fn node(&self, el: &mut Elaborator<'_>, node: &Node, first_stream: u32) -> Eval<NodeId> {
        let span = self.source.span;
        let mut operands = Vec::with_capacity(node.operands.len());
        for &operand in &node.operands {
            operands.push(self.nodes[operand].ok_or(Poison)?);
        }
        let ty = node.ty.tensor().cloned();
        match (&node.op, ty) {
            (Op::Input { name }, _) => self.fed.get(name.as_str()).copied().ok_or(Poison),
            (Op::Parameter { name }, Some(ty)) => el.parameter(name, ty, Initializer::Given, span),
            (Op::State { name }, Some(ty)) if name.starts_with("train.") => el.step_state(name, ty, span),
            (Op::State { name }, Some(ty)) => el.given_state(name, ty, span),
            (op, ty) => {
                let op = match op {
                    Op::Random { stream } => {
                        let stream = first_stream.wrapping_add(*stream);
                        el.streams = el.streams.max(stream.wrapping_add(1));
                        Op::Random { stream }
                    }
                    other => other.clone(),
                };
                let old = node.operands.iter().map(|&operand| &self.network.function.nodes[operand].ty);
                let same = old.zip(&operands).all(|(old, &new)| *old == el.builder.function().nodes[new].ty);
                let origin = node.origin.clone();
                el.build(span, |builder| {
                    let outer = builder.set_origin(origin);
                    let made = match ty {
                        Some(ty) if same => builder.declare(op, &operands, ty),
                        _ => builder.add_node(op, &operands),
                    };
                    builder.set_origin(outer);
                    made
                })
            }
        }
    }
}
