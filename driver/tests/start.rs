//! Weights to begin with: PyTorch's give PyTorch's numbers, a run begins with exactly the file's values, and what
//! does not fit is told (`weights/make.py` made the files).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use dlc_driver::{
    DriverError, EngineKind, EvalSettings, ExportSettings, Loaded, Observer, Renaming, RunSettings, Start,
    TrainSettings, WeightLayout, check, draw_diagnostics, load,
};
use dlc_runtime::{Checkpoint, HostTensor};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

const RESNET: &str = "dlc 1

block basic(x, channels, stride = 1) {
  y    = x |> conv2d(channels, kernel = 3, stride = stride, padding = 1, bias = false) as conv1 |> batch_norm() as bn1 |> relu()
  y    = y |> conv2d(channels, kernel = 3, padding = 1, bias = false) as conv2 |> batch_norm() as bn2
  skip = if stride == 1 { x } else {
    x |> conv2d(channels, kernel = 1, stride = stride, bias = false) as project |> batch_norm() as project_bn
  }
  return relu(y + skip)
}

model resnet(x: f32[N, 3, 8, 8], option classes = 5) -> (y) {
  h = x |> conv2d(4, kernel = 3, padding = 1, bias = false) as stem |> batch_norm() as stem_bn |> relu()
  h = h |> basic(4) as \"stage0.block0\" |> basic(4) as \"stage0.block1\" |> basic(8, stride = 2) as \"stage1.block0\"
  y = h |> global_avg_pool() |> dense(classes) as head
}
";

/// torchvision's names.
const NAMES: &str = "[\"conv1 -> stem\", \"bn1 -> stem_bn\",
    \"*.downsample.0.* -> *.project.*\", \"*.downsample.1.* -> *.project_bn.*\", \"layer1.*.* -> stage0.block*.*\",
    \"layer2.*.* -> stage1.block*.*\", \"fc -> head\"]";

const SEQUENCE: &str = "dlc 1

model sequence(x: i32[N, 5]) -> (y) {
  h    = x |> embedding(7, 4) as embedding |> lstm(3, layers = 2, bidirectional = true, output = all) as lstm
  seen = h |> attention(2) as attention
  h    = h + seen |> layer_norm() as norm
  h    = h |> dense(6) as square |> prelu() as bend
  y    = mean(h, axis = 1) |> dense(3) as head
}
";

fn weights(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/weights").join(format!("{name}.safetensors"))
}

fn rules(texts: &[&str]) -> Vec<Renaming> {
    texts.iter().map(|text| Renaming::parse(text).unwrap()).collect()
}

fn torchvision() -> Vec<Renaming> {
    rules(&[
        "conv1 -> stem",
        "bn1 -> stem_bn",
        "*.downsample.0.* -> *.project.*",
        "*.downsample.1.* -> *.project_bn.*",
        "layer1.*.* -> stage0.block*.*",
        "layer2.*.* -> stage1.block*.*",
        "fc -> head",
    ])
}

fn start(name: &str, names: Vec<Renaming>) -> Start {
    Start { path: weights(name).to_string_lossy().into_owned(), names, ..Start::default() }
}

/// A model, to begin with these weights.
fn loaded(folder: &Path, text: &str, start: Start) -> Loaded {
    let file = folder.join("m.dsl");
    std::fs::write(&file, text).unwrap();
    let mut loaded = load(&file, &[]).unwrap();
    loaded.start = Some(start);
    loaded
}

/// Runs a model on the input of a case, and compares with PyTorch's results.
fn equals_pytorch(case: &str, text: &str, start: Start) {
    let folder = tempfile::tempdir().unwrap();
    let loaded = loaded(folder.path(), text, start);
    let reference = Checkpoint::read(&weights(&format!("{case}.io"))).unwrap();
    let input = folder.path().join("x.npy");
    std::fs::write(&input, dlc_driver::write_npy(&reference.tensors["x"]).unwrap()).unwrap();
    for engine in [EngineKind::default(), EngineKind::Interpreter] {
        let inputs = vec![("x".to_owned(), input.clone())];
        let settings = RunSettings { inputs, threads: Some(1), engine, ..RunSettings::default() };
        let report =
            dlc_driver::run(&loaded, &settings).unwrap_or_else(|error| panic!("{}", text_of(&error)));
        let (found, wanted) = (report.outputs[0].1.f32_values().unwrap(), &reference.tensors["y"]);
        assert_eq!(report.outputs[0].1.dims, wanted.dims);
        for (a, b) in found.iter().zip(wanted.f32_values().unwrap()) {
            assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{case}: {a} instead of {b}");
        }
        let start = report.start.unwrap();
        assert!(start.fresh.is_empty() && start.unused.is_empty(), "{start:?}");
        assert_eq!(start.taken, loaded.model.parameters.len() + loaded.model.states.len());
    }
}

