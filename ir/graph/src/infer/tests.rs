//! Good and bad nodes per family. A bad one is written in the text form; its message is golden.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::infer;
use crate::{Op, text, verify::verify};
use expect_test::{Expect, expect};

/// Infers the last node of these lines and compares its type, or what is wrong with it.
fn check(nodes: &str, expected: &[(&str, Expect)]) {
    for (last, expected) in expected {
        let function = text::parse(&format!("fn f {{\n{nodes}\n{last}\n}}\n")).unwrap();
        let node = function.nodes.values().last().unwrap();
        let operands: Vec<_> = node.operands.iter().map(|&operand| &function.nodes[operand].ty).collect();
        let result = match infer(&node.op, &operands, node.ty.tensor()) {
            Ok(ty) => format!("ok: {ty}"),
            Err(error) => error.message,
        };
        expected.assert_eq(&result);
        assert_eq!(verify(&function).is_ok(), result.starts_with("ok"), "{last}");
    }
}

#[test]
fn sources() {
    check(
        "%0: i64[] = state \"seed\"  %1: i32[] = state \"step\"",
        &[
            (
                "%2: f32[N, 3] = parameter \"w\"",
                expect!["parameter needs a fixed shape: f32[N, 3] depends on the batch"],
            ),
            (
                "%2: f32[2] = constant [1.0]",
                expect!["constant of type f32[2] needs as many elements as its shape has, not 1"],
            ),
            ("%2: i32[2] = iota axis=1", expect!["iota along axis 1 needs rank 2 or more, not i32[2]"]),
            ("%2: f32[1] = extent dim=N", expect!["extent of N is a scalar number, not f32[1]"]),
            ("%2: f64[4] = random(%0, %1) stream=0", expect!["random gives f32, not f64[4]"]),
            (
                "%2: f32[4] = random(%1, %0) stream=0",
                expect!["random needs a seed i64[] and a step i32[], not i32[] and i64[]"],
            ),
            ("%2: f32[4] = random(%0) stream=0", expect!["random needs 2 operands, not 1"]),
            (
                "%2: f32[N, N] = input \"x\"",
                expect!["input gives f32[N, N], whose size grows with the square of the batch"],
            ),
            (
                "%2: f32[9999999999, 9999999999] = input \"x\"",
                expect![
                    "input gives f32[9999999999, 9999999999], which has more elements than memory can hold"
                ],
            ),
        ],
    );
}

#[test]
fn elementwise() {
    check(
        "%0: f32[N, 128, 16, 16] = input \"x\"  %1: f32[N, 128, 8, 8] = input \"y\"  %2: i32[N, 128, 16, 16] = input \"i\"
         %3: bool[N, 128, 8, 8] = input \"b\"",
        &[
            ("%4: f32[N, 128, 16, 16] = add(%0, %0)", expect!["ok: f32[N, 128, 16, 16]"]),
            ("%4: f32[N, 128, 16, 16] = add(%0, %1)", expect!["add needs operands of one type: f32[N, 128, 16, 16] and f32[N, 128, 8, 8] differ"]),
            ("%4: i32[N, 128, 16, 16] = exp(%2)", expect!["exp needs floats, not i32[N, 128, 16, 16]"]),
            ("%4: bool[N, 128, 8, 8] = max(%3, %3)", expect!["max needs numbers, not bool[N, 128, 8, 8]"]),
            ("%4: f32[N, 128, 16, 16] = select(%3, %0, %0)", expect!["select needs a condition of the operands' shape: bool[N, 128, 8, 8] and f32[N, 128, 16, 16] differ"]),
            ("%4: f32[N, 128, 16, 16] = relu(%0, %1)", expect!["relu needs 1 operand, not 2"]),
            ("%4: f32[N] = relu(%0)", expect!["relu gives f32[N, 128, 16, 16], but f32[N] is declared"]),
        ],
    );
}

