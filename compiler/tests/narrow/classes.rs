//! Classes of channels as text, for functions as text.

use crate::subject::model;
use dlc_compiler::narrow::Channels;
use expect_test::{Expect, expect};

fn told(text: &str, expected: &Expect) {
    let model = model(text);
    let channels = Channels::of(&model);
    let mut found = channels.text();
    for group in channels.groups() {
        let places = |places: &[(String, usize)]| {
            places.iter().map(|(name, axis)| format!("{name}[{axis}]")).collect::<Vec<_>>().join(" ")
        };
        found.push_str(&format!(
            "{} of {}: by {}; with {}; read by {}\n",
            group.class,
            group.size,
            places(&group.producers),
            places(&group.companions),
            places(&group.consumers)
        ));
    }
    for (name, reason) in channels.whole() {
        found.push_str(&format!("{name} stays: {reason}\n"));
    }
    expected.assert_eq(&found);
}

/// A stem, a residual block, a head; batch-norm as its running statistics see it.
pub(crate) const RESIDUAL: &str = r#"fn f {
  %0: f64[N, 3, 5, 5] = input "x"
  %1: f64[8, 3, 3, 3] = parameter "stem"
  %2: f64[N, 8, 5, 5] = convolve(%0, %1) strides=[1, 1] padding=[(1, 1), (1, 1)] input_dilation=[1, 1] kernel_dilation=[1, 1] groups=1
  %3: f64[8] = parameter "scale"
  %4: f64[8] = parameter "shift"
  %5: (f64[N, 8, 5, 5], f64[8], f64[8]) = batch_norm(%2, %3, %4) axis=1 epsilon=0.1
  %6: f64[N, 8, 5, 5] = project(%5) index=0
  %7: f64[N, 8, 5, 5] = relu(%6)
  %8: f64[6, 8, 3, 3] = parameter "a"
  %9: f64[N, 6, 5, 5] = convolve(%7, %8) strides=[1, 1] padding=[(1, 1), (1, 1)] input_dilation=[1, 1] kernel_dilation=[1, 1] groups=1
  %10: f64[8, 6, 1, 1] = parameter "b"
  %11: f64[N, 8, 5, 5] = convolve(%9, %10) strides=[1, 1] padding=[(0, 0), (0, 0)] input_dilation=[1, 1] kernel_dilation=[1, 1] groups=1
  %12: f64[N, 8, 5, 5] = add(%7, %11)
  %13: f64[N, 8] = reduce(%12) kind=sum axes=[2, 3]
  %14: f64[8, 4] = parameter "head"
  %15: f64[N, 4] = contract(%13, %14) batch=[] contract=[(1, 0)]
  output output "y" %15
}"#;

