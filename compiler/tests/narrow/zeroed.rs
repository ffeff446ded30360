//! Channels that are zero can be taken away without a difference, to the last bit.

use crate::classes::{ATTENTION, CONCAT, GROUPED, RECURRENT, RESIDUAL};
use crate::subject::check;

fn shapes(text: &str) -> Vec<String> {
    check(text).parameters.iter().map(|one| format!("{} {}", one.name, one.ty.shape)).collect()
}

#[test]
fn residual() {
    let expected =
        ["stem [4, 3, 3, 3]", "scale [4]", "shift [4]", "a [3, 4, 3, 3]", "b [4, 3, 1, 1]", "head [4, 4]"];
    assert_eq!(shapes(RESIDUAL), expected);
}

#[test]
fn concatenation_and_flat_axes() {
    assert_eq!(shapes(CONCAT), ["a [2, 2, 1]", "b [3, 2, 1]", "bias [5]", "head [20, 3]"]);
}

#[test]
fn groups() {
    let expected =
        ["wide [4, 2, 1]", "depthwise [4, 1, 3]", "point [2, 4, 1]", "grouped [3, 2, 1]", "head [3, 3, 1]"];
    assert_eq!(shapes(GROUPED), expected);
}

#[test]
fn heads() {
    let expected =
        ["embed [8, 8]", "query [8, 4]", "key [8, 4]", "value [8, 4]", "output [4, 8]", "head [8, 2]"];
    assert_eq!(shapes(ATTENTION), expected);
}

#[test]
fn recurrent() {
    assert_eq!(shapes(RECURRENT), ["input [3, 4]", "hidden [2, 4]", "head [2, 2]"]);
}

/// A transposed kernel, a convolution over a dilated input as a transposed one is, pooling, padding of channels with
/// zeros in a shortcut.
#[test]
fn transposed_and_padded() {
    let narrow = check(
        r#"fn f {
  %0: f64[N, 2, 4] = input "x"
  %1: f64[2, 4, 3] = parameter "up"
  %2: f64[4, 2, 3] = transpose(%1) permutation=[1, 0, 2]
  %3: f64[4, 2, 3] = reverse(%2) axes=[2]
  %4: f64[N, 4, 8] = convolve(%0, %3) strides=[1] padding=[(1, 2)] input_dilation=[2] kernel_dilation=[1] groups=1
  %5: f64[N, 4, 4] = reduce_window(%4) kind=max sizes=[1, 1, 2] strides=[1, 1, 2] dilations=[1, 1, 1] padding=[(0, 0), (0, 0), (0, 0)]
  %6: f64[8, 4, 1] = parameter "next"
  %7: f64[N, 8, 4] = convolve(%5, %6) strides=[1] padding=[(0, 0)] input_dilation=[1] kernel_dilation=[1] groups=1
  %8: f64[] = constant [0.0]
  %9: f64[N, 8, 4] = pad(%5, %8) low=[0, 2, 0] high=[0, 2, 0]
  %10: f64[N, 8, 4] = add(%7, %9)
  %11: f64[N, 4, 8] = transpose(%10) permutation=[0, 2, 1]
  %12: f64[8, 3] = parameter "head"
  %13: f64[N, 4, 3] = contract(%11, %12) batch=[] contract=[(2, 0)]
  output output "y" %13
}"#,
    );
    let shape =
        |name: &str| narrow.parameters.iter().find(|one| one.name == name).unwrap().ty.shape.to_string();
    assert_eq!(["up", "next", "head"].map(shape), ["[2, 2, 3]", "[6, 2, 1]", "[6, 3]"]);
}

/// A table of vectors that are looked up, and two channels of a gated unit that are halves of one axis.
#[test]
fn tables_and_gated_units() {
    let narrow = check(
        r#"fn f {
  %0: i32[N, 2] = input "tokens"
  %1: f64[3, 4] = parameter "table"
  %2: f64[N, 2, 4] = gather(%1, %0) axis=0
  %3: f64[4, 12] = parameter "gates"
  %4: f64[N, 2, 12] = contract(%2, %3) batch=[] contract=[(2, 0)]
  %5: f64[N, 2, 6] = slice(%4) starts=[0, 0, 0] limits=[end, 2, 6] strides=[1, 1, 1]
  %6: f64[N, 2, 6] = slice(%4) starts=[0, 0, 6] limits=[end, 2, 12] strides=[1, 1, 1]
  %7: f64[N, 2, 6] = sigmoid(%6)
  %8: f64[N, 2, 6] = mul(%5, %7)
  %9: f64[N, 12] = reshape(%8)
  %10: f64[12, 2] = parameter "head"
  %11: f64[N, 2] = contract(%9, %10) batch=[] contract=[(1, 0)]
  output output "y" %11
}"#,
    );
    let shape =
        |name: &str| narrow.parameters.iter().find(|one| one.name == name).unwrap().ty.shape.to_string();
    assert_eq!(["table", "gates", "head"].map(shape), ["[3, 2]", "[2, 6]", "[6, 2]"]);
}
