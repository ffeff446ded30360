//! Sources, scaling and batches, on files made up on the spot.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod fake;

use dlc_recipe::{Augment, Data, Source, Transform};
use dlc_trainer::{Column, Pass, Preparation, PreparedData, RunOptions, TrainError};
use dlc_types::DType;
use fake::{
    ALL, batches, csv, data, field, flip, floats, open, open_with, regression, write_picture, write_table,
};
use std::path::Path;

#[test]
fn scaling_is_fitted_on_the_training_split_alone() {
    let folder = tempfile::tempdir().unwrap();
    write_table(folder.path(), 60);
    let recipe = regression();
    let options = RunOptions::default();
    let with = Preparation { folder: folder.path(), options: &options, seed: 1, saved: None };
    let prepared = PreparedData::open(&recipe, &with).unwrap();
    let Column::Numbers { values, width: 2 } = &prepared.dataset().columns[0] else { panic!() };
    let training = &prepared.parts().training;
    let mean = |samples: &[usize]| {
        samples.iter().map(|&sample| f64::from(values[sample * 2])).sum::<f64>() / samples.len() as f64
    };
    let scaling = prepared.scaling("x").unwrap();
    assert!((scaling.offset[0] - mean(training)).abs() < 1e-9);
    assert!((scaling.offset[0] - mean(&(0..60).collect::<Vec<_>>())).abs() > 1e-6);
    let pass = Pass { order: training, batch: training.len(), feed: &[0], random: None };
    let x = floats(&batches(&prepared, &pass)[0].1[0]);
    assert_eq!(x[..2], values[2 * training[0]..][..2]);
    for unit in 0..2 {
        let scaled = |x: &f32| (f64::from(*x) - scaling.offset[unit]) * scaling.factor[unit];
        let column: Vec<f64> = x.iter().skip(unit).step_by(2).map(scaled).collect();
        let mean = column.iter().sum::<f64>() / column.len() as f64;
        let variance = column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / column.len() as f64;
        assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5, "{mean} {variance}");
    }
}

#[test]
fn transforms_compose_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t.csv"), "a,b,y\n0,5,1\n10,5,2\n5,5,3\n").unwrap();
    let mut data =
        data(csv("t.csv", "y"), vec![field("x", DType::F32, &[2]), field("y", DType::F64, &[])], 4);
    (data.split, data.shuffle) = (ALL, false);
    let x = |transform| ("x".to_owned(), transform);
    data.transform = vec![
        x(Transform::Scale { divisor: -2.0 }),
        x(Transform::MinMax { per_channel: false }),
        x(Transform::Normalize { mean: vec![1.0], std: vec![0.5] }),
    ];
    let prepared = open(&data, folder.path()).unwrap();
    let pass = Pass { order: &[0, 1, 2], batch: 4, feed: &[1, 0], random: None };
    let (samples, inputs) = batches(&prepared, &pass).remove(0);
    assert_eq!(samples, 3);
    assert_eq!(inputs[0], [1.0f64, 2.0, 3.0].map(f64::to_ne_bytes).concat());
    // Column b never varies: it is shifted to 0 by min_max, and then normalised like the other.
    let scaling = prepared.scaling("x").unwrap();
    let scaled = floats(&inputs[1])
        .into_iter()
        .enumerate()
        .map(|(place, x)| (f64::from(x) - scaling.offset[place % 2]) * scaling.factor[place % 2]);
    assert_eq!(scaled.collect::<Vec<_>>(), [0.0, -2.0, -2.0, -2.0, -1.0, -2.0]);
    let minmax = || x(Transform::MinMax { per_channel: false });
    data.transform = vec![x(Transform::Scale { divisor: 0.0 }), minmax()];
    assert!(open(&data, folder.path()).unwrap_err().to_string().contains("divides by zero"));
    data.transform = vec![x(Transform::Normalize { mean: vec![0.0; 3], std: vec![1.0] }), minmax()];
    assert!(open(&data, folder.path()).unwrap_err().to_string().contains("3 values of mean"));
    data.transform = vec![("z".to_owned(), Transform::MinMax { per_channel: false })];
    assert!(open(&data, folder.path()).unwrap_err().to_string().contains("no field `z`"));
}

#[test]
fn labels_are_checked_against_the_classes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t.csv"), "a,label\n0,0\n1,2\n2,3\n").unwrap();
    let mut data =
        data(csv("t.csv", "label"), vec![field("x", DType::F32, &[1]), field("y", DType::I32, &[])], 4);
    data.split = ALL;
    assert!(open(&data, folder.path()).is_ok());
    let options = RunOptions { classes: Some(3), ..RunOptions::default() };
    let error = open_with(&data, folder.path(), &options).unwrap_err().to_string();
    assert!(error.ends_with("t.csv: row 3 has the label 3, outside 0..3"), "{error}");
    data.fields[1] = field("y", DType::F32, &[4]);
    let prepared = open(&data, folder.path()).unwrap();
    let pass = Pass { order: &[1, 2], batch: 4, feed: &[1], random: None };
    assert_eq!(floats(&batches(&prepared, &pass)[0].1[0]), [0., 0., 1., 0., 0., 0., 0., 1.]);
    data.fields[1] = field("y", DType::F32, &[3]);
    assert!(matches!(open(&data, folder.path()), Err(TrainError::Label { label: 3, classes: 3, .. })));
}

