//! Recurrent layers: `rnn`, `gru` and `lstm`.
//!
//! The inputs of all steps meet their weights in one contraction; the steps are a scan over time. Names, shapes and
//! gates of parameters are PyTorch's: `weight_ih_l0 [gates * hidden, inputs]`, `weight_hh_l0 [gates * hidden, hidden]`,
//! `bias_ih_l0` and `bias_hh_l0` `[gates * hidden]`, with `_reverse` behind those of the second direction.

mod cell;

use super::LayerSpec;
use super::initializer::InitializerRule;
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::{Arguments, Parameter};
use crate::report::Eval;
use crate::value::{List, Value};
use cell::{Cell, StepInputs};
use dlc_ir::{Builder, InferError, NodeId, Op, Origin, ScanBuilder, Unary};
use dlc_types::{DType, Diagnostic, Dim, Shape, Span, TensorType};

const PARAMETERS: &[Parameter<'static>] = &[
    ("x", true),
    ("hidden", true),
    ("layers", false),
    ("bidirectional", false),
    ("bias", false),
    ("initial", false),
    ("output", false),
    ("init", false),
];

/// The same, and the function of `rnn`.
const PLAIN_PARAMETERS: &[Parameter<'static>] = &[
    ("x", true),
    ("hidden", true),
    ("layers", false),
    ("bidirectional", false),
    ("bias", false),
    ("initial", false),
    ("output", false),
    ("init", false),
    ("nonlinearity", false),
];

pub(super) const SPECS: &[LayerSpec] = &[
    LayerSpec::new("rnn", PLAIN_PARAMETERS, rnn).owning(),
    LayerSpec::new("gru", PARAMETERS, gru).owning(),
    LayerSpec::new("lstm", PARAMETERS, lstm).owning(),
];

/// More layers than anybody stacks.
const MOST_LAYERS: i64 = 1000;

fn rnn(el: &mut Elaborator<'_>, arguments: &Arguments, path: &str) -> Eval<Value> {
    let function = match arguments.get("nonlinearity") {
        None => Unary::Tanh,
        Some(_) => match arguments.text(el, "nonlinearity")?.as_str() {
            "tanh" => Unary::Tanh,
            "relu" => Unary::Relu,
            _ => return arguments.mismatch(el, "nonlinearity", "\"tanh\" or \"relu\""),
        },
    };
    layer(el, arguments, path, Cell::Plain(function))
}

fn gru(el: &mut Elaborator<'_>, arguments: &Arguments, path: &str) -> Eval<Value> {
    layer(el, arguments, path, Cell::GatedUnit)
}

fn lstm(el: &mut Elaborator<'_>, arguments: &Arguments, path: &str) -> Eval<Value> {
    layer(el, arguments, path, Cell::LongShortTerm)
}

/// One layer or several, as the user asks for them.
struct Recurrent<'p> {
    path: &'p str,
    span: Span,
    cell: Cell,
    dtype: DType,
    batch: Dim,
    steps: usize,
    hidden: usize,
    bias: bool,
    rule: InitializerRule,
}

/// The parameters of one direction of one layer.
struct Weights {
    input: NodeId,
    state: NodeId,
    /// Of the input's and of the state's part.
    biases: Option<[NodeId; 2]>,
}

