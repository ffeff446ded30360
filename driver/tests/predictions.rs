//! What `dlc predict --out` and `dlc eval --out` leave: a table with the probability of every class, label maps that are
//! masks again, pictures and a page.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use dlc_driver::{EvalSettings, Loaded, PredictReport, Silent, TrainSettings, load};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data").join(name)
}

/// A model of some head on images, after an epoch.
fn trained(folder: &Path, source: &str, size: usize, head: &str, train: &str) -> (Loaded, PathBuf) {
    let text = format!(
        "dlc 1
model m(image: f32[N, 3, {size}, {size}]) -> (y) {{
  y = image |> {head}
}}
data d {{
  source = {source}
  transform = image |> resize({size}, {size}) |> standardize()
  batch = 8
}}
train m on d {{
{train}
  optimizer = adam(lr = 0.01)
  epochs = 1
}}
"
    );
    std::fs::write(folder.join("m.dsl"), text).unwrap();
    let loaded = load(&folder.join("m.dsl"), &[]).unwrap_or_else(|error| panic!("{error}"));
    let settings =
        TrainSettings { threads: Some(2), out: Some(folder.join("run")), ..TrainSettings::default() };
    let report = dlc_driver::train(&loaded, &settings, &mut Silent, &AtomicBool::new(false));
    (loaded, report.unwrap_or_else(|error| panic!("{error}")).checkpoint)
}

/// The files of a folder, in order.
fn files(folder: &Path, count: usize) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all.truncate(count);
    all
}

/// A table's heading and rows.
fn table(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    (lines.next().unwrap(), lines.collect())
}

fn predict(loaded: &Loaded, checkpoint: &Path, files: &[PathBuf], out: &Path) -> PredictReport {
    let settings = EvalSettings { out: Some(out.to_owned()), threads: Some(2), ..EvalSettings::default() };
    let report = dlc_driver::predict(loaded, checkpoint, files, &settings);
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(
        page.contains("data:image/png;base64,") && page.contains(&format!("{} predictions", files.len()))
    );
    let picture = std::fs::read(out.join("pictures/samples.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG") && out.join("pictures/samples.svg").exists());
    report
}

/// Width, height, palette and palette numbers of a PNG.
fn palette_numbers(path: &Path) -> ((u32, u32), usize, Vec<u8>) {
    let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    assert_eq!(reader.info().color_type, png::ColorType::Indexed);
    let colours = reader.info().palette.as_ref().unwrap().len() / 3;
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    ((info.width, info.height), colours, pixels)
}

#[test]
fn maps_of_segmentation_are_masks() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let source = format!("segmentation(\"{}\") -> (image, label)", data("shapes").display());
    let train = "  loss = cross_entropy(y, label)\n  metrics = mean_iou(y, label)";
    let (loaded, checkpoint) =
        trained(folder, &source, 32, "conv2d(3, kernel = 3, padding = same) as a", train);
    let mut pictures = files(&data("shapes/test/images"), 3);
    // The same name in another folder gets a name of its own.
    let other = folder.join(pictures[0].file_name().unwrap());
    std::fs::copy(&pictures[0], &other).unwrap();
    pictures.push(other);
    let out = folder.join("out");
    let report = predict(&loaded, &checkpoint, &pictures, &out);
    let (heading, rows) = table(&out.join("predictions.csv"));
    assert_eq!(heading, ["source", "map", "share_0", "share_1", "share_2"]);
    assert_eq!(rows.len(), 4);
    let stem = pictures[0].file_stem().unwrap().to_str().unwrap();
    assert_eq!(
        (rows[0][1].clone(), rows[3][1].clone()),
        (format!("maps/{stem}.png"), format!("maps/{stem}-2.png"))
    );
    for (row, predicted) in rows.iter().zip(&report.rows) {
        let (size, colours, pixels) = palette_numbers(&out.join(&row[1]));
        assert_eq!((size, colours), ((32, 32), 3));
        let scores = &predicted.outputs[0];
        let largest = |place: usize| {
            (1..3).fold(0, |best, class| {
                if scores[class * 1024 + place] > scores[best * 1024 + place] { class } else { best }
            })
        };
        let expected: Vec<u8> = (0..1024).map(|place| u8::try_from(largest(place)).unwrap()).collect();
        assert_eq!(pixels, expected);
        let share: f64 = row[3].parse().unwrap();
        assert_eq!(share, expected.iter().filter(|&&class| class == 1).count() as f64 / 1024.0);
    }
    // The picture of an evaluation shows the label beside it.
    let settings = EvalSettings { out: Some(folder.join("eval")), ..EvalSettings::default() };
    dlc_driver::evaluate(&loaded, &checkpoint, &settings).unwrap();
    let page = std::fs::read_to_string(folder.join("eval/report.html")).unwrap();
    assert!(page.contains("Samples: the picture, what is decided, and the label"));
}