#[test]
fn a_residual_sum_couples_what_it_adds() {
    told(
        RESIDUAL,
        &expect![[r#"
            a: [c12, c4, 3, 3]
            b: [c4, c12, 1, 1]
            head: [c4, 4]
            scale: [c4]
            shift: [c4]
            stem: [c4, 3, 3, 3]
            c4 of 8: by b[0] stem[0]; with scale[0] shift[0]; read by a[1] head[0]
            c12 of 6: by a[0]; with ; read by b[1]
            head stays: it reaches the output `y`
        "#]],
    );
}

/// Two branches behind one another, flattened with their places, into a dense layer.
pub(crate) const CONCAT: &str = r#"fn f {
  %0: f64[N, 2, 4] = input "x"
  %1: f64[4, 2, 1] = parameter "a"
  %2: f64[6, 2, 1] = parameter "b"
  %3: f64[N, 4, 4] = convolve(%0, %1) strides=[1] padding=[(0, 0)] input_dilation=[1] kernel_dilation=[1] groups=1
  %4: f64[N, 6, 4] = convolve(%0, %2) strides=[1] padding=[(0, 0)] input_dilation=[1] kernel_dilation=[1] groups=1
  %5: f64[N, 10, 4] = concat(%3, %4) axis=1
  %6: f64[10] = parameter "bias"
  %7: f64[N, 10, 4] = broadcast(%6) axes=[1]
  %8: f64[N, 10, 4] = add(%5, %7)
  %9: f64[N, 40] = reshape(%8)
  %10: f64[40, 3] = parameter "head"
  %11: f64[N, 3] = contract(%9, %10) batch=[] contract=[(1, 0)]
  output output "y" %11
}"#;

#[test]
fn a_concatenation_is_a_sum_and_a_flat_axis_a_product() {
    told(
        CONCAT,
        &expect![[r#"
            a: [c3, 2, 1]
            b: [c6, 2, 1]
            bias: [(c3 | c6)]
            head: [(c3 | c6)*4, 3]
            c3 of 4: by a[0]; with bias[0]; read by head[0]
            c6 of 6: by b[0]; with bias[0]; read by head[0]
            head stays: it reaches the output `y`
        "#]],
    );
}

/// Depthwise, grouped and pointwise convolutions.
pub(crate) const GROUPED: &str = r#"fn f {
  %0: f64[N, 2, 4] = input "x"
  %1: f64[8, 2, 1] = parameter "wide"
  %2: f64[N, 8, 4] = convolve(%0, %1) strides=[1] padding=[(0, 0)] input_dilation=[1] kernel_dilation=[1] groups=1
  %3: f64[8, 1, 3] = parameter "depthwise"
  %4: f64[N, 8, 4] = convolve(%2, %3) strides=[1] padding=[(1, 1)] input_dilation=[1] kernel_dilation=[1] groups=8
  %5: f64[8, 8, 1] = parameter "point"
  %6: f64[N, 8, 4] = convolve(%4, %5) strides=[1] padding=[(0, 0)] input_dilation=[1] kernel_dilation=[1] groups=1
  %7: f64[12, 4, 1] = parameter "grouped"
  %8: f64[N, 12, 4] = convolve(%6, %7) strides=[1] padding=[(0, 0)] input_dilation=[1] kernel_dilation=[1] groups=2
  %9: f64[3, 12, 1] = parameter "head"
  %10: f64[N, 3, 4] = convolve(%8, %9) strides=[1] padding=[(0, 0)] input_dilation=[1] kernel_dilation=[1] groups=1
  output output "y" %10
}"#;

#[test]
fn groups_are_a_factor_of_inputs_and_outputs() {
    told(
        GROUPED,
        &expect![[r#"
            depthwise: [c3, c8, 3]
            grouped: [c20*c21, c18, 1]
            head: [3, c20*c21, 1]
            point: [c20*c18, c3, 1]
            wide: [c3, 2, 1]
            c3 of 8: by depthwise[0] wide[0]; with ; read by point[1]
            c18 of 4: by point[0]; with ; read by grouped[1]
            c20 of 2: by grouped[0] point[0]; with ; read by head[1]
            c21 of 6: by grouped[0]; with ; read by head[1]
            head stays: it reaches the output `y`
        "#]],
    );
}

/// Heads of a product of queries and keys, with a norm over the features of the stream.
pub(crate) const ATTENTION: &str = r#"fn f {
  %0: f64[N, 3, 8] = input "x"
  %1: f64[8, 8] = parameter "embed"
  %2: f64[N, 3, 8] = contract(%0, %1) batch=[] contract=[(2, 0)]
  %3: f64[N, 3] = reduce(%2) kind=sum axes=[2]
  %4: f64[] = constant [8.0]
  %5: f64[N, 3] = broadcast(%4) axes=[]
  %6: f64[N, 3] = div(%3, %5)
  %7: f64[N, 3, 8] = broadcast(%6) axes=[0, 1]
  %8: f64[N, 3, 8] = sub(%2, %7)
  %9: f64[8, 8] = parameter "query"
  %10: f64[8, 8] = parameter "key"
  %11: f64[8, 8] = parameter "value"
  %12: f64[N, 3, 8] = contract(%8, %9) batch=[] contract=[(2, 0)]
  %13: f64[N, 3, 8] = contract(%8, %10) batch=[] contract=[(2, 0)]
  %14: f64[N, 3, 8] = contract(%8, %11) batch=[] contract=[(2, 0)]
  %15: f64[N, 3, 2, 4] = reshape(%12)
  %16: f64[N, 3, 2, 4] = reshape(%13)
  %17: f64[N, 3, 2, 4] = reshape(%14)
  %18: f64[N, 2, 3, 3] = contract(%15, %16) batch=[(0, 0), (2, 2)] contract=[(3, 3)]
  %19: f64[N, 2, 3, 3] = softmax(%18) axis=3
  %20: f64[N, 2, 3, 4] = contract(%19, %17) batch=[(0, 0), (1, 2)] contract=[(3, 1)]
  %21: f64[N, 3, 2, 4] = transpose(%20) permutation=[0, 2, 1, 3]
  %22: f64[N, 3, 8] = reshape(%21)
  %23: f64[8, 8] = parameter "output"
  %24: f64[N, 3, 8] = contract(%22, %23) batch=[] contract=[(2, 0)]
  %25: f64[N, 3, 8] = add(%2, %24)
  %26: f64[8, 2] = parameter "head"
  %27: f64[N, 3, 2] = contract(%25, %26) batch=[] contract=[(2, 0)]
  output output "y" %27
}"#;

#[test]
fn a_mean_over_features_keeps_them_and_heads_are_factors() {
    told(
        ATTENTION,
        &expect![[r#"
            embed: [8, 8]
            head: [8, 2]
            key: [8, 2*c19]
            output: [2*c31, 8]
            query: [8, 2*c19]
            value: [8, 2*c31]
            c19 of 4: by key[1] query[1]; with ; read by 
            c31 of 4: by value[1]; with ; read by output[0]
            embed stays: `reduce` needs all of its channels
            head stays: it reaches the output `y`
            output stays: `reduce` needs all of its channels
        "#]],
    );
}

/// A recurrent layer with two gates side by side.
pub(crate) const RECURRENT: &str = r#"fn f {
  %0: f64[5, N, 3] = input "x"
  %1: f64[3, 8] = parameter "input"
  %2: f64[5, N, 8] = contract(%0, %1) batch=[] contract=[(2, 0)]
  %3: f64[] = constant [0.0]
  %4: f64[N, 4] = broadcast(%3) axes=[]
  %5: f64[4, 8] = parameter "hidden"
  %6: (f64[N, 4], f64[5, N, 4]) = scan(%4, %2, %5) steps=5 carries=1 slices=1 reverse=false {
    %0: f64[N, 4] = input "carry.0"
    %1: f64[N, 8] = input "slice.0"
    %2: f64[4, 8] = input "invariant.0"
    %3: f64[N, 8] = contract(%0, %2) batch=[] contract=[(1, 0)]
    %4: f64[N, 8] = add(%1, %3)
    %5: f64[N, 4] = slice(%4) starts=[0, 0] limits=[end, 4] strides=[1, 1]
    %6: f64[N, 4] = slice(%4) starts=[0, 4] limits=[end, 8] strides=[1, 1]
    %7: f64[N, 4] = tanh(%6)
    %8: f64[N, 4] = mul(%5, %7)
    output state "carry.0" %8
    output output "result.0" %8
  }
  %7: f64[N, 4] = project(%6) index=0
  %8: f64[4, 2] = parameter "head"
  %9: f64[N, 2] = contract(%7, %8) batch=[] contract=[(1, 0)]
  output output "y" %9
}"#;

#[test]
fn gates_of_a_recurrent_layer_are_a_sum_of_one_class() {
    told(
        RECURRENT,
        &expect![[r#"
            head: [c6, 2]
            hidden: [c6, (c6 | c6)]
            input: [3, (c6 | c6)]
            c6 of 4: by hidden[1] input[1]; with ; read by head[0] hidden[0]
            head stays: it reaches the output `y`
        "#]],
    );
}

/// What is refused: a softmax, a sort, places along channels, a constant with a value for each channel, an output.
pub(crate) const REFUSED: &str = r#"fn f {
  %0: f64[N, 3] = input "x"
  %1: f64[3, 4] = parameter "a"
  %2: f64[3, 4] = parameter "b"
  %3: f64[3, 4] = parameter "c"
  %4: f64[3, 4] = parameter "d"
  %5: f64[N, 4] = contract(%0, %1) batch=[] contract=[(1, 0)]
  %6: f64[N, 4] = contract(%0, %2) batch=[] contract=[(1, 0)]
  %7: f64[N, 4] = contract(%0, %3) batch=[] contract=[(1, 0)]
  %8: f64[N, 4] = contract(%0, %4) batch=[] contract=[(1, 0)]
  %9: f64[N, 4] = softmax(%5) axis=1 @ "attend"
  %10: f64[N, 4] = iota axis=1 @ "places"
  %11: f64[N, 4] = mul(%6, %10)
  %12: f64[4] = constant [1.0, 2.0, 3.0, 4.0]
  %13: f64[N, 4] = broadcast(%12) axes=[1]
  %14: f64[N, 4] = mul(%7, %13)
  %15: f64[4, 1] = parameter "head"
  %16: f64[N, 1] = contract(%9, %15) batch=[] contract=[(1, 0)]
  %17: f64[N, 1] = contract(%11, %15) batch=[] contract=[(1, 0)]
  %18: f64[4, 1] = parameter "other"
  %19: f64[N, 1] = contract(%14, %18) batch=[] contract=[(1, 0)]
  output output "y" %16
  output output "z" %17
  output output "u" %19
  output output "v" %8
}"#;

#[test]
fn what_needs_all_channels_says_so() {
    told(
        REFUSED,
        &expect![[r#"
            a: [3, 4]
            b: [3, 4]
            c: [3, 4]
            d: [3, 4]
            head: [4, 1]
            other: [4, 1]
            a stays: `softmax` in `attend` needs all of its channels
            b stays: `softmax` in `attend` needs all of its channels
            c stays: a constant has a value for each channel
            d stays: it reaches the output `v`
            head stays: it reaches the output `y`
            other stays: it reaches the output `u`
        "#]],
    );
}