#[test]
fn movement() {
    check(
        "%0: f32[N, 4] = input \"x\"  %1: f32[2, 3] = input \"y\"  %2: f32[] = input \"z\"",
        &[
            ("%3: f32[N, 2, 3] = broadcast(%1) axes=[1, 2]", expect!["ok: f32[N, 2, 3]"]),
            (
                "%3: f32[N, 2, 4] = broadcast(%1) axes=[1, 2]",
                expect![
                    "broadcast stretches axes of size 1 only: axis 1 of f32[2, 3] is 3, but axis 2 of f32[N, 2, 4] is 4"
                ],
            ),
            (
                "%3: f32[3, 2] = broadcast(%1) axes=[1, 0]",
                expect!["broadcast needs its axes in ascending order without repetition, not [1, 0]"],
            ),
            ("%3: f32[4N] = reshape(%0)", expect!["ok: f32[4N]"]),
            (
                "%3: f32[3, 3] = reshape(%1)",
                expect!["reshape keeps the number of elements: f32[2, 3] has 6, but f32[3, 3] has 9"],
            ),
            (
                "%3: f32[3, 2] = transpose(%1) permutation=[1, 1]",
                expect!["transpose needs a permutation of the axes of f32[2, 3], not [1, 1]"],
            ),
            (
                "%3: f32[N, 2] = slice(%0) starts=[0, 1] limits=[end, 4] strides=[1, 2]",
                expect!["ok: f32[N, 2]"],
            ),
            (
                "%3: f32[N, 2] = slice(%0) starts=[1, 1] limits=[end, 4] strides=[1, 2]",
                expect!["slice takes an axis of batch size whole: axis 0 of f32[N, 4] is cut"],
            ),
            (
                "%3: f32[N, 2] = slice(%0) starts=[0, 3] limits=[end, 5] strides=[1, 1]",
                expect!["slice 3..5 does not fit axis 1 of f32[N, 4]"],
            ),
            (
                "%3: f32[N, 4] = pad(%0, %2) low=[1, 0] high=[0, 0]",
                expect!["pad leaves an axis of batch size alone: axis 0 of f32[N, 4] is padded"],
            ),
            (
                "%3: f32[2, 0] = pad(%1, %2) low=[18446744073709551615, 0] high=[0, 0]",
                expect!["pad makes f32[2, 3] larger than memory can hold"],
            ),
            (
                "%3: f32[N, 4] = dilate(%0) factors=[2, 1]",
                expect!["dilate leaves an axis of batch size alone: axis 0 of f32[N, 4] is dilated"],
            ),
            ("%3: f32[N, 10] = dilate(%0) factors=[1, 3]", expect!["ok: f32[N, 10]"]),
            ("%3: f32[2, 6] = concat(%1, %1) axis=1", expect!["ok: f32[2, 6]"]),
            (
                "%3: f32[2, 6] = concat(%1, %0) axis=1",
                expect!["concat along axis 1 needs all other axes equal: f32[2, 3] and f32[N, 4] differ"],
            ),
            (
                "%3: f32[2N, 4] = concat(%0, %0) axis=0",
                expect!["concat cannot join along the batch: axis 0 of f32[N, 4]"],
            ),
        ],
    );
}

#[test]
fn reductions_and_contractions() {
    check(
        "%0: f32[N, 4] = input \"x\"  %1: f32[2, 4] = input \"y\"  %2: f32[2, 0] = input \"z\"",
        &[
            ("%3: f32[] = reduce(%0) kind=sum axes=[0, 1]", expect!["ok: f32[]"]),
            (
                "%3: f32[] = reduce(%0) kind=sum axes=[1, 0]",
                expect!["reduce needs its axes in ascending order without repetition, not [1, 0]"],
            ),
            (
                "%3: i32[2] = argmax(%2) axis=1",
                expect!["argmax needs an element to choose, but axis 1 of f32[2, 0] is empty"],
            ),
            (
                "%3: f32[2, 0] = cumulative(%2) kind=sum axis=2 reverse=false",
                expect!["cumulative along axis 2 needs rank 3 or more, not f32[2, 0]"],
            ),
            ("%3: f32[N, 2] = contract(%0, %1) batch=[] contract=[(1, 1)]", expect!["ok: f32[N, 2]"]),
            ("%3: f32[4, 4] = contract(%0, %0) batch=[] contract=[(0, 0)]", expect!["ok: f32[4, 4]"]),
            (
                "%3: f32[N, 4] = contract(%0, %1) batch=[] contract=[(1, 0)]",
                expect![
                    "contract pairs axes of equal size: axis 1 of f32[N, 4] is 4, but axis 0 of f32[2, 4] is 2"
                ],
            ),
            (
                "%3: f32[N] = contract(%0, %0) batch=[(0, 0)] contract=[(0, 0)]",
                expect!["contract pairs each axis once, but axis 0 of its left operand f32[N, 4] twice"],
            ),
            (
                "%3: f32[N, N] = contract(%0, %0) batch=[] contract=[(1, 1)]",
                expect!["contract gives f32[N, N], whose size grows with the square of the batch"],
            ),
        ],
    );
}

