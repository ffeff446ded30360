//! Trains and predicts from a seed and tells every bit; then does what a program may get wrong.

use digits::{BATCH_MAX, Digits, Image, Label};

mod digits {
    dlc_runtime::include_model!("digits");
}

fn bits(what: &str, values: &[f32]) {
    let words: String = values.iter().map(|value| format!(" {:08x}", value.to_bits())).collect();
    println!("{what}{words}");
}

fn image(number: usize) -> Image {
    std::array::from_fn(|_| {
        std::array::from_fn(|y| std::array::from_fn(|x| ((number * 7 + y * 5 + x * 3) % 17) as f32))
    })
}

fn main() -> Result<(), dlc_runtime::RuntimeError> {
    let mut model = Digits::with_threads(2)?;
    model.initialize(3)?;
    for size in [32, 5, 32, 1] {
        let images: Vec<Image> = (0..size).map(image).collect();
        let labels: Vec<Label> = (0..size as i32).map(|number| number % 10).collect();
        let report = model.train_step(&images, &labels)?;
        bits("train", &[report.loss, report.accuracy]);
        let report = model.evaluate(&images, &labels)?;
        bits("evaluate", &[report.loss, report.accuracy]);
        let mut logits = vec![[0.0; 10]; size];
        model.predict(&images, &mut logits)?;
        bits("predict", &logits.concat());
    }
    let (images, mut logits) = ([image(0); BATCH_MAX + 1], [[0.0; 10]; BATCH_MAX + 1]);
    println!("{}", model.predict(&images, &mut logits).unwrap_err());
    println!("{}", model.predict(&[], &mut []).unwrap_err());
    println!("{}", model.predict(&images[..2], &mut logits[..3]).unwrap_err());
    println!("{}", model.train_step(&images[..2], &[1]).unwrap_err());
    println!("{}", model.load("absent.safetensors").unwrap_err());
    println!("{}", model.load("build.rs").unwrap_err());
    println!("{}", model.save("absent/file").unwrap_err());
    Ok(())
}
