//! Faulty programs: each is refused with its place, both shapes, the rule and a way out.
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

fn model(header: &str, body: &str) -> String {
    format!("dlc 1\nmodel m({header}) -> (y) {{\n{body}\n}}\n")
}

#[test]
fn a_dilated_kernel_larger_than_its_input() {
    let text = model("x: f32[N, 1, 4, 4]", "  y = x |> conv2d(8, kernel = 3, dilation = 2) as conv");
    refused(
        &text,
        expect![[r#"
        error[DLC0303]: a kernel of 3 at dilation 2 spans 5, but the height of f32[N, 1, 4, 4] with its padding is only 4
          --> test.dsl:3:12
           |   y = x |> conv2d(8, kernel = 3, dilation = 2) as conv
           |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ 5 against 4
          note: a kernel spans (kernel - 1) * dilation + 1 and must lie within the padded input
          help: write `padding = same`, or make the kernel or dilation smaller
    "#]],
    );
}

#[test]
fn a_rank_3_tensor_fed_to_conv2d() {
    let text = model("x: f32[N, 28, 28]", "  y = x |> conv2d(8, kernel = 3) as conv |> relu()");
    refused(
        &text,
        expect![[r#"
        error[DLC0302]: `conv2d` takes a rank-4 tensor [N, channels, height, width], got the rank-3 tensor f32[N, 28, 28]
          --> test.dsl:3:12
           |   y = x |> conv2d(8, kernel = 3) as conv |> relu()
           |            ^^^^^^^^^^^^^^^^^^^^^ got f32[N, 28, 28]
          note: channels are the second axis
          help: add the axis that is missing, such as one channel: `reshape([N, 1, 28, 28])`
    "#]],
    );
}

#[test]
fn a_residual_add_of_maps_of_different_size() {
    let body = "  a = x |> conv2d(128, kernel = 3, padding = 1)\n  b = x |> conv2d(128, kernel = 3, stride = 2, padding = 1)\n  \
                y = relu(a + b)";
    refused(
        &model("x: f32[N, 64, 16, 16]", body),
        expect![[r#"
        error[DLC0301]: `+` cannot join f32[N, 128, 16, 16] and f32[N, 128, 8, 8]
          --> test.dsl:5:12
           |   y = relu(a + b)
           |            ^^^^^ axis 2: 16 against 8, axis 3: 16 against 8
          note: the axes of both sides, counted from the last, must be equal or 1
          help: bring the larger one to the other's size: `conv2d(128, kernel = 1, stride = 2)` on the skip path, or drop the stride on the other
    "#]],
    );
}

#[test]
fn a_dense_layer_for_maps_that_were_never_pooled() {
    let features = "  h = x |> conv2d(128, kernel = 3, padding = same) as conv |> relu()\n";
    let reshaped = format!("{features}  y = h |> reshape([N, 128 * 56 * 56]) |> dense(10) as head");
    refused(
        &model("x: f32[N, 3, 224, 224]", &reshaped),
        expect![[r#"
        error[DLC0301]: `reshape` cannot turn f32[N, 128, 224, 224] (6422528N elements) into [N, 401408] (401408N elements)
          --> test.dsl:4:12
           |   y = h |> reshape([N, 128 * 56 * 56]) |> dense(10) as head
           |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^ 6422528N against 401408N
          note: a reshape keeps the number of elements
          help: the maps are 16 times larger than expected, as if no pooling ever shrank them: put 2 times `max_pool(2)` before, or let `dense(units)` infer its inputs
    "#]],
    );
    let multiplied =
        format!("{features}  w = parameter(f32[128 * 56 * 56, 10], init = xavier)\n  y = flatten(h) @ w");
    refused(
        &model("x: f32[N, 3, 224, 224]", &multiplied),
        expect![[r#"
        error[DLC0301]: `@` cannot multiply f32[N, 6422528] by f32[401408, 10]
          --> test.dsl:5:7
           |   y = flatten(h) @ w
           |       ^^^^^^^^^^^^^^ 6422528 against 401408
          note: the last axis of the left side must be as long as the last but one of the right
          help: the maps are 16 times larger than expected, as if no pooling ever shrank them: put 2 times `max_pool(2)` before, or let `dense(units)` infer its inputs
    "#]],
    );
    let declared = format!("{features}  y = h |> flatten() |> dense(10, inputs = 128 * 56 * 56)");
    refused(
        &model("x: f32[N, 3, 224, 224]", &declared),
        expect![[r#"
        error[DLC0301]: `dense` is declared for 401408 inputs, but gets f32[N, 6422528]
          --> test.dsl:4:44
           |   y = h |> flatten() |> dense(10, inputs = 128 * 56 * 56)
           |                                            ^^^^^^^^^^^^^ 6422528 against 401408
          note: `dense` multiplies the last axis, which must be as long as its weight's first
          help: the maps are 16 times larger than expected, as if no pooling ever shrank them: put 2 times `max_pool(2)` before, or let `dense(units)` infer its inputs
    "#]],
    );
}

#[test]
fn unknown_layers_keys_and_names_all_at_once() {
    let body = "  h = x |> con2d(8, kernel = 3) |> batchnorm() as bn\n  g = x |> conv2d(8, kernel = 3, stide = 2)\n  \
                k = rleu(xs)\n  unused = relu(x)\n  y = h + g + k";
    refused(
        &model("x: f32[N, 3, 8, 8]", body),
        expect![[r#"
        error[DLC0202]: no layer, block or function is called `con2d`
          --> test.dsl:3:12
           |   h = x |> con2d(8, kernel = 3) |> batchnorm() as bn
           |            ^^^^^ unknown layer
          help: did you mean `conv2d`?
        error[DLC0202]: no layer, block or function is called `batchnorm`
          --> test.dsl:3:36
           |   h = x |> con2d(8, kernel = 3) |> batchnorm() as bn
           |                                    ^^^^^^^^^ unknown layer
          help: did you mean `batch_norm`?
        error[DLC0203]: `conv2d` has no key `stide`
          --> test.dsl:4:34
           |   g = x |> conv2d(8, kernel = 3, stide = 2)
           |                                  ^^^^^ unknown key
          help: did you mean `stride`?
        error[DLC0202]: no layer, block or function is called `rleu`
          --> test.dsl:5:7
           |   k = rleu(xs)
           |       ^^^^ unknown layer
          help: did you mean `relu`?
        error[DLC0201]: nothing is called `xs` here
          --> test.dsl:5:12
           |   k = rleu(xs)
           |            ^^ unknown name
          help: did you mean `x`?
        error[DLC0207]: the value `unused` is never used
          --> test.dsl:6:3
           |   unused = relu(x)
           |   ^^^^^^ bound here, read nowhere
          help: delete it, or call it `_unused`
    "#]],
    );
    let body = "  unused = relu(x)\n  y = x";
    refused(
        &model("x: f32[N, 3, 8, 8]", body),
        expect![[r#"
        error[DLC0207]: the value `unused` is never used
          --> test.dsl:3:3
           |   unused = relu(x)
           |   ^^^^^^ bound here, read nowhere
          help: delete it, or call it `_unused`
    "#]],
    );
}

#[test]
fn paths_must_be_there_and_differ() {
    let body = "  h = x |> dense(4) |> relu() |> dense(4)\n  for i in 0..2 {\n    h = h |> dense(4) as hidden\n  }\n  \
                a, b = [dense(h, 2), h]\n  y = a + b";
    refused(
        &model("x: f32[N, 4]", body),
        expect![[r#"
            error[DLC0205]: two layers have the path `h`
              --> test.dsl:3:34
               |   h = x |> dense(4) |> relu() |> dense(4)
               |                                  ^^^^^^^^ `h` again
              --> test.dsl:3:12
               |   h = x |> dense(4) |> relu() |> dense(4)
               |            ^^^^^^^^ first here
              help: give one of them another path with `as NAME`; to share weights write `shared = layer …` once and call `shared(x)`
            error[DLC0205]: two layers have the path `hidden`
              --> test.dsl:5:14
               |     h = h |> dense(4) as hidden
               |              ^^^^^^^^ `hidden` again in a later turn of the loop
              help: number it: `as "hidden{i}"`, with the loop's variable
            error[DLC0206]: `dense` has trainable values but no path
              --> test.dsl:7:11
               |   a, b = [dense(h, 2), h]
               |           ^^^^^^^^^^^ neither bound to one name nor named
              help: write `dense(…) as NAME`
            error[DLC0301]: `+` cannot join f32[N, 2] and f32[N, 4]
              --> test.dsl:8:7
               |   y = a + b
               |       ^^^^^ axis 1: 2 against 4
              note: the axes of both sides, counted from the last, must be equal or 1
              help: bring both to one shape with `reshape`, `transpose` or a slice
        "#]],
    );
}

#[test]
fn grammar_faults_all_at_once() {
    let text = "model m(x: f32[N, 4], k = 3) -> (y) {\n  y = x |> relu\n}\nblok b(x) { return x }\nmodel n(x: f32[N, 4]) \
                -> (y) {\n  a = (x\n  y = x + ;\n  y = \"abc\n}\n";
    refused(
        text,
        expect![[r#"
            error[DLC0106]: the file does not start with its version line
              --> test.dsl:1:1
               | model m(x: f32[N, 4], k = 3) -> (y) {
               | ^^^^^ expected `dlc 1`
              help: write `dlc 1` as the first line
            error[DLC0104]: expected `:` and the input's type, found `=`
              --> test.dsl:1:25
               | model m(x: f32[N, 4], k = 3) -> (y) {
               |                         ^ expected `:` and the input's type
              help: inputs have a type, as in `image: f32[N, 3, 32, 32]`; options are written `option width = 16`
            error[DLC0104]: expected `)`, found `y`
              --> test.dsl:7:3
               |   y = x + ;
               |   ^ expected `)`
            error[DLC0102]: this string has no closing quote on its line
              --> test.dsl:8:7
               |   y = "abc
               |       ^^^^ starts here
              help: close it with `"`
        "#]],
    );
}

#[test]
fn recursion_and_endless_loops() {
    let text = "dlc 1\nblock f(x) { return g(x) }\nblock g(x) { return f(x) }\nmodel m(x: f32[N, 4]) -> (y) {\n  y = f(x)\n}\n";
    refused(
        text,
        expect![[r#"
        error[DLC0208]: the block `f` uses itself
          --> test.dsl:3:21
           | block g(x) { return f(x) }
           |                     ^^^^ a use inside of itself
          help: there is no recursion; write a `for` loop
    "#]],
    );
    let body = "  y = x\n  for i in 0..1000000000 {\n    for j in 0..1000000000 {\n      k = i + j\n      _ = k\n    }\n  }";
    refused(
        &model("x: f32[N, 4]", body),
        expect![[r#"
            error[DLC0307]: the program unrolls to too much
              --> test.dsl:6:11
               |       k = i + j
               |           ^^^^^ given up here
              note: the limits are 1000000 statements, 5000000 values and 200000 graph nodes
        "#]],
    );
    refused(
        &model("x: f32[N, 1, 1000001]", "  y = x |> adaptive_max_pool(1000000)"),
        expect![[r#"
        error[DLC0307]: the program unrolls to too much
          --> test.dsl:3:12
           |   y = x |> adaptive_max_pool(1000000)
           |            ^^^^^^^^^^^^^^^^^^^^^^^^^^ given up here
          note: the limits are 1000000 statements, 5000000 values and 200000 graph nodes
    "#]],
    );
    refused(
        &model("x: f32[N, 4]", "  y = x |> dense(2^62 * 3)"),
        expect![[r#"
        error[DLC0306]: 4611686018427387904 * 3 overflows 64 bits or divides by zero
          --> test.dsl:3:18
           |   y = x |> dense(2^62 * 3)
           |                  ^^^^^^^^ cannot be computed
    "#]],
    );
    refused(
        &model("x: f32[N, 2147483648, 2147483648]", "  y = x"),
        expect![[r#"
        error[DLC0307]: a tensor f32[N, 2147483648, 2147483648] is too large
          --> test.dsl:2:12
           | model m(x: f32[N, 2147483648, 2147483648]) -> (y) {
           |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ more than 2^40 elements, or the square of the batch
    "#]],
    );
}

const NET: &str = "dlc 1\nmodel net(x: f32[N, 4]) -> (logits) {\n  logits = x |> dense(3)\n}\n";

#[test]
fn data_and_train_sections() {
    let sections = "data d {\n  source = csv(\"f.csv\", target = \"y\") -> (x, label)\n  transform = z |> scale(2) |> \
                    min_mx()\n  batch = 0\n  spilt = split(test = 0.2)\n}\ntrain net on d {\n  loss = cross_entropy(logits, \
                    lable)\n  metrics = accuracy(logits, label)\n  optimizer = sgd(lr = one_cycle(maximum = 0.1), momentum = 1.5)\n  \
                    monitor = acuracy\n  freeze = [\"stem.*\"]\n}\n";
    refused(
        &format!("{NET}{sections}"),
        expect![[r#"
            error[DLC0402]: the source has no field `z`
              --> test.dsl:7:15
               |   transform = z |> scale(2) |> min_mx()
               |               ^ unknown field
              help: did you mean `x`?
            error[DLC0202]: a step of `transform` cannot be `min_mx`
              --> test.dsl:7:32
               |   transform = z |> scale(2) |> min_mx()
               |                                ^^^^^^ unknown
              help: did you mean `min_max`?
            error[DLC0305]: `batch` is a whole number in 1..=16777216, not the number 0
              --> test.dsl:8:11
               |   batch = 0
               |           ^ out of range
            error[DLC0203]: a `data` section has no key `spilt`
              --> test.dsl:9:3
               |   spilt = split(test = 0.2)
               |   ^^^^^ unknown key
              help: did you mean `split`?
            error[DLC0401]: the `train` section has no `epochs`
              --> test.dsl:11:7
               | train net on d {
               |       ^^^^^^^^ in the section of this header
              help: write `epochs = 10`
            error[DLC0201]: nothing is called `lable` here
              --> test.dsl:12:32
               |   loss = cross_entropy(logits, lable)
               |                                ^^^^^ unknown name
              help: did you mean `label`?
            error[DLC0204]: `one_cycle` needs `max`
              --> test.dsl:14:24
               |   optimizer = sgd(lr = one_cycle(maximum = 0.1), momentum = 1.5)
               |                        ^^^^^^^^^^^^^^^^^^^^^^^^ `max` is missing
              note: the arguments are max, warmup, div, final_div, momentum
            error[DLC0203]: `one_cycle` has no key `maximum`
              --> test.dsl:14:34
               |   optimizer = sgd(lr = one_cycle(maximum = 0.1), momentum = 1.5)
               |                                  ^^^^^^^ unknown key
              help: the keys are max, warmup, div, final_div, momentum
            error[DLC0305]: `momentum` of `sgd` is 1.5; it is at least 0 and below 1
              --> test.dsl:14:61
               |   optimizer = sgd(lr = one_cycle(maximum = 0.1), momentum = 1.5)
               |                                                             ^^^ out of range
        "#]],
    );
    let sections = "data d {\n  source = csv(\"f.csv\", target = \"y\") -> (x, label: i32[N, 3])\n}\ntrain net on d {\n  loss = \
                    cross_entropy(logits, label)\n  optimizer = adam(lr = 0.1)\n  epochs = 2\n  monitor = acuracy\n  freeze = \
                    [\"stem.*\"]\n}\n";
    refused(
        &format!("{NET}{sections}"),
        expect![[r#"
            error[DLC0301]: `cross_entropy` of f32[N, 3] takes class numbers i32[N], got i32[N, 3]
              --> test.dsl:9:10
               |   loss = cross_entropy(logits, label)
               |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ [N, 3] against [N]
              note: class numbers have the shape of the scores without their second axis
            error[DLC0201]: there is no metric `acuracy`
              --> test.dsl:12:13
               |   monitor = acuracy
               |             ^^^^^^^ unknown metric
              help: loss and metrics are loss
            error[DLC0406]: no parameter's path fits "stem.*"
              --> test.dsl:13:12
               |   freeze = ["stem.*"]
               |            ^^^^^^^^^^ freezes nothing
              help: paths look like "logits.weight"; `*` stands for any text
        "#]],
    );
    let sections = "data d {\n  source = csv(\"f.csv\", target = \"y\") -> (image, label)\n}\ntrain net on d {\n  loss = \
                    cross_entropy(logits, label)\n  optimizer = adam(lr = 0.1)\n  epochs = 2\n  monitor = acuracy\n  freeze = \
                    [\"logit.*\"]\n}\n";
    refused(
        &format!("{NET}{sections}"),
        expect![[r#"
            error[DLC0402]: no field of `d` feeds the input `x`
              --> test.dsl:6:12
               |   source = csv("f.csv", target = "y") -> (image, label)
               |            ^^^^^^^^^^^^^^^^^^^^^^^^^^ yields image, label
              help: name a field `x` behind `->`
            error[DLC0207]: nothing uses the field `image`
              --> test.dsl:6:43
               |   source = csv("f.csv", target = "y") -> (image, label)
               |                                           ^^^^^ neither an input of the model nor part of the loss
              help: give it the name of the model's input, or use it in `loss`
            error[DLC0201]: there is no metric `acuracy`
              --> test.dsl:12:13
               |   monitor = acuracy
               |             ^^^^^^^ unknown metric
              help: loss and metrics are loss
            error[DLC0406]: no parameter's path fits "logit.*"
              --> test.dsl:13:12
               |   freeze = ["logit.*"]
               |            ^^^^^^^^^^^ freezes nothing
              help: did you mean "logits"?
        "#]],
    );
}

#[test]
fn settings_that_fit_nothing() {
    let settings = [("net.width", "3"), ("trane.epochs", "3"), ("train.epochs", "3 +")];
    let settings = settings.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let (_, sources, diagnostics) = load_text("test.dsl", NET, &LoadOptions { settings, importer: None });
    expect![[r#"
        error[DLC0405]: the setting `net.width` fits nothing
          --> --set:1:1
           | net.width=3
           | ^^^^^^^^^ unknown setting
          help: the model `net` has no options
        error[DLC0405]: the setting `trane.epochs` fits nothing
          --> --set:1:1
           | trane.epochs=3
           | ^^^^^^^^^^^^ unknown setting
          help: did you mean `train.epochs`?
        error[DLC0104]: expected a value, found the end of the file
          --> --set:1:17
           | train.epochs=3 +
           |                 ^ expected a value
    "#]]
    .assert_eq(&render(&sources, &diagnostics));
}

#[test]
fn data_that_does_not_fit_the_model() {
    let sections = "data d {\n  source = csv(\"f.csv\", target = \"y\", features = [\"a\", \"b\"]) -> (x, label)\n  transform = x |> \
                    normalize(mean = [1, 2, 3], std = [1, 1, 1])\n}\ntrain net on d {\n  loss = label * 2\n  optimizer = \
                    adam(lr = 0)\n  epochs = 2\n}\n";
    refused(
        &format!("{NET}{sections}"),
        expect![[r#"
        error[DLC0403]: the type of the target `label` is not known here
          --> test.dsl:10:10
           |   loss = label * 2
           |          ^^^^^^^^^ not given to a loss yet
          help: declare it in the data section: `source = … -> (x, label: f32[N, 1])`
        error[DLC0305]: `lr` of `adam` is 0; a rate is above 0
          --> test.dsl:11:25
           |   optimizer = adam(lr = 0)
           |                         ^ not a rate
    "#]],
    );
    let sections = "data d {\n  source = csv(\"f.csv\", target = \"y\", features = [\"a\", \"b\"]) -> (x, label)\n  transform = x |> \
                    normalize(mean = [1, 2, 3], std = [1, 1, 1])\n}\ntrain net on d {\n  loss = cross_entropy(softmax(logits), label)\n  optimizer = \
                    adam(lr = 0.1)\n  epochs = 2\n}\n";
    refused(
        &format!("{NET}{sections}"),
        expect![[r#"
            error[DLC0402]: the source yields 2 feature columns, but the model's `x` is f32[N, 4]
              --> test.dsl:6:12
               |   source = csv("f.csv", target = "y", features = ["a", "b"]) -> (x, label)
               |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ 2 feature columns per sample
            error[DLC0301]: `normalize` has 3 means, but `x` has 4 channels
              --> test.dsl:6:12
               |   source = csv("f.csv", target = "y", features = ["a", "b"]) -> (x, label)
               |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the source of that field
              note: `normalize` takes one value, or one per channel
            warning[DLC0404]: `cross_entropy` takes logits, but this is the result of `softmax`
              --> test.dsl:10:24
               |   loss = cross_entropy(softmax(logits), label)
               |                        ^^^^^^^^^^^^^^^ probabilities
              help: use `cross_entropy_probabilities`, or drop the `softmax`
        "#]],
    );
}

fn with_metric(outputs: usize, loss: &str, label: &str, rest: &str) -> String {
    format!(
        "dlc 1\nmodel m(x: f32[N, 4]) -> (y) {{ y = x |> dense({outputs}) as head }}\n\
         data d {{ source = csv(\"t.csv\", target = \"t\") -> (x, t{label}) }}\n\
         train m on d {{\n  loss = {loss}(y, t)\n  optimizer = sgd(lr = 0.1)\n  epochs = 1\n  {rest}\n}}\n"
    )
}

#[test]
fn early_stopping_that_cannot_be() {
    let early = |rest: &str| with_metric(3, "cross_entropy", "", rest);
    refused(
        &early("early_stop = early_stop(patience = 0)"),
        expect![[r#"
        error[DLC0305]: `patience` of `early_stop` is 0; it lies in 1..=1073741824
          --> test.dsl:8:38
           |   early_stop = early_stop(patience = 0)
           |                                      ^ out of range
    "#]],
    );
    refused(
        &early("early_stop = early_stop(patience = 2, metric = acuracy)\n  metrics = accuracy(y, t)"),
        expect![[r#"
            error[DLC0201]: there is no metric `acuracy`
              --> test.dsl:8:50
               |   early_stop = early_stop(patience = 2, metric = acuracy)
               |                                                  ^^^^^^^ unknown metric
              help: did you mean `accuracy`?
        "#]],
    );
    refused(
        &early(
            "monitor = loss\n  early_stop = early_stop(patience = 2, metric = accuracy)\n  metrics = accuracy(y, t)",
        ),
        expect![[r#"
            error[DLC0209]: `early_stop` and `monitor` name different metrics; one decides what is best
              --> test.dsl:9:50
               |   early_stop = early_stop(patience = 2, metric = accuracy)
               |                                                  ^^^^^^^^ `accuracy`
              --> test.dsl:8:13
               |   monitor = loss
               |             ^^^^ `loss`
              help: drop one of the two
        "#]],
    );
}

#[test]
fn recurrent_layers_that_do_not_fit() {
    let header = "x: f32[N, 5, 3], flat: f32[N, 3], state: f32[N, 7]";
    let body = "  a = x |> lstm(4) as a |> dense(2) as b\n  c = flat |> gru(4, output = last) as c\n  \
                d = x |> gru(4, initial = state, output = first) as d\n  \
                e = x |> gru(4, initial = state, output = last) as e\n  \
                f = x |> lstm(4, initial = state, output = all) as f\n  \
                g = x |> rnn(4, nonlinearity = \"sigmoid\", output = last) as g\n  y = a + c + d + e + f + g";
    refused(
        &model(header, body),
        expect![[r#"
        error[DLC0304]: `x` of `dense` is a tensor, not a list of 3
          --> test.dsl:3:7
           |   a = x |> lstm(4) as a |> dense(2) as b
           |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ 3 values
          help: bind its values to names first, as in `y, h = gru(x, 32)`; of a recurrent layer `output = all` or `output = last` gives one value
        error[DLC0302]: `gru` takes [N, length, features], got f32[N, 3]
          --> test.dsl:4:15
           |   c = flat |> gru(4, output = last) as c
           |               ^^^^^^^^^^^^^^^^^^^^^ rank 2
          help: one step is `reshape([N, 1, -1])`; channels become features by `transpose([0, 2, 1])`
        error[DLC0201]: nothing is called `first` here
          --> test.dsl:5:45
           |   d = x |> gru(4, initial = state, output = first) as d
           |                                             ^^^^^ unknown name
        error[DLC0301]: a first state of `gru` is f32[N, 4], not f32[N, 7]
          --> test.dsl:6:29
           |   e = x |> gru(4, initial = state, output = last) as e
           |                             ^^^^^ is f32[N, 7]
        error[DLC0304]: `initial` of `lstm` is a list of two tensors, `[h, c]`, not a tensor f32[N, 7]
          --> test.dsl:7:30
           |   f = x |> lstm(4, initial = state, output = all) as f
           |                              ^^^^^ expected a list of two tensors, `[h, c]`
        error[DLC0304]: `nonlinearity` of `rnn` is "tanh" or "relu", not the string "sigmoid"
          --> test.dsl:8:34
           |   g = x |> rnn(4, nonlinearity = "sigmoid", output = last) as g
           |                                  ^^^^^^^^^ expected "tanh" or "relu"
    "#]],
    );
}
