//! What kernels store.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use dlc_kernel::{Coverage, check_coverage, parse_kernel, store_counts, verify_kernel};
use expect_test::{Expect, expect};

fn check(text: &str, operand: usize, elements: usize, coverage: Coverage, expected: Expect) {
    let kernel = parse_kernel(text).unwrap();
    verify_kernel(&kernel).unwrap();
    let found = check_coverage(&kernel, operand, elements, 3, coverage);
    expected.assert_eq(&found.map_or_else(|error| error.to_string(), |()| "right".to_owned()));
}

fn loop_kernel(space: &str, body: &str) -> String {
    format!("kernel \"k\" (t: i64 read, y: f32 write) space {space} {{\n{body}\n}}")
}

#[test]
fn loops() {
    use Coverage::{AtMostOnce, ExactlyOnce, OneOwner};
    let plain =
        loop_kernel("[N]", "at (i0) v0: f32 = const 0.0 lanes for i1 in 0 .. 4 { store y[5*i0 + i1] = v0 }");
    check(&plain, 1, 15, ExactlyOnce, expect!["element 4 is never stored"]);
    check(&plain, 1, 15, AtMostOnce, expect!["right"]);
    check(&plain, 1, 13, AtMostOnce, expect!["element 13 of an operand of 13 is stored"]);
    check(&plain.replace("5*i0", "4*i0"), 1, 12, ExactlyOnce, expect!["right"]);
    check(
        &plain.replace("5*i0", "3*i0"),
        1,
        10,
        OneOwner,
        expect!["element 3 is stored by several points of the space"],
    );
    let twice = loop_kernel("[N]", "at (i0) v0: f32 = const 0.0 store y[i0] = v0 store y[i0] = v0");
    check(&twice, 1, 3, AtMostOnce, expect!["element 0 is stored 2 times"]);
    check(&twice, 1, 3, OneOwner, expect!["right"]);
    let chunks = loop_kernel(
        "[4]",
        "at (i0) i1 = chunk i0 of 4 over 5*N i2 = chunk i0 + 1 of 4 over 5*N v0: f32 = const 0.0
         for i3 in i1 .. i2 { i4 = (i3) / 5 i5 = (i3) % 5 i6 = i4 + 3*i5 store y[i6] = v0 }",
    );
    check(&chunks, 1, 15, ExactlyOnce, expect!["right"]);
    check(
        &chunks.replace("i4 + 3*i5", "i4 + 2*i5"),
        1,
        15,
        ExactlyOnce,
        expect!["element 2 is stored by several points of the space"],
    );
    let endless = loop_kernel("[]", "v0: f32 = const 0.0 for i0 in 0 .. 999999999999 { }");
    check(&endless, 1, 1, AtMostOnce, expect!["the kernel is too large to count its stores"]);
}

#[test]
fn data_decides() {
    let scatter = loop_kernel(
        "[N]",
        "at (i0) v0 = load t[i0] i1 = clamp v0 below 9 v1: f32 = const 0.0 store y[i1] = v1",
    );
    check(&scatter, 1, 9, Coverage::ExactlyOnce, expect!["right"]);
    let counts = store_counts(&parse_kernel(&scatter).unwrap(), 1, 9, 3).unwrap();
    assert_eq!((counts.unknown, counts.counts), (3, vec![0; 9]));
}

#[test]
fn contractions() {
    use Coverage::{AtMostOnce, ExactlyOnce};
    let kernel = r#"kernel "c" (w: f32 read, x: f32 read, y: f32 write) space [N, 3, 2] contraction {
        dim n  N  parallel     strides [0, 20, 70]
        dim k  4  reduce_outer strides [16, 1, 0]
        dim p  7  rows         strides [0, 4, 10] split 3 align 2 result 0
        dim oc 10 lanes        strides [1, 0, 1] split 2 align 4 result 0
        dim ic 0  reduce       strides [16, 1, 0]
        offsets [0, 0, 0] taps [(0, 0), (64, 4)] tile 1 x 4 }"#;
    check(kernel, 2, 210, ExactlyOnce, expect!["right"]);
    check(kernel, 2, 211, ExactlyOnce, expect!["element 210 is never stored"]);
    check(kernel, 2, 211, AtMostOnce, expect!["right"]);
    check(kernel, 2, 209, AtMostOnce, expect!["element 209 of an operand of 209 is stored"]);
    check(
        &kernel.replace("20, 70]", "20, 60]"),
        2,
        210,
        AtMostOnce,
        expect!["element 60 is stored by several points of the space"],
    );
    check(
        &kernel.replace("4, 10]", "4, 9]"),
        2,
        210,
        AtMostOnce,
        expect!["element 9 is stored by several points of the space"],
    );
    let partial = kernel.replace(
        "ic 0  reduce       strides [16, 1, 0]",
        "ic 5 reduce strides [16, 1, 0] split 2 align 1 result 210",
    );
    let partial = partial.replace("[N, 3, 2]", "[N, 3, 2, 2]");
    check(&partial, 2, 420, ExactlyOnce, expect!["right"]);
    check(
        &partial.replace("result 210", "result 200"),
        2,
        420,
        ExactlyOnce,
        expect!["element 200 is stored by several points of the space"],
    );
    let epilogue = kernel.replace("reduce_outer", "reduce").replace(
        "tile 1 x 4",
        "tile 1 x 4 epilogue (i0, i1, i2, i3, i4) v0 { store y[i0 + 3*i2 + 21*i3] = v0 }",
    );
    check(&epilogue, 2, 210, ExactlyOnce, expect!["right"]);
    // A sum over the rows is stored once for each of the other coordinates.
    let summed = epilogue
        .replace("= v0 }", "= v0 } sum s[10*i0 + i3] = v0")
        .replace(") space [N, 3, 2]", ", s: f32 write) space [N, 2]")
        .replace(" split 3 align 2 result 0", "");
    check(&summed, 3, 30, ExactlyOnce, expect!["right"]);
    check(
        &epilogue.replace("21*i3", "20*i3"),
        2,
        210,
        ExactlyOnce,
        expect!["element 20 is stored by several points of the space"],
    );
}
