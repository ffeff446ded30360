//! The data section: sources, steps, splits, and what becomes of scaling in the model's functions.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod support;

use dlc_dsl::{LoadOptions, Loaded, load_text};
use dlc_ir::{Binary, Op};
use dlc_recipe::{
    Augment, ClassWeights, Duplicates, Fold, Missing, Source, Surround, Transform, WordRules, scaling_states,
};
use expect_test::{Expect, expect};
use support::render;

const NET: &str = "dlc 1\nmodel net(x: f32[N, 4]) -> (logits) {\n  logits = x |> dense(3)\n}\n";
const TRAIN: &str = "train net on d {\n  loss = cross_entropy(logits, label)\n  optimizer = sgd(lr = 0.1)\n  \
                     epochs = 1\n}\n";

fn accepted(text: &str) -> Loaded {
    let (loaded, sources, diagnostics) = load_text("test.dsl", text, &LoadOptions::default());
    loaded.unwrap_or_else(|| panic!("{}", render(&sources, &diagnostics)))
}

/// A loss that uses class weights where there are such.
fn train(section: &str) -> String {
    let weighed = "sum(class_weights(3)) * cross_entropy(logits, label)";
    let loss = if section.contains("class_weights") { weighed } else { "cross_entropy(logits, label)" };
    TRAIN.replace("cross_entropy(logits, label)", loss)
}

fn data(section: &str) -> dlc_recipe::Data {
    accepted(&format!("{NET}data d {{\n{section}\n}}\n{}", train(section))).recipe.unwrap().data
}

fn refused(section: &str, expected: Expect) {
    let text = format!("{NET}data d {{\n{section}\n}}\n{TRAIN}");
    let (loaded, sources, diagnostics) = load_text("test.dsl", &text, &LoadOptions::default());
    assert!(loaded.is_none(), "accepted");
    expected.assert_eq(&render(&sources, &diagnostics));
}

#[test]
fn tables_are_described_in_full() {
    let model = "dlc 1\nmodel net(x: f32[N, 4], job: i32[N], words: i32[N, 8]) -> (logits) {\n  a = x |> \
                 dense(3) as a\n  b = cast(words, \"f32\") |> dense(3) as b\n  c = cast(job, \"f32\") |> \
                 reshape([N, 1]) |> dense(3) as c\n  logits = a + b + c\n}\n";
    let section = "data d {\n  source = csv(\"t.csv\", target = \"y\", one_hot = [\"city\"], index = \"job\", \
                   text = \"review\", tokens = \"characters\", vocabulary = 99, min_count = 2, padding = \
                   \"front\", unknown = \"other\", missing = \"mean\", duplicates = \"drop\", delimiter = \";\", \
                   quote = \"'\", header = false, test = \"u.csv\") -> (x, job, words, label)\n  class_weights = \
                   balanced\n  split = split(folds = 5, fold = 3, stratified = true)\n}\n";
    let data = accepted(&format!("{model}{section}{}", train(section))).recipe.unwrap().data;
    let Source::Csv(table) = data.source else { panic!() };
    assert_eq!(
        (table.index, table.one_hot, table.test),
        (vec!["job".into()], vec!["city".into()], Some("u.csv".into()))
    );
    assert_eq!((table.missing, table.duplicates), (Missing::Mean, Duplicates::Drop));
    assert_eq!((table.delimiter, table.quote, table.header), (b';', b'\'', false));
    let rules = WordRules { vocabulary: 99, least_count: 2, characters: true, padding_before: true };
    assert_eq!((table.words, table.unknown_allowed), (rules, true));
    assert_eq!(data.split.fold, Some(Fold { of: 5, number: 3 }));
    assert_eq!(data.class_weights, Some(ClassWeights::Balanced));
}