#[test]
fn a_residual_network_of_pytorch_gives_its_numbers() {
    equals_pytorch("resnet", RESNET, start("resnet", torchvision()));
}

#[test]
fn weights_of_sixteen_bits_are_widened() {
    equals_pytorch("resnet_narrow", RESNET, start("resnet_narrow", torchvision()));
}

#[test]
fn embedding_lstm_attention_and_norms_of_pytorch_need_no_rules() {
    equals_pytorch("sequence", SEQUENCE, start("sequence", Vec::new()));
}

/// What a failure tells, as the command line draws it.
fn text_of(error: &DriverError) -> String {
    match error {
        DriverError::Invalid { sources, diagnostics } => draw_diagnostics(sources, diagnostics, false),
        other => other.to_string(),
    }
}

fn refused(text: &str, start: Start) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut loaded = loaded(folder.path(), text, start);
    loaded.recipe = None;
    let settings = ExportSettings { output: folder.path().join("m.onnx"), ..ExportSettings::default() };
    let error = dlc_driver::export(&loaded, &settings).unwrap_err();
    assert_eq!(error.exit_code(), 1, "{error}");
    assert!(!settings.output.exists());
    // Drawn lines are wrapped.
    text_of(&error)
        .split_whitespace()
        .filter(|word| !matches!(*word, "│" | "·"))
        .collect::<Vec<_>>()
        .join(" ")
}

#[track_caller]
fn tells(told: &str, parts: &[&str]) {
    for part in parts {
        assert!(told.contains(part), "`{part}` is not in: {told}");
    }
}

#[test]
fn what_does_not_fit_is_told_at_once() {
    let told = refused(RESNET, start("resnet", rules(&["conv1 -> stem", "bn7 -> stem_bn", "fc -> head"])));
    tells(
        &told,
        &[
            "DLC0504",
            "do not fit the model `resnet`",
            "the renaming \"bn7 -> stem_bn\" fits no tensor of the file; one is called `bn1.bias`",
            "`stem_bn.scale` (f32[4]) is not in the file",
            "did you mean",
            "more like these",
        ],
    );
    let mut other = start("resnet", torchvision());
    other.names.push(Renaming::parse("stage0.block1.conv1 -> stage0.block0.conv1").unwrap());
    let told = refused(RESNET, other);
    tells(&told, &["would begin with both `layer1.0.conv1.weight` and `layer1.1.conv1.weight`"]);
    let told = refused(&RESNET.replace("classes = 5", "classes = 3"), start("resnet", torchvision()));
    tells(&told, &["`head.weight` is f32[8, 3] in the model, but `fc.weight` is f32[5, 8]"]);
    let mut skipping = start("resnet", torchvision());
    skipping.skip = vec!["tail.*".to_owned()];
    tells(&refused(RESNET, skipping), &["\"tail.*\" of `skip` fits no value of the model"]);
    let told = refused(RESNET, Start { layout: Some(WeightLayout::Dlc), ..start("resnet", torchvision()) });
    tells(&told, &["`fc.weight` is f32[5, 8], which `layout = \"dlc\"` takes as it is"]);
}

