//! Recurrent layers: LSTM, GRU and RNN.
//!
//! The products of all steps' inputs with the weights are one contraction before the steps; each step adds one
//! contraction of the state (two in a GRU that resets before its linear part). Steps are a scan over the time axis, unless
//! there is one alone. The reverse direction goes through the steps from the last to the first,
//! and skips those behind the end of a sequence, so that it begins at each sequence's own end.
//!
//! History: opset 7 took `output_sequence` away and brought `linear_before_reset` of GRU into its present form;
//! 14 brought `layout`; 22 bfloat16.

mod cell;
mod gate;

use super::{Context, Operator, Stop};
use dlc_ir::{Builder, Comparison, InferError, NodeId, Op, ScanBuilder};
use dlc_types::{DType, Dim, Shape};

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("LSTM", 1, cell::long_short_term_memory),
    Operator::new("GRU", 1, cell::gated_recurrent_unit),
    Operator::new("RNN", 1, cell::plain),
];

/// What all recurrent layers share.
struct Layer {
    /// `[time, batch, features]`
    x: NodeId,
    /// `[directions, gates * hidden, features]`
    weight: NodeId,
    /// `[directions, gates * hidden, hidden]`
    recurrence: NodeId,
    /// `[directions, 2 * gates * hidden]`
    bias: Option<NodeId>,
    /// Lengths of the sequences, `i32[batch]`.
    lengths: Option<NodeId>,
    steps: usize,
    batch: Dim,
    hidden: usize,
    gates: usize,
    /// Per direction, whether it runs backwards.
    backward: Vec<bool>,
    batch_first: bool,
}

/// One direction of a layer.
struct Direction {
    number: usize,
    /// `[time, batch, gates * hidden]`
    projected: NodeId,
    /// `[gates * hidden, hidden]`
    recurrence: NodeId,
    /// `[2 * gates * hidden]`
    bias: Option<NodeId>,
}

/// One step: the states behind it from its projected input, the states before and what steps share.
type Step<'s> = dyn Fn(&mut Builder, NodeId, &[NodeId], &[NodeId]) -> Result<Vec<NodeId>, InferError> + 's;

/// The result of a step and the states behind it; behind the end of a sequence zeros, and the states before.
fn one_step(
    builder: &mut Builder,
    step: &Step<'_>,
    projected: NodeId,
    inside: Option<NodeId>,
    states: &[NodeId],
    shared: &[NodeId],
) -> Result<(NodeId, Vec<NodeId>), InferError> {
    let mut next = step(builder, projected, states, shared)?;
    let mut result = next[0];
    if let Some(inside) = inside {
        let inside = builder.broadcast(inside, builder.shape(result).clone(), &[0])?;
        for (state, &before) in next.iter_mut().zip(states) {
            *state = builder.select(inside, *state, before)?;
        }
        let zero = builder.splat_like(result, 0.0)?;
        result = builder.select(inside, result, zero)?;
    }
    Ok((result, next))
}

/// Columns of a matrix, or elements of a vector.
fn part(builder: &mut Builder, x: NodeId, start: usize, length: usize) -> Result<NodeId, InferError> {
    let rank = builder.shape(x).rank();
    let mut starts = vec![0; rank];
    let mut limits = vec![usize::MAX; rank];
    if let (Some(first), Some(limit)) = (starts.last_mut(), limits.last_mut()) {
        (*first, *limit) = (start, start + length);
    }
    builder.add_node(Op::Slice { starts, limits, strides: vec![1; rank] }, &[x])
}

impl Layer {
    fn read(context: &mut Context<'_, '_>, gates: usize) -> Result<Layer, Stop> {
        let (mut x, weight, recurrence) = (context.input(0)?, context.input(1)?, context.input(2)?);
        let (bias, lengths) = (context.optional(3)?, context.optional(4)?);
        let batch_first = context.flag("layout", false)?;
        if context.rank(x) != 3 || context.rank(weight) != 3 || context.rank(recurrence) != 3 {
            return Err(context.invalid("its input and weights must have three axes"));
        }
        if batch_first {
            x = context.builder().transpose(x, &[1, 0, 2])?;
        }
        let backward = match context.text_or("direction", "forward")? {
            "forward" => vec![false],
            "reverse" => vec![true],
            "bidirectional" => vec![false, true],
            other => return Err(context.invalid(format!("there is no direction `{other}`"))),
        };
        let shape = context.shape(x);
        let steps = context.fixed(shape[0], "a number of steps")?;
        if steps == 0 {
            return Err(context.not_done("a sequence without steps"));
        }
        let hidden = context.dims(recurrence)?[2];
        if context.dims(recurrence)? != [backward.len(), gates * hidden, hidden]
            || context.dims(weight)?[..2] != [backward.len(), gates * hidden]
        {
            let (weight, recurrence) = (context.ty(weight), context.ty(recurrence));
            return Err(context.invalid(format!("{weight} and {recurrence} are no weights of such a layer")));
        }
        let lengths = match lengths {
            Some(lengths) => Some(context.builder().cast(lengths, DType::I32)?),
            None => None,
        };
        let batch = shape[1];
        Ok(Layer { x, weight, recurrence, bias, lengths, steps, batch, hidden, gates, backward, batch_first })
    }

