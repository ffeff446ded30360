//! Ops on small cases computed by hand, and the sliding ops against direct definitions that share no
//! code with the interpreter.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

#[path = "ops/arrangement.rs"]
mod arrangement;
#[path = "ops/contraction.rs"]
mod contraction;
#[path = "ops/convolution.rs"]
mod convolution;
#[path = "ops/elementwise.rs"]
mod elementwise;
#[path = "ops/function.rs"]
mod function;
#[path = "ops/indexing.rs"]
mod indexing;
#[path = "ops/normalization.rs"]
mod normalization;
#[path = "ops/reduction.rs"]
mod reduction;
#[path = "ops/window.rs"]
mod window;

use dlc_interp::{Data, Tensor, evaluate};
use dlc_ir::{Op, text::parse, verify::verify};

/// The last node of these lines at batch 2; inputs are fed by name.
fn last(nodes: &str, inputs: &[(&str, Tensor)]) -> Tensor {
    let mut function = parse(&format!("fn f {{\n{nodes}\n}}")).unwrap();
    let value = function.nodes.indices().next_back().unwrap();
    function.outputs.push(dlc_ir::Output { role: dlc_ir::OutputRole::Output, name: "y".to_owned(), value });
    verify(&function).unwrap();
    let feed = |op: &Op| match op {
        Op::Input { name } => inputs.iter().find(|(fed, _)| fed == name).map(|(_, tensor)| tensor.clone()),
        _ => None,
    };
    evaluate(&function, 2, &feed).unwrap().remove(0)
}

fn floats(nodes: &str, inputs: &[(&str, Tensor)]) -> Vec<f64> {
    match last(nodes, inputs).data {
        Data::Float(values) => values,
        other => panic!("{other:?}"),
    }
}

fn ints(nodes: &str, inputs: &[(&str, Tensor)]) -> Vec<i64> {
    match last(nodes, inputs).data {
        Data::Int(values) => values,
        other => panic!("{other:?}"),
    }
}

fn bools(nodes: &str, inputs: &[(&str, Tensor)]) -> Vec<bool> {
    match last(nodes, inputs).data {
        Data::Bool(values) => values,
        other => panic!("{other:?}"),
    }
}

/// Equal with NaN equal to NaN, within 1e-14 of the larger magnitude otherwise.
#[track_caller]
fn assert_close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (position, (a, b)) in found.iter().zip(expected).enumerate() {
        let same =
            a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-14 * a.abs().max(b.abs()).max(1.0);
        assert!(same, "element {position}: {a} instead of {b}");
    }
}

/// A tensor of small numbers that differ from one another, by a fixed rule.
fn numbers(dims: &[usize]) -> Tensor {
    let count: usize = dims.iter().product();
    let values: Vec<f64> = (0..count).map(|i| ((i * 7919 + 13) % 101) as f64 / 8.0 - 6.0).collect();
    Tensor::from_f64(dims, &values).unwrap()
}