#[test]
fn a_square_matrix_is_never_guessed() {
    let folder = tempfile::tempdir().unwrap();
    let text = "dlc 1\nmodel m(x: f32[N, 2]) -> (y) {\n  y = x |> dense(2, bias = false) as head\n}\n";
    let path = folder.path().join("w.safetensors");
    let mut file = Checkpoint::default();
    file.tensors
        .insert("head.weight".to_owned(), HostTensor::from_f32(&[2, 2], &[1.0, 2.0, 3.0, 4.0]).unwrap());
    file.write(&path).unwrap();
    let told = |layout| Start { path: path.to_string_lossy().into_owned(), layout, ..Start::default() };
    tells(&refused(text, told(None)), &["`head.weight` is square", "layout = \"pytorch\""]);
    let input = folder.path().join("x.npy");
    std::fs::write(
        &input,
        dlc_driver::write_npy(&HostTensor::from_f32(&[1, 2], &[1.0, 0.0]).unwrap()).unwrap(),
    )
    .unwrap();
    for (layout, row) in [(WeightLayout::Dlc, [1.0, 2.0]), (WeightLayout::PyTorch, [1.0, 3.0])] {
        let loaded = loaded(folder.path(), text, told(Some(layout)));
        let settings =
            RunSettings { inputs: vec![("x".to_owned(), input.clone())], ..RunSettings::default() };
        assert_eq!(dlc_driver::run(&loaded, &settings).unwrap().outputs[0].1.f32_values().unwrap(), row);
    }
}

#[test]
fn damaged_files_are_told_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let whole = std::fs::read(weights("resnet")).unwrap();
    let at = || Start { path: path.to_string_lossy().into_owned(), names: torchvision(), ..Start::default() };
    let empty = Checkpoint::default().to_bytes().unwrap();
    for (bytes, what) in [
        (whole[..whole.len() - 7].to_vec(), "not a readable checkpoint"),
        (whole[..5].to_vec(), "not a readable checkpoint"),
        (Vec::new(), "not a readable checkpoint"),
        (empty, "the file holds no tensor"),
        (b"PK\x03\x04\x00\x00".to_vec(), "PyTorch's own format"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        tells(&refused(RESNET, at()), &["w.safetensors", what]);
    }
    let mut typed = Checkpoint::from_bytes(&whole).unwrap();
    typed.tensors.insert("fc.bias".to_owned(), HostTensor::from_i64(&[5], &[1, 2, 3, 4, 5]).unwrap());
    typed.write(&path).unwrap();
    tells(&refused(RESNET, at()), &["`head.bias` is f32[5] in the model, but `fc.bias` is i64[5]"]);
    std::fs::remove_file(&path).unwrap();
    tells(&refused(RESNET, at()), &["cannot be read: No such file"]);
}

