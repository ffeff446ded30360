//! Activations, losses and normalisations come out the same, however they were spelled.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use dlc_compiler::composite::{Statistics, expand_composites};
use dlc_compiler::rewrite::{RewriteOptions, rewrite};
use dlc_interp::{Data, Tensor};
use dlc_ir::{Binary, Builder, Function, NodeId, Op, OutputRole, Reduction, Unary};
use dlc_tests::harness::random_inputs;
use dlc_types::{DType, Dim, Shape, TensorType};
use std::collections::BTreeMap;

const CLASSES: usize = 24;

/// A function of one input `[N, 24]` and, for some, a one-hot target.
fn function(body: impl Fn(&mut Builder, NodeId) -> NodeId) -> Function {
    let mut b = Builder::new("predict");
    let x = b.input("x", TensorType::new(DType::F32, Shape(vec![Dim::N, Dim::Fixed(CLASSES)]))).unwrap();
    let y = body(&mut b, x);
    b.output(OutputRole::Output, "y", y);
    expand_composites(&b.finish(), Statistics::Shifted).unwrap()
}

fn rewritten(function: &Function) -> Function {
    rewrite(function, &RewriteOptions::default()).unwrap().0
}

/// How often each op stands in a function, constants apart.
fn ops(function: &Function) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    let repeated = |op: &Op| matches!(op, Op::Constant(_) | Op::Broadcast { .. });
    for node in function.nodes.values().filter(|node| !repeated(&node.op)) {
        *counts.entry(node.op.name()).or_insert(0) += 1;
    }
    counts
}

/// The output of a function for the inputs of another.
fn output(function: &Function, like: &Function, scale: f64) -> Vec<f64> {
    let mut inputs = random_inputs(like, 3, 5);
    if let Some(Data::Float(values)) = inputs.get_mut("x").map(|tensor: &mut Tensor| &mut tensor.data) {
        values.iter_mut().for_each(|value| *value *= scale);
    }
    let fed = |op: &Op| match op {
        Op::Input { name } => inputs.get(name).cloned(),
        _ => None,
    };
    match dlc_interp::evaluate(function, 3, &fed).unwrap().remove(0).data {
        Data::Float(values) => values,
        other => panic!("{other:?}"),
    }
}

/// All spellings become the ops of the first, and compute the same.
fn all_become_the_first(name: &str, spellings: Vec<Function>) {
    let first = rewritten(&spellings[0]);
    let expected = output(&spellings[0], &spellings[0], 1.0);
    for (position, spelling) in spellings.iter().enumerate() {
        let after = rewritten(spelling);
        let values = output(&after, spelling, 1.0);
        assert_eq!(values.len(), expected.len());
        for (x, y) in values.iter().zip(&expected) {
            assert!((x - y).abs() < 1e-6 * y.abs().max(1.0), "{name} {position}: {x} and {y}\n{spelling}");
        }
        assert_eq!(
            ops(&after),
            ops(&first),
            "{name} {position}:\n{spelling}\nbecomes\n{after}\nnot\n{first}"
        );
    }
}

fn splat(b: &mut Builder, like: NodeId, value: f64) -> NodeId {
    b.splat_like(like, value).unwrap()
}

fn one_plus(b: &mut Builder, x: NodeId) -> NodeId {
    b.shift(x, 1.0).unwrap()
}

#[test]
fn sigmoid_and_silu() {
    let exp_of_negated = |b: &mut Builder, x| {
        let x = b.neg(x).unwrap();
        b.unary(Unary::Exp, x).unwrap()
    };
    let sigmoid = function(|b, x| b.unary(Unary::Sigmoid, x).unwrap());
    let quotient = function(|b, x| {
        let (one, e) = (splat(b, x, 1.0), exp_of_negated(b, x));
        let sum = one_plus(b, e);
        b.div(one, sum).unwrap()
    });
    let scaled = function(|b, x| {
        let x = b.scale(x, -1.0).unwrap();
        let e = b.unary(Unary::Exp, x).unwrap();
        let one = splat(b, e, 1.0);
        let sum = b.add(one, e).unwrap();
        let exponent = splat(b, sum, -1.0);
        b.binary(Binary::Power, sum, exponent).unwrap()
    });
    let tanh = function(|b, x| {
        let half = b.scale(x, 0.5).unwrap();
        let t = b.unary(Unary::Tanh, half).unwrap();
        let sum = one_plus(b, t);
        b.scale(sum, 0.5).unwrap()
    });
    all_become_the_first("sigmoid", vec![sigmoid, quotient, scaled, tanh]);

    let product = function(|b, x| {
        let s = b.unary(Unary::Sigmoid, x).unwrap();
        b.mul(x, s).unwrap()
    });
    let quotient = function(|b, x| {
        let e = exp_of_negated(b, x);
        let sum = one_plus(b, e);
        b.div(x, sum).unwrap()
    });
    let reciprocal = function(|b, x| {
        let (one, e) = (splat(b, x, 1.0), exp_of_negated(b, x));
        let sum = one_plus(b, e);
        let s = b.div(one, sum).unwrap();
        b.mul(s, x).unwrap()
    });
    all_become_the_first("silu", vec![product, quotient, reciprocal]);
}

