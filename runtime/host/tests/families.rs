//! One small case or more of every family of operators, with results that were worked out by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod node;

use dlc_host::{Attribute, Attributes, Element, OperatorName, Value, evaluate, operators};
use node::{call, floats, int, ints, one, small, text, texts};

#[test]
fn conversions() {
    let data = floats(&[4], &[0.4, -3.0, 1e6, f32::NAN]);
    let to =
        |code, extra: &[(&str, Attribute)]| one("Cast", &[&data], &[&[("to", int(code))], extra].concat());
    assert_eq!(to(17, &[]), small(Element::F8E4M3Fn, &[4], &[0x2d, 0xc4, 0x7e, 0x7f]));
    assert_eq!(to(17, &[("saturate", int(0))]), small(Element::F8E4M3Fn, &[4], &[0x2d, 0xc4, 0x7f, 0x7f]));
    assert_eq!(to(8, &[]), texts(&[4], &["0.4", "-3.0", "1000000.0", "nan"]));
    assert_eq!(
        one("Cast", &[&ints(&[3], &[-1, 300, 7])], &[("to", int(2))]),
        small(Element::U8, &[3], &[255, 44, 7])
    );
    let read = one("CastLike", &[&texts(&[2], &["-1e3", "+INF"]), &data], &[]);
    assert_eq!(read, floats(&[2], &[-1000.0, f32::INFINITY]));
    let bits = one("BitCast", &[&small(Element::U8, &[1], &[200])], &[("to", int(3))]);
    assert_eq!(bits, small(Element::I8, &[1], &[200]));
}

#[test]
fn quantization_by_block() {
    let (data, scale) = (floats(&[1, 4], &[1.0, 2.0, 3.0, -40.0]), floats(&[1, 2], &[0.5, 2.0]));
    let (zero, block) = (small(Element::I4, &[1, 2], &[0, 1]), [("block_size", int(2))]);
    let packed = one("QuantizeLinear", &[&data, &scale, &zero], &block);
    // 1 / 0.5, 2 / 0.5, 1.5 to even and 1 more, -20 cut at -8.
    assert_eq!(packed, small(Element::I4, &[1, 4], &[2, 4, 3, 8]));
    let back = one("DequantizeLinear", &[&packed, &scale, &zero], &block);
    assert_eq!(back, floats(&[1, 4], &[1.0, 2.0, 4.0, -18.0]));
}

#[test]
fn movements_of_any_element() {
    let words = texts(&[2, 3], &["a", "b", "c", "d", "e", "f"]);
    assert_eq!(one("Transpose", &[&words], &[]), texts(&[3, 2], &["a", "d", "b", "e", "c", "f"]));
    assert_eq!(
        one("Reshape", &[&words, &ints(&[2], &[3, -1])], &[]),
        texts(&[3, 2], &["a", "b", "c", "d", "e", "f"])
    );
    let (from, to, along, by) =
        (ints(&[1], &[-1]), ints(&[1], &[i64::MIN]), ints(&[1], &[1]), ints(&[1], &[-2]));
    assert_eq!(one("Slice", &[&words, &from, &to, &along, &by], &[]), texts(&[2, 2], &["c", "a", "f", "d"]));
    assert_eq!(one("Gather", &[&words, &ints(&[], &[-1])], &[("axis", int(1))]), texts(&[2], &["c", "f"]));
    assert_eq!(one("Tile", &[&texts(&[1], &["x"]), &ints(&[1], &[3])], &[]), texts(&[3], &["x", "x", "x"]));
    let parts = call("Split", &[&words], &[("axis", int(1)), ("num_outputs", int(2))], 2).unwrap();
    assert_eq!(parts, [texts(&[2, 2], &["a", "b", "d", "e"]), texts(&[2, 1], &["c", "f"])]);
    assert_eq!(one("Concat", &[&parts[0], &parts[1]], &[("axis", int(1))]), words);
    let nibbles = small(Element::U4, &[3], &[1, 2, 3]);
    let padded = one("Pad", &[&nibbles, &ints(&[2], &[2, -1])], &[("mode", text("reflect"))]);
    assert_eq!(padded, small(Element::U4, &[4], &[3, 2, 1, 2]));
    let written = one("ScatterND", &[&nibbles, &ints(&[1, 1], &[-1]), &small(Element::U4, &[1], &[9])], &[]);
    assert_eq!(written, small(Element::U4, &[3], &[1, 2, 9]));
    let constant = one("Constant", &[], &[("value_strings", Attribute::Strings(vec!["k".to_owned()]))]);
    assert_eq!(constant, texts(&[1], &["k"]));
    let counts = one("Range", &[&ints(&[], &[5]), &ints(&[], &[0]), &ints(&[], &[-2])], &[]);
    assert_eq!(counts, ints(&[3], &[5, 3, 1]));
}