const TRAINING: &str = "
data d {
  source    = numpy(\"d.npz\") -> (x, t)
  transform = x |> standardize(per_channel = true)
  split     = split(validation = 0.25)
  batch     = 8
}

train resnet on d {
  loss      = cross_entropy(y, t)
  metrics   = accuracy(y, t)
  optimizer = sgd(lr = 0.05, momentum = 0.9)
  START
  epochs    = 3
}
";

/// A folder with a file that trains from PyTorch's weights with a new head.
fn fine_tuning(extra: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let start =
        format!("start     = checkpoint(\"w.safetensors\", names = {NAMES}, skip = [\"head\"]){extra}");
    let text = RESNET.replace("classes = 5", "classes = 3") + &TRAINING.replace("START", &start);
    std::fs::write(folder.path().join("m.dsl"), text).unwrap();
    std::fs::copy(weights("resnet"), folder.path().join("w.safetensors")).unwrap();
    let mut draws = dlc_types::random::Stream::new(3, 1, 4);
    let pixels: Vec<f32> = (0..32 * 3 * 64).map(|_| draws.unit() * 5.0 + 2.0).collect();
    let labels: Vec<i64> = (0..32).map(|sample| sample % 3).collect();
    let folder_of = folder.path().join("d.npz");
    std::fs::create_dir(&folder_of).unwrap();
    let arrays = [
        ("x", HostTensor::from_f32(&[32, 3, 8, 8], &pixels).unwrap()),
        ("t", HostTensor::from_i64(&[32], &labels).unwrap()),
    ];
    for (name, array) in arrays {
        std::fs::write(folder_of.join(format!("{name}.npy")), dlc_driver::write_npy(&array).unwrap())
            .unwrap();
    }
    folder
}

#[derive(Default)]
struct Lines(Vec<String>);

impl Observer for Lines {
    fn told(&mut self, line: &str) {
        self.0.push(line.to_owned());
    }
}

fn train(folder: &Path, out: &str, settings: TrainSettings) -> (Checkpoint, Vec<String>) {
    let loaded = load(&folder.join("m.dsl"), &[]).unwrap_or_else(|error| panic!("{}", text_of(&error)));
    let settings = TrainSettings { threads: Some(1), out: Some(folder.join(out)), ..settings };
    let mut lines = Lines::default();
    let report = dlc_driver::train(&loaded, &settings, &mut lines, &AtomicBool::new(false))
        .unwrap_or_else(|error| panic!("{}", text_of(&error)));
    (Checkpoint::read(&report.checkpoint).unwrap(), lines.0)
}

#[test]
fn a_run_begins_with_the_weights_and_is_resumed_without_them() {
    let folder = fine_tuning("\n  freeze    = [\"st*\"]");
    let folder = folder.path();
    let (whole, lines) = train(folder, "whole", TrainSettings::default());
    let ends = "w.safetensors; anew begin `head.weight`, `head.bias`";
    assert!(
        lines.len() == 1 && lines[0].starts_with("40 of 42 values") && lines[0].ends_with(ends),
        "{lines:?}"
    );
    // The folder of the run keeps all of it.
    let told = std::fs::read_to_string(folder.join("whole/start.txt")).unwrap();
    for line in [
        "  stem.weight (f32[4, 3, 3, 3]) from conv1.weight\n",
        "  stage1.block0.project_bn.variance (f32[8]) from layer2.0.downsample.1.running_var\n",
        "\nbegin anew\n  head.weight\n  head.bias\n",
    ] {
        assert!(told.starts_with("40 of 42 values") && told.contains(line), "{told}");
    }
    // The body is frozen, so it is the file's to the bit; the head is another's and has learned.
    let file = Checkpoint::read(&weights("resnet")).unwrap();
    for (own, other) in [
        ("stem.weight", "conv1.weight"),
        ("stem_bn.scale", "bn1.weight"),
        ("stage1.block0.project.weight", "layer2.0.downsample.0.weight"),
    ] {
        assert_eq!(whole.tensors[own].bytes, file.tensors[other].bytes, "{own}");
    }
    assert_ne!(whole.tensors["stem_bn.mean"], file.tensors["bn1.running_mean"]);
    // What the data decides was fitted, and is no identity.
    let offset = whole.tensors["data.scaling.x.offset"].f32_values().unwrap();
    assert!(offset.iter().all(|offset| (4.0..5.0).contains(offset)), "{offset:?}");
    // Stopped, without the file any more, and resumed: the same bytes.
    train(folder, "parts", TrainSettings { stop_after: Some(1), ..TrainSettings::default() });
    std::fs::remove_file(folder.join("w.safetensors")).unwrap();
    let resume = Some(folder.join("parts/last.safetensors"));
    train(folder, "parts", TrainSettings { resume, ..TrainSettings::default() });
    let bytes = |run: &str| std::fs::read(folder.join(run).join("last.safetensors")).unwrap();
    assert!(bytes("whole") == bytes("parts"));
    // Without the file `check` warns, and a new run is refused.
    let report = check(&folder.join("m.dsl"), &[]).unwrap();
    let told = draw_diagnostics(&report.sources, &report.diagnostics, false);
    assert!(!report.diagnostics.has_errors(), "{told}");
    tells(&told, &["DLC0503", "do not exist", "named here"]);
    let loaded = load(&folder.join("m.dsl"), &[]).unwrap();
    assert!(
        dlc_driver::train(&loaded, &TrainSettings::default(), &mut Lines::default(), &AtomicBool::new(false))
            .is_err()
    );
}

#[test]
fn a_checkpoint_of_dlc_begins_another_run() {
    let folder = fine_tuning("\n  average   = ema(0.5)");
    let folder = folder.path();
    let (first, _) = train(folder, "first", TrainSettings::default());
    let text = std::fs::read_to_string(folder.join("m.dsl")).unwrap();
    let at = text.find("start     =").unwrap();
    let end = text[at..].find("skip").map(|skip| at + skip).unwrap();
    let end = end + text[end..].find('\n').unwrap();
    let again = format!("{}start     = checkpoint(\"first/last.safetensors\"){}", &text[..at], &text[end..]);
    std::fs::write(folder.join("m.dsl"), again.replace("lr = 0.05", "lr = 1e-30")).unwrap();
    let (second, lines) =
        train(folder, "second", TrainSettings { epochs: Some(1), ..TrainSettings::default() });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("42 of 42"), "{lines:?}");
    // The averages count, and the new run's own begin with them.
    let average = &first.tensors["head.weight.average"];
    assert_ne!(*average, first.tensors["head.weight"]);
    for name in ["head.weight", "head.weight.average"] {
        assert_eq!(second.tensors[name], *average, "{name}");
    }
}

