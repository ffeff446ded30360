//! Control flow: If, Loop, Scan (`scan`) and SequenceMap. Their graphs are run as scopes of the same executor; what
//! iterations give is put together by `slices`.
//!
//! History: the types of what branches give grew (sequences with 11 to 13, optionals with 16).

mod scan;
mod sequence_map;
mod slices;

use super::executor::Executor;
use super::scope::Scope;
use super::value::Value;
use crate::{DriverError, Result};
use dlc_onnx::{Array, Attribute, Element, Graph, Node};
use std::collections::BTreeMap;

/// Names and first opsets.
pub(super) const OPERATORS: &[(&str, i64)] = &[("If", 1), ("Loop", 1), ("Scan", 8), ("SequenceMap", 17)];

/// Whether the node is control flow.
pub(super) fn is_control(node: &Node) -> bool {
    node.domain.is_empty() && OPERATORS.iter().any(|(name, _)| *name == node.op_type)
}

/// Runs the node; the values of its outputs.
pub(super) fn run(
    executor: &Executor<'_>,
    node: &Node,
    scope: &Scope<'_>,
    depth: usize,
) -> Result<Vec<Value>> {
    let flow = Flow { executor, node, scope, depth };
    match node.op_type.as_str() {
        "If" => flow.branch(),
        "Loop" => flow.repeat(),
        "SequenceMap" => flow.map_sequence(),
        _ => flow.scan(),
    }
}

struct Flow<'a> {
    executor: &'a Executor<'a>,
    node: &'a Node,
    scope: &'a Scope<'a>,
    depth: usize,
}

impl Flow<'_> {
    fn fault(&self, what: impl std::fmt::Display) -> DriverError {
        self.executor.invalid(self.node, what)
    }

    fn body(&self, name: &str) -> Result<&Graph> {
        match self.node.attributes.get(name) {
            Some(Attribute::Graph(graph)) => Ok(graph),
            Some(other) => {
                Err(self.fault(format!("its attribute `{name}` is {}, and must be a graph", other.kind())))
            }
            None => Err(self.fault(format!("its attribute `{name}` is missing"))),
        }
    }

    fn input(&self, position: usize) -> Option<&Value> {
        let name = self.node.inputs.get(position).filter(|name| !name.is_empty())?;
        self.scope.get(name).map(|entry| &entry.value)
    }

    /// The one element of an integer or bool tensor.
    fn scalar(&self, value: &Value, what: &str) -> Result<i64> {
        let values = value.tensor().and_then(Array::ints);
        match values.as_deref() {
            Some([value]) => Ok(*value),
            _ => Err(self.fault(format!("{what} is {}, and must be one number", value.type_text()))),
        }
    }

    fn call(&self, body: &Graph, values: Vec<Value>) -> Result<Vec<Value>> {
        if body.inputs.len() != values.len() {
            let (own, given) = (body.inputs.len(), values.len());
            return Err(self.fault(format!("its graph has {own} inputs, and is given {given}")));
        }
        let names = body.inputs.iter().map(|input| input.name.clone());
        let fed: BTreeMap<String, Value> = names.zip(values).collect();
        self.executor.graph(body, fed, Some(self.scope), self.depth + 1)
    }

    fn branch(&self) -> Result<Vec<Value>> {
        let condition = self.input(0).ok_or_else(|| self.fault("it has no condition"))?;
        let holds = self.scalar(condition, "its condition")? != 0;
        self.call(self.body(if holds { "then_branch" } else { "else_branch" })?, Vec::new())
    }

    /// Inputs: trip count, condition, carried values. The body takes iteration number, condition and carried
    /// values, and gives condition, carried values, and what is collected of each iteration.
    fn repeat(&self) -> Result<Vec<Value>> {
        let body = self.body("body")?;
        let limit = self.input(0).map(|value| self.scalar(value, "its trip count")).transpose()?;
        let first = self.input(1).map(|value| self.scalar(value, "its condition")).transpose()?;
        let mut carried = self.carried(2)?;
        let count = carried.len();
        let collected = (body.outputs.len()).checked_sub(1 + count);
        let collected = collected.ok_or_else(|| self.fault("its graph gives too few values"))?;
        let mut lists: Vec<Vec<Array>> = vec![Vec::new(); collected];
        let mut going = first.is_none_or(|condition| condition != 0);
        let mut iteration = 0;
        while going && limit.is_none_or(|limit| iteration < limit) {
            let mut values = vec![
                Value::Tensor(Array::of_int(iteration)),
                Value::Tensor(Array::new(Element::Bool, Vec::new(), vec![1]).map_err(DriverError::Bug)?),
            ];
            values.append(&mut carried);
            let mut results = self.call(body, values)?.into_iter();
            let condition = results.next().ok_or_else(|| self.fault("its graph gives no condition"))?;
            going = self.scalar(&condition, "its condition")? != 0;
            carried = results.by_ref().take(count).collect();
            self.collect(&mut lists, results)?;
            iteration += 1;
        }
        let rows = lists.iter().zip(body.outputs.iter().skip(1 + count));
        let stacked = rows.map(|(list, info)| self.stack(list, 0, false, info));
        carried.into_iter().map(Ok).chain(stacked).collect()
    }

    fn carried(&self, from: usize) -> Result<Vec<Value>> {
        let positions = from..self.node.inputs.len();
        let value =
            |position| self.input(position).cloned().ok_or_else(|| self.fault("an input is left out"));
        positions.map(value).collect()
    }

    fn collect(&self, lists: &mut [Vec<Array>], values: impl Iterator<Item = Value>) -> Result<()> {
        for (list, value) in lists.iter_mut().zip(values) {
            match value {
                Value::Tensor(array) => list.push(array),
                other => {
                    return Err(
                        self.fault(format!("{} cannot be collected over iterations", other.type_text()))
                    );
                }
            }
        }
        Ok(())
    }
}
