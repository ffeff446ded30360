//! Reads digits, then learns on the user's own: somebody holds the pad upside down.
//!
//! `cargo run --release -- ../data/digits.csv`

use digits::{BATCH_MAX, Digits, Image, Label};
use std::error::Error;

/// The model: `build.rs` compiles `digits.dsl` and generates this module.
mod digits {
    dlc_runtime::include_model!("digits");
}

/// Pictures that the user shows; the others tell how well the model reads.
const SHOWN: usize = 400;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "../data/digits.csv".to_owned());
    let (mut images, labels) = read(&std::fs::read_to_string(path)?)?;

    let mut model = Digits::new()?;
    let logits = model.predict_one(&images[0])?;
    println!("the first picture is a {}, read as {}", labels[0], digit(&logits));
    println!("right: {:.3}", right(&mut model, &images, &labels)?);

    images.iter_mut().for_each(turn);
    println!("right upside down: {:.3}", right(&mut model, &images[SHOWN..], &labels[SHOWN..])?);
    for round in 1..=8 {
        let mut loss = 0.0;
        // The last batch is a part of one.
        for (images, labels) in images[..SHOWN].chunks(BATCH_MAX).zip(labels[..SHOWN].chunks(BATCH_MAX)) {
            loss += model.train_step(images, labels)?.loss * images.len() as f32 / SHOWN as f32;
        }
        println!("round {round}: loss {loss:.3}");
    }
    println!("right after learning: {:.3}", right(&mut model, &images[SHOWN..], &labels[SHOWN..])?);

    let saved = std::env::temp_dir().join(format!("digits-{}.safetensors", std::process::id()));
    model.save(&saved)?;
    let mut later = Digits::new()?;
    later.load(&saved)?;
    std::fs::remove_file(&saved)?;
    assert_eq!(later.predict_one(&images[0])?, model.predict_one(&images[0])?);
    Ok(())
}

/// The share of pictures that the model reads right.
fn right(model: &mut Digits, images: &[Image], labels: &[Label]) -> Result<f32, dlc_runtime::RuntimeError> {
    let mut correct = 0;
    for (images, labels) in images.chunks(BATCH_MAX).zip(labels.chunks(BATCH_MAX)) {
        let mut logits = [[0.0; 10]; BATCH_MAX];
        let logits = &mut logits[..images.len()];
        model.predict(images, logits)?;
        correct += logits.iter().zip(labels).filter(|(logits, label)| digit(logits) == **label).count();
    }
    Ok(correct as f32 / images.len() as f32)
}

/// The digit with the greatest logit.
fn digit(logits: &[f32; 10]) -> Label {
    (0..10).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).map_or(0, |digit| digit as Label)
}

/// Turns a picture by half a turn.
fn turn(image: &mut Image) {
    let [rows] = image;
    rows.reverse();
    rows.iter_mut().for_each(|row| row.reverse());
}

/// Pictures and digits of a table: 64 pixels and the digit in every line behind the first.
fn read(text: &str) -> Result<(Vec<Image>, Vec<Label>), Box<dyn Error>> {
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    for line in text.lines().skip(1) {
        let numbers = line.split(',').map(str::parse).collect::<Result<Vec<f32>, _>>()?;
        let (label, pixels) = numbers.split_last().ok_or("an empty line")?;
        images.extend_from_slice(dlc_runtime::typed::samples::<Image>(pixels)?);
        labels.push(*label as Label);
    }
    Ok((images, labels))
}