#[test]
fn convolutions() {
    let plain = "strides=[1, 1] padding=[(0, 0), (0, 0)] input_dilation=[1, 1]";
    let convolve =
        |ty: &str, operands: &str, rest: &str| format!("%6: f32{ty} = convolve({operands}) {plain} {rest}");
    let cases = [
        (
            convolve("[N, 8, 2, 2]", "%0, %1", "kernel_dilation=[1, 1] groups=2"),
            expect!["ok: f32[N, 8, 2, 2]"],
        ),
        (
            convolve("[N, 8, 2, 2]", "%0, %1", "kernel_dilation=[2, 1] groups=2"),
            expect![
                "convolve needs a kernel that fits: along spatial axis 0 the kernel of 3 at dilation 2 spans 5, but the padded input has 4 (input f32[N, 4, 4, 4], kernel f32[8, 2, 3, 3], padding (0, 0))"
            ],
        ),
        (
            convolve("[N, 8, 2, 2]", "%0, %1", "kernel_dilation=[1, 1] groups=1"),
            expect![
                "convolve with groups=1 needs 2 input channels, but the input f32[N, 4, 4, 4] has 4 (kernel f32[8, 2, 3, 3])"
            ],
        ),
        (
            convolve("[N, 8, 2, 2]", "%2, %1", "kernel_dilation=[1, 1] groups=2"),
            expect![
                "convolve needs an input [N, C, spatial…] and a kernel [O, C/groups, spatial…] of one rank, not f32[N, 4, 4] and f32[8, 2, 3, 3]"
            ],
        ),
        (
            convolve("[4, 8, 2, 2]", "%3, %4", "kernel_dilation=[1, 1] groups=1"),
            expect!["ok: f32[4, 8, 2, 2]"],
        ),
        (
            convolve("[4, 8, 2, 2]", "%3, %5", "kernel_dilation=[1, 1] groups=2"),
            expect![
                "convolve with groups=2 needs 2N input channels, but the input f32[4, N, 4, 4] has N (kernel f32[8, N, 9, 9])"
            ],
        ),
        (
            convolve("[4, 8, 2, 2]", "%3, %5", "kernel_dilation=[1, 9223372036854775807] groups=1"),
            expect![
                "convolve needs a kernel that fits: along spatial axis 0 the kernel of 9 at dilation 1 spans 9, but the padded input has 4 (input f32[4, N, 4, 4], kernel f32[8, N, 9, 9], padding (0, 0))"
            ],
        ),
        (
            convolve("[4, 8, 2, 2]", "%3, %4", "kernel_dilation=[0, 1] groups=1"),
            expect!["convolve needs strides and dilations of at least 1, but spatial axis 0 has a 0"],
        ),
        (
            convolve("[4, 8, 2, 2]", "%3, %4", "kernel_dilation=[1, 9223372036854775807] groups=1"),
            expect![
                "convolve along spatial axis 1 of f32[4, N, 4, 4] makes numbers larger than memory can hold"
            ],
        ),
    ];
    let nodes = "%0: f32[N, 4, 4, 4] = input \"x\"  %1: f32[8, 2, 3, 3] = input \"k\"  %2: f32[N, 4, 4] = input \"y\"
        %3: f32[4, N, 4, 4] = input \"xt\"  %4: f32[8, N, 3, 3] = input \"kt\"  %5: f32[8, N, 9, 9] = input \"large\"";
    for (node, expected) in cases {
        check(nodes, &[(node.as_str(), expected)]);
    }
}

#[test]
fn strides_padding_and_input_dilation_of_convolutions() {
    check(
        "%0: f32[N, 1, 7] = input \"x\"  %1: f32[1, 1, 3] = input \"k\"",
        &[
            (
                "%2: f32[N, 1, 3] = convolve(%0, %1) strides=[2] padding=[(0, 0)] input_dilation=[1] kernel_dilation=[1] groups=1",
                expect!["ok: f32[N, 1, 3]"],
            ),
            (
                "%2: f32[N, 1, 4] = convolve(%0, %1) strides=[2] padding=[(1, 1)] input_dilation=[1] kernel_dilation=[1] groups=1",
                expect!["ok: f32[N, 1, 4]"],
            ),
            (
                "%2: f32[N, 1, 13] = convolve(%0, %1) strides=[1] padding=[(1, 1)] input_dilation=[2] kernel_dilation=[1] groups=1",
                expect!["ok: f32[N, 1, 13]"],
            ),
            (
                "%2: f32[N, 1, 1] = convolve(%0, %1) strides=[1] padding=[(-2, -2)] input_dilation=[1] kernel_dilation=[1] groups=1",
                expect!["ok: f32[N, 1, 1]"],
            ),
            (
                "%2: f32[N, 1, 1] = convolve(%0, %1) strides=[1] padding=[(-3, -2)] input_dilation=[1] kernel_dilation=[1] groups=1",
                expect![
                    "convolve needs a kernel that fits: along spatial axis 0 the kernel of 3 at dilation 1 spans 3, but the padded input has 2 (input f32[N, 1, 7], kernel f32[1, 1, 3], padding (-3, -2))"
                ],
            ),
        ],
    );
}