    /// A direction; `recurrent_biases` tells the gates whose second bias is added with the first.
    fn direction(
        &self,
        context: &mut Context<'_, '_>,
        number: usize,
        recurrent_biases: usize,
    ) -> Result<Direction, Stop> {
        let weight = context.element_at(self.weight, 0, number)?;
        let recurrence = context.element_at(self.recurrence, 0, number)?;
        let mut projected = context.builder().contract(self.x, weight, &[], &[(2, 1)])?;
        let mut bias = None;
        if let Some(all) = self.bias {
            let own = context.element_at(all, 0, number)?;
            let width = self.gates * self.hidden;
            let (mut first, second) = (context.part(own, 0, 0, width)?, context.part(own, 0, width, width)?);
            let added = recurrent_biases * self.hidden;
            let mut parts = vec![context.part(second, 0, 0, added)?];
            if added < width {
                let zeros = Shape::fixed(&[width - added]);
                let dtype = context.dtype(own);
                parts.push(context.builder().splat(dtype, zeros, 0.0)?);
            }
            let second = if added == 0 { parts[1] } else { context.joined(&parts, 0)? };
            first = context.builder().add(first, second)?;
            let shape = context.shape(projected);
            let spread = context.builder().broadcast_along(first, shape, 2)?;
            projected = context.builder().add(projected, spread)?;
            bias = Some(own);
        }
        Ok(Direction { number, projected, recurrence, bias })
    }

    /// The state before the first step: `[batch, hidden]` of the input `[directions, batch, hidden]`, or zeros.
    fn initial(
        &self,
        context: &mut Context<'_, '_>,
        given: Option<NodeId>,
        number: usize,
    ) -> Result<NodeId, Stop> {
        match given {
            Some(given) => context.element_at(given, usize::from(self.batch_first), number),
            None => {
                let dtype = context.dtype(self.x);
                let shape = Shape(vec![self.batch, Dim::Fixed(self.hidden)]);
                Ok(context.builder().splat(dtype, shape, 0.0)?)
            }
        }
    }

    /// Runs all steps of a direction, which read `shared` values beside their own; the first state is the result of
    /// a step. Gives the results by time, and the last states.
    fn run(
        &self,
        context: &mut Context<'_, '_>,
        direction: &Direction,
        states: Vec<NodeId>,
        shared: &[NodeId],
        step: &Step<'_>,
    ) -> Result<(NodeId, Vec<NodeId>), Stop> {
        let inside = self.inside(context)?;
        let builder = context.builder();
        if self.steps == 1 {
            let slice = |builder: &mut Builder, x: NodeId| {
                let rest = Shape(builder.shape(x).dims()[1..].to_vec());
                builder.reshape(x, rest)
            };
            let projected = slice(builder, direction.projected)?;
            let inside = inside.map(|inside| slice(builder, inside)).transpose()?;
            let (result, last) = one_step(builder, step, projected, inside, &states, shared)?;
            let dims = [&[Dim::Fixed(1)], builder.shape(result).dims()].concat();
            return Ok((builder.reshape(result, Shape(dims))?, last));
        }
        let mut scan = ScanBuilder::new(self.steps, self.backward[direction.number]);
        let mut before = Vec::with_capacity(states.len());
        for &state in &states {
            before.push(scan.carry(builder, state)?);
        }
        let projected = scan.slice(builder, direction.projected)?;
        let inside = inside.map(|inside| scan.slice(builder, inside)).transpose()?;
        let mut seen = Vec::with_capacity(shared.len());
        for &value in shared {
            seen.push(scan.invariant(builder, value)?);
        }
        scan.step.set_origin(context.origin());
        let (result, next) = one_step(&mut scan.step, step, projected, inside, &before, &seen)?;
        next.into_iter().enumerate().for_each(|(number, state)| scan.leave(number, state));
        scan.result(result);
        let (last, results) = scan.finish(context.builder())?;
        Ok((results[0], last))
    }

    /// Whether a step lies within a sequence, `bool[time, batch]`, where sequences have lengths.
    fn inside(&self, context: &mut Context<'_, '_>) -> Result<Option<NodeId>, Stop> {
        let Some(lengths) = self.lengths else { return Ok(None) };
        let shape = Shape(vec![Dim::Fixed(self.steps), self.batch]);
        let time = context.iota(DType::I32, &shape, 0)?;
        let builder = context.builder();
        let lengths = builder.broadcast_along(lengths, shape, 1)?;
        Ok(Some(builder.compare(Comparison::Less, time, lengths)?))
    }

    /// Sets the outputs: the results `[time, batch, hidden]` of each direction, then its states
    /// `[batch, hidden]`.
    fn finish(
        &self,
        context: &mut Context<'_, '_>,
        results: &[NodeId],
        states: &[Vec<NodeId>],
    ) -> Result<(), Stop> {
        let (axis, order) = if self.batch_first { (2, [1, 0, 2]) } else { (1, [0, 1, 2]) };
        let mut parts = Vec::new();
        for &result in results {
            let result = context.builder().transpose(result, &order)?;
            parts.push(context.with_axis(result, axis)?);
        }
        let all = context.joined(&parts, axis)?;
        context.set_output(0, all)?;
        let axis = usize::from(self.batch_first);
        for kind in 0..states.first().map_or(0, Vec::len) {
            let mut parts = Vec::new();
            for own in states {
                parts.push(context.with_axis(own[kind], axis)?);
            }
            let all = context.joined(&parts, axis)?;
            context.set_output(kind + 1, all)?;
        }
        Ok(())
    }
}
