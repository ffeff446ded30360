//! How long the loader's thread works for a batch of 128 pictures of 32x32.
//!
//! `cargo run -p dlc-trainer --example batches`: milliseconds per batch for several augmentations, the
//! least of some passes. One thread makes the batches and this one only takes them, so the time that
//! passes is the loader's.

use dlc_recipe::{Augment, Data, Field, Recipe, Source, Split};
use dlc_trainer::{Pass, Preparation, PreparedData, RunOptions, TrainError, each_batch};
use dlc_types::{DType, Dim, Shape, TensorType};
use std::path::Path;
use std::time::Instant;

/// Pictures in each of the six files.
const RECORDS: usize = 1000;
const BATCH: usize = 128;

fn write_files(folder: &Path) -> std::io::Result<()> {
    let names = (1..=5).map(|number| format!("data_batch_{number}.bin"));
    for (file, name) in names.chain(["test_batch.bin".to_owned()]).enumerate() {
        let byte = |place: usize| if place.is_multiple_of(3073) { 3 } else { (place * 31 + file * 7) as u8 };
        std::fs::write(folder.join(name), (0..RECORDS * 3073).map(byte).collect::<Vec<u8>>())?;
    }
    Ok(())
}

fn recipe(augment: &[Augment]) -> Recipe {
    let field = |name: &str, dtype, dims: &[usize]| {
        let dims = std::iter::once(Dim::N).chain(dims.iter().map(|&dim| Dim::Fixed(dim))).collect();
        Field { name: name.to_owned(), ty: TensorType::new(dtype, Shape(dims)) }
    };
    let mixes = augment.iter().any(|step| matches!(step, Augment::Mixup { .. }));
    let label = if mixes { field("label", DType::F32, &[10]) } else { field("label", DType::I32, &[]) };
    let data = Data {
        name: "cifar10".to_owned(),
        source: Source::Cifar10 { path: String::new() },
        source_span: None,
        fields: vec![field("image", DType::F32, &[3, 32, 32]), label],
        transform: Vec::new(),
        augment: augment.iter().map(|step| ("image".to_owned(), step.clone())).collect(),
        split: Split::default(),
        class_weights: None,
        batch: BATCH,
        shuffle: true,
    };
    Recipe {
        model: "none".to_owned(),
        data,
        epochs: 1,
        seed: 1,
        start: None,
        monitor: None,
        metrics: Vec::new(),
        early_stop: None,
        plateau: None,
    }
}

/// Milliseconds per batch.
fn measure(folder: &Path, augment: &[Augment]) -> Result<f64, TrainError> {
    let options = RunOptions { threads: 1, ..RunOptions::default() };
    let with = Preparation { folder, options: &options, seed: 1, saved: None };
    let data = PreparedData::open(&recipe(augment), &with)?;
    let order: Vec<usize> = (0..5 * RECORDS).map(|place| place * 7 % (5 * RECORDS)).collect();
    let mut least = f64::INFINITY;
    for epoch in 0..7 {
        let pass = Pass { order: &order, batch: BATCH, feed: &[0, 1], random: Some((1, epoch)) };
        let (start, mut batches) = (Instant::now(), 0);
        each_batch(&data, &pass, |_| {
            batches += 1;
            Ok(true)
        })?;
        least = least.min(start.elapsed().as_secs_f64() * 1e3 / f64::from(batches));
    }
    Ok(least)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    write_files(folder.path())?;
    let crop = Augment::RandomCrop { size: (32, 32), padding: 4 };
    let flip = Augment::RandomFlip { probability: 0.5, vertical: false };
    let light = [Augment::RandomBrightness { by: 0.2 }, Augment::RandomContrast { by: 0.2 }];
    let turn = Augment::RandomRotation { degrees: 15.0 };
    let cases: [(&str, Vec<Augment>); 5] = [
        ("nothing", vec![]),
        ("crop, flip", vec![crop.clone(), flip.clone()]),
        ("crop, flip, brightness, contrast", [&[crop.clone(), flip.clone()][..], &light].concat()),
        ("crop, flip, mixup", vec![crop.clone(), flip.clone(), Augment::Mixup { alpha: 0.2 }]),
        ("crop, flip, rotation", vec![crop, flip, turn]),
    ];
    for (name, augment) in cases {
        println!("{name:34} {:7.3} ms per batch of {BATCH}", measure(folder.path(), &augment)?);
    }
    Ok(())
}