#[test]
fn windows() {
    check(
        "%0: f32[N, 5] = input \"x\"  %1: f32[N, 3] = input \"y\"  %2: i32[N, 3] = input \"t\"",
        &[
            (
                "%3: f32[N, 3] = reduce_window(%0) kind=max sizes=[1, 2] strides=[1, 2] dilations=[1, 1] padding=[(0, 0), (0, 1)]",
                expect!["ok: f32[N, 3]"],
            ),
            (
                "%3: f32[N, 3] = reduce_window(%0) kind=max sizes=[2, 2] strides=[1, 2] dilations=[1, 1] padding=[(0, 0), (0, 1)]",
                expect!["reduce_window cannot slide along the batch: axis 0 of f32[N, 5]"],
            ),
            (
                "%3: i32[N, 3] = window_argmax(%0) sizes=[1, 4] strides=[1, 1] dilations=[1, 2] padding=[(0, 0), (0, 1)]",
                expect![
                    "window_argmax needs a window that fits: along axis 1 the window of 4 at dilation 2 spans 7, but f32[N, 5] with padding (0, 1) has 6"
                ],
            ),
            (
                "%3: f32[N, 5] = window_scatter(%1, %2) sizes=[1, 2] strides=[1, 2] dilations=[1, 1] padding=[(0, 0), (0, 1)]",
                expect!["ok: f32[N, 5]"],
            ),
            (
                "%3: f32[N, 5] = window_scatter(%1, %2) sizes=[1, 2] strides=[1, 1] dilations=[1, 1] padding=[(0, 0), (0, 1)]",
                expect![
                    "window_scatter to f32[N, 5] needs values of type f32[N, 5], one per window, not f32[N, 3]"
                ],
            ),
        ],
    );
}

#[test]
fn indexing_and_composites() {
    check(
        "%0: f32[N, 5] = input \"x\"  %1: i32[2, 3] = input \"i\"  %2: f32[N, 2, 3] = input \"u\"  %3: f32[5] = input \"s\"
         %4: f32[4] = input \"t\"",
        &[
            ("%5: f32[N, 2, 3] = gather(%0, %1) axis=1", expect!["ok: f32[N, 2, 3]"]),
            ("%5: f32[N, 5, 5] = gather(%0, %0) axis=0", expect!["gather needs indices of type i32, not f32[N, 5]"]),
            ("%5: f32[N, 5] = scatter(%0, %1, %2) axis=1 kind=add", expect!["ok: f32[N, 5]"]),
            ("%5: f32[N, 5] = scatter(%0, %1, %0) axis=1 kind=set", expect!["scatter to f32[N, 5] at indices i32[2, 3] needs updates f32[N, 2, 3], not f32[N, 5]"]),
            ("%5: i32[N, 5] = argsort(%0) axis=1 descending=true", expect!["ok: i32[N, 5]"]),
            ("%5: f32[2, 3] = gather_along(%0, %1) axis=1", expect!["gather_along 1 needs indices of the extents of f32[N, 5] but along the axis, not i32[2, 3]"]),
            ("%5: (f32[N, 5], f32[5], f32[5]) = batch_norm(%0, %3, %3) axis=1 epsilon=1e-5", expect!["ok: (f32[N, 5], f32[5], f32[5])"]),
            ("%5: (f32[N, 5], f32[5], f32[5]) = batch_norm(%0, %3, %4) axis=1 epsilon=1e-5", expect!["batch_norm along axis 1 of f32[N, 5] needs a scale and a shift of type f32[5], not f32[5] and f32[4]"]),
            ("%5: f32[N, 5] = softmax(%0) axis=2", expect!["softmax along axis 2 needs rank 3 or more, not f32[N, 5]"]),
            ("%5: f32[N, 5] = project(%0) index=0", expect!["project needs a tuple, not f32[N, 5]"]),
        ],
    );
}

#[test]
fn a_free_type_must_be_declared() {
    let error = infer(&Op::Reshape, &[], None).unwrap_err();
    assert_eq!(error.message, "reshape needs a declared type");
}