#[test]
fn choices_by_value() {
    let mask = small(Element::Bool, &[2, 1], &[1, 0]);
    assert_eq!(
        one("Where", &[&mask, &texts(&[1], &["y"]), &texts(&[1], &["n"])], &[]),
        texts(&[2, 1], &["y", "n"])
    );
    assert_eq!(
        one("Equal", &[&texts(&[2], &["a", "b"]), &texts(&[1], &["b"])], &[]),
        small(Element::Bool, &[2], &[0, 1])
    );
    let data = floats(&[2, 2], &[0.0, 3.0, 0.0, -1.0]);
    assert_eq!(one("NonZero", &[&data], &[]), ints(&[2, 2], &[0, 1, 1, 1]));
    let best = call("TopK", &[&floats(&[4], &[1.0, f32::NAN, 3.0, 3.0]), &ints(&[1], &[3])], &[], 2).unwrap();
    assert_eq!(best[1], ints(&[3], &[1, 2, 3]));
    let unique = call("Unique", &[&texts(&[4], &["b", "a", "b", "c"])], &[("sorted", int(0))], 4).unwrap();
    assert_eq!(unique[0], texts(&[3], &["b", "a", "c"]));
    assert_eq!(unique[2..], [ints(&[4], &[0, 1, 0, 2]), ints(&[3], &[2, 1, 1])]);
    let boxes = floats(&[1, 3, 4], &[0.0, 0.0, 1.0, 1.0, 0.0, 0.1, 1.0, 1.1, 0.0, 5.0, 1.0, 6.0]);
    let kept = one(
        "NonMaxSuppression",
        &[&boxes, &floats(&[1, 1, 3], &[0.5, 0.9, 0.1]), &ints(&[1], &[9]), &floats(&[1], &[0.5])],
        &[],
    );
    assert_eq!(kept, ints(&[2, 3], &[0, 0, 1, 0, 0, 2]));
}

#[test]
fn nothing_at_all() {
    let empty = floats(&[2, 0], &[]);
    let axes = ints(&[1], &[1]);
    let reduced = |name| one(name, &[&empty, &axes], &[("keepdims", int(0))]);
    assert_eq!(reduced("ReduceSum"), floats(&[2], &[0.0, 0.0]));
    assert_eq!(reduced("ReduceProd"), floats(&[2], &[1.0, 1.0]));
    assert_eq!(reduced("ReduceMax"), floats(&[2], &[f32::NEG_INFINITY; 2]));
    assert_eq!(reduced("ReduceLogSumExp"), floats(&[2], &[f32::NEG_INFINITY; 2]));
    assert_eq!(one("Add", &[&empty, &floats(&[1], &[1.0])], &[]), empty);
    assert_eq!(one("Less", &[&empty, &floats(&[1], &[1.0])], &[]), small(Element::Bool, &[2, 0], &[]));
    assert_eq!(one("MatMul", &[&empty, &floats(&[0, 3], &[])], &[]), floats(&[2, 3], &[0.0; 6]));
    let full = floats(&[1], &[1.0]);
    assert!(call("Add", &[&full, &full], &[], 1).unwrap_err().is_unsupported());
}

#[test]
fn strings() {
    let words = texts(&[3], &["Monday", "TUESDAY", "monday"]);
    let stop = ("stopwords", Attribute::Strings(vec!["monday".to_owned()]));
    assert_eq!(
        one("StringNormalizer", &[&words], &[stop.clone(), ("case_change_action", text("LOWER"))]),
        texts(&[1], &["tuesday"])
    );
    let split = call("StringSplit", &[&texts(&[2], &[" a  b c", ""])], &[("maxsplit", int(1))], 2).unwrap();
    assert_eq!(split, [texts(&[2, 2], &["a", "b c", "", ""]), ints(&[2], &[2, 0])]);
    assert_eq!(
        one("StringConcat", &[&words, &texts(&[], &["!"])], &[]),
        texts(&[3], &["Monday!", "TUESDAY!", "monday!"])
    );
    let matches = one("RegexFullMatch", &[&texts(&[2], &["ab12", "ab12 "])], &[("pattern", text(r"\w+|x"))]);
    assert_eq!(matches, small(Element::Bool, &[2], &[1, 0]));
}

#[test]
fn sequences_and_optionals() {
    let data = ints(&[3], &[4, 5, 6]);
    let sequence = one("SplitToSequence", &[&data], &[("keepdims", int(0))]);
    assert_eq!(one("SequenceLength", &[&sequence], &[]), ints(&[], &[3]));
    let longer = one("SequenceInsert", &[&sequence, &ints(&[], &[9]), &ints(&[], &[-1])], &[]);
    assert_eq!(
        one("ConcatFromSequence", &[&longer], &[("axis", int(0)), ("new_axis", int(1))]),
        ints(&[4], &[4, 5, 9, 6])
    );
    assert_eq!(
        one("SequenceAt", &[&one("SequenceErase", &[&longer], &[]), &ints(&[], &[-1])], &[]),
        ints(&[], &[9])
    );
    let none = one("Optional", &[], &[]);
    assert_eq!(one("OptionalHasElement", &[&none], &[]), small(Element::Bool, &[], &[0]));
    let some = one("Optional", &[&data], &[]);
    assert_eq!(one("OptionalGetElement", &[&some], &[]), data);
    assert_eq!(one("Identity", &[&some], &[]), some);
}

#[test]
fn errors_tell_where() {
    let message = |name: &str, inputs: &[&Value]| call(name, inputs, &[], 1).unwrap_err().to_string();
    assert_eq!(message("Conv", &[]), "the host has no operator Conv");
    assert_eq!(
        message("Gather", &[&floats(&[2], &[0.0; 2]), &ints(&[1], &[2])]),
        "Gather: index 2 is outside of 2"
    );
    assert_eq!(message("Transpose", &[]), "Transpose: input 0 is missing");
    let huge = ints(&[2], &[1 << 20, 1 << 20]);
    assert_eq!(
        message("ConstantOfShape", &[&huge]),
        "ConstantOfShape: a tensor of dims [1048576, 1048576] is too large"
    );
    let old = OperatorName { domain: String::new(), op_type: "Cast".to_owned(), version: 1 };
    let error = evaluate(&old, &Attributes::new(), &[], 1).unwrap_err();
    assert_eq!(error.to_string(), "Cast: version 1 (the oldest is 6) is not supported");
}

#[test]
fn the_table_names_each_operator_once() {
    let mut names: Vec<(&str, &str)> = operators().map(|row| (row.domain, row.name)).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
