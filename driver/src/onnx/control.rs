//! Control flow: If, Loop and Scan. Their graphs are run as scopes of the same executor.
//!
//! History: Scan had a batch axis in opset 8 and has none since 9; the types of what branches give grew
//! (sequences with 11 to 13, optionals with 16).

use super::executor::Executor;
use super::scope::Scope;
use super::value::Value;
use crate::{DriverError, Result};
use dlc_onnx::{Array, Attribute, Element, Graph, Node};
use std::collections::BTreeMap;

/// Names and first opsets.
pub(super) const OPERATORS: &[(&str, i64)] = &[("If", 1), ("Loop", 1), ("Scan", 8)];

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

    /// Inputs: states, then tensors that are walked along an axis. The body takes states and one slice of
    /// each, and gives states and a slice of each output.
    fn scan(&self) -> Result<Vec<Value>> {
        if self.node.opset < 9 {
            return Err(self.executor.not_done(self.node, "the form of opset 8, with a batch axis"));
        }
        let body = self.body("body")?;
        let walked = match self.node.attributes.get("num_scan_inputs") {
            Some(Attribute::Int(count)) => usize::try_from(*count).ok(),
            _ => None,
        };
        let all = self.carried(0)?;
        let states = walked.and_then(|walked| all.len().checked_sub(walked));
        let states = states.ok_or_else(|| self.fault("its attribute `num_scan_inputs` does not fit"))?;
        let collected = body.outputs.len().checked_sub(states);
        let collected = collected.ok_or_else(|| self.fault("its graph gives too few values"))?;
        let (mut carried, inputs) = (all[..states].to_vec(), &all[states..]);
        let list = |name: &str, position: usize| match self.node.attributes.get(name) {
            Some(Attribute::Ints(values)) => values.get(position).copied().unwrap_or(0),
            _ => 0,
        };
        let mut slices = Vec::new();
        for (position, input) in inputs.iter().enumerate() {
            let array = input.tensor().ok_or_else(|| self.fault("it walks along what is no tensor"))?;
            let axis = self.axis(list("scan_input_axes", position), array.dims().len())?;
            let mut parts = unstack(array, axis).map_err(|what| self.fault(what))?;
            if list("scan_input_directions", position) == 1 {
                parts.reverse();
            }
            slices.push(parts);
        }
        let steps = slices.first().map_or(0, Vec::len);
        if slices.iter().any(|parts| parts.len() != steps) {
            return Err(self.fault("the tensors that it walks along differ in length"));
        }
        let mut lists: Vec<Vec<Array>> = vec![Vec::new(); collected];
        for step in 0..steps {
            let mut values = std::mem::take(&mut carried);
            values.extend(slices.iter().map(|parts| Value::Tensor(parts[step].clone())));
            let mut results = self.call(body, values)?.into_iter();
            carried = results.by_ref().take(states).collect();
            self.collect(&mut lists, results)?;
        }
        let rows = lists.iter().zip(body.outputs.iter().skip(states)).enumerate();
        let stacked = rows.map(|(position, (rows, info))| {
            let axis = list("scan_output_axes", position);
            self.stack(rows, axis, list("scan_output_directions", position) == 1, info)
        });
        carried.into_iter().map(Ok).chain(stacked).collect()
    }

    fn axis(&self, axis: i64, rank: usize) -> Result<usize> {
        let signed = i64::try_from(rank).unwrap_or(i64::MAX);
        let counted = if axis < 0 { axis.saturating_add(signed) } else { axis };
        let found = usize::try_from(counted).ok().filter(|&axis| axis < rank);
        found.ok_or_else(|| self.fault(format!("there is no axis {axis} among {rank}")))
    }

    /// The slices of all iterations as one tensor. Without iterations the declared type tells what there is.
    fn stack(&self, rows: &[Array], axis: i64, reversed: bool, info: &dlc_onnx::ValueInfo) -> Result<Value> {
        let Some(first) = rows.first() else { return self.nothing(info) };
        let axis = self.axis(axis, first.dims().len() + 1)?;
        if rows.iter().any(|row| row.dims() != first.dims() || row.element() != first.element()) {
            return Err(self.fault("what it collects differs in type between iterations"));
        }
        let ordered: Vec<&Array> = if reversed { rows.iter().rev().collect() } else { rows.iter().collect() };
        let mut dims = first.dims().to_vec();
        dims.insert(axis, rows.len());
        if let Some(texts) = first.as_texts() {
            if axis != 0 {
                return Err(self
                    .executor
                    .not_done(self.node, "strings that are collected along an inner axis"));
            }
            let all = ordered.iter().filter_map(|row| row.as_texts()).flatten().cloned();
            let texts = Array::texts(dims, all.take(texts.len() * rows.len()).collect());
            return texts.map(Value::Tensor).map_err(|what| self.fault(what));
        }
        let bits = first.element().bits();
        let inner: usize = first.dims()[axis..].iter().product::<usize>() * bits;
        if !inner.is_multiple_of(8) {
            return Err(self.executor.not_done(self.node, "elements of less than a byte that are collected"));
        }
        let outer: usize = first.dims()[..axis].iter().product();
        let block = inner / 8;
        let mut bytes = Vec::with_capacity(first.bytes().len() * rows.len());
        for place in 0..outer {
            for row in &ordered {
                bytes.extend_from_slice(&row.bytes()[place * block..][..block]);
            }
        }
        let stacked = Array::new(first.element(), dims, bytes);
        stacked.map(Value::Tensor).map_err(|what| self.fault(what))
    }

    fn nothing(&self, info: &dlc_onnx::ValueInfo) -> Result<Value> {
        let dlc_onnx::ValueType::Tensor { element: Some(element), dims } = &info.ty else {
            return Err(self.executor.not_done(self.node, "no iteration, with an output of unknown type"));
        };
        let inner = dims.iter().flatten().map(|dim| match dim {
            dlc_onnx::Extent::Fixed(size) => *size,
            _ => 0,
        });
        let dims: Vec<usize> = std::iter::once(0).chain(inner).collect();
        let empty = match element {
            Element::Text => Array::texts(dims, Vec::new()),
            element => Array::new(*element, dims, Vec::new()),
        };
        empty.map(Value::Tensor).map_err(|what| self.fault(what))
    }
}

/// The slices of a tensor along an axis.
fn unstack(array: &Array, axis: usize) -> std::result::Result<Vec<Array>, String> {
    let mut dims = array.dims().to_vec();
    let count = dims.remove(axis);
    let bits = array.element().bits();
    let inner: usize = dims[axis..].iter().product::<usize>() * bits;
    let outer: usize = dims[..axis].iter().product();
    if bits == 0 || !inner.is_multiple_of(8) {
        return Err(format!("{} cannot be walked along", array.type_text()));
    }
    let block = inner / 8;
    let slice = |position: usize| {
        let places = (0..outer).flat_map(|place| {
            let start = (place * count + position) * block;
            array.bytes()[start..start + block].iter().copied()
        });
        Array::new(array.element(), dims.clone(), places.collect())
    };
    (0..count).map(slice).collect()
}