fn cifar_file(records: usize, first: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in 0..records {
        bytes.push((usize::from(first) + record) as u8 % 10);
        bytes.extend((0..3072).map(|i| (i + record * 3 + usize::from(first)) as u8));
    }
    bytes
}

fn cifar_data() -> Data {
    let source = Source::Cifar10 { path: "cifar".to_owned() };
    let mut data =
        data(source, vec![field("image", DType::F32, &[3, 32, 32]), field("label", DType::I32, &[])], 4);
    data.split = ALL;
    data
}

fn write_cifar(folder: &Path) -> std::path::PathBuf {
    let inner = folder.join("cifar/cifar-10-batches-bin");
    std::fs::create_dir_all(&inner).unwrap();
    for number in 1..=5u8 {
        std::fs::write(inner.join(format!("data_batch_{number}.bin")), cifar_file(4, number)).unwrap();
    }
    std::fs::write(inner.join("test_batch.bin"), cifar_file(3, 6)).unwrap();
    inner
}

#[test]
fn cifar_files_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    write_cifar(folder.path());
    let mut data = cifar_data();
    data.transform.push(("image".to_owned(), Transform::Standardize { per_channel: false }));
    let prepared = open(&data, folder.path()).unwrap();
    assert_eq!((prepared.parts().training.len(), &prepared.parts().test[..]), (20, &[20, 21, 22][..]));
    assert_eq!(prepared.dataset().class_names[3], "cat");
    let pass = Pass { order: &[5], batch: 4, feed: &[0, 1], random: None };
    let inputs = &batches(&prepared, &pass)[0].1;
    // The second record of the second file.
    assert_eq!(inputs[1], 3i32.to_ne_bytes());
    let image = floats(&inputs[0]);
    for position in [0, 1024, 3071] {
        let byte = f32::from((position + 3 + 2) as u8);
        assert_eq!(image[position], byte / 255.0);
    }
    // Pictures are scaled per channel.
    assert_eq!(prepared.scaling("image").unwrap().offset.len(), 3);
}

#[test]
fn damaged_cifar_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let inner = write_cifar(folder.path());
    let file = inner.join("data_batch_3.bin");
    std::fs::write(&file, &cifar_file(4, 3)[..3073 * 4 - 100]).unwrap();
    let error = open(&cifar_data(), folder.path()).unwrap_err().to_string();
    assert!(error.contains("data_batch_3.bin: the file has 12192 bytes"), "{error}");
    assert!(error.contains("(expected 12292)"), "{error}");
    let mut wrong = cifar_file(4, 3);
    wrong[3073 * 2] = 10;
    std::fs::write(&file, wrong).unwrap();
    let error = open(&cifar_data(), folder.path()).unwrap_err().to_string();
    assert!(error.ends_with("record 3 has the label 10, outside 0..10"), "{error}");
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(open(&cifar_data(), folder.path()), Err(TrainError::MissingData { what: "file", .. })));
    let options = RunOptions { data: Some(folder.path().join("nowhere")), ..RunOptions::default() };
    let missing = open_with(&cifar_data(), folder.path(), &options);
    assert!(matches!(missing, Err(TrainError::MissingData { what: "folder", .. })));
}

#[test]
fn image_folders_become_pictures_and_labels() {
    let folder = tempfile::tempdir().unwrap();
    for (class, name, seed) in
        [("dog", "b.png", 2), ("cat", "a.png", 1), ("dog", "a.png", 3), ("cat", "z.PNG", 4)]
    {
        write_picture(&folder.path().join("pets/train").join(class).join(name), 4, 3, seed);
    }
    write_picture(&folder.path().join("pets/test/dog/t.png"), 4, 3, 9);
    std::fs::write(folder.path().join("pets/train/dog/notes.txt"), "no picture").unwrap();
    let source = Source::ImageFolder { path: "pets".to_owned() };
    let mut data =
        data(source, vec![field("image", DType::F32, &[3, 3, 4]), field("label", DType::I64, &[])], 8);
    data.split = ALL;
    let prepared = open(&data, folder.path()).unwrap();
    assert_eq!(prepared.dataset().class_names, ["cat", "dog"]);
    let pass = Pass { order: &[0, 1, 2, 3, 4], batch: 8, feed: &[0, 1], random: None };
    let inputs = &batches(&prepared, &pass)[0].1;
    assert_eq!(inputs[1], [0i64, 0, 1, 1, 1].map(i64::to_ne_bytes).concat());
    assert_eq!(prepared.parts().test, [4]);
    let images: Vec<u32> = floats(&inputs[0]).iter().map(|value| (value * 255.0).round() as u32).collect();
    let seeds: Vec<u32> = images.chunks(36).map(|image| image[24]).collect();
    assert_eq!(seeds, [1, 4, 3, 2, 9]);
    assert_eq!(images[..12], [1, 11, 21, 31, 1, 11, 21, 31, 1, 11, 21, 31]);
    // A picture of another size needs a resize step.
    write_picture(&folder.path().join("pets/train/cat/large.png"), 8, 6, 0);
    let error = open(&data, folder.path()).unwrap_err().to_string();
    assert!(error.contains("large.png: this picture is 6x8, not 3x4"), "{error}");
    data.transform.push(("image".to_owned(), Transform::Resize { height: 3, width: 4 }));
    assert_eq!(open(&data, folder.path()).unwrap().dataset().samples, 6);
    std::fs::write(folder.path().join("pets/train/cat/bad.jpg"), "not a picture").unwrap();
    assert!(matches!(open(&data, folder.path()), Err(TrainError::Image { .. })));
    write_picture(&folder.path().join("pets/test/cow/c.png"), 4, 3, 0);
    let error = open(&data, folder.path()).unwrap_err().to_string();
    assert!(error.contains("no class `cow`"), "{error}");
}