fn layer(el: &mut Elaborator<'_>, arguments: &Arguments, path: &str, cell: Cell) -> Eval<Value> {
    let x = arguments.float_tensor(el, "x")?;
    let ty = el.builder.ty(x).clone();
    let &[batch, Dim::Fixed(steps), Dim::Fixed(inputs)] = ty.shape.dims() else {
        let message = format!("`{}` takes [N, length, features], got {ty}", arguments.callee);
        return el.fail(
            Diagnostic::error(codes::RANK, message)
                .at(arguments.span, format!("rank {}", ty.shape.rank()))
                .help(
                    "one step is `reshape([N, 1, -1])`; channels become features by `transpose([0, 2, 1])`",
                ),
        );
    };
    let hidden = arguments.size(el, "hidden")?;
    let layers = match arguments.get("layers") {
        Some(_) => arguments.whole(el, "layers", 1, MOST_LAYERS)?,
        None => 1,
    };
    let directions = if arguments.bool_or(el, "bidirectional", false)? { 2 } else { 1 };
    let bound = 1.0 / (hidden as f64).sqrt();
    let rule = arguments.initializer(el, "init", InitializerRule::Uniform(-bound, bound))?;
    let bias = arguments.bool_or(el, "bias", true)?;
    let output = arguments.get("output").map(|(value, _)| value.clone());
    if !matches!(output, None | Some(Value::Symbol("all" | "last"))) {
        return arguments.mismatch(el, "output", "`all` or `last`");
    }
    let recurrent =
        Recurrent { path, span: arguments.span, cell, dtype: ty.dtype, batch, steps, hidden, bias, rule };
    let first = recurrent.initial(el, arguments, layers * directions)?;
    let mut sequence = el.build(arguments.span, |b| b.transpose(x, &[1, 0, 2]))?;
    let (mut width, mut last) = (inputs, Vec::new());
    for number in 0..layers {
        let mut given = Vec::new();
        for direction in 0..directions {
            let suffix = format!("l{number}{}", if direction == 1 { "_reverse" } else { "" });
            let weights = recurrent.weights(el, &suffix, width)?;
            let place = number * directions + direction;
            let states: Option<Vec<NodeId>> =
                first.as_ref().map(|first| first.iter().map(|kind| kind[place]).collect());
            let made = recurrent.run(&mut el.builder, sequence, &weights, states, direction == 1);
            let (results, states) = match made {
                Ok(made) => made,
                Err(error) => return el.made(Err(error), arguments.span).map(Value::Tensor),
            };
            given.push(results);
            last.push(states);
        }
        sequence = match given.as_slice() {
            [only] => *only,
            both => el.build(arguments.span, |b| b.add_node(Op::Concat { axis: 2 }, both))?,
        };
        width = hidden * directions;
    }
    match output {
        Some(Value::Symbol("last")) => {
            let top: Vec<NodeId> = last[last.len() - directions..].iter().map(|states| states[0]).collect();
            el.build(arguments.span, |b| joined(b, &top)).map(Value::Tensor)
        }
        Some(_) => el.build(arguments.span, |b| b.transpose(sequence, &[1, 0, 2])).map(Value::Tensor),
        None => recurrent.all(el, sequence, &last),
    }
}

/// Values `[N, hidden]` beside one another.
fn joined(b: &mut Builder, parts: &[NodeId]) -> Result<NodeId, InferError> {
    match parts {
        [only] => Ok(*only),
        several => b.add_node(Op::Concat { axis: 1 }, several),
    }
}

