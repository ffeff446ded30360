//! Whole programs: what the language makes of them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use dlc_dsl::{LoadOptions, Loaded, load_text};
use support::render;

const DENSE: &str = include_str!("programs/dense.dsl");
const FEATURES: &str = include_str!("programs/features.dsl");
const RESNET: &str = include_str!("programs/resnet.dsl");

fn loaded(text: &str, settings: &[(&str, &str)]) -> Loaded {
    let settings = settings.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let (loaded, sources, diagnostics) =
        load_text("test.dsl", text, &LoadOptions { settings, importer: None });
    loaded.unwrap_or_else(|| panic!("refused:\n{}", render(&sources, &diagnostics)))
}

fn paths(loaded: &Loaded) -> Vec<String> {
    loaded.model.parameters.iter().map(|parameter| format!("{}: {}", parameter.name, parameter.ty)).collect()
}

#[test]
fn a_dense_net() {
    let loaded = loaded(DENSE, &[]);
    assert_eq!(
        paths(&loaded),
        [
            "hidden.weight: f32[64, 32]",
            "hidden.bias: f32[32]",
            "head.weight: f32[32, 10]",
            "head.bias: f32[10]"
        ]
    );
    let model = &loaded.model;
    assert_eq!(model.targets.iter().map(|target| target.ty.to_string()).collect::<Vec<_>>(), ["i32[N]"]);
    assert!(model.forward.is_some() && model.evaluate.is_some() && model.training.is_some());
    let recipe = loaded.recipe.unwrap();
    assert_eq!((recipe.epochs, recipe.data.batch), (10, 64));
    assert_eq!(recipe.data.fields[0].ty.to_string(), "f32[N, 64]");
}

#[test]
fn the_example_of_the_design() {
    let loaded = loaded(RESNET, &[]);
    let paths = paths(&loaded);
    assert_eq!(paths[0], "stem.weight: f32[16, 3, 3, 3]");
    assert!(paths.contains(&"stage1.block0.project.weight: f32[32, 16, 1, 1]".to_owned()));
    assert!(paths.contains(&"stage2.block2.bn2.scale: f32[64]".to_owned()));
    assert_eq!(loaded.model.predict.output(dlc_ir::OutputRole::Output, "logits").unwrap().name, "logits");
    let forward = loaded.model.forward.as_ref().unwrap();
    let updates = forward.outputs.iter().filter(|output| output.role == dlc_ir::OutputRole::State).count();
    assert_eq!(updates, loaded.model.states.len());
}

fn model(header: &str, outputs: &str, body: &str) -> String {
    format!("dlc 1\nmodel m({header}) -> ({outputs}) {{\n{body}\n}}\n")
}

/// The shape of each output.
fn shapes(header: &str, outputs: &str, body: &str) -> Vec<String> {
    let loaded = loaded(&model(header, outputs, body), &[]);
    dlc_ir::verify::verify_model(&loaded.model).unwrap();
    let predict = &loaded.model.predict;
    predict.outputs.iter().map(|output| predict.tensor_type(output.value).to_string()).collect()
}

