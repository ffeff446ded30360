//! Rules that must not exist: one that never ends, one that changes a type, one that runs in a circle.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::super::extract::extract;
use super::super::rules::Tag;
use super::*;
use dlc_ir::{Binary, Op, Unary};
use dlc_types::{DType, Shape, TensorType};

static ENDLESS: Rule = Rule {
    name: "endless",
    tag: Tag::FastMath,
    law: "x + c = x + (c + 1)",
    ops: &["add"],
    apply: |terms, _, operands, class| {
        let next = terms.splat(operands[1])? + 1.0;
        let next = terms.filled_like(class, next)?;
        terms.plus(operands[0], next)
    },
};

static RETYPED: Rule = Rule {
    name: "retyped",
    tag: Tag::Exact,
    law: "x + y = sum(x)",
    ops: &["add"],
    apply: |terms, _, operands, _| terms.reduce(dlc_ir::Reduction::Sum, operands[0], &[0]),
};

static CIRCLE: Rule = Rule {
    name: "circle",
    tag: Tag::Exact,
    law: "x = x + c",
    ops: &["add"],
    apply: |_, _, operands, _| Some(operands[0]),
};

/// `input + 1 + 1`, the outer sum.
fn sum(terms: &mut Terms) -> Class {
    let ty = TensorType::new(DType::F32, Shape::fixed(&[4]));
    let x = terms.declare(Op::Input { name: "x".to_owned() }, &[], ty.clone()).unwrap();
    let one = terms.filled(&ty, 1.0).unwrap();
    let inner = terms.plus(x, one).unwrap();
    terms.binary(Binary::Add, inner, one).unwrap()
}

#[test]
fn an_endless_rule_stops_at_either_bound() {
    for (nodes, iterations, stop) in
        [(300, 1_000_000, StopReason::NodeLimit), (1_000_000, 7, StopReason::IterationLimit)]
    {
        let mut terms = Terms::default();
        let root = sum(&mut terms);
        let index = RuleIndex::new(vec![&ENDLESS]);
        let saturation = saturate(&mut terms, &index, nodes, iterations).unwrap();
        assert_eq!(saturation.stop, stop);
        assert!(terms.graph.total_size() <= nodes + 4);
        let extraction = extract(&terms, &[root]).unwrap();
        assert!(extraction.cost_after <= extraction.cost_before);
    }
}

#[test]
fn a_rule_that_changes_the_type_is_named() {
    let mut terms = Terms::default();
    sum(&mut terms);
    let result = saturate(&mut terms, &RuleIndex::new(vec![&RETYPED]), 100, 10);
    let error = result.err().expect("refused");
    assert_eq!(error.to_string(), "rewrite rule `retyped` changes f32[4] into f32[]; this is a bug in dlc");
}

#[test]
fn a_choice_never_runs_in_a_circle() {
    let mut terms = Terms::default();
    let root = sum(&mut terms);
    let negated = terms.unary(Unary::Negate, root).unwrap();
    saturate(&mut terms, &RuleIndex::new(vec![&CIRCLE]), 100, 10).unwrap();
    let extraction = extract(&terms, &[negated]).unwrap();
    let ops: Vec<&str> = extraction.terms.iter().map(|(_, term)| term.op.name()).collect();
    assert_eq!(ops, ["input", "neg"]);
}
