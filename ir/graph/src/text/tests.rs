#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::{parse, print};
use crate::literal::Elements;
use crate::verify::verify;
use crate::{ArgReduction, Binary, Comparison, Op, Reduction, Unary, WindowKind};
use std::collections::BTreeSet;

const EVERY_OP: &str = include_str!("every_op.txt");

#[test]
fn every_op_round_trips() {
    let function = parse(EVERY_OP).unwrap();
    verify(&function).unwrap();
    let printed = print(&function);
    let (_, without_comment) = EVERY_OP.split_once('\n').unwrap();
    assert_eq!(printed, without_comment);
    // One constant holds a NaN, which equals nothing; its text form tells whether it came through.
    assert_eq!(print(&parse(&printed).unwrap()), printed);
}

/// The match names each variant, so that a new op cannot be forgotten here.
fn variant(op: &Op) -> u32 {
    match op {
        Op::Input { .. } => 0,
        Op::Parameter { .. } => 1,
        Op::State { .. } => 2,
        Op::Constant(_) => 3,
        Op::Iota { .. } => 4,
        Op::Extent(_) => 5,
        Op::Random { .. } => 6,
        Op::Unary(_) => 7,
        Op::Binary(_) => 8,
        Op::Compare(_) => 9,
        Op::Select => 10,
        Op::Cast(_) => 11,
        Op::Broadcast { .. } => 12,
        Op::Reshape => 13,
        Op::Transpose { .. } => 14,
        Op::Slice { .. } => 15,
        Op::Pad { .. } => 16,
        Op::Dilate { .. } => 17,
        Op::Reverse { .. } => 18,
        Op::Concat { .. } => 19,
        Op::Reduce { .. } => 20,
        Op::ArgReduce { .. } => 21,
        Op::Cumulative { .. } => 22,
        Op::Contract(_) => 23,
        Op::Convolve(_) => 24,
        Op::ReduceWindow { .. } => 25,
        Op::WindowArgMax { .. } => 26,
        Op::WindowScatter { .. } => 27,
        Op::Gather { .. } => 28,
        Op::Scatter { .. } => 29,
        Op::BatchNorm { .. } => 30,
        Op::Softmax { .. } => 31,
        Op::LogSoftmax { .. } => 32,
        Op::Project(_) => 33,
        Op::GatherAlong { .. } => 34,
        Op::ArgSort { .. } => 35,
        Op::Bitcast(_) => 36,
        Op::Scan(_) => 37,
    }
}

#[test]
fn the_round_trip_leaves_out_no_op() {
    let function = parse(EVERY_OP).unwrap();
    let ops: Vec<&Op> = function.nodes.values().map(|node| &node.op).collect();
    let variants: BTreeSet<u32> = ops.iter().map(|op| variant(op)).collect();
    assert_eq!(variants, (0..=37).collect());
    let texts: BTreeSet<String> = ops.iter().map(|op| op.to_string()).collect();
    let has = |start: String| assert!(texts.iter().any(|text| text.starts_with(&start)), "no {start}");
    Unary::ALL.iter().for_each(|it| has(it.name().to_owned()));
    Binary::ALL.iter().for_each(|it| has(it.name().to_owned()));
    Comparison::ALL.iter().for_each(|it| has(it.name().to_owned()));
    ArgReduction::ALL.iter().for_each(|it| has(it.name().to_owned()));
    Reduction::ALL.iter().for_each(|it| has(format!("reduce kind={}", it.name())));
    WindowKind::ALL.iter().for_each(|it| has(format!("reduce_window kind={}", it.name())));
}

#[test]
fn floats_keep_their_bits() {
    let nans = [f64::from_bits(0xfff8_0000_0000_0000), f64::from_bits(0x7ff8_0000_0000_0123)];
    for value in [0.1, -0.0, f64::MIN_POSITIVE, f64::MAX, 5e-324, 1.0 / 3.0, f64::NAN, nans[0], nans[1]] {
        let mut builder = crate::Builder::new("f");
        builder.constant(crate::Literal::scalar(dlc_types::DType::F64, value)).unwrap();
        let parsed = parse(&print(&builder.finish())).unwrap();
        let Op::Constant(literal) = &parsed.nodes.values().next().unwrap().op else { panic!("no constant") };
        let Elements::Float(values) = &literal.elements else { panic!("no floats") };
        assert_eq!(values[0].to_bits(), value.to_bits(), "{value}");
    }
}

#[test]
fn names_that_are_no_words_are_quoted() {
    let function = crate::Function { name: "train step".to_owned(), ..crate::Function::default() };
    assert_eq!(print(&function), "fn \"train step\" {\n}\n");
    assert_eq!(parse(&print(&function)).unwrap(), function);
}

#[test]
fn mistakes_are_named_with_their_line() {
    let message = |text: &str| parse(text).unwrap_err().to_string();
    assert_eq!(message(""), "line 1: the text ends too early");
    assert_eq!(message("fn f {\n"), "line 1: the text ends too early");
    assert_eq!(
        message("fn f {\n %1: f32[] = iota axis=0\n}"),
        "line 2: expected node %0; nodes are numbered in order"
    );
    assert_eq!(message("fn f {\n %0: f32[] = exp(%0)\n}"), "line 2: %0 does not stand before its use");
    assert_eq!(message("fn f {\n %0: f33[] = input \"x\"\n}"), "line 2: there is no element type f33");
    assert_eq!(message("fn f {\n %0: f32[] = softmax\n}"), "line 2: attribute axis is missing");
    assert_eq!(message("fn f {\n %0: f32[] = select axis=1\n}"), "line 2: select has no attribute axis");
    assert_eq!(message("fn f {\n %0: f32[] = iota axis=-1\n}"), "line 2: -1 is not a number that fits here");
    assert_eq!(message("fn f {\n %0: f32[] = conv\n}"), "line 2: there is no op conv");
    assert_eq!(message("fn f {\n output loss \"l\" %0\n}"), "line 2: %0 does not stand before its use");
    assert_eq!(message("fn f {}\n}"), "line 2: expected the end, found '}'");
    assert_eq!(message("fn f {\n \"\\u{d800}\""), "line 2: unknown escape in a string");
}

/// Damaged texts: every prefix, and every byte replaced by bytes that mean something.
#[test]
fn damaged_texts_never_panic() {
    for end in (0..EVERY_OP.len() - 1).step_by(5) {
        assert!(parse(&EVERY_OP[..end]).is_err(), "up to byte {end}");
    }
    for (step, damage) in ["\"", "9", "(", "]", "%", "-", "N", "\\", "=", "\n"].iter().enumerate() {
        for position in (step..EVERY_OP.len()).step_by(37) {
            let mut text = EVERY_OP.to_owned();
            text.replace_range(position..=position, damage);
            if let Ok(function) = parse(&text) {
                // Whatever parses can be verified, and printed if it is well formed.
                let _ = verify(&function);
                assert_eq!(print(&parse(&print(&function)).unwrap()), print(&function));
            }
        }
    }
}