#[test]
fn every_layer_has_its_shape() {
    let image = "x: f32[N, 4, 9, 10]";
    for (layer, shape) in [
        ("conv2d(8, kernel = 3)", "f32[N, 8, 7, 8]"),
        ("conv2d(8, kernel = (3, 5), stride = (2, 1), padding = (1, 2))", "f32[N, 8, 5, 10]"),
        ("conv2d(8, kernel = 3, stride = 2, padding = same)", "f32[N, 8, 5, 5]"),
        ("conv2d(8, kernel = 3, padding = ((0, 1), (2, 3)))", "f32[N, 8, 8, 13]"),
        ("conv2d(8, kernel = 3, dilation = 2, groups = 4, bias = false, init = xavier)", "f32[N, 8, 5, 6]"),
        ("max_pool(2)", "f32[N, 4, 4, 5]"),
        ("max_pool(3, stride = 2, padding = 1)", "f32[N, 4, 5, 5]"),
        ("avg_pool(3, stride = 2, padding = same)", "f32[N, 4, 5, 5]"),
        ("avg_pool((1, 2))", "f32[N, 4, 9, 5]"),
        ("global_avg_pool()", "f32[N, 4]"),
        ("batch_norm()", "f32[N, 4, 9, 10]"),
        ("dropout(0.5)", "f32[N, 4, 9, 10]"),
        ("flatten()", "f32[N, 360]"),
        ("reshape([N, -1, 10])", "f32[N, 36, 10]"),
        ("reshape([-1, 10])", "f32[36N, 10]"),
        ("transpose([0, 2, 3, 1])", "f32[N, 9, 10, 4]"),
        ("conv_transpose2d(8, kernel = 3, stride = 2, padding = 1, output_padding = 1)", "f32[N, 8, 18, 20]"),
        ("conv_transpose2d(8, kernel = 2, stride = 3, padding = same)", "f32[N, 8, 27, 30]"),
        ("depthwise_conv2d(kernel = 3, multiplier = 2)", "f32[N, 8, 7, 8]"),
        ("separable_conv2d(6, kernel = 3, stride = 2, padding = same)", "f32[N, 6, 5, 5]"),
        ("upsample(2)", "f32[N, 4, 18, 20]"),
        ("upsample(size = (12, 11), mode = \"bilinear\")", "f32[N, 4, 12, 11]"),
        ("adaptive_avg_pool((2, 3))", "f32[N, 4, 2, 3]"),
        ("adaptive_max_pool(4)", "f32[N, 4, 4, 4]"),
        ("layer_norm(axes = 2)", "f32[N, 4, 9, 10]"),
        ("group_norm(2)", "f32[N, 4, 9, 10]"),
        ("prelu(per_channel = true)", "f32[N, 4, 9, 10]"),
        ("reshape([N, 36, 10]) |> attention(heads = 5)", "f32[N, 36, 10]"),
        ("cast(\"i32\") |> embedding(20, 3)", "f32[N, 4, 9, 10, 3]"),
        ("dense(7)", "f32[N, 4, 9, 7]"),
        ("gelu()", "f32[N, 4, 9, 10]"),
        ("leaky_relu(slope = 0.2)", "f32[N, 4, 9, 10]"),
        ("softmax(axis = 1)", "f32[N, 4, 9, 10]"),
        ("log_softmax()", "f32[N, 4, 9, 10]"),
        ("mean(axis = (2, 3))", "f32[N, 4]"),
        ("max(axis = 1, keep = true)", "f32[N, 1, 9, 10]"),
        ("cast(\"i32\")", "i32[N, 4, 9, 10]"),
    ] {
        assert_eq!(shapes(image, "y", &format!("y = x |> {layer}")), [shape], "{layer}");
    }
    assert_eq!(
        shapes("x: f32[N, 4, 9]", "y", "y = x |> conv1d(8, kernel = 3, padding = (2, 0))"),
        ["f32[N, 8, 9]"]
    );
    assert_eq!(shapes("x: f32[N, 4, 9]", "y", "y = x |> max_pool(3)"), ["f32[N, 4, 3]"]);
}

#[test]
fn same_padding_puts_the_odd_element_behind() {
    let text = model("x: f32[N, 1, 4, 4]", "y", "y = x |> conv2d(1, kernel = 3, stride = 2, padding = same)");
    let loaded = loaded(&text, &[]);
    let padding = loaded.model.predict.nodes.values().find_map(|node| match &node.op {
        dlc_ir::Op::Convolve(convolution) => Some(convolution.padding.clone()),
        _ => None,
    });
    assert_eq!(padding.unwrap(), [(0, 1), (0, 1)]);
}

#[test]
fn slices_products_and_broadcasting() {
    let body = "a = x[:, 0:4] + x[:, -4:] * 2 - 1\n  w = parameter(f32[4, 3], init = normal(0.1))\n  b = a @ w\n  \
                c = b[:, 0] / (1 + exp(-b[:, 1]))\n  d = select(b > 0, b, 0.5 * b) + b.features\n  \
                e = concat(a, b, d, axis = 1)";
    assert_eq!(
        shapes("x: f32[N, 10]", "a, b, c, d, e", body),
        ["f32[N, 4]", "f32[N, 3]", "f32[N]", "f32[N, 3]", "f32[N, 10]"]
    );
    let body = "a = x[:, :, ::2]\n  b = x * scale\n  c = x - mean(x, axis = 1, keep = true)\n  d = x @ transpose(x, [0, 2, 1])";
    assert_eq!(
        shapes("x: f32[N, 3, 5], scale: f32[5]", "a, b, c, d", body),
        ["f32[N, 3, 3]", "f32[N, 3, 5]", "f32[N, 3, 5]", "f32[N, 3, 3]"]
    );
}

