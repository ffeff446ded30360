//! Faulty layers and losses: each is refused with its place, both shapes and a way out.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use dlc_dsl::{LoadOptions, load_text};
use expect_test::{Expect, expect};
use support::render;

fn refused(text: &str, expected: Expect) {
    let (loaded, sources, diagnostics) = load_text("test.dsl", text, &LoadOptions::default());
    assert!(loaded.is_none(), "accepted");
    expected.assert_eq(&render(&sources, &diagnostics));
}

/// The faults of layers, each on a line of its own.
fn faulty_layers(input: &str, layers: &[&str], expected: Expect) {
    let mut text = format!("dlc 1\nmodel m(x: {input}) -> (y) {{\n");
    for (number, layer) in layers.iter().enumerate() {
        text += &format!("  _a{number} = x |> {layer}\n");
    }
    refused(&(text + "  y = x\n}\n"), expected);
}

/// The faults of `train` sections that differ in a line.
fn faulty_training(lines: &[&str], expected: Expect) {
    let mut faults = String::new();
    for line in lines {
        let defaults = ["loss = cross_entropy(logits, label)", "optimizer = sgd(lr = 0.1)"];
        let key = line.split(' ').next().unwrap();
        let rest = defaults.into_iter().filter(|other| !other.starts_with(key));
        let section: Vec<String> = rest.chain([*line]).map(|line| format!("  {line}\n")).collect();
        let text = format!(
            "dlc 1\nmodel net(x: f32[N, 4]) -> (logits) {{\n  h = x |> dense(5) as hidden\n  \
             logits = h |> dense(3) as head\n}}\n\
             data d {{\n  source = synthetic(samples = 8, classes = 3) -> (x, label)\n}}\n\
             train net on d {{\n{}  epochs = 1\n}}\n",
            section.concat()
        );
        let (loaded, sources, diagnostics) = load_text("test.dsl", &text, &LoadOptions::default());
        assert!(loaded.is_none(), "accepted: {line}");
        faults += &render(&sources, &diagnostics);
    }
    expected.assert_eq(&faults);
}

