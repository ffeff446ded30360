//! Views of a picture: where they stand in the model's functions, and what is told of those that do not fit. What they
//! compute is proved in the driver's tests.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod support;

use dlc_dsl::{LoadOptions, Loaded, load_text};
use dlc_ir::{Function, Op};
use expect_test::{Expect, expect};
use support::render;

const MODEL: &str = "model net(x: f32[N, 3, 6, 5]) -> (logits) {\n  logits = x |> conv2d(4, kernel = 3) as conv |> \
                     flatten() |> dense(3) as head\n}\n";

fn text(model: &str, views: &str) -> String {
    format!(
        "dlc 1\n{model}data d {{\n  source = numpy(\"d.npz\") -> (x, label)\n  transform = x |> normalize(mean = 1, std = 2)\n  \
         {views}\n}}\ntrain net on d {{\n  loss = cross_entropy(logits, label)\n  metrics = accuracy(logits, label)\n  \
         optimizer = sgd(lr = 0.1)\n  epochs = 1\n}}\n"
    )
}

fn accepted(views: &str) -> Loaded {
    let (loaded, sources, diagnostics) = load_text("test.dsl", &text(MODEL, views), &LoadOptions::default());
    loaded.unwrap_or_else(|| panic!("{}", render(&sources, &diagnostics)))
}

fn refused(model: &str, views: &str, expected: Expect) {
    let (loaded, sources, diagnostics) = load_text("test.dsl", &text(model, views), &LoadOptions::default());
    assert!(loaded.is_none(), "accepted");
    expected.assert_eq(&render(&sources, &diagnostics));
}

fn convolutions(function: &Function) -> usize {
    function.nodes.values().filter(|node| matches!(node.op, Op::Convolve(_))).count()
}

#[test]
fn the_model_stands_once_for_every_view_but_in_training() {
    for (views, count) in [
        ("", 1),
        ("views = none", 1),
        ("views = x |> flip()", 2),
        ("views = x |> shift(2)", 3),
        ("views = x |> flip() |> shift(by = 1)", 6),
    ] {
        let model = accepted(views).model;
        dlc_ir::verify::verify_model(&model).unwrap();
        let (evaluate, forward) = (model.evaluate.as_ref().unwrap(), model.forward.as_ref().unwrap());
        assert_eq!([&model.predict, evaluate, forward].map(convolutions), [count, count, 1], "{views}");
        // Views share what they read.
        for function in [&model.predict, evaluate] {
            let names: Vec<&str> = function.externals().map(|(_, name)| name).collect();
            let mut distinct = names.clone();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(names.len(), distinct.len(), "{views}: {names:?}");
        }
    }
}

#[test]
fn an_output_that_no_picture_changes_stays_as_it_is() {
    let model = MODEL
        .replace("(x:", "(x: f32[N, 3, 6, 5], z:")
        .replace("z: f32[N, 3, 6, 5]", "z: f32[N, 2]")
        .replace("-> (logits)", "-> (logits, other)")
        .replace("  logits", "  other = z |> dense(2) as other\n  logits");
    let text = text(&model, "views = x |> flip()").replace("(x, label)", "(x, z, label)");
    let (loaded, sources, diagnostics) = load_text("test.dsl", &text, &LoadOptions::default());
    let model = loaded.unwrap_or_else(|| panic!("{}", render(&sources, &diagnostics))).model;
    let made = |name: &str| {
        let output = model.predict.outputs.iter().find(|output| output.name == name).unwrap();
        model.predict.nodes[output.value].origin.path.clone()
    };
    assert_eq!((made("other"), made("logits")), ("other".to_owned(), "views(x)".to_owned()));
}

#[test]
fn views_that_do_not_fit_are_told() {
    refused(
        MODEL,
        "views = y |> flip() |> turn()",
        expect![[r#"
        error[DLC0402]: the source has no field `y`
          --> test.dsl:8:11
           |   views = y |> flip() |> turn()
           |           ^ unknown field
          help: did you mean `x`?
        error[DLC0202]: a step of `views` cannot be `turn`
          --> test.dsl:8:26
           |   views = y |> flip() |> turn()
           |                          ^^^^ unknown
          help: there are flip, shift
    "#]],
    );
    refused(
        MODEL,
        "views = x |> shift(5)",
        expect![[r#"
        error[DLC0305]: a picture of 6 x 5 cannot be moved by 5 pixels
          --> test.dsl:8:3
           |   views = x |> shift(5)
           |   ^^^^^ too far
          help: `shift` takes less pixels than the picture has
    "#]],
    );
    refused(
        MODEL,
        "views = x |> shift(0)",
        expect![[r#"
        error[DLC0305]: `by` of `shift` is 0; it lies in 1..=16384
          --> test.dsl:8:22
           |   views = x |> shift(0)
           |                      ^ out of range
    "#]],
    );
    refused(
        MODEL,
        "views = label |> flip()",
        expect![[r#"
        error[DLC0402]: `views` shows the model other pictures, but it does not read `label`
          --> test.dsl:8:3
           |   views = label |> flip()
           |   ^^^^^ no input of the model
          help: name the model's picture
    "#]],
    );
    refused(
        MODEL,
        "views = x |> shift(1) |> shift(2) |> shift(3) |> shift(4)",
        expect![[r#"
        error[DLC0305]: these are more than 64 views; the model is computed for each
          --> test.dsl:8:3
           |   views = x |> shift(1) |> shift(2) |> shift(3) |> shift(4)
           |   ^^^^^ too many
          help: leave out a step: `flip` makes 2 of one, `shift` 3
    "#]],
    );
    refused(
        MODEL,
        "views = x |> flip()\n  views = x |> shift(1)",
        expect![[r#"
        error[DLC0209]: `views` is given twice
          --> test.dsl:9:3
           |   views = x |> shift(1)
           |   ^^^^^ again
          --> test.dsl:8:3
           |   views = x |> flip()
           |   ^^^^^ first here
    "#]],
    );
    refused(
        MODEL,
        "views = x |> flip(), x |> shift(1)",
        expect![[r#"
        error[DLC0204]: `views` takes one value
          --> test.dsl:8:3
           |   views = x |> flip(), x |> shift(1)
           |   ^^^^^ 2 values
    "#]],
    );
    refused(
        MODEL,
        "views = flip()",
        expect![[r#"
        error[DLC0304]: `views` is written as `field |> step(…)`
          --> test.dsl:8:11
           |   views = flip()
           |           ^^^^^^ not a pipeline
    "#]],
    );
    let flat = "model net(x: f32[N, 90]) -> (logits) { logits = x |> dense(3) as head }\n";
    refused(
        flat,
        "views = x |> flip()",
        expect![[r#"
        error[DLC0301]: `views` are of pictures, and `x` is f32[N, 90]
          --> test.dsl:6:3
           |   views = x |> flip()
           |   ^^^^^ no picture
          help: pictures are `f32[N, channels, height, width]`
    "#]],
    );
    let map = MODEL.replace("-> (logits)", "-> (logits, map)").replace("  logits", "  map = 2 * x\n  logits");
    refused(
        &map,
        "views = x |> flip()",
        expect![[r#"
        error[DLC0301]: `views` takes the mean of the outputs, and `map` is f32[N, 3, 6, 5], which has none
          --> test.dsl:9:3
           |   views = x |> flip()
           |   ^^^^^ views of a picture
          help: outputs are numbers of the whole picture, such as `f32[N, classes]`
    "#]],
    );
}