#[test]
fn other_sources_and_steps() {
    let csv = "  source = csv(\"t.csv\", target = 5, missing = constant(0)) -> (x, label)";
    let Source::Csv(table) = data(csv).source else { panic!() };
    assert_eq!((table.target, table.missing), (vec!["5".to_owned()], Missing::Constant(0.0)));
    let numpy = data(
        "  source = numpy(\"a.npz\", arrays = [\"u\", \"v\"]) -> (x, label)\n  class_weights = [1, 2, 0.5]",
    );
    assert!(matches!(numpy.source, Source::Numpy(arrays) if arrays.training == ["u", "v"]));
    assert_eq!(numpy.class_weights, Some(ClassWeights::Given(vec![1.0, 2.0, 0.5])));
    let steps = "  source = synthetic() -> (x, label)\n  transform = x |> min_max(per_channel = true) |> \
                 center_crop(3) |> resize_shorter(9)\n  augment = x |> surround(\"reflect\") |> surround((0.5, 0.25)) |> random_vertical_flip() |> \
                 random_rotation(10) |> random_zoom(0.8, 1.25) |> random_shift(0.1) |> random_brightness(0.2) \
                 |> random_contrast(0.3) |> random_erasing(p = 0.25, area = (0.1, 0.2)) |> mixup()";
    let data = data(steps);
    let transform: Vec<&Transform> = data.transform.iter().map(|(_, step)| step).collect();
    assert_eq!(
        transform,
        [
            &Transform::MinMax { per_channel: true },
            &Transform::CenterCrop { height: 3, width: 3 },
            &Transform::ResizeShorter { side: 9 }
        ]
    );
    let augment: Vec<Augment> = data.augment.into_iter().map(|(_, step)| step).collect();
    assert_eq!(
        augment,
        [
            Augment::Surround(Surround::Reflect),
            Augment::Surround(Surround::Values(vec![0.5, 0.25])),
            Augment::RandomFlip { probability: 0.5, vertical: true },
            Augment::RandomRotation { degrees: 10.0 },
            Augment::RandomZoom { least: 0.8, most: 1.25 },
            Augment::RandomShift { height: 0.1, width: 0.1 },
            Augment::RandomBrightness { by: 0.2 },
            Augment::RandomContrast { by: 0.3 },
            Augment::RandomErasing { probability: 0.25, area: (0.1, 0.2), ratio: (0.3, 3.3) },
            Augment::Mixup { alpha: 0.2 },
        ]
    );
}

fn reads_state(function: &dlc_ir::Function, name: &str) -> bool {
    function.nodes.values().any(|node| matches!(&node.op, Op::State { name: found } if found == name))
}

#[test]
fn fitted_scaling_is_a_state_that_every_function_reads() {
    let section = "data d {\n  source = csv(\"t.csv\", target = \"y\") -> (x, label)\n  transform = x |> \
                   standardize()\n}\n";
    let model = accepted(&format!("{NET}{section}{TRAIN}")).model;
    dlc_ir::verify::verify_model(&model).unwrap();
    let functions = [&model.predict, model.evaluate.as_ref().unwrap(), model.forward.as_ref().unwrap()];
    for name in scaling_states("x") {
        let state = model.states.iter().find(|state| state.name == name).unwrap();
        assert_eq!(state.ty.to_string(), "f32[4]");
        assert!(functions.iter().all(|function| reads_state(function, &name)));
    }
    // What the text tells is a constant.
    let fixed = accepted(&format!("{NET}{}{TRAIN}", section.replace("standardize()", "scale(2)"))).model;
    dlc_ir::verify::verify_model(&fixed).unwrap();
    assert!(fixed.states.is_empty());
    assert_eq!(fixed.predict.nodes.values().filter(|node| node.origin.path == "scale(x)").count(), 6);
    let plain = accepted(&format!("{NET}{}{TRAIN}", section.replace("standardize()", "resize(2)"))).model;
    assert!(plain.predict.nodes.values().all(|node| node.origin.path != "scale(x)"));
}