#[test]
fn normalisation() {
    faulty_layers(
        "f32[N, 6, 5]",
        &["group_norm(4)", "layer_norm(axes = 3)", "rms_norm(axes = 0)", "flatten() |> instance_norm()"],
        expect![[r#"
            error[DLC0301]: 4 groups do not divide the 6 channels of f32[N, 6, 5]
              --> test.dsl:3:25
               |   _a0 = x |> group_norm(4)
               |                         ^ 6 against 4
              note: every group has the same number of channels
            error[DLC0302]: `layer_norm` over the last 3 axes does not fit f32[N, 6, 5]
              --> test.dsl:4:14
               |   _a1 = x |> layer_norm(axes = 3)
               |              ^^^^^^^^^^^^^^^^^^^^ rank 3
              note: the batch is the first axis, and no statistics run over it
            error[DLC0305]: `axes` of `rms_norm` is 0; it lies in 1..=2147483648
              --> test.dsl:5:30
               |   _a2 = x |> rms_norm(axes = 0)
               |                              ^ out of range
            error[DLC0302]: `instance_norm` takes [N, channels, …], got f32[N, 30]
              --> test.dsl:6:27
               |   _a3 = x |> flatten() |> instance_norm()
               |                           ^^^^^^^^^^^^^^^ channels have no extent
        "#]],
    );
}

#[test]
fn maps_of_another_size() {
    faulty_layers(
        "f32[N, 2, 4, 5]",
        &[
            "adaptive_avg_pool((3, 7))",
            "upsample(2, size = 8)",
            "upsample(2, mode = \"cubic\")",
            "upsample(2, align_corners = true)",
            "conv_transpose2d(3, kernel = 3, padding = 4)",
            "conv_transpose2d(3, kernel = 3, stride = 2, output_padding = 2)",
            "conv_transpose1d(3, kernel = 3)",
            "conv_transpose2d(3, kernel = 3, groups = 2)",
            "depthwise_conv2d(kernel = 6)",
        ],
        expect![[r#"
            error[DLC0301]: `adaptive_avg_pool` cannot divide the width of f32[N, 2, 4, 5], which is 5, into 7 parts
              --> test.dsl:3:32
               |   _a0 = x |> adaptive_avg_pool((3, 7))
               |                                ^^^^^^ 7 against 5
              help: a larger map is made by `upsample`
            error[DLC0204]: `upsample` needs `factor` or `size`, and not both
              --> test.dsl:4:14
               |   _a1 = x |> upsample(2, size = 8)
               |              ^^^^^^^^^^^^^^^^^^^^^ how large the map becomes
              help: write `upsample(2)`, or `upsample(size = (32, 32))`
            error[DLC0304]: `mode` of `upsample` is "nearest", "linear" or "bilinear", not the string "cubic"
              --> test.dsl:5:33
               |   _a2 = x |> upsample(2, mode = "cubic")
               |                                 ^^^^^^^ expected "nearest", "linear" or "bilinear"
            error[DLC0305]: `align_corners` is a form of linear upsampling
              --> test.dsl:6:42
               |   _a3 = x |> upsample(2, align_corners = true)
               |                                          ^^^^ the mode is "nearest"
            error[DLC0301]: padding of 4 and 4 leaves nothing of the height, which is 6 for f32[N, 2, 4, 5] before it
              --> test.dsl:7:56
               |   _a4 = x |> conv_transpose2d(3, kernel = 3, padding = 4)
               |                                                        ^ 8 against 6
              note: the padding of a transposed convolution is cut off from its result
            error[DLC0305]: `output_padding` of 2 is not below the stride 2 or the dilation 1
              --> test.dsl:8:75
               |   _a5 = x |> conv_transpose2d(3, kernel = 3, stride = 2, output_padding = 2)
               |                                                                           ^ too large
            error[DLC0302]: `conv_transpose1d` takes a rank-3 tensor [N, channels, length], got the rank-4 tensor f32[N, 2, 4, 5]
              --> test.dsl:9:14
               |   _a6 = x |> conv_transpose1d(3, kernel = 3)
               |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ got f32[N, 2, 4, 5]
              help: bring it to that form with `reshape` or `flatten`
            error[DLC0301]: 2 groups divide neither or only one of 2 inputs and 3 channels
              --> test.dsl:10:55
               |   _a7 = x |> conv_transpose2d(3, kernel = 3, groups = 2)
               |                                                       ^ the input is f32[N, 2, 4, 5]
              note: the number of groups must divide the input's channels and the layer's
            error[DLC0303]: a kernel of 6 does not fit: the height of f32[N, 2, 4, 5] with its padding is only 4
              --> test.dsl:11:14
               |   _a8 = x |> depthwise_conv2d(kernel = 6)
               |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ 6 against 4
              note: a kernel spans (kernel - 1) * dilation + 1 and must lie within the padded input
              help: write `padding = same`, or make the kernel or dilation smaller
        "#]],
    );
}

#[test]
fn sequences() {
    faulty_layers(
        "f32[N, 4, 6]",
        &[
            "attention(heads = 4)",
            "flatten() |> attention(heads = 2)",
            "attention(heads = 2, mask = x > 0)",
            "attention(heads = 2, memory = x |> flatten())",
            "embedding(10, 3)",
            "flatten() |> sinusoidal_positions()",
            "prelu(init = orthogonal)",
            "hard_tanh(low = 1, high = 0)",
        ],
        expect![[r#"
            error[DLC0301]: 4 heads do not divide the 6 features of f32[N, 4, 6]
              --> test.dsl:3:32
               |   _a0 = x |> attention(heads = 4)
               |                                ^ 6 against 4
              note: every head has the same number of features
            error[DLC0302]: `attention` takes [N, length, features], got f32[N, 24]
              --> test.dsl:4:9
               |   _a1 = x |> flatten() |> attention(heads = 2)
               |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ rank 2
              help: channels before length are brought behind it by `transpose([0, 2, 1])`
            error[DLC0301]: `attention` with scores f32[N, 2, 4, 4] cannot take the mask bool[N, 4, 6]
              --> test.dsl:5:42
               |   _a2 = x |> attention(heads = 2, mask = x > 0)
               |                                          ^^^^^ [N, 4, 6] against [N, 2, 4, 4]
              note: a mask is [L, S], [N, S], [N, L, S] or [N, heads, L, S], of bool or of the scores' type
              help: a comparison such as `tokens > 0` gives a mask [N, S] of the keys that count
            error[DLC0302]: `attention` takes [N, length, features], got f32[N, 24]
              --> test.dsl:6:44
               |   _a3 = x |> attention(heads = 2, memory = x |> flatten())
               |                                            ^^^^^^^^^^^^^^ rank 2
              help: channels before length are brought behind it by `transpose([0, 2, 1])`
            error[DLC0308]: `embedding` takes whole numbers, got f32[N, 4, 6]
              --> test.dsl:7:14
               |   _a4 = x |> embedding(10, 3)
               |              ^^^^^^^^^^^^^^^^ not integers
              help: declare the input as `i32[N, …]`, or convert it: `cast(x, "i32")`
            error[DLC0302]: `sinusoidal_positions` takes [N, length, features], got f32[N, 24]
              --> test.dsl:8:27
               |   _a5 = x |> flatten() |> sinusoidal_positions()
               |                           ^^^^^^^^^^^^^^^^^^^^^^ rank 2
              help: channels before length are brought behind it by `transpose([0, 2, 1])`
            error[DLC0302]: `orthogonal` makes matrices, but `_a6.slope` is f32[1]
              --> test.dsl:9:14
               |   _a6 = x |> prelu(init = orthogonal)
               |              ^^^^^^^^^^^^^^^^^^^^^^^^ rank 1
              help: use `normal(0.02)` or `zeros` for it
            error[DLC0305]: `hard_tanh` keeps what lies from 1 to 0, which is nothing
              --> test.dsl:10:14
               |   _a7 = x |> hard_tanh(low = 1, high = 0)
               |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ low must be below high
        "#]],
    );
}

#[test]
fn losses() {
    faulty_training(
        &[
            "loss = cross_entropy(logits, label, weights = [1, 2])",
            "loss = cross_entropy(logits, label, label_smoothing = 2)",
            "loss = cross_entropy(logits, label, ignore = \"none\")",
            "loss = cross_entropy(logits, softmax(logits), ignore = 0)",
            "loss = nll(softmax(logits), label, weights = 3)",
            "loss = cross_entropy(logits, label) + l2(\"haed.*\", 0.1)",
            "loss = cross_entropy(logits, label, weights = mean(logits))",
            "loss = huber(logits, x)",
        ],
        expect![[r#"
            error[DLC0301]: `weights` of `cross_entropy` has 2 numbers, but f32[N, 3] has 3 classes
              --> test.dsl:11:49
               |   loss = cross_entropy(logits, label, weights = [1, 2])
               |                                                 ^^^^^^ 2 against 3
              note: classes are the second axis of the prediction, and each has one number
            error[DLC0305]: `label_smoothing` of `cross_entropy` is 2; it lies between 0 and 1
              --> test.dsl:11:57
               |   loss = cross_entropy(logits, label, label_smoothing = 2)
               |                                                         ^ out of range
            error[DLC0304]: `ignore` of `cross_entropy` is a class number, not the string "none"
              --> test.dsl:11:48
               |   loss = cross_entropy(logits, label, ignore = "none")
               |                                                ^^^^^^ expected a class number
            error[DLC0304]: `ignore` is a class number, but the label of `cross_entropy` is f32[N, 3]
              --> test.dsl:11:58
               |   loss = cross_entropy(logits, softmax(logits), ignore = 0)
               |                                                          ^ labels are no class numbers
              help: give class numbers, or drop `ignore`
            warning[DLC0404]: `nll` takes logarithms of probabilities, but this is the result of `softmax`
              --> test.dsl:11:14
               |   loss = nll(softmax(logits), label, weights = 3)
               |              ^^^^^^^^^^^^^^^ probabilities
              help: use `log_softmax(axis = 1)`
            error[DLC0304]: `weights` of `nll` is numbers that are not negative, one per class, not the number 3
              --> test.dsl:11:48
               |   loss = nll(softmax(logits), label, weights = 3)
               |                                                ^ expected numbers that are not negative, one per class
            error[DLC0406]: no parameter's path fits "haed.*"
              --> test.dsl:11:44
               |   loss = cross_entropy(logits, label) + l2("haed.*", 0.1)
               |                                            ^^^^^^^^ penalises nothing
              help: did you mean "head"?
            error[DLC0301]: `weights` of `cross_entropy` is f32[], but the prediction is f32[N, 3]
              --> test.dsl:11:49
               |   loss = cross_entropy(logits, label, weights = mean(logits))
               |                                                 ^^^^^^^^^^^^ [] against [N, 3]
              note: classes are the second axis of the prediction, and each has one number
            error[DLC0301]: `huber` compares f32[N, 3] with f32[N, 4]
              --> test.dsl:11:10
               |   loss = huber(logits, x)
               |          ^^^^^^^^^^^^^^^^ [N, 3] against [N, 4]
              note: prediction and target must have one shape
        "#]],
    );
}

#[test]
fn optimisers_and_schedules() {
    faulty_training(
        &[
            "optimizer = adamm(lr = 0.1)",
            "optimizer = rmsprop(lr = 0.1, alpha = 1)",
            "optimizer = adagrad(lr = one_cycle(0.1, momentum = (0.9, 0.8)))",
            "optimizer = muon(lr = 0.1, except = \"tail\")",
            "optimizer = sgd(lr = step(0.1))",
            "optimizer = sgd(lr = step(0.1, at = [3, -1]))",
            "optimizer = sgd(lr = warmup(plateau(0.1), over = 3))",
            "optimizer = sgd(lr = cosine(0.1, period = 0))",
            "optimizer = sgd(lr = cosine(0.1, period = 3, per = \"week\"))",
            "optimizer = sgd(lr = exponential(0.1, 1.5))",
        ],
        expect![[r#"
            error[DLC0202]: an optimizer cannot be `adamm`
              --> test.dsl:11:15
               |   optimizer = adamm(lr = 0.1)
               |               ^^^^^ unknown
              help: did you mean `adam`?
            error[DLC0305]: `alpha` of `rmsprop` is 1; it is at least 0 and below 1
              --> test.dsl:11:41
               |   optimizer = rmsprop(lr = 0.1, alpha = 1)
               |                                         ^ out of range
            error[DLC0305]: `adagrad` has no momentum that a schedule could set
              --> test.dsl:11:15
               |   optimizer = adagrad(lr = one_cycle(0.1, momentum = (0.9, 0.8)))
               |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ without momentum
              help: write `momentum = none` in the schedule
            error[DLC0406]: no parameter's path fits "tail"
              --> test.dsl:11:39
               |   optimizer = muon(lr = 0.1, except = "tail")
               |                                       ^^^^^^ excepts nothing
              help: paths look like "hidden.weight"; `*` stands for any text
            error[DLC0204]: `step` needs `every` or `at`, and not both
              --> test.dsl:11:24
               |   optimizer = sgd(lr = step(0.1))
               |                        ^^^^^^^^^ when the rate changes
              help: write `every = 30`, or `at = [30, 60]`
            error[DLC0304]: `at` of `step` is a list of times above 0, not a list of 2
              --> test.dsl:11:39
               |   optimizer = sgd(lr = step(0.1, at = [3, -1]))
               |                                       ^^^^^^^ expected a list of times above 0
            error[DLC0305]: `plateau` is the outermost part of a learning rate
              --> test.dsl:11:24
               |   optimizer = sgd(lr = warmup(plateau(0.1), over = 3))
               |                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ inside of `warmup`
              help: write `plateau(warmup(0.1, over = 5))`
            error[DLC0305]: `period` of `cosine` is 0; a time is above 0
              --> test.dsl:11:45
               |   optimizer = sgd(lr = cosine(0.1, period = 0))
               |                                             ^ not a time
            error[DLC0304]: `per` of `cosine` is "epoch" or "step", not the string "week"
              --> test.dsl:11:54
               |   optimizer = sgd(lr = cosine(0.1, period = 3, per = "week"))
               |                                                      ^^^^^^ expected "epoch" or "step"
            error[DLC0305]: `factor` of `exponential` is 1.5; it lies between 0.000000000001 and 1
              --> test.dsl:11:41
               |   optimizer = sgd(lr = exponential(0.1, 1.5))
               |                                         ^^^ out of range
        "#]],
    );
}

#[test]
fn updates() {
    faulty_training(
        &[
            "groups = group(\"tail.*\", lr = 0.1)",
            "groups = group(\"*\", lr = 0.1), group(\"head\", lr = 0.2)",
            "groups = group(\"head\")",
            "clip = norm(0)",
            "clip = 1.0",
            "accumulate = 0",
            "average = ema(decay = 1)",
            "average = mean()",
        ],
        expect![[r#"
            error[DLC0406]: no parameter's path fits "tail.*"
              --> test.dsl:12:18
               |   groups = group("tail.*", lr = 0.1)
               |                  ^^^^^^^^ groups nothing
              help: paths look like "hidden.weight"; `*` stands for any text
            error[DLC0406]: all parameters that fit "head" are in groups before this one
              --> test.dsl:12:40
               |   groups = group("*", lr = 0.1), group("head", lr = 0.2)
               |                                        ^^^^^^ groups nothing
              note: a parameter belongs to the first group that it fits
              help: put the narrower group first
            error[DLC0204]: this group differs in nothing
              --> test.dsl:12:12
               |   groups = group("head")
               |            ^^^^^^^^^^^^^ neither `lr` nor `weight_decay`
              help: write such as `group("head.*", lr = 0.1)`
            error[DLC0305]: `max` of `norm` is 0; it lies between 0.000001 and 1000000000000
              --> test.dsl:12:15
               |   clip = norm(0)
               |               ^ out of range
            error[DLC0304]: a bound for gradients is written as a call of norm, value
              --> test.dsl:12:10
               |   clip = 1.0
               |          ^^^ not a call
            error[DLC0305]: `accumulate` is a whole number in 1..=1048576, not the number 0
              --> test.dsl:12:16
               |   accumulate = 0
               |                ^ out of range
            error[DLC0305]: `decay` of `ema` is 1; it is at least 0 and below 1
              --> test.dsl:12:25
               |   average = ema(decay = 1)
               |                         ^ out of range
            error[DLC0202]: an average of weights cannot be `mean`
              --> test.dsl:12:13
               |   average = mean()
               |             ^^^^ unknown
              help: did you mean `ema`?
        "#]],
    );
}
