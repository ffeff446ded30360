//! The steps of LSTM, GRU and RNN.

use super::super::{Context, Stop};
use super::gate::Gate;
use super::{Layer, part};
use dlc_ir::{Builder, InferError, NodeId, Op};

/// The product of the states with the recurrent weights of some gates.
fn recurrent(builder: &mut Builder, state: NodeId, weight: NodeId) -> Result<NodeId, InferError> {
    builder.contract(state, weight, &[], &[(1, 1)])
}

/// Rows of a matrix.
fn rows(builder: &mut Builder, x: NodeId, start: usize, count: usize) -> Result<NodeId, InferError> {
    let (starts, limits) = (vec![start, 0], vec![start + count, usize::MAX]);
    builder.add_node(Op::Slice { starts, limits, strides: vec![1, 1] }, &[x])
}

/// Gates in the order i, o, f, c; peepholes in the order i, o, f.
pub(super) fn long_short_term_memory(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let layer = Layer::read(context, 4)?;
    let (first_result, first_cell) = (context.optional(5)?, context.optional(6)?);
    let peepholes = context.optional(7)?;
    let coupled = context.flag("input_forget", false)?;
    let gates = Gate::read(context, &["Sigmoid", "Tanh", "Tanh"], layer.backward.len())?;
    let hidden = layer.hidden;
    let (mut results, mut states) = (Vec::new(), Vec::new());
    for (number, gates) in gates.iter().enumerate() {
        // `clip` bounds what goes into gates. The cell is none, and ONNX Runtime shows it whole.
        let (f, g, h) = (gates[0], gates[1], gates[2].unbounded());
        let direction = layer.direction(context, number, 4)?;
        let peephole = match peepholes {
            Some(all) => Some(context.element_at(all, 0, number)?),
            None => None,
        };
        // A gate that sees the cell through its peephole.
        let peep = |builder: &mut Builder, x: NodeId, cell: NodeId, shared: &[NodeId], place: usize| {
            let Some(&all) = shared.get(1) else { return Ok(x) };
            let own = part(builder, all, place * hidden, hidden)?;
            let own = builder.broadcast_along(own, builder.shape(cell).clone(), 1)?;
            let seen = builder.mul(own, cell)?;
            builder.add(x, seen)
        };
        let initial =
            vec![layer.initial(context, first_result, number)?, layer.initial(context, first_cell, number)?];
        let step = |builder: &mut Builder, projected: NodeId, states: &[NodeId], shared: &[NodeId]| {
            let product = recurrent(builder, states[0], shared[0])?;
            let all = builder.add(projected, product)?;
            let gate = |builder: &mut Builder, gate: usize| part(builder, all, gate * hidden, hidden);
            let (input, output) = (gate(builder, 0)?, gate(builder, 1)?);
            let (forget, candidate) = (gate(builder, 2)?, gate(builder, 3)?);
            let input = peep(builder, input, states[1], shared, 0)?;
            let input = f.apply(builder, input)?;
            let forget = if coupled {
                let one = builder.splat_like(input, 1.0)?;
                builder.sub(one, input)?
            } else {
                let forget = peep(builder, forget, states[1], shared, 2)?;
                f.apply(builder, forget)?
            };
            let candidate = g.apply(builder, candidate)?;
            let kept = builder.mul(forget, states[1])?;
            let new = builder.mul(input, candidate)?;
            let cell = builder.add(kept, new)?;
            let output = peep(builder, output, cell, shared, 1)?;
            let output = f.apply(builder, output)?;
            let shown = h.apply(builder, cell)?;
            Ok(vec![builder.mul(output, shown)?, cell])
        };
        let shared: Vec<NodeId> = std::iter::once(direction.recurrence).chain(peephole).collect();
        let (result, last) = layer.run(context, &direction, initial, &shared, &step)?;
        results.push(result);
        states.push(last);
    }
    layer.finish(context, &results, &states)
}

/// Gates in the order z, r, h.
pub(super) fn gated_recurrent_unit(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let layer = Layer::read(context, 3)?;
    let first = context.optional(5)?;
    let late_reset = context.flag("linear_before_reset", false)?;
    let gates = Gate::read(context, &["Sigmoid", "Tanh"], layer.backward.len())?;
    let hidden = layer.hidden;
    let (mut results, mut states) = (Vec::new(), Vec::new());
    for (number, gates) in gates.iter().enumerate() {
        let (f, g) = (gates[0], gates[1]);
        let direction = layer.direction(context, number, if late_reset { 2 } else { 3 })?;
        let hidden_bias = match direction.bias {
            Some(bias) if late_reset => Some(context.part(bias, 0, 5 * hidden, hidden)?),
            _ => None,
        };
        let initial = vec![layer.initial(context, first, number)?];
        let step = |builder: &mut Builder, projected: NodeId, states: &[NodeId], shared: &[NodeId]| {
            let (state, recurrence) = (states[0], shared[0]);
            let early = if late_reset { recurrence } else { rows(builder, recurrence, 0, 2 * hidden)? };
            let product = recurrent(builder, state, early)?;
            let gate = |builder: &mut Builder, place: usize| {
                let own = part(builder, projected, place * hidden, hidden)?;
                let from_state = part(builder, product, place * hidden, hidden)?;
                let sum = builder.add(own, from_state)?;
                f.apply(builder, sum)
            };
            let (update, reset) = (gate(builder, 0)?, gate(builder, 1)?);
            let own = part(builder, projected, 2 * hidden, hidden)?;
            let from_state = if late_reset {
                let mut linear = part(builder, product, 2 * hidden, hidden)?;
                if let Some(&bias) = shared.get(1) {
                    let bias = builder.broadcast_along(bias, builder.shape(linear).clone(), 1)?;
                    linear = builder.add(linear, bias)?;
                }
                builder.mul(reset, linear)?
            } else {
                let late = rows(builder, recurrence, 2 * hidden, hidden)?;
                let kept = builder.mul(reset, state)?;
                recurrent(builder, kept, late)?
            };
            let sum = builder.add(own, from_state)?;
            let candidate = g.apply(builder, sum)?;
            let one = builder.splat_like(update, 1.0)?;
            let rest = builder.sub(one, update)?;
            let (new, kept) = (builder.mul(rest, candidate)?, builder.mul(update, state)?);
            Ok(vec![builder.add(new, kept)?])
        };
        let shared: Vec<NodeId> = std::iter::once(direction.recurrence).chain(hidden_bias).collect();
        let (result, last) = layer.run(context, &direction, initial, &shared, &step)?;
        results.push(result);
        states.push(last);
    }
    layer.finish(context, &results, &states)
}

pub(super) fn plain(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let layer = Layer::read(context, 1)?;
    let first = context.optional(5)?;
    let gates = Gate::read(context, &["Tanh"], layer.backward.len())?;
    let (mut results, mut states) = (Vec::new(), Vec::new());
    for (number, gates) in gates.iter().enumerate() {
        let f = gates[0];
        let direction = layer.direction(context, number, 1)?;
        let initial = vec![layer.initial(context, first, number)?];
        let step = |builder: &mut Builder, projected: NodeId, states: &[NodeId], shared: &[NodeId]| {
            let product = recurrent(builder, states[0], shared[0])?;
            let sum = builder.add(projected, product)?;
            Ok(vec![f.apply(builder, sum)?])
        };
        let (result, last) = layer.run(context, &direction, initial, &[direction.recurrence], &step)?;
        results.push(result);
        states.push(last);
    }
    layer.finish(context, &results, &states)
}