#[test]
fn weights_are_shared_by_naming_a_layer() {
    let text = "dlc 1\nblock tower(x, width) {\n  h = x |> dense(width) |> batch_norm() as bn\n  return h, relu(h)\n}\n\
                model m(a: f32[N, 8], b: f32[N, 8]) -> (y) {\n  enc = layer tower(4)\n  h, g = enc(a)\n  k, l = enc(b)\n  \
                last = layer dense(2) as head\n  y = last(h + g) + last(k * l)\n}\n";
    let loaded = loaded(text, &[]);
    assert_eq!(
        paths(&loaded),
        [
            "enc.h.weight: f32[8, 4]",
            "enc.h.bias: f32[4]",
            "enc.bn.scale: f32[4]",
            "enc.bn.shift: f32[4]",
            "head.weight: f32[4, 2]",
            "head.bias: f32[2]"
        ]
    );
    dlc_ir::verify::verify_model(&loaded.model).unwrap();
}

#[test]
fn compile_time_values() {
    let body = "  n = 2^3^0 + 7 % 4 - len([1, 2])\n  for i, d in enumerate([1, 2, 4]) {\n    x = x |> dense(d * n) as \
                \"d{i}\"\n  }\n  if not (n == 3) or n > 2 and x.features == 8 {\n    y = x\n  } else if true {\n    y = -x\n  }";
    assert_eq!(shapes("x: f32[N, 3]", "y", body), ["f32[N, 12]"]);
}

#[test]
fn settings_replace_what_the_file_says() {
    let settings = [
        ("resnet.width", "8"),
        ("model.blocks", "1"),
        ("train.epochs", "3"),
        ("train.optimizer.lr.max", "0.1"),
        ("train.seed", "7"),
        ("data.batch", "32"),
        ("cifar10.shuffle", "false"),
    ];
    let loaded = loaded(RESNET, &settings);
    assert_eq!(paths(&loaded)[0], "stem.weight: f32[8, 3, 3, 3]");
    let recipe = loaded.recipe.unwrap();
    assert_eq!((recipe.epochs, recipe.seed, recipe.data.batch, recipe.data.shuffle), (3, 7, 32, false));
    let schedule = loaded.model.training.unwrap().schedule;
    assert!(matches!(schedule, dlc_ir::Schedule::OneCycle { rate: 0.1, warmup: 0.2, .. }));
    let sized = model("x: f32[N, L]", "y", "y = relu(x)");
    let (loaded, ..) = load_text(
        "t",
        &sized,
        &LoadOptions { settings: vec![("dim.L".into(), "128".into())], importer: None },
    );
    assert_eq!(loaded.unwrap().model.inputs[0].ty.to_string(), "f32[N, 128]");
}

