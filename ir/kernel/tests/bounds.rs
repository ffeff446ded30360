//! The proof that accesses stay inside of their buffers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use dlc_kernel::{parse_program, verify_bounds, verify_program};
use expect_test::{Expect, expect};

/// The verdict on one launch of a kernel, with elements for each operand, for batches up to 8.
fn verdict(kernel: &str, elements: &[usize]) -> String {
    let mut text = "program \"p\" arena 0 {\n".to_owned();
    for (position, count) in elements.iter().enumerate() {
        let (dtype, size) =
            if kernel.contains(&format!("o{position}: i64")) { ("i64", 8) } else { ("f32", 4) };
        text += &format!("buffer b{position} \"o\" {dtype} {} bytes binding {position}\n", count * size);
    }
    let arguments: Vec<String> = (0..elements.len()).map(|position| format!("b{position}")).collect();
    text += &format!("{kernel}\nlaunch k0 ({})\n}}", arguments.join(", "));
    let program = parse_program(&text).unwrap();
    verify_program(&program).unwrap();
    verify_bounds(&program, 8).map_or_else(|error| error.to_string(), |()| "right".to_owned())
}

fn loop_kernel(space: &str, body: &str) -> String {
    format!("kernel \"k\" (o0: f32 read, o1: f32 write, o2: i64 read) space {space} {{\n{body}\n}}")
}

fn check(space: &str, body: &str, elements: [usize; 3], expected: Expect) {
    expected.assert_eq(&verdict(&loop_kernel(space, body), &elements));
}

#[test]
fn plain_loops() {
    let body = "at (i0) for i1 in 0 .. 4 { v0 = load o0[4*i0 + i1] store o1[4*i0 - i1 + 3] = v0 }";
    check("[N]", body, [32, 32, 0], expect!["right"]);
    check(
        "[N]",
        body,
        [31, 32, 0],
        expect![
            "bug in dlc: kernel `k` of launch 0: a load of `o0[4*i0 + i1]` may reach elements 0 to 31 of 31, for a batch of 8"
        ],
    );
    check(
        "[N]",
        body,
        [32, 31, 0],
        expect![
            "bug in dlc: kernel `k` of launch 0: a store of `o1[4*i0 - i1 + 3]` may reach elements 0 to 31 of 31, for a batch of 8"
        ],
    );
    check("[4]", body, [16, 16, 0], expect!["right"]);
    // What a loop that never runs would touch is no fault.
    check("[N]", "at (i0) for i1 in 4 .. 4 { v0 = load o0[i1] }", [0, 0, 0], expect!["right"]);
    check("[0]", "at (i0) v0 = load o0[i0]", [0, 0, 0], expect!["right"]);
}

#[test]
fn every_batch_is_tried() {
    // Right for the greatest batch alone: the index goes down as the batch shrinks.
    check(
        "[4]",
        "at (i0) v0 = load o0[i0 + N - 8]",
        [4, 0, 0],
        expect![
            "bug in dlc: kernel `k` of launch 0: a load of `o0[i0 + N - 8]` may reach elements -7 to -4 of 4, for a batch of 1"
        ],
    );
}

#[test]
fn computed_indices() {
    let parts = "at (i0) i1 = (i0) / 3 i2 = (i0) % 3 v0 = load o0[3*i1 + i2] store o1[i2] = v0";
    check("[10]", parts, [10, 3, 0], expect!["right"]);
    check(
        "[10]",
        parts,
        [9, 3, 0],
        expect![
            "bug in dlc: kernel `k` of launch 0: a load of `o0[3*i1 + i2]` may reach elements 0 to 9 of 9, for a batch of 1"
        ],
    );
    let turned = "at (i0) i1 = (i0) / 3 i2 = (i0) % 3 v0 = load o0[i1 + 4*i2]";
    check("[10]", turned, [12, 0, 0], expect!["right"]);
    check(
        "[10]",
        "at (i0) i1 = (i0 - 1) / 3 v0 = load o0[i1]",
        [10, 0, 0],
        expect!["bug in dlc: kernel `k` of launch 0: i1 divides i0 - 1, which may be -1 for a batch of 1"],
    );
    let named = "at (i0) for i1 in 0 .. 4 { i2 = 4*i0 + i1 v0 = load o0[i2 - 4*i0] }";
    check("[N]", named, [4, 0, 0], expect!["right"]);
    let chunks = "at (i0) i1 = chunk i0 of 3 over 5*N i2 = chunk i0 + 1 of 3 over 5*N
        for i3 in i1 .. i2 { v0 = load o0[i3] }";
    check("[3]", chunks, [40, 0, 0], expect!["right"]);
    check(
        "[3]",
        chunks,
        [39, 0, 0],
        expect![
            "bug in dlc: kernel `k` of launch 0: a load of `o0[i3]` may reach elements 0 to 39 of 39, for a batch of 8"
        ],
    );
    let clamped = "at (i0) v0 = load o2[i0] i1 = clamp v0 below 6 v1 = load o0[i1]";
    check("[N]", clamped, [6, 0, 8], expect!["right"]);
    check(
        "[N]",
        clamped,
        [5, 0, 8],
        expect![
            "bug in dlc: kernel `k` of launch 0: a load of `o0[i1]` may reach elements 0 to 5 of 5, for a batch of 1"
        ],
    );
    check(
        "[N]",
        "at (i0) v0 = load o2[i0] i1 = clamp v0 below N - 1",
        [0, 0, 8],
        expect![
            "bug in dlc: kernel `k` of launch 0: i1 is clamped below N - 1, which may be 0 for a batch of 1"
        ],
    );
}