#[test]
fn weights_that_know_no_scaling_are_refused() {
    let folder = fine_tuning("");
    let folder = folder.path();
    let (mut bare, _) = train(folder, "run", TrainSettings::default());
    bare.tensors.retain(|name, _| !name.starts_with("data."));
    let path = folder.join("bare.safetensors");
    bare.write(&path).unwrap();
    let loaded = load(&folder.join("m.dsl"), &[]).unwrap();
    let x = folder.join("d.npz/x.npy");
    let wanted = [
        "bare.safetensors",
        "`data.scaling.x.",
        "not trained with this data section",
        "normalize(mean, std)",
    ];
    let inputs = vec![("x".to_owned(), x.clone())];
    let run = RunSettings { inputs, checkpoint: Some(path.clone()), ..RunSettings::default() };
    tells(&dlc_driver::run(&loaded, &run).unwrap_err().to_string(), &wanted);
    let settings = EvalSettings::default();
    tells(&dlc_driver::evaluate(&loaded, &path, &settings).unwrap_err().to_string(), &wanted);
    tells(&dlc_driver::predict(&loaded, &path, &[x], &settings).unwrap_err().to_string(), &wanted);
    // Nor do weights to start from, where nothing is trained.
    let error = dlc_driver::run(&loaded, &RunSettings { checkpoint: None, ..run }).unwrap_err();
    tells(&error.to_string(), &["fitted on training data", "--checkpoint"]);
}

#[test]
fn faults_of_the_text_have_their_places() {
    let folder = fine_tuning("");
    let file = folder.path().join("m.dsl");
    let text = std::fs::read_to_string(&file).unwrap();
    for (from, to, wanted) in [
        ("skip = [\"head\"]", "skip = [\"haed\"]", vec!["DLC0406", "did you mean \"head\"?"]),
        ("\"fc -> head\"", "\"fc\"", vec!["DLC0305", "has no `->`"]),
        ("\"fc -> head\"", "\"fc.* -> head\"", vec!["DLC0305", "1 `*` before the arrow and 0 behind it"]),
        ("skip = [", "layout = \"torch\", skip = [", vec!["DLC0305", "did you mean \"pytorch\"?"]),
        ("checkpoint(", "chekpoint(", vec!["DLC0202", "did you mean `checkpoint`?"]),
        ("\"w.safetensors\", names", "3, names", vec!["DLC0304", "a string"]),
        (
            "\"bn1 -> stem_bn\"",
            "\"bn1 -> stem\"",
            vec!["DLC0504", "`stem_bn.scale` (f32[4]) is not in the file"],
        ),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
        let report = check(&file, &[]).unwrap();
        let told = draw_diagnostics(&report.sources, &report.diagnostics, false);
        assert!(report.diagnostics.has_errors(), "{to}: {told}");
        tells(&told, &wanted);
    }
}

#[test]
fn what_was_turned_and_widened_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let loaded = loaded(folder.path(), RESNET, start("resnet_narrow", torchvision()));
    let bytes = std::fs::read(weights("resnet_narrow")).unwrap();
    let report = dlc_driver::fit_weights(&loaded.model, loaded.start.as_ref().unwrap(), &bytes).unwrap();
    let text = report.text();
    assert!(text.contains("  head.weight (f32[8, 5]) from fc.weight, turned round, was "), "{text}");
    assert_eq!(text.lines().filter(|line| line.contains(", turned round")).count(), 1, "{text}");
    assert_eq!(report.values.len(), report.taken);
}