#[test]
fn classes_have_all_their_probabilities() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let source = format!("image_folder(\"{}\") -> (image, label)", data("textures").display());
    let head =
        "conv2d(4, kernel = 3, stride = 4) as a |> relu() |> global_avg_pool() |> dense(CLASSES) as head";
    let kinds = files(&data("textures/train"), 99);
    let head = head.replace("CLASSES", &kinds.len().to_string());
    let (loaded, checkpoint) = trained(folder, &source, 64, &head, "  loss = cross_entropy(y, label)");
    let out = folder.join("out");
    let report = predict(&loaded, &checkpoint, &files(&kinds[0], 5), &out);
    let (heading, rows) = table(&out.join("predictions.csv"));
    let names: Vec<&str> = kinds.iter().map(|kind| kind.file_name().unwrap().to_str().unwrap()).collect();
    let columns: Vec<String> = names.iter().map(|name| format!("p_{name}")).collect();
    assert_eq!(
        heading,
        [vec!["source".to_owned(), "class".to_owned(), "probability".to_owned()], columns].concat()
    );
    for (row, predicted) in rows.iter().zip(&report.rows) {
        let number = |cell: &String| cell.parse::<f64>().unwrap();
        let shares: Vec<f64> = row[3..].iter().map(number).collect();
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(Some(row[1].as_str()), predicted.name.as_deref());
        assert!((number(&row[2]) - predicted.probability.unwrap()).abs() < 1e-12);
        assert_eq!(shares[predicted.class.unwrap()], number(&row[2]));
    }
}

#[test]
fn yes_or_no_and_values_of_tables_are_written_too() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("t.csv"), "a,b,t\n1,0,1\n0,1,0\n1,1,1\n0,0,0\n").unwrap();
    for (head, loss, expected) in [
        ("dense(1) as a", "binary_cross_entropy(y, t)", vec!["source", "class", "probability", "p_0", "p_1"]),
        (
            "dense(1) as a |> sigmoid()",
            "binary_cross_entropy_probabilities(y, t)",
            vec!["source", "class", "probability", "p_0", "p_1"],
        ),
        ("dense(1) as a", "mse(y, t)", vec!["source", "y"]),
    ] {
        let text = format!(
            "dlc 1\nmodel m(x: f32[N, 2]) -> (y) {{ y = x |> {head} }}\ndata d {{ source = csv(\"t.csv\", target = \"t\") -> \
             (x, t: f32[N, 1]) }}\ntrain m on d {{\n  loss = {loss}\n  optimizer = sgd(lr = 0.1)\n  epochs = 1\n}}\n"
        );
        std::fs::write(folder.join("m.dsl"), text).unwrap();
        let loaded = load(&folder.join("m.dsl"), &[]).unwrap_or_else(|error| panic!("{error}"));
        let settings =
            TrainSettings { threads: Some(1), out: Some(folder.join("run")), ..TrainSettings::default() };
        let trained = dlc_driver::train(&loaded, &settings, &mut Silent, &AtomicBool::new(false)).unwrap();
        let out = folder.join("out");
        let settings = EvalSettings { out: Some(out.clone()), ..EvalSettings::default() };
        let report =
            dlc_driver::predict(&loaded, &trained.checkpoint, &[folder.join("t.csv")], &settings).unwrap();
        let (heading, rows) = table(&out.join("predictions.csv"));
        assert_eq!(heading, expected);
        for (row, predicted) in rows.iter().zip(&report.rows) {
            let last: f64 = row.last().unwrap().parse().unwrap();
            let value = predicted.outputs[0][0];
            let wanted = match head.contains("sigmoid") || loss.starts_with("mse") {
                true => value,
                false => 1.0 / (1.0 + (-value).exp()),
            };
            // Values have the digits of an `f32`, probabilities those of an `f64`.
            assert_eq!(last as f32, wanted as f32, "{loss}");
            let exactly = wanted != value || !loss.starts_with("mse");
            assert!(!exactly || (last - wanted).abs() < 1e-12, "{loss}: {last}, not {wanted}");
        }
    }
}