#[test]
fn guards_narrow() {
    let padded = "at (i0, i1, i2) for i3 in 0 .. 3 { for i4 in 0 .. 3 {
        v0 = load o0[16*i0 + 4*i1 + i2 + 4*i3 + i4 - 5] where 0 <= i1 + i3 - 1 < 4, 0 <= i2 + i4 - 1 < 4 else 0.0
    } }";
    check("[N, 4, 4]", padded, [128, 0, 0], expect!["right"]);
    check(
        "[N, 4, 4]",
        padded,
        [127, 0, 0],
        expect![
            "bug in dlc: kernel `k` of launch 0: a load of `o0[16*i0 + 4*i1 + i2 + 4*i3 + i4 - 5]` may reach elements 0 to 127 of 127, for a batch of 8"
        ],
    );
    let half = padded.replace(", 0 <= i2 + i4 - 1 < 4", "");
    check(
        "[N, 4, 4]",
        &half,
        [128, 0, 0],
        expect![
            "bug in dlc: kernel `k` of launch 0: a load of `o0[16*i0 + 4*i1 + i2 + 4*i3 + i4 - 5]` may reach elements -1 to 16 of 128, for a batch of 1"
        ],
    );
    let one = "at (i0) v0 = load o0[3*i0 - 6] where 0 <= 2*i0 - 4 < 5 else 0.0";
    check("[9]", one, [7, 0, 0], expect!["right"]);
    check(
        "[9]",
        one,
        [6, 0, 0],
        expect![
            "bug in dlc: kernel `k` of launch 0: a load of `o0[3*i0 - 6]` may reach elements 0 to 6 of 6, for a batch of 1"
        ],
    );
    let down = "at (i0) v0 = load o0[5 - i0] where 0 <= 5 - i0 < 6 else 0.0";
    check("[9]", down, [6, 0, 0], expect!["right"]);
    let never = "at (i0) v0 = load o0[i0] where 9 <= i0 < 12 else 0.0";
    check("[9]", never, [0, 0, 0], expect!["right"]);
}

#[test]
fn contractions() {
    let kernel = r#"kernel "c" (o0: f32 read, o1: f32 read, o2: f32 write) space [N] contraction {
        dim n  N  parallel strides [0, 20, 64]
        dim p  4  rows     strides [0, 4, 16]
        dim oc 16 lanes    strides [1, 0, 1]
        dim ic 4  reduce   strides [16, 1, 0]
        offsets [0, 0, 0] taps [(0, 0), (64, 4)] tile 1 x 4 }"#;
    let check = |kernel: &str, elements: [usize; 3], expected: Expect| {
        expected.assert_eq(&verdict(kernel, &elements))
    };
    check(kernel, [128, 160, 512], expect!["right"]);
    check(
        kernel,
        [127, 160, 512],
        expect![
            "bug in dlc: kernel `c` of launch 0: a read of `o0[…]` may reach elements 0 to 127 of 127, for a batch of 1"
        ],
    );
    check(
        kernel,
        [128, 159, 512],
        expect![
            "bug in dlc: kernel `c` of launch 0: a read of `o1[…]` may reach elements 0 to 159 of 159, for a batch of 8"
        ],
    );
    check(
        kernel,
        [128, 160, 511],
        expect![
            "bug in dlc: kernel `c` of launch 0: a write of `o2[…]` may reach elements 0 to 511 of 511, for a batch of 8"
        ],
    );
    check(
        &kernel.replace("(64, 4)", "(64, -4)"),
        [128, 160, 512],
        expect![
            "bug in dlc: kernel `c` of launch 0: a read of `o1[…]` may reach elements -4 to 15 of 160, for a batch of 1"
        ],
    );
    check(
        &kernel.replace("[0, 4, 16]", "[0, 4, 15]"),
        [128, 160, 512],
        expect![
            "bug in dlc: kernel `c` of launch 0: two coordinates of the contraction address one result element, for a batch of 1"
        ],
    );
    // Strides that interleave, yet meet nowhere.
    let odd =
        kernel.replace("[0, 4, 16]", "[0, 4, 3]").replace("oc 16", "oc 2").replace("[1, 0, 1]", "[1, 0, 2]");
    check(&odd, [128, 160, 512], expect!["right"]);
    let split =
        kernel.replace("[16, 1, 0]", "[16, 1, 0] split 2 align 1 result 512").replace("[N]", "[N, 2]");
    check(&split, [128, 160, 1024], expect!["right"]);
    check(
        &split,
        [128, 160, 1023],
        expect![
            "bug in dlc: kernel `c` of launch 0: a write of `o2[…]` may reach elements 0 to 1023 of 1023, for a batch of 8"
        ],
    );
    let inner = kernel.replace("[16, 1, 0]", "[16, 1, 0] split 2 align 1 result 64").replace("[N]", "[N, 2]");
    check(
        &inner,
        [128, 160, 1024],
        expect![
            "bug in dlc: kernel `c` of launch 0: two coordinates of the contraction address one result element, for a batch of 4"
        ],
    );
    let epilogue = kernel.replace(
        "tile 1 x 4",
        "tile 1 x 4 epilogue (i0, i1, i2, i3) v0 { store o2[64*i0 + 16*i1 + i2] = v0 }",
    );
    check(&epilogue, [128, 160, 512], expect!["right"]);
    check(
        &epilogue,
        [128, 160, 511],
        expect![
            "bug in dlc: kernel `c` of launch 0: a store of `o2[64*i0 + 16*i1 + i2]` may reach elements 0 to 511 of 511, for a batch of 8"
        ],
    );
}
