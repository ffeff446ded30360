//! Augmentation in batches: the same for any number of threads, mixtures, and what does not fit.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod fake;

use dlc_recipe::{Augment, ClassWeights, Data, Split, Table, Transform};
use dlc_trainer::{Pass, RunOptions};
use dlc_types::DType;
use fake::{ALL, batches, csv, data, field, floats, open, open_with};
use std::path::Path;

/// Grey pictures of 6x6 numbers and a label of three classes in a table.
fn pictures(folder: &Path, rows: usize) -> Data {
    let mut text = (0..36).map(|pixel| format!("p{pixel},")).collect::<String>() + "label\n";
    for row in 0..rows {
        (0..36).for_each(|pixel| text.push_str(&format!("{}.{row:02},", 1 + (pixel * 7 + row * 5) % 16)));
        text.push_str(&format!("{}\n", row % 3));
    }
    std::fs::write(folder.join("pictures.csv"), text).unwrap();
    let fields = vec![field("image", DType::F32, &[1, 6, 6]), field("label", DType::F32, &[3])];
    Data { split: ALL, ..data(csv("pictures.csv", "label"), fields, 8) }
}

fn on_image(steps: &[Augment]) -> Vec<(String, Augment)> {
    steps.iter().map(|step| ("image".to_owned(), step.clone())).collect()
}

fn everything() -> Vec<Augment> {
    vec![
        Augment::RandomCrop { size: (6, 6), padding: 1 },
        Augment::RandomFlip { probability: 0.5, vertical: false },
        Augment::RandomFlip { probability: 0.5, vertical: true },
        Augment::RandomRotation { degrees: 20.0 },
        Augment::RandomZoom { least: 0.8, most: 1.2 },
        Augment::RandomShift { height: 0.2, width: 0.2 },
        Augment::RandomBrightness { by: 0.3 },
        Augment::RandomContrast { by: 0.3 },
        Augment::RandomErasing { probability: 0.5, area: (0.05, 0.2), ratio: (0.5, 2.0) },
        Augment::Mixup { alpha: 0.4 },
    ]
}

#[test]
fn batches_are_the_same_for_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let mut data = pictures(folder.path(), 50);
    data.augment = on_image(&everything());
    let order: Vec<usize> = (0..50).rev().collect();
    let all = |threads, batch, epoch| {
        let options = RunOptions { threads, ..RunOptions::default() };
        let prepared = open_with(&data, folder.path(), &options).unwrap();
        let pass = Pass { order: &order, batch, feed: &[1, 0], random: Some((1, epoch)) };
        let made = batches(&prepared, &pass);
        let field =
            |number: usize| made.iter().flat_map(|batch| batch.1[number].clone()).collect::<Vec<u8>>();
        (field(0), field(1))
    };
    let one = all(1, 4, 0);
    for threads in [2, 3, 8] {
        assert_eq!(all(threads, 4, 0), one, "{threads}");
    }
    assert_eq!(all(2, 7, 0), one);
    assert_ne!(all(2, 4, 1), one);
}

