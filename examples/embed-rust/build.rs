//! Compiles the model with the weights that it begins with, for prediction and for training.

fn main() -> Result<(), dlc_build::Error> {
    dlc_build::Model::new("digits.dsl").checkpoint("../data/digits_first.safetensors").train(true).compile()?;
    Ok(())
}
