//! The steps of recurrent layers, with the gates in PyTorch's order.
//!
//! Sources: Hochreiter, Schmidhuber, "Long short-term memory", Neural Computation, 1997; Cho et al., "Learning phrase
//! representations using RNN encoder-decoder", EMNLP 2014.

use dlc_ir::{Builder, InferError, NodeId, Op, Unary};

/// What a layer does with its states in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// `h' = f(x + h U^T + b)`
    Plain(Unary),
    /// Gates r, z, n; the bias of the state's part of n is inside of the reset.
    GatedUnit,
    /// Gates i, f, g, o; states h and c.
    LongShortTerm,
}

/// What a step reads beside the states.
pub(super) struct StepInputs {
    /// `[N, gates * hidden]`: the input's part of the gates, with all biases that are added.
    pub(super) projected: NodeId,
    /// `[gates * hidden, hidden]`
    pub(super) weight: NodeId,
    /// `[hidden]`: the bias inside of a reset.
    pub(super) reset_bias: Option<NodeId>,
}

impl Cell {
    /// Gates, each `hidden` wide.
    pub(super) fn gates(self) -> usize {
        match self {
            Cell::Plain(_) => 1,
            Cell::GatedUnit => 3,
            Cell::LongShortTerm => 4,
        }
    }

    /// States; the first is what the layer gives.
    pub(super) fn states(self) -> usize {
        if self == Cell::LongShortTerm { 2 } else { 1 }
    }

    /// The next states.
    pub(super) fn step(
        self,
        b: &mut Builder,
        inputs: &StepInputs,
        states: &[NodeId],
    ) -> Result<Vec<NodeId>, InferError> {
        let product = b.contract(states[0], inputs.weight, &[], &[(1, 1)])?;
        match self {
            Cell::Plain(function) => {
                let sum = b.add(inputs.projected, product)?;
                Ok(vec![b.unary(function, sum)?])
            }
            Cell::GatedUnit => gated_unit(b, inputs, product, states[0]),
            Cell::LongShortTerm => {
                let sum = b.add(inputs.projected, product)?;
                long_short_term(b, sum, states[1])
            }
        }
    }
}

/// Columns of gate number `gate` of so many.
fn gate(b: &mut Builder, gates: NodeId, count: usize, gate: usize) -> Result<NodeId, InferError> {
    let hidden = b.shape(gates)[1].at(1) / count;
    let (starts, limits) = (vec![0, gate * hidden], vec![usize::MAX, (gate + 1) * hidden]);
    b.add_node(Op::Slice { starts, limits, strides: vec![1, 1] }, &[gates])
}

/// `c' = f c + i g`, `h' = o tanh(c')`
fn long_short_term(b: &mut Builder, gates: NodeId, c: NodeId) -> Result<Vec<NodeId>, InferError> {
    let mut of = |number: usize, function: Unary| {
        let part = gate(b, gates, 4, number)?;
        b.unary(function, part)
    };
    let (i, f) = (of(0, Unary::Sigmoid)?, of(1, Unary::Sigmoid)?);
    let (g, o) = (of(2, Unary::Tanh)?, of(3, Unary::Sigmoid)?);
    let (kept, new) = (b.mul(f, c)?, b.mul(i, g)?);
    let c = b.add(kept, new)?;
    let shown = b.unary(Unary::Tanh, c)?;
    Ok(vec![b.mul(o, shown)?, c])
}

/// `n = tanh(x_n + r (h U_n^T + b_n))`, `h' = n + z (h - n)`
fn gated_unit(
    b: &mut Builder,
    inputs: &StepInputs,
    product: NodeId,
    h: NodeId,
) -> Result<Vec<NodeId>, InferError> {
    let mut of = |number: usize| {
        let (own, from_state) = (gate(b, inputs.projected, 3, number)?, gate(b, product, 3, number)?);
        let sum = b.add(own, from_state)?;
        b.unary(Unary::Sigmoid, sum)
    };
    let (r, z) = (of(0)?, of(1)?);
    let (own, mut from_state) = (gate(b, inputs.projected, 3, 2)?, gate(b, product, 3, 2)?);
    if let Some(bias) = inputs.reset_bias {
        let wide = b.broadcast_along(bias, b.shape(from_state).clone(), 1)?;
        from_state = b.add(from_state, wide)?;
    }
    let reset = b.mul(r, from_state)?;
    let sum = b.add(own, reset)?;
    let n = b.unary(Unary::Tanh, sum)?;
    let difference = b.sub(h, n)?;
    let kept = b.mul(z, difference)?;
    Ok(vec![b.add(n, kept)?])
}