#[test]
fn mixed_samples_have_mixed_targets() {
    let folder = tempfile::tempdir().unwrap();
    let mut data = pictures(folder.path(), 60);
    let plain = open(&data, folder.path()).unwrap();
    data.augment = on_image(&[Augment::Mixup { alpha: 1.0 }]);
    let mixed = open(&data, folder.path()).unwrap();
    let order: Vec<usize> = (0..60).collect();
    let pass = |random| Pass { order: &order, batch: 60, feed: &[0, 1], random };
    let before = batches(&plain, &pass(None)).remove(0).1;
    assert_eq!(batches(&mixed, &pass(None)).remove(0).1, before);
    let (images, labels) = (floats(&before[0]), floats(&before[1]));
    let after = batches(&mixed, &pass(Some((5, 0)))).remove(0).1;
    let (mixed_images, mixed_labels) = (floats(&after[0]), floats(&after[1]));
    let mut between = 0;
    for sample in 0..60 {
        let label = &mixed_labels[sample * 3..][..3];
        assert!((label.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        let image = &mixed_images[sample * 36..][..36];
        // Some other sample and share explain the whole picture and its label.
        let explained = (0..60).any(|other| {
            let (a, b) = (&images[sample * 36..][..36], &images[other * 36..][..36]);
            let pixel = (0..36).find(|&pixel| a[pixel] != b[pixel]);
            let share = pixel.map_or(1.0, |pixel| (image[pixel] - b[pixel]) / (a[pixel] - b[pixel]));
            let near = |made: &[f32], a: &[f32], b: &[f32]| {
                made.iter()
                    .zip(a.iter().zip(b))
                    .all(|(m, (a, b))| (share * a + (1.0 - share) * b - m).abs() < 1e-4)
            };
            near(image, a, b) && near(label, &labels[sample * 3..][..3], &labels[other * 3..][..3])
        });
        assert!(explained, "{sample}");
        between += usize::from(label.iter().any(|&one| one > 0.01 && one < 0.99));
    }
    assert!(between > 20, "{between}");
}

#[test]
fn what_does_not_fit_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut data = pictures(folder.path(), 12);
    let told = |data: &Data| open(data, folder.path()).unwrap_err().to_string();
    data.fields[1] = field("label", DType::I32, &[]);
    data.augment = on_image(&[Augment::Mixup { alpha: 1.0 }]);
    assert!(told(&data).contains("`mixup` mixes all fields, but `label` holds integers"), "{}", told(&data));
    data.augment = on_image(&[Augment::RandomCrop { size: (9, 9), padding: 1 }]);
    assert!(told(&data).contains("random_crop cannot cut 9x9 out of 6x6 with 1 pixels of padding"));
    data.augment = vec![("label".to_owned(), Augment::RandomRotation { degrees: 3.0 })];
    assert!(told(&data).contains("augmentation applies to pictures; the field `label`"));
    data.augment.clear();
    data.split = ALL.fold(13, 0);
    assert_eq!(told(&data), "12 samples cannot be cut into 13 folds");
    data.split = ALL;
    data.transform = vec![("image".to_owned(), Transform::Resize { height: 3, width: 3 })];
    assert!(told(&data).contains("resize applies to pictures"), "{}", told(&data));
}

#[test]
fn balanced_classes_count_alike() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t.csv"), "a,y\n0,0\n1,0\n2,0\n3,2\n").unwrap();
    let fields = vec![field("x", DType::F32, &[1]), field("y", DType::I32, &[])];
    let mut data = Data { split: ALL, ..data(csv("t.csv", "y"), fields, 4) };
    let weights = |data: &Data| open(data, folder.path()).unwrap().class_weights(3);
    assert_eq!(weights(&data).unwrap(), None);
    data.class_weights = Some(ClassWeights::Balanced);
    assert_eq!(weights(&data).unwrap(), Some(vec![4.0 / 9.0, 0.0, 4.0 / 3.0]));
    data.class_weights = Some(ClassWeights::Given(vec![1.0, 2.0]));
    assert_eq!(weights(&data).unwrap_err().to_string(), "there are 2 class weights for 3 classes");
}

#[test]
fn tables_feed_indices_text_and_completed_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let rows = ["1,red,A cat sat.,0", ",blue,the dog,1", "3,red,The cat! the cat,0", "8,,,1"];
    let text = format!("size,colour,words,y\n{}\n", rows.join("\n"));
    std::fs::write(folder.path().join("t.csv"), text).unwrap();
    let table = Table {
        index: vec!["colour".to_owned()],
        text: vec!["words".to_owned()],
        missing: dlc_recipe::Missing::Mean,
        ..Table::new("t.csv", "y")
    };
    let fields = vec![
        field("x", DType::F32, &[1]),
        field("colour", DType::I32, &[]),
        field("words", DType::I32, &[3]),
        field("y", DType::I32, &[]),
    ];
    let source = dlc_recipe::Source::Csv(Box::new(table));
    let mut data = Data { split: Split::default(), ..data(source, fields, 4) };
    let prepared = open(&data, folder.path()).unwrap();
    let pass = Pass { order: &[0, 1, 2, 3], batch: 4, feed: &[0, 1, 2, 3], random: None };
    let inputs = batches(&prepared, &pass).remove(0).1;
    let integers = |bytes: &[u8]| -> Vec<i32> {
        bytes.as_chunks().0.iter().map(|&one| i32::from_ne_bytes(one)).collect()
    };
    assert_eq!(floats(&inputs[0]), [1.0, 4.0, 3.0, 8.0]);
    assert_eq!(integers(&inputs[1]), [2, 1, 2, 0]);
    // cat and the stand three times each, then a, dog, sat in their order.
    assert_eq!(integers(&inputs[2]), [4, 2, 6, 3, 5, 0, 3, 2, 3, 0, 0, 0]);
    assert_eq!(integers(&inputs[3]), [0, 1, 0, 1]);
    assert_eq!(prepared.fitted().fill["x"], [4.0]);
    data.fields.remove(0);
    let without = open(&data, folder.path()).unwrap();
    assert_eq!(without.dataset().columns.len(), 3);
    data.fields.truncate(1);
    let error = open(&data, folder.path()).unwrap_err().to_string();
    assert!(error.contains("gives 4 fields") && error.ends_with("names 1"), "{error}");
}