#[test]
fn batches_show_every_sample_once_and_augment_by_seed() {
    let folder = tempfile::tempdir().unwrap();
    write_cifar(folder.path());
    let mut data = cifar_data();
    data.augment = vec![
        ("image".to_owned(), Augment::RandomCrop { size: (32, 32), padding: 4 }),
        ("image".to_owned(), flip()),
    ];
    let prepared = open(&data, folder.path()).unwrap();
    let order: Vec<usize> = (0..20).rev().collect();
    let pass = |batch, random| Pass { order: &order, batch, feed: &[1, 0], random };
    let plain = batches(&prepared, &pass(8, None));
    assert_eq!(plain.iter().map(|batch| batch.0).collect::<Vec<_>>(), [8, 8, 4]);
    let labels: Vec<u8> = plain.iter().flat_map(|batch| batch.1[0].iter().step_by(4).copied()).collect();
    let Column::Integers { values, .. } = &prepared.dataset().columns[1] else { panic!() };
    assert_eq!(labels, order.iter().map(|&sample| values[sample] as u8).collect::<Vec<_>>());
    let images = |batch, random| -> Vec<u8> {
        batches(&prepared, &pass(batch, random)).iter().flat_map(|batch| batch.1[1].clone()).collect()
    };
    assert_eq!(images(8, Some((1, 0))), images(3, Some((1, 0))));
    assert_ne!(images(8, Some((1, 0))), images(8, Some((1, 1))));
    assert_ne!(images(8, Some((1, 0))), images(8, Some((2, 0))));
    assert_ne!(images(8, Some((1, 0))), images(8, None));
}

#[test]
fn synthetic_data_follows_the_seed() {
    let source = Source::Synthetic { samples: 50, classes: 5 };
    let mut data = data(source, vec![field("x", DType::F32, &[3, 2]), field("y", DType::I64, &[])], 4);
    data.split.stratified = true;
    let first = open(&data, Path::new(".")).unwrap();
    let second = open(&data, Path::new(".")).unwrap();
    let pass = Pass { order: &[1, 2, 3], batch: 4, feed: &[0, 1], random: None };
    assert_eq!(batches(&first, &pass), batches(&second, &pass));
    let Column::Integers { values, .. } = &first.dataset().columns[1] else { panic!() };
    assert!((0..5).all(|class| values.contains(&class)) && values.iter().all(|value| (0..5).contains(value)));
    for samples in [usize::MAX, 1 << 58] {
        data.source = Source::Synthetic { samples, classes: 5 };
        let told = open(&data, Path::new(".")).map(|_| ()).unwrap_err().to_string();
        assert!(told.contains("do not fit into memory"), "{told}");
    }
}

#[test]
fn a_number_beyond_its_one_hot_places_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t.csv"), "city,y\nRome,0\nOslo,1\nBern,2\n").unwrap();
    let table = |places: usize| {
        let mut source = csv("t.csv", "y");
        let Source::Csv(table) = &mut source else { panic!() };
        table.index = vec!["city".to_owned()];
        let fields = vec![field("city", DType::F32, &[places]), field("y", DType::I64, &[])];
        let mut data = data(source, fields, 4);
        (data.split, data.shuffle) = (ALL, false);
        open(&data, folder.path())
    };
    let prepared = table(3).unwrap();
    let pass = Pass { order: &[0, 1, 2], batch: 3, feed: &[0], random: None };
    let one_hot = floats(&batches(&prepared, &pass)[0].1[0]);
    assert_eq!(one_hot, [0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
    let told = table(2).map(|_| ()).unwrap_err().to_string();
    assert!(told.contains("its column holds 2, which is none of 2 numbers from 0"), "{told}");
}
