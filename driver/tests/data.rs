//! Raw data through every command: what training fitted is what prediction uses.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

use dlc_driver::{EvalSettings, Outcome, RunSettings, Silent, TrainSettings, load, write_npy};
use dlc_runtime::{Checkpoint, HostTensor};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

const MODEL: &str = "dlc 1

model homes(x: f32[N, 4], words: i32[N, 6]) -> (price) {
  w = cast(words, \"f32\") |> dense(4) as text |> relu()
  h = concat(x, w) |> dense(16) as hidden |> relu()
  price = h |> dense(1) as head
}

data table {
  source    = csv(\"homes.csv\", target = \"price\", one_hot = [\"town\"], text = \"notes\", missing = \"mean\",
                  duplicates = \"drop\", drop = [\"id\"]) -> (x, words, price)
  transform = x |> standardize()
  transform = price |> scale(1000)
  split     = split(validation = 0.1, test = 0.2)
  batch     = 16
}

train homes on table {
  loss      = mse(price, price_target)
  optimizer = adam(lr = 0.02)
  epochs    = 30
}
";

/// A price by size, age and town; some sizes are missing.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let model = MODEL.replace("price) {\n  w", "cost) {\n  w").replace("  price = h", "  cost = h");
    let model = model.replace("mse(price, price_target)", "mse(cost, price)");
    std::fs::write(folder.path().join("homes.dsl"), model).unwrap();
    let mut text = "id,size,town,age,notes,price\n".to_owned();
    for row in 0..200u32 {
        let (size, age, north) = (50 + row * 37 % 100, row * 13 % 40, row % 3 == 0);
        let price = 1000 * size + 20_000 * u32::from(north) + 500 * (40 - age);
        let shown = if row % 19 == 5 { String::new() } else { size.to_string() };
        let (town, notes) =
            if north { ("Norr", "Close to the lake") } else { ("Söder", "\"Quiet, sunny\"") };
        text.push_str(&format!("{row},{shown},{town},{age},{notes},{price}\n"));
    }
    std::fs::write(folder.path().join("homes.csv"), text).unwrap();
    folder
}

fn model(folder: &Path) -> dlc_driver::Loaded {
    load(&folder.join("homes.dsl"), &[]).unwrap_or_else(|error| panic!("{error}"))
}

fn train(folder: &Path) -> dlc_driver::TrainReport {
    let settings =
        TrainSettings { threads: Some(2), out: Some(folder.join("run")), ..TrainSettings::default() };
    dlc_driver::train(&model(folder), &settings, &mut Silent, &AtomicBool::new(false)).unwrap()
}

fn predict(folder: &Path, checkpoint: &Path, rows: &str) -> Result<Vec<f64>, String> {
    let file = folder.join("new.csv");
    std::fs::write(&file, rows).unwrap();
    let report = dlc_driver::predict(&model(folder), checkpoint, &[file], &EvalSettings::default());
    let report = report.map_err(|error| error.to_string())?;
    Ok(report.rows.iter().map(|row| row.outputs[0][0]).collect())
}

#[test]
fn prediction_reads_as_training_did_without_its_data() {
    let folder = folder();
    let folder = folder.path();
    let report = train(folder);
    assert_eq!(report.outcome, Outcome::Finished);
    let test = report.test.as_ref().unwrap();
    assert!(test.get("loss").unwrap() < 400.0, "{test:?}");
    let evaluated =
        dlc_driver::evaluate(&model(folder), &report.checkpoint, &EvalSettings::default()).unwrap();
    assert_eq!(Some(&evaluated.evaluated.measures), report.test.as_ref());
    let mean = {
        let saved = Checkpoint::read(&report.checkpoint).unwrap();
        saved.tensors["data.fill.x"].f32_values().unwrap()[0]
    };
    std::fs::remove_file(folder.join("homes.csv")).unwrap();
    // Other columns, in another order, and a word that training did not see.
    let rows = format!("notes,town,size,age\nquiet unseen,Norr,100,3\n,Söder,,20\n,Söder,{mean},20\n");
    let made = predict(folder, &report.checkpoint, &rows).unwrap();
    assert_eq!((made.len(), made[1]), (3, made[2]));
    let unknown = predict(folder, &report.checkpoint, "notes,town,size,age\n,Öster,1,1\n").unwrap_err();
    assert!(
        unknown.contains("new.csv: row 1 (line 2), column `town`: `Öster` is no known category (Norr, Söder"),
        "{unknown}"
    );
    let absent = predict(folder, &report.checkpoint, "town,size,age\nNorr,1,1\n").unwrap_err();
    assert!(absent.contains("there is no column `notes`"), "{absent}");
}

#[test]
fn whoever_calls_the_model_feeds_raw_values() {
    let folder = folder();
    let folder = folder.path();
    let checkpoint = train(folder).checkpoint;
    let rows = "size,town,age,notes\n120,Norr,5,close to the lake\n70,Söder,30,\"Quiet, sunny\"\n";
    let expected = predict(folder, &checkpoint, rows).unwrap();
    // size, is Norr, is Söder, age; words by how often they are there: quiet, sunny before the others.
    let saved = Checkpoint::read(&checkpoint).unwrap();
    let names = String::from_utf8(saved.tensors["data.fitted"].u8_values().unwrap()).unwrap();
    assert!(names.contains("\"notes\":[\"quiet\",\"sunny\",\"close\",\"lake\",\"the\",\"to\"]"), "{names}");
    let x = [120.0, 1.0, 0.0, 5.0, 70.0, 0.0, 1.0, 30.0];
    let words = [4, 7, 6, 5, 0, 0, 2, 3, 0, 0, 0, 0];
    let file = |name: &str, tensor: HostTensor| -> (String, PathBuf) {
        let path = folder.join(format!("{name}.npy"));
        std::fs::write(&path, write_npy(&tensor).unwrap()).unwrap();
        (name.to_owned(), path)
    };
    let inputs = vec![
        file("x", HostTensor::from_f32(&[2, 4], &x).unwrap()),
        file("words", HostTensor::from_i32(&[2, 6], &words).unwrap()),
    ];
    let settings = RunSettings { inputs, checkpoint: Some(checkpoint), ..RunSettings::default() };
    let outputs = dlc_driver::run(&model(folder), &settings).unwrap().outputs;
    let made: Vec<f64> = outputs[0].1.f32_values().unwrap().into_iter().map(f64::from).collect();
    assert_eq!(made, expected);
}

#[test]
fn balanced_class_weights_come_from_the_training_split() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = "dlc 1\nmodel net(x: f32[N, 1]) -> (y) {\n  y = x |> dense(3) as head\n}\ndata d {\n  source = \
                csv(\"d.csv\", target = \"y\") -> (x, label)\n  class_weights = balanced\n  batch = 2\n}\ntrain net \
                on d {\n  loss = mean(class_weights(3)) * cross_entropy(y, label)\n  optimizer = sgd(lr = 0.1)\n  \
                epochs = 1\n}\n";
    std::fs::write(folder.join("homes.dsl"), text).unwrap();
    std::fs::write(folder.join("d.csv"), "x,y\n0,0\n1,0\n2,0\n3,2\n").unwrap();
    let saved = Checkpoint::read(&train(folder).checkpoint).unwrap();
    let weights = saved.tensors["data.class_weights"].f32_values().unwrap();
    assert_eq!(weights, [4.0 / 9.0, 0.0, 4.0 / 3.0]);
}