impl Recurrent<'_> {
    /// The first states, by kind and then by layer and direction, if they are given.
    fn initial(
        &self,
        el: &mut Elaborator<'_>,
        arguments: &Arguments,
        count: usize,
    ) -> Eval<Option<Vec<Vec<NodeId>>>> {
        let states = self.cell.states();
        let given: Vec<NodeId> = match arguments.get("initial") {
            None => return Ok(None),
            Some((Value::Tensor(state), _)) if states == 1 => vec![*state],
            Some((Value::List(list), _)) if list.items().len() == states => {
                let tensor = |value: &Value| match value {
                    Value::Tensor(state) => Some(*state),
                    _ => None,
                };
                match list.items().iter().map(tensor).collect() {
                    Some(given) => given,
                    None => return arguments.mismatch(el, "initial", "the state, or a list of tensors"),
                }
            }
            Some(_) if states == 1 => return arguments.mismatch(el, "initial", "a tensor"),
            Some(_) => return arguments.mismatch(el, "initial", "a list of two tensors, `[h, c]`"),
        };
        let one = Shape(vec![self.batch, Dim::Fixed(self.hidden)]);
        let all = Shape(vec![self.batch, Dim::Fixed(count), Dim::Fixed(self.hidden)]);
        let mut kinds = Vec::new();
        for state in given {
            let ty = el.builder.ty(state).clone();
            let single = count == 1 && ty.shape == one;
            if ty.dtype != self.dtype || !single && ty.shape != all {
                let wanted =
                    if count == 1 { format!("{}{one}", self.dtype) } else { format!("{}{all}", self.dtype) };
                let message = format!("a first state of `{}` is {wanted}, not {ty}", arguments.callee);
                return el.fail_at(codes::SHAPE, message, arguments.span_of("initial"), format!("is {ty}"));
            }
            let mut places = Vec::new();
            for place in 0..count {
                places.push(match single {
                    true => state,
                    false => el.build(self.span, |b| at_place(b, state, place, one.clone()))?,
                });
            }
            kinds.push(places);
        }
        Ok(Some(kinds))
    }

    fn weights(&self, el: &mut Elaborator<'_>, suffix: &str, inputs: usize) -> Eval<Weights> {
        let rows = self.cell.gates() * self.hidden;
        let mut make = |name: &str, sizes: &[usize]| {
            let name = format!("{}.{name}_{suffix}", self.path);
            let ty = TensorType::new(self.dtype, Shape::fixed(sizes));
            el.parameter(&name, ty, self.rule.with_fans(self.hidden, rows), self.span)
        };
        let input = make("weight_ih", &[rows, inputs])?;
        let state = make("weight_hh", &[rows, self.hidden])?;
        let biases =
            if self.bias { Some([make("bias_ih", &[rows])?, make("bias_hh", &[rows])?]) } else { None };
        Ok(Weights { input, state, biases })
    }

    /// One direction over `[steps, N, inputs]`: the results of all steps, and the last states.
    fn run(
        &self,
        b: &mut Builder,
        sequence: NodeId,
        weights: &Weights,
        states: Option<Vec<NodeId>>,
        reverse: bool,
    ) -> Result<(NodeId, Vec<NodeId>), InferError> {
        let mut projected = b.contract(sequence, weights.input, &[], &[(2, 1)])?;
        let mut reset_bias = None;
        if let Some([own, of_state]) = weights.biases {
            let mut added = of_state;
            if self.cell == Cell::GatedUnit {
                let (gates, rows) = (2 * self.hidden, 3 * self.hidden);
                let part = |start: usize, limit: usize| Op::Slice {
                    starts: vec![start],
                    limits: vec![limit],
                    strides: vec![1],
                };
                reset_bias = Some(b.add_node(part(gates, rows), &[of_state])?);
                let early = b.add_node(part(0, gates), &[of_state])?;
                let zero = b.scalar(self.dtype, 0.0)?;
                added = b.add_node(Op::Pad { low: vec![0], high: vec![self.hidden] }, &[early, zero])?;
            }
            let bias = b.add(own, added)?;
            let wide = b.broadcast_along(bias, b.shape(projected).clone(), 2)?;
            projected = b.add(projected, wide)?;
        }
        let states = match states {
            Some(states) => states,
            None => {
                let shape = Shape(vec![self.batch, Dim::Fixed(self.hidden)]);
                let zeros = b.splat(self.dtype, shape, 0.0)?;
                vec![zeros; self.cell.states()]
            }
        };
        let mut scan = ScanBuilder::new(self.steps, reverse);
        let mut before = Vec::new();
        for state in states {
            before.push(scan.carry(b, state)?);
        }
        let inputs = StepInputs {
            projected: scan.slice(b, projected)?,
            weight: scan.invariant(b, weights.state)?,
            reset_bias: reset_bias.map(|bias| scan.invariant(b, bias)).transpose()?,
        };
        scan.step.set_origin(Origin { path: self.path.to_owned(), span: Some(self.span) });
        let next = self.cell.step(&mut scan.step, &inputs, &before)?;
        scan.result(next[0]);
        next.into_iter().enumerate().for_each(|(number, state)| scan.leave(number, state));
        let (last, results) = scan.finish(b)?;
        Ok((results[0], last))
    }

    /// The results of all steps, and the last states of all layers and directions.
    fn all(&self, el: &mut Elaborator<'_>, sequence: NodeId, last: &[Vec<NodeId>]) -> Eval<Value> {
        let mut values = vec![Value::Tensor(el.build(self.span, |b| b.transpose(sequence, &[1, 0, 2]))?)];
        for kind in 0..self.cell.states() {
            let of_kind: Vec<NodeId> = last.iter().map(|states| states[kind]).collect();
            let state = el.build(self.span, |b| stacked(b, &of_kind))?;
            values.push(Value::Tensor(state));
        }
        let (message, span) = ("a list is too long", self.span);
        match List::new(values) {
            Some(list) => Ok(Value::List(list)),
            None => el.fail_at(codes::TOO_LARGE, message, span, "too long"),
        }
    }
}

/// `[N, hidden]` of `[N, count, hidden]`.
fn at_place(b: &mut Builder, state: NodeId, place: usize, shape: Shape) -> Result<NodeId, InferError> {
    let (starts, limits) = (vec![0, place, 0], vec![usize::MAX, place + 1, usize::MAX]);
    let part = b.add_node(Op::Slice { starts, limits, strides: vec![1; 3] }, &[state])?;
    b.reshape(part, shape)
}

/// The only one of states `[N, hidden]`, or all of them as `[N, count, hidden]`.
fn stacked(b: &mut Builder, states: &[NodeId]) -> Result<NodeId, InferError> {
    let [only] = states else {
        let mut parts = Vec::new();
        for &state in states {
            let mut dims = b.shape(state).dims().to_vec();
            dims.insert(1, Dim::Fixed(1));
            parts.push(b.reshape(state, Shape(dims))?);
        }
        return b.add_node(Op::Concat { axis: 1 }, &parts);
    };
    Ok(*only)
}