#[test]
fn the_recipe_of_the_example_with_every_feature() {
    let loaded = loaded(FEATURES, &[]);
    let recipe = loaded.recipe.unwrap();
    let data = recipe.data;
    let fields: Vec<String> =
        data.fields.iter().map(|field| format!("{}: {}", field.name, field.ty)).collect();
    let lines = [
        format!("{:?} -> {fields:?}", data.source),
        format!("{:?}", data.transform),
        format!("{:?}", data.augment),
        format!("{:?}, batch {}, shuffle {}", data.split, data.batch, data.shuffle),
        format!("{:?}, seed {}", recipe.monitor, recipe.seed),
        format!("{:?}", loaded.model.training.unwrap()),
    ];
    expect_test::expect![[r#"
        Synthetic { samples: 64, classes: 10 } -> ["image: f32[N, 3, 12, 12]", "extra: f32[N, 10]", "label: i32[N]", "value: f32[N, 1]"]
        [("image", Normalize { mean: [0.5, 0.5, 0.5], std: [0.1, 0.2, 0.3] }), ("image", Resize { height: 12, width: 12 }), ("extra", Standardize { per_channel: false }), ("value", MinMax { per_channel: false }), ("value", Scale { divisor: 2.5 })]
        [("image", RandomCrop { size: (12, 12), padding: 2 }), ("image", RandomFlip { probability: 0.25, vertical: false })]
        Split { validation: 0.1, test: 0.2, stratified: false, seed: Some(3), fold: None }, batch 16, shuffle false
        Some("accuracy"), seed 42
        Training { optimizer: Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled: false }, schedule: OneCycle { rate: 0.01, warmup: 0.3, div: 25.0, final_div: 10000.0, momentum: None }, plateau: false, weight_decay: 0.0001, groups: [], clip: [], accumulate: 1, average: None, masked: [] }"#]].assert_eq(&lines.join("\n"));
}

/// Loss, metrics and target types that verify.
#[test]
fn every_loss_and_metric() {
    for (body, loss, metrics, target) in [
        ("dense(3)", "cross_entropy(y, t)", "accuracy(y, t)", "i32[N]"),
        ("dense(3) |> softmax()", "cross_entropy_probabilities(y, t)", "accuracy(y, t)", "i32[N]"),
        (
            "dense(3) |> sigmoid()",
            "cross_entropy_probabilities(y / sum(y, axis = 1, keep = true), t)",
            "mean(y) as level, max(y)",
            "i32[N]",
        ),
        ("dense(1)", "binary_cross_entropy(y, t)", "[accuracy(y, t), mae(sigmoid(y), t)]", "f32[N, 1]"),
        ("dense(1) |> sigmoid()", "binary_cross_entropy_probabilities(y, t)", "accuracy(y, t)", "f32[N, 1]"),
        (
            "dense(1) |> tanh() |> abs()",
            "binary_cross_entropy_probabilities(y, t)",
            "accuracy(y, t)",
            "f32[N, 1]",
        ),
        (
            "dense(3)",
            "cross_entropy(y, t, weights = sum(y, axis = 0), ignore = 2) + l2([\"h\", \"*.shift\"], 0.1)",
            "accuracy(y, t)",
            "i32[N]",
        ),
        ("dense(2)", "mse(y, t) + 0.1 * mae(y, t)", "mae(y, t), mse(y, t)", "f32[N, 2]"),
    ] {
        let text = format!(
            "dlc 1\nmodel m(x: f32[N, 4]) -> (y) {{\n  y = x |> dense(4) as h |> batch_norm() as bn |> dropout(0.5) |> {body}\n}}\n\
             data d {{\n  source = synthetic() -> (x, t)\n}}\ntrain m on d {{\n  loss = {loss}\n  metrics = {metrics}\n  \
             optimizer = sgd(0.1)\n  epochs = 1\n}}\n"
        );
        let loaded = loaded(&text, &[]);
        dlc_ir::verify::verify_model(&loaded.model).unwrap();
        assert_eq!(loaded.model.targets[0].ty.to_string(), target, "{loss}");
    }
}

#[test]
fn labels_of_pixels_and_one_hot_labels() {
    for (field, target) in [("t", "i32[N, 8, 8]"), ("t: f32[N, 5, 8, 8]", "f32[N, 5, 8, 8]")] {
        let text = format!(
            "dlc 1\nmodel m(x: f32[N, 3, 8, 8]) -> (y) {{\n  y = x |> conv2d(5, kernel = 1)\n}}\ndata d {{\n  source = \
             synthetic(samples = 64, classes = 5) -> (x, {field})\n}}\ntrain m on d {{\n  loss = cross_entropy(y, t)\n  metrics = \
             accuracy(y, t)\n  optimizer = adam(lr = constant(0.1))\n  epochs = 1\n}}\n"
        );
        let loaded = loaded(&text, &[]);
        dlc_ir::verify::verify_model(&loaded.model).unwrap();
        assert_eq!(loaded.model.targets[0].ty.to_string(), target);
    }
}

#[test]
fn whole_models_verify() {
    for text in [DENSE, RESNET, FEATURES] {
        dlc_ir::verify::verify_model(&loaded(text, &[]).model).unwrap();
    }
    let frozen = loaded(RESNET, &[("train.freeze", "[\"stem*\"]")]);
    let names: Vec<&str> =
        frozen.model.parameters.iter().filter(|p| !p.trainable).map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["stem.weight", "stem_bn.scale", "stem_bn.shift"]);
}