#[test]
fn gelu_by_erf() {
    let root = std::f64::consts::FRAC_1_SQRT_2;
    let erf_of_product = move |b: &mut Builder, x| {
        let scaled = b.scale(x, root).unwrap();
        b.unary(Unary::Erf, scaled).unwrap()
    };
    let erf_of_quotient = |b: &mut Builder, x| {
        let two = splat(b, x, 2.0);
        let root = b.unary(Unary::Sqrt, two).unwrap();
        let quotient = b.div(x, root).unwrap();
        b.unary(Unary::Erf, quotient).unwrap()
    };
    let half_first = function(|b, x| {
        let e = erf_of_product(b, x);
        let sum = one_plus(b, e);
        let half = b.scale(x, 0.5).unwrap();
        b.mul(half, sum).unwrap()
    });
    let half_last = function(|b, x| {
        let e = erf_of_quotient(b, x);
        let sum = one_plus(b, e);
        let product = b.mul(x, sum).unwrap();
        b.scale(product, 0.5).unwrap()
    });
    let half_inside = function(|b, x| {
        let e = erf_of_quotient(b, x);
        let half = b.scale(e, 0.5).unwrap();
        let sum = b.shift(half, 0.5).unwrap();
        b.mul(sum, x).unwrap()
    });
    let distribution = function(|b, x| {
        let e = erf_of_product(b, x);
        let sum = one_plus(b, e);
        let two = splat(b, sum, 2.0);
        let half = b.div(sum, two).unwrap();
        b.mul(half, x).unwrap()
    });
    all_become_the_first("gelu", vec![half_first, half_last, half_inside, distribution]);
}

#[test]
fn gelu_by_tanh() {
    let gelu = |cube: fn(&mut Builder, NodeId) -> NodeId, half_last: bool| {
        function(move |b, x| {
            let cube = cube(b, x);
            let cube = b.scale(cube, 0.044_715).unwrap();
            let sum = b.add(x, cube).unwrap();
            let inner = b.scale(sum, (2.0 / std::f64::consts::PI).sqrt()).unwrap();
            let t = b.unary(Unary::Tanh, inner).unwrap();
            let sum = one_plus(b, t);
            if half_last {
                let product = b.mul(x, sum).unwrap();
                b.scale(product, 0.5).unwrap()
            } else {
                let half = b.scale(x, 0.5).unwrap();
                b.mul(half, sum).unwrap()
            }
        })
    };
    fn by_power(b: &mut Builder, x: NodeId) -> NodeId {
        let three = splat(b, x, 3.0);
        b.binary(Binary::Power, x, three).unwrap()
    }
    fn by_products(b: &mut Builder, x: NodeId) -> NodeId {
        let square = b.mul(x, x).unwrap();
        b.mul(square, x).unwrap()
    }
    let all =
        vec![gelu(by_products, false), gelu(by_power, false), gelu(by_products, true), gelu(by_power, true)];
    all_become_the_first("gelu by tanh", all);
}

fn log_softmax(b: &mut Builder, x: NodeId) -> NodeId {
    b.add_node(Op::LogSoftmax { axis: 1 }, &[x]).unwrap()
}

fn log_of_softmax(b: &mut Builder, x: NodeId) -> NodeId {
    let softmax = b.add_node(Op::Softmax { axis: 1 }, &[x]).unwrap();
    b.unary(Unary::Log, softmax).unwrap()
}

/// `log(exp(x - max) / sum(exp(x - max)))`, by hand.
fn log_of_quotient(b: &mut Builder, x: NodeId) -> NodeId {
    let shape = b.shape(x).clone();
    let max = b.reduce(Reduction::Max, x, &[1]).unwrap();
    let max = b.broadcast_reduced(max, shape.clone(), &[1]).unwrap();
    let shifted = b.sub(x, max).unwrap();
    let e = b.unary(Unary::Exp, shifted).unwrap();
    let sum = b.sum(e, &[1]).unwrap();
    let sum = b.broadcast_reduced(sum, shape, &[1]).unwrap();
    let quotient = b.div(e, sum).unwrap();
    b.unary(Unary::Log, quotient).unwrap()
}

/// `log(exp(x) / sum(exp(x)))`
fn log_of_plain_quotient(b: &mut Builder, x: NodeId) -> NodeId {
    let quotient = plain_softmax(b, x);
    b.unary(Unary::Log, quotient).unwrap()
}

