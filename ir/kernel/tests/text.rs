//! The text form: golden output, round trips of every construct, and mutations that never panic.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use dlc_kernel::{
    Affine, Binary, Body, Comparison, IndexVar, Kernel, LoopBody, Operand, ScalarOp, Statement,
};
use dlc_kernel::{Unary, Var, check_plan, parse_kernel, parse_program, verify_bounds, verify_program};
use dlc_types::index::EntityIndex;
use dlc_types::{DType, Dim};
use expect_test::{Expect, expect};

/// A program with every construct, in the printer's own form.
const EVERYTHING: &str = include_str!("everything.kernels");

fn refused(text: &str, message: Expect) {
    message.assert_eq(&parse_program(text).unwrap_err().to_string());
}

#[test]
fn every_construct_round_trips() {
    let program = parse_program(EVERYTHING).unwrap();
    assert_eq!(program.to_string(), EVERYTHING);
    for kernel in program.kernels.values() {
        assert_eq!(&parse_kernel(&kernel.to_string()).unwrap(), kernel);
    }
}

#[test]
fn every_operation_round_trips() {
    let ops = Unary::ALL.iter().map(|&op| ScalarOp::Unary(op));
    let ops = ops.chain(Binary::ALL.iter().map(|&op| ScalarOp::Binary(op)));
    let ops = ops.chain(Comparison::ALL.iter().map(|&op| ScalarOp::Compare(op)));
    let numbers = [0.0, -0.0, 1.5, 1e-30, -1e300, f64::MAX, f64::INFINITY, f64::NEG_INFINITY, 5e-324];
    let ops = ops.chain(numbers.map(ScalarOp::Constant));
    let ops = ops.chain([i64::MIN, -1, 0, i64::MAX].map(ScalarOp::Integer));
    let ops =
        ops.chain([Dim::N, Dim::Batch(12), Dim::Fixed(0), Dim::Fixed(usize::MAX)].map(ScalarOp::Extent));
    let ops = ops.chain([ScalarOp::FusedMultiplyAdd, ScalarOp::Select, ScalarOp::Cast]);
    let ops = ops.chain([ScalarOp::Index(IndexVar::from_usize(7)), ScalarOp::Random { stream: u32::MAX }]);
    // The number of operands is the verifier's affair: the text form keeps any.
    let statements = ops.enumerate().map(|(position, op)| Statement::Let {
        result: Var::from_usize(position + 10),
        dtype: DType::ALL[position % DType::ALL.len()],
        op,
        args: (0..position % 4).map(Var::from_usize).collect(),
    });
    let body = Body::Loop(LoopBody { coordinates: Vec::new(), statements: statements.collect() });
    let kernel =
        Kernel { name: "every \"op\"\\\n\u{7}é".to_owned(), operands: Vec::new(), space: Vec::new(), body };
    assert_eq!(parse_kernel(&kernel.to_string()).unwrap(), kernel);
}