#[test]
fn imports_stay_in_the_folder() {
    let folder = std::env::temp_dir().join(format!("dlc-dsl-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(
        folder.join("blocks.dsl"),
        "dlc 1\nimport \"main.dsl\"\nblock double(x) { return x + x }\n",
    )
    .unwrap();
    let text = |import: &str| {
        format!("dlc 1\nimport \"{import}\"\nmodel m(x: f32[N, 2]) -> (y) {{ y = double(x) }}\n")
    };
    let main = folder.join("main.dsl");
    std::fs::write(&main, text("blocks.dsl")).unwrap();
    let (good, sources, diagnostics) = dlc_dsl::load(&main, &LoadOptions::default());
    let good = good.unwrap_or_else(|| panic!("{}", render(&sources, &diagnostics)));
    assert_eq!(good.folder, folder);
    let mut codes = Vec::new();
    for import in ["../blocks.dsl", "/etc/hostname", "absent.dsl"] {
        std::fs::write(&main, text(import)).unwrap();
        let (bad, _, diagnostics) = dlc_dsl::load(&main, &LoadOptions::default());
        assert!(bad.is_none());
        codes.push(diagnostics.all[0].code);
    }
    assert_eq!(codes, ["DLC0502", "DLC0502", "DLC0501"]);
    let mut many = text("blocks.dsl");
    for number in 1..=64 {
        std::fs::write(folder.join(format!("{number}.dsl")), "dlc 1\n").unwrap();
        many.insert_str("dlc 1\n".len(), &format!("import \"{number}.dsl\"\n"));
    }
    std::fs::write(&main, many).unwrap();
    let (bad, sources, diagnostics) = dlc_dsl::load(&main, &LoadOptions::default());
    assert!(bad.is_none());
    assert!(render(&sources, &diagnostics).contains("there are 64 imports at most"));
    std::fs::remove_dir_all(&folder).unwrap();
}

fn with_metrics(outputs: usize, loss: &str, label: &str, rest: &str) -> String {
    format!(
        "dlc 1\nmodel m(x: f32[N, 4]) -> (y) {{ y = x |> dense({outputs}) as head }}\n\
         data d {{ source = csv(\"t.csv\", target = \"t\") -> (x, t{label}) }}\n\
         train m on d {{\n  loss = {loss}(y, t)\n  optimizer = sgd(lr = 0.1)\n  epochs = 1\n  {rest}\n}}\n"
    )
}

#[test]
fn metrics_say_how_they_are_made() {
    use dlc_recipe::{Average, Measure};
    let text = "metrics = top_k(y, t, k = 2), f1(y, t), precision(y, t, average = micro), \
                recall(y, t, average = per_class), auc(y, t), mean_iou(y, t) as iou, confusion_matrix(y, t)";
    let several = loaded(&with_metrics(3, "cross_entropy", "", text), &[]);
    dlc_ir::verify::verify_model(&several.model).unwrap();
    let recipe = several.recipe.unwrap();
    let found: Vec<(&str, Measure)> =
        recipe.metrics.iter().map(|metric| (metric.name.as_str(), metric.measure)).collect();
    let expected = [
        ("top_k", Measure::Mean),
        ("f1", Measure::F1(Average::Macro)),
        ("precision", Measure::Precision(Average::Micro)),
        ("recall", Measure::Recall(Average::PerClass)),
        ("auc", Measure::AreaUnderCurve),
        ("iou", Measure::IntersectionOverUnion(Average::Macro)),
        ("confusion_matrix", Measure::Confusion),
    ];
    assert_eq!(found, expected);
    // Scores of all samples are none of a training step's.
    let has = |function: &dlc_ir::Function| function.output(dlc_ir::OutputRole::Metric, "auc").is_some();
    assert!(has(several.model.evaluate.as_ref().unwrap()) && !has(several.model.forward.as_ref().unwrap()));
    let single = loaded(&with_metrics(1, "binary_cross_entropy", ": f32[N, 1]", "metrics = f1(y, t)"), &[]);
    assert_eq!(single.recipe.unwrap().metrics[0].measure, Measure::F1(Average::Binary));
}

#[test]
fn early_stopping_names_what_is_watched() {
    let rest = "metrics = accuracy(y, t)\n  early_stop = early_stop(patience = 4, metric = accuracy, min_delta = 0.01)";
    let recipe = loaded(&with_metrics(3, "cross_entropy", "", rest), &[]).recipe.unwrap();
    assert_eq!(recipe.monitor.as_deref(), Some("accuracy"));
    assert_eq!(recipe.early_stop, Some(dlc_recipe::EarlyStop { patience: 4, min_delta: 0.01 }));
    let set = [("train.early_stop.patience", "7")];
    let recipe = loaded(&with_metrics(3, "cross_entropy", "", rest), &set).recipe.unwrap();
    assert_eq!(recipe.early_stop.unwrap().patience, 7);
}
