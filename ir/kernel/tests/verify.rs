//! The verifier: a good kernel of each kind, and one fault for each rule.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use dlc_kernel::{
    Affine, Body, IndexExpr, IndexVar, Statement, parse_kernel, parse_program, verify_kernel, verify_program,
};
use dlc_types::index::EntityIndex;
use expect_test::{Expect, expect};

const LOOP: &str = r#"
kernel "k" (x: f32 read, t: i64 read, y: f32 write) space [N, 4] {
  at (i0, i1)
  v0: f32 = const 0.0
  v1 = load t[i0]
  i2 = clamp v1 below 8
  i3 = (i0) / 2
  lanes for i4 in 0 .. 8 carry (v2: f32 = v0) {
    v3 = load x[8*i0 + i4]
    for i5 in 0 .. 3 carry (v4: f32 = v3) {
      v5: f32 = mul v4, v3
      yield v5 -> v6
    }
    v7: f32 = add v2, v6
    yield v7 sum -> v8
  }
  lanes for i6 in 0 .. 8 {
    v9 = load x[8*i0 + i6]
    v10: f32 = sub v9, v8
    store y[8*i0 + i6] = v10
  }
}
"#;

const CONTRACTION: &str = r#"
kernel "c" (w: f32 read, x: f32 read, y: f32 read write, b: f32 read, z: f32 write) space [N, 2] contraction {
  dim n  N  parallel strides [0, 64, 128]
  dim p  4  rows     strides [0, 16, 32]
  dim oc 32 lanes    strides [1, 0, 1] split 2 align 8 result 0
  dim ic 16 reduce   strides [32, 1, 0]
  offsets [0, 0, 0]
  taps [(0, 0)]
  tile 2 x 6
  epilogue (i0, i1, i2, i3) v0 {
    v1 = load b[i2]
    v2: f32 = add v0, v1
    store @4[128*i0 + 32*i1 + i2] = v2
  }
}
"#;

const PROGRAM: &str = r#"
program "p" arena 4096 {
  buffer b0 "x" f32 64 bytes arena 0
  buffer b1 "y" f32 64 bytes arena 64
  buffer b2 "n" i64 64 bytes arena 128
  kernel "copy" (x: f32 read, y: f32 write) space [16] { at (i0) v0 = load x[i0] store y[i0] = v0 }
  kernel "again" (x: f32 read, y: f32 write) space [16] { at (i0) v0 = load x[i0] store y[i0] = v0 }
  launch k0 (b0, b1)
}
"#;