/// Names and layouts of any file fit or are refused; nothing is taken in another shape.
#[test]
fn damaged_names_and_shapes_are_refused_or_fit() {
    let folder = tempfile::tempdir().unwrap();
    let mut draws = dlc_types::random::Stream::new(11, 1, 4);
    let mut fitted = 0;
    for (text, case, names) in [(RESNET, "resnet", torchvision()), (SEQUENCE, "sequence", Vec::new())] {
        let loaded = loaded(folder.path(), text, start(case, names));
        let bytes = std::fs::read(weights(case)).unwrap();
        let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
        for _ in 0..300 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + (draws.unit() * 3.0) as usize {
                let place = (draws.unit() * header as f32) as usize;
                damaged[place.min(header - 1)] =
                    b"0123456789abcdefz\"[]{}:,._"[(draws.unit() * 26.0) as usize % 26];
            }
            let start = loaded.start.clone().unwrap();
            if let Ok(report) = dlc_driver::fit_weights(&loaded.model, &start, &damaged) {
                fitted += 1;
                assert_eq!(report.taken, loaded.model.parameters.len() + loaded.model.states.len());
            }
        }
    }
    // A byte of a comment or of a name that stays one of the model's changes nothing.
    assert!(fitted < 300, "{fitted}");
}

/// PyTorch's file as a checkpoint: by the rules of the model's own `start`, or one line that says how.
#[test]
fn eval_and_predict_take_names_of_pytorch_by_the_rules_of_the_file() {
    let folder = fine_tuning("");
    let folder = folder.path();
    let text = std::fs::read_to_string(folder.join("m.dsl")).unwrap();
    // Scaling that the text tells, and all classes of the file.
    let text = text.replace("standardize(per_channel = true)", "normalize(mean = 4.5, std = 1.5)");
    let text = text.replace("classes = 3", "classes = 5");
    std::fs::write(folder.join("m.dsl"), &text).unwrap();
    let loaded = load(&folder.join("m.dsl"), &[]).unwrap_or_else(|error| panic!("{}", text_of(&error)));
    let checkpoint = folder.join("w.safetensors");
    let settings = EvalSettings { threads: Some(1), ..EvalSettings::default() };
    let files = [folder.join("d.npz/x.npy")];
    let predicted = dlc_driver::predict(&loaded, &checkpoint, &files, &settings)
        .unwrap_or_else(|error| panic!("{}", text_of(&error)));
    let report = dlc_driver::evaluate(&loaded, &checkpoint, &settings).unwrap();
    assert!(report.evaluated.measures.get("loss").unwrap().is_finite());
    // As `dlc run --start` says.
    let mut whole = loaded.clone();
    whole.start.as_mut().unwrap().skip.clear();
    let inputs = vec![("x".to_owned(), files[0].clone())];
    let run =
        dlc_driver::run(&whole, &RunSettings { inputs, threads: Some(1), ..RunSettings::default() }).unwrap();
    let found: Vec<f64> = predicted.rows.iter().flat_map(|row| row.outputs[0].clone()).collect();
    let wanted: Vec<f64> = run.outputs[0].1.f32_values().unwrap().into_iter().map(f64::from).collect();
    assert_eq!(found.len(), wanted.len());
    assert!(found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs().max(1.0)));
    // Without rules: one line.
    let without = Loaded { start: None, ..loaded };
    for error in [
        dlc_driver::predict(&without, &checkpoint, &files, &settings).map(drop).unwrap_err(),
        dlc_driver::evaluate(&without, &checkpoint, &settings).map(drop).unwrap_err(),
    ] {
        let told = error.to_string();
        assert_eq!((error.exit_code(), told.lines().count()), (1, 1), "{told}");
        tells(
            &told,
            &[
                "other names than the model's (`bn1.bias`",
                "start = checkpoint(",
                "names = [\"FILE'S -> MODEL'S\"]",
            ],
        );
    }
}