/// `exp(x) / sum(exp(x))`
fn plain_softmax(b: &mut Builder, x: NodeId) -> NodeId {
    let shape = b.shape(x).clone();
    let e = b.unary(Unary::Exp, x).unwrap();
    let sum = b.sum(e, &[1]).unwrap();
    let sum = b.broadcast_reduced(sum, shape, &[1]).unwrap();
    b.div(e, sum).unwrap()
}

/// Mean over the batch of minus the logarithm at a one-hot target.
fn likelihood(b: &mut Builder, logarithms: NodeId) -> NodeId {
    let target = b.input("target", b.ty(logarithms).clone()).unwrap();
    let chosen = b.mul(target, logarithms).unwrap();
    let sum = b.sum(chosen, &[1]).unwrap();
    let mean = b.mean(sum, &[0]).unwrap();
    b.neg(mean).unwrap()
}

#[test]
fn the_logarithm_of_a_softmax_is_log_softmax() {
    let spellings = [log_softmax, log_of_softmax, log_of_quotient];
    all_become_the_first("log-softmax", spellings.into_iter().map(function).collect());
    let losses = spellings.into_iter().map(|spelling| {
        function(move |b, x| {
            let logarithms = spelling(b, x);
            likelihood(b, logarithms)
        })
    });
    all_become_the_first("negative log likelihood", losses.collect());
}

#[test]
fn forms_that_overflow_are_stabilised() {
    // At a scale of 2000 the plain forms give NaN or infinity even in f64.
    for (spelling, reference) in [
        (function(plain_softmax), function(|b, x| b.add_node(Op::Softmax { axis: 1 }, &[x]).unwrap())),
        (function(log_of_plain_quotient), function(log_softmax)),
    ] {
        assert!(output(&spelling, &spelling, 2000.0).iter().any(|value| !value.is_finite()));
        let (stable, expected) =
            (output(&rewritten(&spelling), &spelling, 2000.0), output(&reference, &reference, 2000.0));
        for (x, y) in stable.iter().zip(&expected) {
            assert!((x - y).abs() <= 1e-6 * y.abs().max(1.0), "{x} and {y}\n{}", rewritten(&spelling));
        }
    }
}

#[test]
fn layer_norm() {
    let norm = |finish: fn(&mut Builder, NodeId, NodeId) -> NodeId,
                square: fn(&mut Builder, NodeId) -> NodeId| {
        function(move |b, x| {
            let shape = b.shape(x).clone();
            let mean = b.mean(x, &[1]).unwrap();
            let mean = b.broadcast_reduced(mean, shape, &[1]).unwrap();
            let centred = b.sub(x, mean).unwrap();
            let square = square(b, centred);
            let variance = b.mean(square, &[1]).unwrap();
            let stable = b.shift(variance, 1e-5).unwrap();
            finish(b, centred, stable)
        })
    };
    fn widened(b: &mut Builder, x: NodeId, like: NodeId) -> NodeId {
        let shape = b.shape(like).clone();
        b.broadcast_reduced(x, shape, &[1]).unwrap()
    }
    fn by_rsqrt(b: &mut Builder, x: NodeId, stable: NodeId) -> NodeId {
        let factor = b.unary(Unary::ReciprocalSqrt, stable).unwrap();
        let factor = widened(b, factor, x);
        b.mul(x, factor).unwrap()
    }
    fn by_root(b: &mut Builder, x: NodeId, stable: NodeId) -> NodeId {
        let root = b.unary(Unary::Sqrt, stable).unwrap();
        let root = widened(b, root, x);
        b.div(x, root).unwrap()
    }
    fn by_wide_root(b: &mut Builder, x: NodeId, stable: NodeId) -> NodeId {
        let wide = widened(b, stable, x);
        let root = b.unary(Unary::Sqrt, wide).unwrap();
        b.div(x, root).unwrap()
    }
    fn by_power(b: &mut Builder, x: NodeId, stable: NodeId) -> NodeId {
        let exponent = splat(b, stable, 0.5);
        let root = b.binary(Binary::Power, stable, exponent).unwrap();
        let root = widened(b, root, x);
        b.div(x, root).unwrap()
    }
    fn squared(b: &mut Builder, x: NodeId) -> NodeId {
        b.mul(x, x).unwrap()
    }
    fn to_the_second(b: &mut Builder, x: NodeId) -> NodeId {
        let two = splat(b, x, 2.0);
        b.binary(Binary::Power, x, two).unwrap()
    }
    let mut spellings = Vec::new();
    for finish in [by_rsqrt, by_root, by_wide_root, by_power] {
        spellings.extend([norm(finish, squared), norm(finish, to_the_second)]);
    }
    all_become_the_first("layer norm", spellings);
}
