//! The steps of LSTM, GRU and RNN.

use super::super::{Context, Stop};
use super::Layer;
use super::gate::Gate;
use dlc_ir::NodeId;

/// The product of the states with the recurrent weights of some gates.
fn recurrent(context: &mut Context<'_, '_>, state: NodeId, weight: NodeId) -> Result<NodeId, Stop> {
    Ok(context.builder().contract(state, weight, &[], &[(1, 1)])?)
}

/// The part of a gate, `hidden` columns.
fn gate_part(context: &mut Context<'_, '_>, x: NodeId, gate: usize, hidden: usize) -> Result<NodeId, Stop> {
    context.part(x, 1, gate * hidden, hidden)
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
        let peep = |context: &mut Context<'_, '_>, x: NodeId, cell: NodeId, place: usize| match peephole {
            None => Ok(x),
            Some(all) => {
                let own = context.part(all, 0, place * hidden, hidden)?;
                let shape = context.shape(cell);
                let own = context.builder().broadcast_along(own, shape, 1)?;
                let seen = context.builder().mul(own, cell)?;
                Ok::<NodeId, Stop>(context.builder().add(x, seen)?)
            }
        };
        let initial =
            vec![layer.initial(context, first_result, number)?, layer.initial(context, first_cell, number)?];
        let step = |context: &mut Context<'_, '_>, projected: NodeId, states: &[NodeId]| {
            let product = recurrent(context, states[0], direction.recurrence)?;
            let all = context.builder().add(projected, product)?;
            let part = |context: &mut Context<'_, '_>, gate| gate_part(context, all, gate, hidden);
            let (input, output) = (part(context, 0)?, part(context, 1)?);
            let (forget, candidate) = (part(context, 2)?, part(context, 3)?);
            let input = peep(context, input, states[1], 0)?;
            let input = f.apply(context.builder(), input)?;
            let forget = if coupled {
                let one = context.builder().splat_like(input, 1.0)?;
                context.builder().sub(one, input)?
            } else {
                let forget = peep(context, forget, states[1], 2)?;
                f.apply(context.builder(), forget)?
            };
            let candidate = g.apply(context.builder(), candidate)?;
            let kept = context.builder().mul(forget, states[1])?;
            let new = context.builder().mul(input, candidate)?;
            let cell = context.builder().add(kept, new)?;
            let output = peep(context, output, cell, 1)?;
            let output = f.apply(context.builder(), output)?;
            let shown = h.apply(context.builder(), cell)?;
            Ok(vec![context.builder().mul(output, shown)?, cell])
        };
        let (result, last) = layer.run(context, &direction, initial, &step)?;
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
        let (early, late) = if late_reset {
            (direction.recurrence, None)
        } else {
            let early = context.part(direction.recurrence, 0, 0, 2 * hidden)?;
            (early, Some(context.part(direction.recurrence, 0, 2 * hidden, hidden)?))
        };
        let initial = vec![layer.initial(context, first, number)?];
        let step = |context: &mut Context<'_, '_>, projected: NodeId, states: &[NodeId]| {
            let state = states[0];
            let product = recurrent(context, state, early)?;
            let gate = |context: &mut Context<'_, '_>, place: usize| {
                let (own, from_state) = (
                    gate_part(context, projected, place, hidden)?,
                    gate_part(context, product, place, hidden)?,
                );
                let sum = context.builder().add(own, from_state)?;
                Ok::<NodeId, Stop>(f.apply(context.builder(), sum)?)
            };
            let (update, reset) = (gate(context, 0)?, gate(context, 1)?);
            let own = gate_part(context, projected, 2, hidden)?;
            let from_state = match late {
                Some(weight) => {
                    let kept = context.builder().mul(reset, state)?;
                    recurrent(context, kept, weight)?
                }
                None => {
                    let mut linear = gate_part(context, product, 2, hidden)?;
                    if let Some(bias) = hidden_bias {
                        let shape = context.shape(linear);
                        let bias = context.builder().broadcast_along(bias, shape, 1)?;
                        linear = context.builder().add(linear, bias)?;
                    }
                    context.builder().mul(reset, linear)?
                }
            };
            let sum = context.builder().add(own, from_state)?;
            let candidate = g.apply(context.builder(), sum)?;
            let builder = context.builder();
            let one = builder.splat_like(update, 1.0)?;
            let rest = builder.sub(one, update)?;
            let (new, kept) = (builder.mul(rest, candidate)?, builder.mul(update, state)?);
            Ok(vec![builder.add(new, kept)?])
        };
        let (result, last) = layer.run(context, &direction, initial, &step)?;
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
        let step = |context: &mut Context<'_, '_>, projected: NodeId, states: &[NodeId]| {
            let product = recurrent(context, states[0], direction.recurrence)?;
            let sum = context.builder().add(projected, product)?;
            Ok(vec![f.apply(context.builder(), sum)?])
        };
        let (result, last) = layer.run(context, &direction, initial, &step)?;
        results.push(result);
        states.push(last);
    }
    layer.finish(context, &results, &states)
}