fn verdict(text: &str) -> String {
    match verify_kernel(&parse_kernel(text).unwrap()) {
        Ok(()) => "right".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// The verdict on each change of a good text, one on a line.
fn verdicts(good: &str, changes: &[(&str, &str)], expected: Expect) {
    assert_eq!(verdict(good), "right");
    let mut found = String::new();
    for (from, to) in changes {
        assert!(good.contains(from), "{from}");
        found += &verdict(&good.replacen(from, to, 1));
        found += "\n";
    }
    expected.assert_eq(&found);
}

#[test]
fn names_are_assigned_once_before_use() {
    verdicts(
        LOOP,
        &[
            ("v1 = load", "v0 = load"),
            ("i3 = (i0)", "i2 = (i0)"),
            ("for i5 in", "for i1 in"),
            ("yield v7 sum -> v8", "yield v7 sum -> v3"),
            ("sub v9, v8", "sub v9, v7"),
            ("sub v9, v8", "sub v10, v8"),
            ("store y[8*i0 + i6]", "store y[8*i0 + i4]"),
        ],
        expect![[r#"
            bug in dlc: kernel `k`: v0 is assigned twice
            bug in dlc: kernel `k`: i2 is assigned twice
            bug in dlc: kernel `k`: i1 is assigned twice
            bug in dlc: kernel `k`: v3 is assigned twice
            bug in dlc: kernel `k`: v7 is used where it is not defined
            bug in dlc: kernel `k`: v10 is used where it is not defined
            bug in dlc: kernel `k`: i4 is used where it is not defined
        "#]],
    );
}

#[test]
fn operations_have_types() {
    verdicts(
        LOOP,
        &[
            ("mul v4, v3", "mul v4"),
            ("mul v4, v3", "mul v4, v1"),
            ("v5: f32 = mul v4, v3", "v5: f32 = lt v4, v3"),
            ("v5: f32 = mul v4, v3", "v5: f32 = not v4"),
            ("v5: f32 = mul v4, v3", "v5: bool = pow v4, v3"),
            ("v5: f32 = mul v4, v3", "v5: f32 = select v4, v3, v3"),
            ("v5: f32 = mul v4, v3", "v5: f32 = fma v4, v3, v1"),
            ("v5: f32 = mul v4, v3", "v5: f32 = random(1) v1, v1, v1"),
            ("v0: f32 = const 0.0", "v0: f32 = int 0"),
            ("v0: f32 = const 0.0", "v0: i8 = int 128"),
            ("v0: f32 = const 0.0", "v0: bool = extent N"),
        ],
        expect![[r#"
            bug in dlc: kernel `k`: `mul` takes 2 operands, not 1
            bug in dlc: kernel `k`: `mul` takes f32 as operand 1, not i64
            bug in dlc: kernel `k`: `lt` gives bool, not f32
            bug in dlc: kernel `k`: `not` gives bool or an integer of 32 bits or more, not f32
            bug in dlc: kernel `k`: `pow` gives a number of 32 bits or more, not bool
            bug in dlc: kernel `k`: `select` takes bool as operand 0, not f32
            bug in dlc: kernel `k`: `fma` takes f32 as operand 2, not i64
            bug in dlc: kernel `k`: `random` takes i32 as operand 1, not i64
            bug in dlc: kernel `k`: `int` gives an integer type that holds the number, not f32
            bug in dlc: kernel `k`: `int` gives i64, not i8
            bug in dlc: kernel `k`: `extent` gives a number of 32 bits or more, not bool
        "#]],
    );
}

#[test]
fn accesses_fit_operands() {
    verdicts(
        LOOP,
        &[
            ("v9 = load x", "v9 = load y"),
            ("v9 = load x", "v9 = load @3"),
            ("store y[", "store x["),
            ("store y[8*i0 + i6] = v10", "store y[8*i0 + i6] = v1"),
            ("(i0) / 2", "(i0) / 0"),
            ("(i0) / 2", "(i0) % -1"),
            ("(i0) / 2", "chunk i0 of 0 over 4*N"),
            ("clamp v1", "clamp v0"),
            ("at (i0, i1)", "at (i0)"),
        ],
        expect![[r#"
            bug in dlc: kernel `k`: a load from operand `y`, which the kernel does not read
            bug in dlc: kernel `k`: operand 3 of 3 is accessed
            bug in dlc: kernel `k`: a store to operand `x`, which the kernel does not write
            bug in dlc: kernel `k`: v1 of type i64 is stored to operand `y` of type f32
            bug in dlc: kernel `k`: i3 divides by 0
            bug in dlc: kernel `k`: i3 divides by -1
            bug in dlc: kernel `k`: i3 starts a chunk of 0
            bug in dlc: kernel `k`: i2 clamps v0 of type f32; only i32 and i64 are clamped
            bug in dlc: kernel `k`: 1 coordinates for a space of rank 2
        "#]],
    );
}

#[test]
fn lanes_loops_are_independent() {
    verdicts(
        LOOP,
        &[
            ("    for i5", "    lanes for i5"),
            ("for i5 in 0 .. 3", "for i5 in 0 .. i4"),
            ("for i5 in 0 .. 3", "i7 = (i4) / 2 for i5 in i7 .. 3"),
            ("for i5 in 0 .. 3", "v11 = load t[i4] i7 = clamp v11 below 2 for i5 in i7 .. 3"),
            ("for i5 in 0 .. 3", "for i5 in i2 .. 3"),
            ("store y[8*i0 + i6]", "store y[8*i0]"),
            ("lanes for i6 in 0 .. 8 {", "lanes for i6 in 0 .. 1 {"),
        ],
        expect![[r#"
            bug in dlc: kernel `k`: the lanes loop over i5 stands inside the one over i4
            bug in dlc: kernel `k`: the bounds of the loop over i5 depend on the lanes loop over i4
            bug in dlc: kernel `k`: the bounds of the loop over i5 depend on the lanes loop over i4
            bug in dlc: kernel `k`: the bounds of the loop over i5 depend on the lanes loop over i4
            right
            bug in dlc: kernel `k`: a store to `y[8*i0]` does not depend on the lanes loop over i6 around it
            right
        "#]],
    );
}

#[test]
fn carries_combine() {
    verdicts(
        LOOP,
        &[
            ("yield v7 sum -> v8", "yield v7 -> v8"),
            ("yield v5 -> v6", "yield v5 sum -> v6"),
            ("yield v7 sum -> v8", "yield v7 max -> v8"),
            ("add v2, v6", "add v6, v2"),
            ("add v2, v6", "add v2, v2"),
            ("carry (v4: f32 = v3)", "carry (v4: f32 = v2)"),
            ("yield v5 -> v6", "yield v3 -> v6"),
            ("yield v5 -> v6", "yield v4 -> v6"),
            ("carry (v4: f32 = v3)", "carry (v4: f32 = v1)"),
            ("carry (v4: f32 = v3)", "carry (v4: i64 = v1)"),
        ],
        expect![[r#"
            bug in dlc: kernel `k`: the carry v2 of a lanes loop has no way to combine
            bug in dlc: kernel `k`: the carry v4 combines, but its loop is not in lanes
            bug in dlc: kernel `k`: v7 is not `max` of v2 and something that does not depend on v2
            right
            bug in dlc: kernel `k`: v7 is not `sum` of v2 and something that does not depend on v2
            bug in dlc: kernel `k`: v7 is not `sum` of v2 and something that does not depend on v2
            bug in dlc: kernel `k`: v3 is handed to the next iteration, but defined outside of the loop
            right
            bug in dlc: kernel `k`: v1 of type i64 is carried as f32
            bug in dlc: kernel `k`: `mul` takes f32 as operand 0, not i64
        "#]],
    );
}

#[test]
fn forms_are_canonical() {
    for terms in [vec![(1, 0)], vec![(1, 2), (0, 1)], vec![(0, 1), (0, 1)]] {
        let mut kernel = parse_kernel(LOOP).unwrap();
        let Body::Loop(body) = &mut kernel.body else { panic!("a loop kernel") };
        let terms = terms.into_iter().map(|(index, factor)| (IndexVar::from_usize(index), factor)).collect();
        let form = Affine { constant: 1, batch: 0, terms };
        body.statements
            .push(Statement::Index { result: IndexVar::from_usize(99), expr: IndexExpr::Form(form) });
        let message = verify_kernel(&kernel).unwrap_err().to_string();
        assert!(message.ends_with("is not canonical"), "{message}");
    }
}

#[test]
fn contractions_keep_their_rules() {
    verdicts(
        CONTRACTION,
        &[
            ("rows     strides", "sequential strides"),
            ("parallel strides [0, 64", "lanes strides [0, 64"),
            ("x: f32 read, y: f32 read write, b: f32 read, z: f32 write", "b: f32 read"),
            ("x: f32 read,", "x: f64 read,"),
            ("x: f32 read,", "x: f32 write,"),
            ("y: f32 read write", "y: f32 read"),
            ("tile 2 x 6", "tile 2 x 6 accumulate"),
            ("strides [32, 1, 0]", "strides [32, 1, 5]"),
            ("strides [1, 0, 1]", "strides [1, 7, 1]"),
            ("strides [0, 64, 128]", "strides [0, 64, 128] split 2 align 1 result 0"),
            ("split 2 align 8", "split 0 align 8"),
            ("split 2 align 8", "split 2 align 0"),
            ("split 2 align 8 result 0", "split 2 align 8 result 64"),
            ("space [N, 2]", "space [2, N]"),
            ("taps [(0, 0)]", "taps []"),
            ("tile 2 x 6", "tile 0 x 6"),
        ],
        expect![[r#"
            bug in dlc: kernel `c`: 0 dimensions are rows; exactly one is
            bug in dlc: kernel `c`: 2 dimensions are lanes; exactly one is
            bug in dlc: kernel `c`: a contraction has at least 3 operands, not 2
            bug in dlc: kernel `c`: a contraction's first operands have one float type, or are bytes or i16 with sums of i32, not f32, f64 and f32
            bug in dlc: kernel `c`: a load from operand `x`, which the kernel does not read
            right
            right
            bug in dlc: kernel `c`: reduced dimension `ic` has stride 5 in the result
            bug in dlc: kernel `c`: lanes dimension `oc` has stride 7 in the rows operand
            bug in dlc: kernel `c`: parallel dimension `n` is split
            bug in dlc: kernel `c`: dimension `oc` is split into 0 chunks aligned to 8
            bug in dlc: kernel `c`: dimension `oc` is split into 2 chunks aligned to 0
            bug in dlc: kernel `c`: kept dimension `oc` is split with a stride of 64 between results
            bug in dlc: kernel `c`: the space is [2, N], that of the contraction [N, 2]
            bug in dlc: kernel `c`: a contraction without taps
            bug in dlc: kernel `c`: a tile of 0 vectors and 6 rows
        "#]],
    );
}

#[test]
fn sums_of_epilogues_keep_their_rules() {
    let tail = "store @4[128*i0 + 32*i1 + i2] = v2\n  }";
    let summed = CONTRACTION
        .replace("z: f32 write)", "z: f32 write, s: f32 write)")
        .replace(tail, &format!("{tail}\n  sum s[32*i0 + i2] = v2"));
    assert_eq!(verdict(&summed), "right");
    verdicts(
        &summed,
        &[
            ("sum s[32*i0 + i2]", "sum s[32*i0 + i1 + i2]"),
            ("sum s[32*i0 + i2]", "sum s[32*i0 + 2*i2]"),
            ("sum s[32*i0 + i2]", "sum s[32*i0 + i3 + i2]"),
            ("sum s[32*i0 + i2]", "sum b[32*i0 + i2]"),
            ("] = v2\n}", "] = v7\n}"),
        ],
        expect![[r#"
            bug in dlc: kernel `c`: the sum at [32*i0 + i1 + i2] of an epilogue does not fit dimension `p`
            bug in dlc: kernel `c`: the sum at [32*i0 + 2*i2] of an epilogue does not fit dimension `oc`
            bug in dlc: kernel `c`: the epilogue uses i3, a coordinate of reduced dimension `ic`
            bug in dlc: kernel `c`: a store to operand `b`, which the kernel does not write
            bug in dlc: kernel `c`: v7 is used where it is not defined
        "#]],
    );
    let split = summed
        .replace("rows     strides [0, 16, 32]", "rows strides [0, 16, 32] split 2 align 1 result 0")
        .replace("[N, 2]", "[N, 2, 2]");
    expect!["bug in dlc: kernel `c`: a sum of an epilogue beside the split dimension `p`"]
        .assert_eq(&verdict(&split));
}

#[test]
fn epilogues_keep_their_rules() {
    verdicts(
        CONTRACTION,
        &[
            ("(i0, i1, i2, i3) v0", "(i0, i1, i2) v0"),
            ("load b[i2]", "load b[i3]"),
            ("load b[i2]", "load b[i4]"),
            ("v1 = load b[i2]", "v1 = load b[i2] for i4 in 0 .. 2 {}"),
            ("reduce   strides", "reduce_outer strides"),
            ("strides [32, 1, 0]", "strides [32, 1, 0] split 1 align 1 result 0"),
            ("store @4[128*i0 + 32*i1 + i2]", "store z[128*i0 + 32*i1]"),
            ("add v0, v1", "add v0, v3"),
        ],
        expect![[r#"
            bug in dlc: kernel `c`: 3 epilogue coordinates for 4 dimensions
            bug in dlc: kernel `c`: the epilogue uses i3, a coordinate of reduced dimension `ic`
            bug in dlc: kernel `c`: i4 is used where it is not defined
            bug in dlc: kernel `c`: a loop over i4 in an epilogue
            bug in dlc: kernel `c`: an epilogue beside the outer reduction `ic`
            bug in dlc: kernel `c`: the space is [N, 2], that of the contraction [N, 2, 1]
            bug in dlc: kernel `c`: a store to `z[128*i0 + 32*i1]` does not depend on the lanes loop over i2 around it
            bug in dlc: kernel `c`: v3 is used where it is not defined
        "#]],
    );
    let split = CONTRACTION.replace("strides [32, 1, 0]", "strides [32, 1, 0] split 1 align 1 result 0");
    expect!["bug in dlc: kernel `c`: an epilogue beside the split reduction `ic`"]
        .assert_eq(&verdict(&split.replace("space [N, 2]", "space [N, 2, 1]")));
    let (plain, _) = CONTRACTION.split_once("  epilogue").unwrap();
    let plain = format!("{plain}}}");
    verdicts(
        &plain,
        &[
            ("y: f32 read write", "y: f32 read"),
            ("[1, 0, 1]", "[1, 0, 0]"),
            ("strides [32, 1, 0]", "strides [32, 1, 0] split 2 align 1 result 0"),
            ("reduce   strides", "reduce_outer strides"),
        ],
        expect![[r#"
            bug in dlc: kernel `c`: a store to operand `y`, which the kernel does not write
            bug in dlc: kernel `c`: dimension `oc` is kept, but has stride 0 in the result
            bug in dlc: kernel `c`: reduced dimension `ic` is split, but all chunks have one result
            right
        "#]],
    );
    let unread =
        plain.replace("tile 2 x 6", "tile 2 x 6 accumulate").replace("y: f32 read write", "y: f32 write");
    expect!["bug in dlc: kernel `c`: a load from operand `y`, which the kernel does not read"]
        .assert_eq(&verdict(&unread));
    let split = plain.replace("strides [32, 1, 0]", "strides [32, 1, 0] split 2 align 1 result 4096");
    assert_eq!(verdict(&split.replace("space [N, 2]", "space [N, 2, 2]")), "right");
}

#[test]
fn programs_keep_their_rules() {
    let changes = [
        ("arena 4096", "arena 4096"),
        ("\"again\"", "\"copy\""),
        ("launch k0", "launch k2"),
        ("(b0, b1)", "(b0)"),
        ("(b0, b1)", "(b0, b7)"),
        ("(b0, b1)", "(b0, b2)"),
        ("store y[i0]", "store y[i1]"),
    ];
    let mut found = String::new();
    for (from, to) in changes {
        assert!(PROGRAM.contains(from), "{from}");
        let program = parse_program(&PROGRAM.replacen(from, to, 1)).unwrap();
        found += &verify_program(&program).map_or_else(|error| error.to_string(), |()| "right".to_owned());
        found += "\n";
    }
    expect![[r#"
        right
        bug in dlc: kernel `copy`: another kernel has the same name
        bug in dlc: launch 0: k2 is no kernel of the program
        bug in dlc: launch 0: kernel `copy` takes 2 arguments, not 1
        bug in dlc: launch 0: b7 is no buffer of the program
        bug in dlc: launch 0: operand `y` of type f32 is given b2 of type i64
        bug in dlc: kernel `copy`: i1 is used where it is not defined
    "#]]
    .assert_eq(&found);
}

const BYTES: &str = r#"
kernel "b" (w: i8 read, x: i8 read, y: i32 write) space [N] contraction {
  dim n  N  parallel strides [0, 4, 32]
  dim oc 32 lanes    strides [1, 0, 1]
  dim m  1  rows     strides [0, 0, 0]
  dim ic 4  reduce   strides [32, 1, 0]
  offsets [0, 0, 0]
  taps [(0, 0)]
  tile 2 x 1
  turns_rows
}
"#;

#[test]
fn words_are_bytes_or_halves_with_wide_sums() {
    let kernel = parse_kernel(BYTES).unwrap();
    verify_kernel(&kernel).unwrap();
    assert_eq!(parse_kernel(&kernel.to_string()).unwrap(), kernel);
    let fault = |from: &str, to: &str| {
        verify_kernel(&parse_kernel(&BYTES.replace(from, to)).unwrap()).unwrap_err().to_string()
    };
    assert!(fault("x: i8", "x: i16").contains("are bytes or i16"));
    assert!(fault("y: i32", "y: f32").contains("with sums of i32"));
    assert!(fault("w: i8 read, x: i8", "w: i16 read, x: i16").contains("only bytes are"));
    assert!(fault("[1, 0, 1]", "[1, 1, 1]").contains("only floats are"));
}

/// A word is as many elements of the buffer as it has parts.
#[test]
fn words_stay_inside_of_their_buffers() {
    let program = |bytes: usize| {
        let buffers = [("w", "i8", 512), ("x", "i8", bytes), ("y", "i32", 256)];
        let mut text = "program \"p\" arena 0 {\n".to_owned();
        for (number, (name, dtype, bytes)) in buffers.into_iter().enumerate() {
            text += &format!("buffer b{number} \"{name}\" {dtype} {bytes} bytes binding {number}\n");
        }
        let text = format!("{text}{BYTES}\nlaunch k0 (b0, b1, b2)\n}}");
        dlc_kernel::verify::verify_bounds(&parse_program(&text).unwrap(), 2)
    };
    program(32).unwrap();
    assert!(program(31).unwrap_err().to_string().contains("a read"));
}