#[test]
fn class_weights_are_a_constant_or_a_state() {
    let train =
        TRAIN.replace("cross_entropy(logits, label)", "sum(class_weights(3)) * cross_entropy(logits, label)");
    let section = |weights: &str| format!("data d {{\n  source = synthetic() -> (x, label)\n{weights}}}\n");
    let balanced = accepted(&format!("{NET}{}{train}", section("  class_weights = balanced\n"))).model;
    dlc_ir::verify::verify_model(&balanced).unwrap();
    assert_eq!(balanced.states.len(), 1);
    assert!(reads_state(balanced.forward.as_ref().unwrap(), dlc_recipe::CLASS_WEIGHTS));
    let given = accepted(&format!("{NET}{}{train}", section("  class_weights = [1, 2, 3]\n"))).model;
    assert!(given.states.is_empty());
    let error = |weights| {
        let text = format!("{NET}{}{train}", section(weights));
        let (loaded, sources, diagnostics) = load_text("test.dsl", &text, &LoadOptions::default());
        assert!(loaded.is_none());
        render(&sources, &diagnostics)
    };
    refused(
        "  source = synthetic() -> (x, label)\n  class_weights = balanced",
        expect![[r#"
        error[DLC0207]: nothing uses the class weights
          --> test.dsl:7:3
           |   class_weights = balanced
           |   ^^^^^^^^^^^^^ not part of the loss
          help: use `class_weights(classes)` in `loss`, or leave them out
    "#]],
    );
    assert!(error("").contains("error[DLC0401]: the data section has no `class_weights`"));
    assert!(error("  class_weights = [1, 2]\n").contains("gives 2 class weights, not 3"));
}

#[test]
fn sources_that_contradict_themselves() {
    refused(
        "  source = csv(\"t.csv\", target = \"y\", index = [\"a\", \"y\"]) -> (x, label)\n  split = split(folds = 1)",
        expect![[r#"
            error[DLC0209]: the column "y" stands in `target` and in `index`
              --> test.dsl:6:47
               |   source = csv("t.csv", target = "y", index = ["a", "y"]) -> (x, label)
               |                                               ^^^^^^^^^^ a column has one use
            error[DLC0305]: `folds` of `split` is 1; it lies in 2..=1048576
              --> test.dsl:7:25
               |   split = split(folds = 1)
               |                         ^ out of range
        "#]],
    );
    refused(
        "  source = csv(\"t.csv\", target = \"y\", text = \"t\", missing = \"zero\", delimiter = \";;\") -> (x, label)",
        expect![[r#"
            error[DLC0304]: `delimiter` of `csv` is a string of one character such as ";", not the string ";;"
              --> test.dsl:6:81
               |   source = csv("t.csv", target = "y", text = "t", missing = "zero", delimiter = ";;") -> (x, label)
               |                                                                                 ^^^^ expected a string of one character such as ";"
        "#]],
    );
    refused(
        "  source = csv(\"t.csv\", target = \"y\", text = \"t\") -> (x, label, a, b)",
        expect![[r#"
        error[DLC0402]: `csv` yields 3 fields with the features, not 4
          --> test.dsl:6:12
           |   source = csv("t.csv", target = "y", text = "t") -> (x, label, a, b)
           |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the fields are named behind `->`
          help: in order: the features, each column of `index`, each of `text`, the target
    "#]],
    );
    refused(
        "  source = numpy(\"a.npz\", arrays = [\"u\"]) -> (x, label)",
        expect![[r#"
        error[DLC0402]: `numpy` yields one field per array, not 2
          --> test.dsl:6:12
           |   source = numpy("a.npz", arrays = ["u"]) -> (x, label)
           |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the fields are named behind `->`
          help: write `source = numpy("file.npz", arrays = ["a", "b"]) -> (x, y)`
    "#]],
    );
    refused(
        "  source = idx(\"mnist\", test_images = \"t\") -> (x, label)\n  class_weights = [1, -2]",
        expect![[r#"
            error[DLC0204]: `test_images` and `test_labels` are given together
              --> test.dsl:6:12
               |   source = idx("mnist", test_images = "t") -> (x, label)
               |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ one of them is missing
            error[DLC0304]: `class_weights` is `balanced` or a list of numbers from 0, not a list of 2
              --> test.dsl:7:19
               |   class_weights = [1, -2]
               |                   ^^^^^^^ one number per class
        "#]],
    );
    refused(
        "  source = csv(\"t.csv\", target = \"y\", test = \"u.csv\") -> (x, label)\n  split = split(test = 0.1)",
        expect![[r#"
            error[DLC0305]: the table has a test split of its own
              --> test.dsl:7:3
               |   split = split(test = 0.1)
               |   ^^^^^ takes another one
              help: write only `validation = …` in `split`
        "#]],
    );
}

#[test]
fn steps_and_splits_out_of_their_ranges() {
    refused(
        "  source = synthetic() -> (x, label)\n  split = split(validation = 0.2, folds = 3)\n  augment = x |> \
         random_zoom(2, 1) |> random_erasing(area = 3) |> mixup(alpha = 0) |> surround(\"mirror\") |> random_rotate(3)",
        expect![[r#"
            error[DLC0305]: a split has a share for validation or `folds`, not both
              --> test.dsl:7:11
               |   split = split(validation = 0.2, folds = 3)
               |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ two ways to choose samples for validation
            error[DLC0305]: `most` of `random_zoom` is 1; it lies between 2 and 100
              --> test.dsl:8:33
               |   augment = x |> random_zoom(2, 1) |> random_erasing(area = 3) |> mixup(alpha = 0) |> surround("mirror") |> random_rotate(3)
               |                                 ^ out of range
            error[DLC0304]: `area` of `random_erasing` is a pair (least, greatest) in 0.01..=1, not the number 3
              --> test.dsl:8:61
               |   augment = x |> random_zoom(2, 1) |> random_erasing(area = 3) |> mixup(alpha = 0) |> surround("mirror") |> random_rotate(3)
               |                                                             ^ expected a pair (least, greatest) in 0.01..=1
            error[DLC0305]: `alpha` of `mixup` is 0; it lies between 0.001 and 1000
              --> test.dsl:8:81
               |   augment = x |> random_zoom(2, 1) |> random_erasing(area = 3) |> mixup(alpha = 0) |> surround("mirror") |> random_rotate(3)
               |                                                                                 ^ out of range
            error[DLC0304]: `with` of `surround` is "edge", "reflect", a number, or one number per channel, not the string "mirror"
              --> test.dsl:8:96
               |   augment = x |> random_zoom(2, 1) |> random_erasing(area = 3) |> mixup(alpha = 0) |> surround("mirror") |> random_rotate(3)
               |                                                                                                ^^^^^^^^ expected "edge", "reflect", a number, or one number per channel
            error[DLC0202]: a step of `augment` cannot be `random_rotate`
              --> test.dsl:8:109
               |   augment = x |> random_zoom(2, 1) |> random_erasing(area = 3) |> mixup(alpha = 0) |> surround("mirror") |> random_rotate(3)
               |                                                                                                             ^^^^^^^^^^^^^ unknown
              help: did you mean `random_rotation`?
        "#]],
    );
    refused(
        "  source = synthetic() -> (x, label)\n  transform = x |> normalize(mean = [1, 2, 3], std = 1)\n  split = \
         split(fold = 2)",
        expect![[r#"
            error[DLC0204]: `fold` is one of `folds`
              --> test.dsl:8:24
               |   split = split(fold = 2)
               |                        ^ of how many?
        "#]],
    );
    refused(
        "  source = synthetic() -> (x, label)\n  transform = label |> standardize()",
        expect![[r#"
        error[DLC0402]: `label` is i32[N]; transforms compute with floats
          --> test.dsl:6:12
           |   source = synthetic() -> (x, label)
           |            ^^^^^^^^^^^ the source of that field
    "#]],
    );
}

/// How many nodes of the functions stand behind `scale(FIELD)` and `raw(FIELD)`, by function.
fn marked(model: &dlc_ir::Model, path: &str) -> Vec<usize> {
    let functions = [&model.predict, model.evaluate.as_ref().unwrap(), model.forward.as_ref().unwrap()];
    let count = |function: &&dlc_ir::Function| {
        let last = |node: &&dlc_ir::Node| {
            node.origin.path == path && matches!(node.op, Op::Binary(Binary::Add | Binary::Multiply))
        };
        function.nodes.values().filter(last).count()
    };
    functions.iter().map(count).collect()
}

fn regression(body: &str, train: &str) -> String {
    format!(
        "dlc 1\nmodel m(x: f32[N, 4]) -> {body}\ndata d {{\n  source = csv(\"t.csv\", target = \"t\") -> (x, t: \
         f32[N, 1])\n  transform = t |> standardize()\n}}\ntrain m on d {{\n{train}\n  optimizer = sgd(lr = 0.1)\n  \
         epochs = 1\n}}\n"
    )
}

const HEAD: &str = "(y) { y = x |> dense(1) as head }";

#[test]
fn an_output_that_the_loss_compares_with_a_scaled_field_is_read_raw() {
    let cases = [
        // Behind the outputs that are read, and before the metrics.
        (HEAD, "  loss = mse(y, t)\n  metrics = mae(y, t), r2(y, t)", [1, 1, 1]),
        (HEAD, "  loss = huber(y, t)", [1, 0, 0]),
        (HEAD, "  loss = mean((y - t)^2)\n  metrics = mae(y, t)", [1, 1, 1]),
        (
            "(y) { y = x |> dense(1) as head |> reshape([N]) }",
            "  loss = mse(reshape(y, [N, 1]), t)\n  metrics = mae(y, reshape(t, [N]))",
            [1, 1, 1],
        ),
        (
            "(y, z) {\n  y = x |> dense(1) as head\n  z = x |> dense(1) as other\n}",
            "  loss = mse(y, t) + 0.3 * mae(z, t)\n  metrics = mae(y, t)",
            [2, 1, 1],
        ),
        // An output in no field's units, and one that is computed from another.
        ("(y, z) {\n  y = x |> dense(1) as head\n  z = exp(y)\n}", "  loss = mse(y, t)", [1, 0, 0]),
        (HEAD, "  loss = binary_cross_entropy(y, t)\n  metrics = accuracy(y, t)", [0, 0, 0]),
        // What the loss compares decides, not what a metric does.
        (HEAD, "  loss = binary_cross_entropy(y, t)\n  metrics = mae(sigmoid(y), t)", [0, 0, 0]),
    ];
    for (body, train, expected) in cases {
        let model = accepted(&regression(body, train)).model;
        dlc_ir::verify::verify_model(&model).unwrap();
        assert_eq!(marked(&model, "raw(t)"), expected, "{train}");
        assert!(reads_state(model.forward.as_ref().unwrap(), "data.scaling.t.factor"), "{train}");
    }
    // A field may be input and target at once: what is read is raw, what the model computes with is not.
    let text = "dlc 1\nmodel m(x: f32[N, 4]) -> (y) { y = x |> dense(4) as head }\ndata d {\n  source = csv(\"t.csv\") -> \
                (x)\n  transform = x |> min_max()\n}\ntrain m on d {\n  loss = mse(y, x)\n  metrics = mae(y, x)\n  \
                optimizer = sgd(lr = 0.1)\n  epochs = 1\n}\n";
    let model = accepted(text).model;
    assert_eq!(marked(&model, "raw(x)"), [1, 1, 1]);
    assert_eq!(marked(&model, "scale(x)"), [1, 1, 1]);
}

#[test]
fn a_scaled_target_without_an_output_of_its_units_is_told() {
    let told = |text: &str, expected: Expect| {
        let (_, sources, diagnostics) = load_text("test.dsl", text, &LoadOptions::default());
        expected.assert_eq(&render(&sources, &diagnostics));
    };
    told(
        &regression(HEAD, "  loss = mse(2 * y, t)"),
        expect![[r#"
        warning[DLC0402]: `t` is scaled, but the loss compares it with a value that is no output of the model: predictions and metrics stay in scaled units
          --> test.dsl:8:10
           |   loss = mse(2 * y, t)
           |          ^^^^^^^^^^^^^ computed behind the outputs
          help: let the model compute that value as an output, and compare the output itself
    "#]],
    );
    let two = regression(HEAD, "  loss = mse(y, t) + mse(y, u)");
    let two = two
        .replace("csv(\"t.csv\", target = \"t\")", "numpy(\"d.npz\")")
        .replace("[N, 1])\n", "[N, 1], u: f32[N, 1])\n");
    told(
        &two,
        expect![[r#"
        error[DLC0402]: the loss compares `y` with `t` and `u`, which are not scaled alike: it has no units
          --> test.dsl:8:22
           |   loss = mse(y, t) + mse(y, u)
           |                      ^^^^^^^^^ the second one
          help: give the model one output for each, or do not scale them
    "#]],
    );
}