#[test]
fn operands_that_names_do_not_tell_apart_are_numbered() {
    let operand =
        |name: &str| Operand { name: name.to_owned(), dtype: DType::F32, writes: true, reads: true };
    let store = |operand| Statement::Store { operand, index: Affine::default(), value: Var::from_usize(0) };
    let body = LoopBody { coordinates: Vec::new(), statements: (0..5).map(store).collect() };
    let operands = vec![operand("x"), operand("x"), operand("a b"), operand("block.0.weight")];
    let kernel = Kernel { name: "k".to_owned(), operands, space: Vec::new(), body: Body::Loop(body) };
    expect![[r#"
        kernel "k" (x: f32 read write, x: f32 read write, "a b": f32 read write, block.0.weight: f32 read write) space [] {
          store @0[0] = v0
          store @1[0] = v0
          store "a b"[0] = v0
          store block.0.weight[0] = v0
          store @4[0] = v0
        }
    "#]]
    .assert_eq(&kernel.to_string());
    assert_eq!(parse_kernel(&kernel.to_string()).unwrap(), kernel);
}

#[test]
fn forms_come_back_canonical() {
    let text = "kernel \"k\" () space [] { i9 = 2*i1 + i0 - 3 + 4*i1 - N + i2 - i2 + 5*N + 0*i4 }";
    expect![[r#"
        kernel "k" () space [] {
          i9 = i0 + 6*i1 + 4*N - 3
        }
    "#]]
    .assert_eq(&parse_kernel(text).unwrap().to_string());
    let extreme = "kernel \"k\" () space [] { i9 = -9223372036854775808*i0 - 9223372036854775808 }";
    let kernel = parse_kernel(extreme).unwrap();
    assert_eq!(parse_kernel(&kernel.to_string()).unwrap(), kernel);
}

#[test]
fn errors_name_line_and_cause() {
    refused("", expect!["line 1: expected `program`, found the end"]);
    refused(
        "program \"p\" arena 1 {\n  buffer b1 \"x\" f32 1 bytes arena 0",
        expect!["line 2: b1 is out of order"],
    );
    refused(
        "program \"p\" arena 99999999999999999999 {",
        expect!["line 1: expected a number in range, found `99999999999999999999`"],
    );
    refused("program \"p\" arena 0 {\n\n  launch k0 (b0; b1)", expect!["line 3: unknown character"]);
    refused("program \"p", expect!["line 1: a name without its closing quote"]);
    let kernel = |body: &str| {
        format!("program \"p\" arena 0 {{ kernel \"k\" (x: f32 read) space [] {{\n{body}\n}} }}")
    };
    refused(&kernel("v0 = load y[0]"), expect!["line 2: `y` is no operand of the kernel"]);
    refused(&kernel("v0: f32 = tanhh v1"), expect!["line 2: expected an operation, found `tanhh`"]);
    refused(&kernel("v0: f33 = tanh v1"), expect!["line 2: expected an element type, found `f33`"]);
    refused(&kernel("v4294967296: f32 = tanh v1"), expect!["line 2: expected a value, found `v4294967296`"]);
    refused(&kernel("i0 = 9223372036854775807 + 1"), expect!["line 3: a form that does not fit 64 bits"]);
    refused(
        &kernel("for i0 in 0 .. 4 carry (v1: f32 = v0) {\n}"),
        expect!["line 4: the loop over i0 carries 1 and yields 0"],
    );
    let deep = "for i0 in 0 .. 1 {".repeat(100_000);
    refused(&kernel(&deep), expect!["line 2: more than 64 loops in one another"]);
}

#[test]
fn mutations_never_panic() {
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below.max(1)
    };
    let pieces = [
        "",
        "}",
        "{",
        "(",
        ")",
        "[",
        "\"",
        "\\",
        "-",
        "..",
        "->",
        "i0",
        "v0",
        "N",
        "1",
        "18446744073709551616",
    ];
    let more =
        ["9223372036854775807*", "é", "\n", "@", "yield", "lanes for", "#", "e", ".", "<=", "\\u{110000}"];
    let mut read = 0;
    for _ in 0..4000 {
        let mut text: Vec<char> = EVERYTHING.chars().collect();
        for _ in 0..=random(2) {
            let start = random(text.len());
            let end = (start + random(4)).min(text.len());
            let choice = random(pieces.len() + more.len());
            let piece = pieces.iter().chain(&more).nth(choice).unwrap();
            text.splice(start..end, piece.chars());
        }
        let text: String = text.into_iter().collect();
        if let Ok(program) = parse_program(&text) {
            read += 1;
            assert_eq!(parse_program(&program.to_string()).as_ref(), Ok(&program), "{program}");
            // Whatever could be read can be judged; what the judgement is does not matter here.
            let _ = (verify_program(&program), check_plan(&program), verify_bounds(&program, 3));
        }
    }
    assert!(read > 50, "only {read} mutations could be read");
    for end in (0..EVERYTHING.len()).filter(|&end| EVERYTHING.is_char_boundary(end)).step_by(3) {
        let cut = EVERYTHING.get(..end).unwrap();
        assert!(parse_program(cut).is_err() || end + 2 >= EVERYTHING.len());
    }
}
