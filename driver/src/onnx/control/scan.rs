//! Scan: states are carried over the slices of tensors.
//!
//! History: opset 8 had a batch axis in front of everything, an optional input with the length of each sequence of the
//! batch before the states, and walked along axis 1 alone; since 9 there is no batch, and axes are attributes.

use super::{Flow, Value};
use crate::Result;
use dlc_onnx::{Array, Attribute, Graph, ValueInfo};

/// What a walk gives: states, and the slices of each output.
type Walked = (Vec<Value>, Vec<Vec<Array>>);

impl Flow<'_> {
    /// Inputs: states, then tensors that are walked along an axis. The body takes states and one slice of
    /// each, and gives states and a slice of each output.
    pub(super) fn scan(&self) -> Result<Vec<Value>> {
        let body = self.body("body")?;
        if self.node.opset < 9 {
            return self.scan_batch(body);
        }
        let (states, inputs) = self.parted(0)?;
        let mut slices = Vec::new();
        for (position, input) in inputs.iter().enumerate() {
            let axis = self.axis(self.listed("scan_input_axes", position), input.dims().len())?;
            let mut parts = self.unstack(input, axis)?;
            if self.listed("scan_input_directions", position) == 1 {
                parts.reverse();
            }
            slices.push(parts);
        }
        let (carried, lists) = self.walk(body, states, &slices)?;
        let rows = lists.iter().zip(body.outputs.iter().skip(carried.len())).enumerate();
        let stacked = rows.map(|(position, (rows, info))| {
            let axis = self.listed("scan_output_axes", position);
            self.stack(rows, axis, self.listed("scan_output_directions", position) == 1, info)
        });
        let stacked: Vec<Value> = stacked.collect::<Result<_>>()?;
        Ok(carried.into_iter().chain(stacked).collect())
    }

    /// An element of an attribute that is a list of integers; 0 where there is none.
    fn listed(&self, name: &str, position: usize) -> i64 {
        match self.node.attributes.get(name) {
            Some(Attribute::Ints(values)) => values.get(position).copied().unwrap_or(0),
            _ => 0,
        }
    }

    /// The states, and the tensors that are walked along.
    fn parted(&self, from: usize) -> Result<(Vec<Value>, Vec<Array>)> {
        let walked = match self.node.attributes.get("num_scan_inputs") {
            Some(Attribute::Int(count)) => usize::try_from(*count).ok(),
            _ => None,
        };
        let mut states = self.carried(from)?;
        let count = walked.and_then(|walked| states.len().checked_sub(walked));
        let count = count.ok_or_else(|| self.fault("its attribute `num_scan_inputs` does not fit"))?;
        let inputs = states.split_off(count).into_iter().map(|value| match value {
            Value::Tensor(array) => Ok(array),
            other => Err(self.fault(format!("it walks along {}, which is no tensor", other.type_text()))),
        });
        Ok((states, inputs.collect::<Result<_>>()?))
    }

    fn walk(&self, body: &Graph, states: Vec<Value>, slices: &[Vec<Array>]) -> Result<Walked> {
        let count = states.len();
        let collected = body.outputs.len().checked_sub(count);
        let collected = collected.ok_or_else(|| self.fault("its graph gives too few values"))?;
        let steps = slices.first().map_or(0, Vec::len);
        if slices.iter().any(|parts| parts.len() != steps) {
            return Err(self.fault("the tensors that it walks along differ in length"));
        }
        let mut carried = states;
        let mut lists: Vec<Vec<Array>> = vec![Vec::new(); collected];
        for step in 0..steps {
            let mut values = std::mem::take(&mut carried);
            values.extend(slices.iter().map(|parts| Value::Tensor(parts[step].clone())));
            let mut results = self.call(body, values)?.into_iter();
            carried = results.by_ref().take(count).collect();
            self.collect(&mut lists, results)?;
        }
        Ok((carried, lists))
    }

    /// The form of opset 8: every member of the batch is walked by itself. What is behind the end of a shorter
    /// sequence is 0.
    fn scan_batch(&self, body: &Graph) -> Result<Vec<Value>> {
        let (states, inputs) = self.parted(1)?;
        let states = states.iter().map(|state| self.members(state.tensor()));
        let states: Vec<Vec<Array>> = states.collect::<Result<_>>()?;
        let inputs = inputs.iter().map(|input| self.members(Some(input)));
        let inputs: Vec<Vec<Array>> = inputs.collect::<Result<_>>()?;
        let batch = states.iter().chain(&inputs).map(Vec::len).next().unwrap_or(0);
        if batch == 0 {
            return Err(self.executor.not_done(self.node, "an empty batch"));
        }
        if states.iter().chain(&inputs).any(|members| members.len() != batch) {
            return Err(self.fault("its inputs differ in the extent of the batch"));
        }
        let lengths = self.input(0).and_then(Value::tensor).map(|array| array.ints().unwrap_or_default());
        if lengths.as_ref().is_some_and(|lengths| lengths.len() != batch) {
            return Err(self.fault(format!("it has lengths for other than the {batch} members of the batch")));
        }
        let mut results: Vec<Vec<Array>> = vec![Vec::new(); body.outputs.len()];
        for member in 0..batch {
            let mut slices = Vec::new();
            let mut longest = 0;
            for (position, input) in inputs.iter().enumerate() {
                let array = &input[member];
                self.axis(0, array.dims().len())?;
                longest = array.dims()[0];
                let mut parts = self.unstack(array, 0)?;
                if let Some(lengths) = &lengths {
                    let length =
                        usize::try_from(lengths[member]).ok().filter(|&length| length <= parts.len());
                    let fault =
                        || self.fault(format!("a sequence of {longest} has the length {}", lengths[member]));
                    parts.truncate(length.ok_or_else(fault)?);
                }
                if self.listed("directions", position) == 1 {
                    parts.reverse();
                }
                slices.push(parts);
            }
            let states = states.iter().map(|members| Value::Tensor(members[member].clone())).collect();
            let (carried, lists) = self.walk(body, states, &slices)?;
            let stacked = lists.iter().zip(body.outputs.iter().skip(carried.len()));
            let stacked = stacked.map(|(rows, info)| self.padded(rows, longest, info));
            let stacked: Vec<Value> = stacked.collect::<Result<_>>()?;
            self.collect(&mut results, carried.into_iter().chain(stacked))?;
        }
        let rows = results.iter().zip(&body.outputs);
        rows.map(|(members, info)| self.stack(members, 0, false, info)).collect()
    }

    fn members(&self, array: Option<&Array>) -> Result<Vec<Array>> {
        let array = array.filter(|array| !array.dims().is_empty());
        self.unstack(array.ok_or_else(|| self.fault("an input has no batch axis"))?, 0)
    }

    fn padded(&self, rows: &[Array], length: usize, info: &ValueInfo) -> Result<Value> {
        let mut rows = rows.to_vec();
        if rows.is_empty() && length > 0 {
            return Err(self.executor.not_done(self.node, "a sequence of length 0 in a batch"));
        }
        if let Some(first) = rows.first().filter(|_| rows.len() < length) {
            let nothing = match first.as_texts() {
                Some(texts) => Array::texts(first.dims().to_vec(), vec![Vec::new(); texts.len()]),
                None => Array::new(first.element(), first.dims().to_vec(), vec![0; first.bytes().len()]),
            };
            rows.resize(length, nothing.map_err(|what| self.fault(what))?);
        }
        self.stack(&rows, 0, false, info)
    }
}
