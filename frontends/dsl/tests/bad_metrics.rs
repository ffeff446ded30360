//! Metrics that fit neither the output, nor the target, nor what the loss takes them for.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod support;

use dlc_dsl::{LoadOptions, load_text};
use expect_test::expect;
use support::render;

/// A model with `outputs` scores, trained by a loss on a target of that type, with one metric.
fn with_metric(outputs: &str, loss: &str, target: &str, metric: &str) -> String {
    format!(
        "dlc 1\nmodel m(x: f32[N, 4]) -> (y) {{ y = x |> {outputs} }}\n\
         data d {{ source = numpy(\"d.npz\") -> (x, t{target}) }}\n\
         train m on d {{\n  loss = {loss}\n  metrics = {metric}\n  optimizer = sgd(lr = 0.1)\n  epochs = 1\n}}\n"
    )
}

fn told(text: &str) -> Option<String> {
    let (loaded, sources, diagnostics) = load_text("m", text, &LoadOptions::default());
    loaded.is_none().then(|| render(&sources, &diagnostics))
}

const SCORES: &str = "dense(3) as a";
const SCORE: &str = "dense(1) as a";
const MAPS: &str = "reshape([N, 1, 2, 2]) |> conv2d(3, kernel = 1) as a";

#[test]
fn metrics_that_do_not_fit_are_refused_with_both_shapes() {
    let cases = [
        // Numbers are no classes.
        (SCORE, "mse(y, t)", ": f32[N, 1]", "auc(y, t)"),
        (SCORE, "huber(y, t)", ": f32[N, 1]", "accuracy(y, t)"),
        (SCORE, "mae(reshape(y, [N]), t)", ": f32[N]", "f1(reshape(y, [N]), t)"),
        (SCORES, "mse(y, t)", ": f32[N, 3]", "mean_iou(y, t)"),
        (SCORES, "mse(y, t)", ": f32[N, 3]", "average_precision(y, t)"),
        (SCORES, "mse(y, t)", ": f32[N, 3]", "top_k(y, t, k = 2)"),
        // Classes are no numbers.
        (SCORES, "cross_entropy(y, t)", "", "r2(y, t)"),
        (SCORE, "binary_cross_entropy(y, t)", ": f32[N, 1]", "rmse(y, t)"),
        (SCORES, "cross_entropy(y, t)", ": f32[N, 3]", "mae(y, t)"),
        // Shapes.
        (SCORES, "mse(y, t)", ": f32[N, 3]", "r2(y, x)"),
        (SCORES, "sum(y) * mean(t)", ": f32[N]", "accuracy(y, t)"),
        (SCORES, "sum(y) * mean(t)", ": f32[N, 5]", "confusion_matrix(y, t)"),
        (SCORES, "cross_entropy(y, t)", "", "mean_iou(reshape(y, [N, 3, 1, 1]), t)"),
        (SCORE, "binary_cross_entropy(y, t)", ": f32[N, 1]", "recall(concat(y, y), t)"),
        (MAPS, "cross_entropy(y, t)", "", "auc(y, t)"),
        (MAPS, "cross_entropy(y, t)", "", "accuracy(mean(y, [2, 3]), t)"),
        (
            "dense(3) as a |> sigmoid()",
            "binary_cross_entropy_probabilities(y, t)",
            ": f32[N, 3]",
            "precision(y, t)",
        ),
        // Numbers of classes.
        (SCORES, "cross_entropy(y, t)", "", "f1(y, t, average = binary)"),
        (SCORES, "cross_entropy(y, t)", "", "top_k(y, t)"),
        (SCORES, "cross_entropy(y, t)", "", "top_k(y, t, k = 3)"),
        (SCORE, "binary_cross_entropy(y, t)", ": f32[N, 1]", "top_k(y, t, k = 1)"),
        (SCORES, "cross_entropy(y, t)", ": f32[N, 3]", "accuracy(y, t, ignore = 0)"),
        (SCORE, "binary_cross_entropy(y, t)", ": f32[N, 1]", "f1(y, t, ignore = 0)"),
        // Calls.
        (SCORES, "cross_entropy(y, t)", "", "1 - auc(y, t) as rest"),
        (SCORES, "cross_entropy(y, t)", "", "f1(y, t, average = mean)"),
    ];
    let mut all = String::new();
    for (outputs, loss, target, metric) in cases {
        let text = with_metric(outputs, loss, target, metric);
        all.push_str(&told(&text).unwrap_or_else(|| panic!("accepted: {loss}, {metric}")));
        all.push('\n');
    }
    expect![[r#"
        error[DLC0404]: `auc` measures decisions between classes, but the loss takes `t` for numbers
          --> m:6:13
           |   metrics = auc(y, t)
           |             ^^^^^^^^^ f32[N, 1] against f32[N, 1]
          help: `mae`, `rmse` and `r2` measure numbers; if `t` holds classes, give a probability: `auc(sigmoid(…), …)`

        error[DLC0404]: `accuracy` measures decisions between classes, but the loss takes `t` for numbers
          --> m:6:13
           |   metrics = accuracy(y, t)
           |             ^^^^^^^^^^^^^^ f32[N, 1] against f32[N, 1]
          help: `mae`, `rmse` and `r2` measure numbers; if `t` holds classes, give a probability: `accuracy(sigmoid(…), …)`

        error[DLC0404]: `f1` measures decisions between classes, but the loss takes `t` for numbers
          --> m:6:13
           |   metrics = f1(reshape(y, [N]), t)
           |             ^^^^^^^^^^^^^^^^^^^^^^ f32[N] against f32[N]
          help: `mae`, `rmse` and `r2` measure numbers; if `t` holds classes, give a probability: `f1(sigmoid(…), …)`

        error[DLC0404]: `mean_iou` measures decisions between classes, but the loss takes `t` for numbers
          --> m:6:13
           |   metrics = mean_iou(y, t)
           |             ^^^^^^^^^^^^^^ f32[N, 3] against f32[N, 3]
          help: `mae`, `rmse` and `r2` measure numbers; if `t` holds classes, give a probability: `mean_iou(softmax(…), …)`

        error[DLC0404]: `average_precision` measures decisions between classes, but the loss takes `t` for numbers
          --> m:6:13
           |   metrics = average_precision(y, t)
           |             ^^^^^^^^^^^^^^^^^^^^^^^ f32[N, 3] against f32[N, 3]
          help: `mae`, `rmse` and `r2` measure numbers; if `t` holds classes, give a probability: `average_precision(softmax(…), …)`

        error[DLC0404]: `top_k` measures decisions between classes, but the loss takes `t` for numbers
          --> m:6:13
           |   metrics = top_k(y, t, k = 2)
           |             ^^^^^^^^^^^^^^^^^^ f32[N, 3] against f32[N, 3]
          help: `mae`, `rmse` and `r2` measure numbers; if `t` holds classes, give a probability: `top_k(softmax(…), …)`

        error[DLC0404]: `r2` measures distances between numbers, but the loss takes `t` for classes
          --> m:6:13
           |   metrics = r2(y, t)
           |             ^^^^^^^^ f32[N, 3] against i32[N]
          help: `accuracy`, `f1` and `auc` measure decisions; a probability has a distance: `r2(softmax(…), …)`

        error[DLC0404]: `rmse` measures distances between numbers, but the loss takes `t` for classes
          --> m:6:13
           |   metrics = rmse(y, t)
           |             ^^^^^^^^^^ f32[N, 1] against f32[N, 1]
          help: `accuracy`, `f1` and `auc` measure decisions; a probability has a distance: `rmse(sigmoid(…), …)`

        error[DLC0404]: `mae` measures distances between numbers, but the loss takes `t` for classes
          --> m:6:13
           |   metrics = mae(y, t)
           |             ^^^^^^^^^ f32[N, 3] against f32[N, 3]
          help: `accuracy`, `f1` and `auc` measure decisions; a probability has a distance: `mae(softmax(…), …)`

        error[DLC0301]: `r2` compares f32[N, 3] with f32[N, 4]
          --> m:6:13
           |   metrics = r2(y, x)
           |             ^^^^^^^^ [N, 3] against [N, 4]
          note: prediction and target must have one shape

        error[DLC0301]: `accuracy` of f32[N, 3] takes class numbers i32[N] or labels f32[N, 3], got f32[N]
          --> m:6:13
           |   metrics = accuracy(y, t)
           |             ^^^^^^^^^^^^^^ [N, 3] against [N]
          help: class numbers are integers: declare the field as such, `i32[N]`

        error[DLC0301]: `confusion_matrix` of f32[N, 3] takes class numbers i32[N] or labels f32[N, 3], got f32[N, 5]
          --> m:6:13
           |   metrics = confusion_matrix(y, t)
           |             ^^^^^^^^^^^^^^^^^^^^^^ [N, 3] against [N, 5]
          help: one-hot labels have one number per score

        error[DLC0301]: `mean_iou` of f32[N, 3, 1, 1] takes class numbers i32[N, 1, 1], got i32[N]
          --> m:6:13
           |   metrics = mean_iou(reshape(y, [N, 3, 1, 1]), t)
           |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ [N] against [N, 1, 1]
          note: class numbers have the shape of the scores without their second axis

        error[DLC0301]: `recall` of f32[N, 2] takes class numbers i32[N] or labels f32[N, 2], got f32[N, 1]
          --> m:6:13
           |   metrics = recall(concat(y, y), t)
           |             ^^^^^^^^^^^^^^^^^^^^^^^ [N, 2] against [N, 1]
          help: one-hot labels have one number per score

        error[DLC0302]: `auc` takes one score per sample or scores [N, classes], not f32[N, 3, 2, 2]
          --> m:6:13
           |   metrics = auc(y, t)
           |             ^^^^^^^^^ [N, 3, 2, 2] against [N, 2, 2]
          help: areas are of samples, not of places: take `mean_iou` or `f1`, or one score per sample, such as a mean over places

        error[DLC0301]: `accuracy` of f32[N, 3] takes class numbers i32[N], got i32[N, 2, 2]
          --> m:6:13
           |   metrics = accuracy(mean(y, [2, 3]), t)
           |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ [N, 2, 2] against [N]
          note: class numbers have the shape of the scores without their second axis

        error[DLC0301]: `precision` tells classes of one decision per sample apart, but f32[N, 3] holds several yes-or-no decisions
          --> m:6:13
           |   metrics = precision(y, t)
           |             ^^^^^^^^^^^^^^^ [N, 3] against [N, 3]
          help: `accuracy` takes them one by one; else measure one column, as in `f1(y[:, 0:1], t[:, 0:1])`

        error[DLC0305]: `average = binary` of `f1` needs two classes, not 3
          --> m:6:32
           |   metrics = f1(y, t, average = binary)
           |                                ^^^^^^ more than yes and no
          help: use macro, micro, weighted or per_class

        error[DLC0305]: the label is always among the 5 largest of the 3 scores of f32[N, 3]
          --> m:6:13
           |   metrics = top_k(y, t)
           |             ^^^^^^^^^^^ not below the number of classes
          help: `k` is 5 where it is not given

        error[DLC0305]: the label is always among the 3 largest of the 3 scores of f32[N, 3]
          --> m:6:29
           |   metrics = top_k(y, t, k = 3)
           |                             ^ not below the number of classes
          help: `k` is 5 where it is not given

        error[DLC0305]: the label is always among the 1 largest of the 1 scores of f32[N, 1]
          --> m:6:29
           |   metrics = top_k(y, t, k = 1)
           |                             ^ not below the number of classes
          help: `k` is 5 where it is not given

        error[DLC0304]: `ignore` is a class number, but the label of `accuracy` is f32[N, 3]
          --> m:6:37
           |   metrics = accuracy(y, t, ignore = 0)
           |                                     ^ labels are no class numbers
          help: give class numbers, or drop `ignore`

        error[DLC0304]: `ignore` is a class number, but the label of `f1` is f32[N, 1]
          --> m:6:31
           |   metrics = f1(y, t, ignore = 0)
           |                               ^ labels are no class numbers
          help: give class numbers, or drop `ignore`

        error[DLC0404]: a metric is a call, which gives it its name
          --> m:6:13
           |   metrics = 1 - auc(y, t) as rest
           |             ^^^^^^^^^^^^^ has no name
          help: write a call such as `accuracy(logits, label)`

        error[DLC0201]: nothing is called `mean` here
          --> m:6:32
           |   metrics = f1(y, t, average = mean)
           |                                ^^^^ unknown name

    "#]].assert_eq(&all);
}

#[test]
fn metrics_that_fit_are_taken() {
    let cases = [
        // A probability has a distance from 0 and 1, and decides.
        ("dense(1) as a |> sigmoid()", "mse(y, t)", ": f32[N, 1]", "accuracy(y, t), auc(y, t)"),
        (SCORE, "mse(y, t)", ": f32[N, 1]", "accuracy(sigmoid(y), t)"),
        (SCORES, "mse(y, t)", ": f32[N, 3]", "accuracy(softmax(y), t), auc(softmax(y), t)"),
        (SCORE, "binary_cross_entropy(y, t)", ": f32[N, 1]", "mse(sigmoid(y), t)"),
        (SCORE, "mse(y, t)", ": f32[N, 1]", "r2(y, t), rmse(y, t), huber(y, t)"),
        (SCORE, "hinge(y, t)", ": f32[N, 1]", "accuracy(y, t)"),
        // Several decisions, one by one.
        (
            "dense(3) as a |> sigmoid()",
            "mse(y, t)",
            ": f32[N, 3]",
            "accuracy(y, t), f1(y[:, 0:1], t[:, 0:1]), auc(y[:, 2:3], t[:, 2:3])",
        ),
        // A loss that says nothing of the kind.
        (SCORE, "mean((y - t)^2)", ": f32[N, 1]", "accuracy(y, t)"),
        (SCORE, "binary_cross_entropy(y, t) + mse(y, t)", ": f32[N, 1]", "accuracy(y, t), r2(y, t)"),
        (
            MAPS,
            "cross_entropy(y, t, ignore = 9)",
            "",
            "accuracy(y, t, ignore = 9), mean_iou(y, t, ignore = 9)",
        ),
    ];
    for (outputs, loss, target, metric) in cases {
        let text = with_metric(outputs, loss, target, metric);
        assert_eq!(told(&text), None, "{loss}, {metric}");
    }
}
