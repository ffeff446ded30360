//! What a model becomes: its module, its library and the lines for cargo, or the words that tell what is wrong.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use dlc_build::Model;
use std::path::{Path, PathBuf};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

fn written(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("model.dsl");
    std::fs::write(&path, text).unwrap();
    path
}

fn of(path: &Path, folder: &Path) -> Model {
    Model::new(path).out_dir(folder).emit_cargo(false)
}

#[test]
fn a_module_has_types_for_every_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let path = examples().join("embed-rust/digits.dsl");
    let checkpoint = examples().join("data/digits_first.safetensors");
    let made = of(&path, folder).checkpoint(&checkpoint).train(true).compile().unwrap();
    let text = std::fs::read_to_string(made.module()).unwrap();
    for part in [
        "pub const BATCH_MAX: usize = 32;",
        "/// One sample of `image`, which is `f32[N, 1, 8, 8]`.",
        "pub type Image = [[[f32; 8]; 8]; 1];",
        "pub type Label = i32;",
        "pub type Logits = [f32; 10];",
        "pub struct Report {\n    /// The loss `loss`.\n    pub loss: f32,\n    /// The metric `accuracy`.\n    pub accuracy: f32,\n}",
        "pub fn predict(&mut self, image: &[Image], logits: &mut [Logits]) -> Result<(), dlc_runtime::RuntimeError> {",
        "pub fn predict_one(&mut self, image: &Image) -> Result<Logits, dlc_runtime::RuntimeError> {",
        "pub fn train_step(&mut self, image: &[Image], label: &[Label]) -> Result<Report, dlc_runtime::RuntimeError> {",
        "weights: &raw const digits_weights,",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert!(made.library().exists() && !folder.join("digits.safetensors").exists());
    let lines = made.cargo_lines().join("\n");
    for line in [
        format!("cargo:rerun-if-changed={}", path.display()),
        format!("cargo:rerun-if-changed={}", checkpoint.display()),
        format!("cargo:rustc-link-search=native={}", folder.display()),
        "cargo:rustc-link-lib=static=digits".to_owned(),
    ] {
        assert!(lines.contains(&line), "{line} is missing in\n{lines}");
    }
}

#[test]
fn choices_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let path = written(
        folder,
        "dlc 1\n\nmodel net(x: f32[N, 3], mask: bool[4], option width = 2) -> (y, z) {\n  y = x |> dense(width) as \
         first\n  z = mask\n}\n",
    );
    let model = of(&path, folder).name("other").max_batch(8).set("net.width", 5).train(false);
    let made = model.compile().unwrap();
    assert_eq!(made.name(), "other");
    let text = std::fs::read_to_string(made.module()).unwrap();
    // Not every byte is a bool: what comes out is bytes, and one array for the whole batch.
    let signature = "pub fn predict(&mut self, x: &[X], mask: &Mask, y: &mut [Y], z: &mut Z)";
    for part in
        ["BATCH_MAX: usize = 8", "type Y = [f32; 5]", "type Mask = [bool; 4]", "type Z = [u8; 4]", signature]
    {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert!(!text.contains("predict_one") && !text.contains("train_step") && !text.contains("other_weights"));
    assert!(text.contains("pub struct Other {"));
}

#[test]
fn mistakes_are_told_with_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let told = |model: Model| {
        let error = model.compile().unwrap_err();
        // A build script prints the `Debug` form.
        assert_eq!(format!("{error:?}"), error.to_string());
        error.to_string()
    };
    let good =
        written(folder, "dlc 1\n\nmodel net(x: f32[N, 3]) -> (y) {\n  y = x |> dense(2) as first\n}\n");
    assert!(
        told(of(&good, folder).train(true)).starts_with("`--train` needs a `data` and a `train` section")
    );
    assert!(told(of(&good, folder).name("type name")).contains("`type name` is no name of C"));
    assert!(told(of(&good, folder).checkpoint(folder.join("absent"))).contains("absent"));
    assert!(told(of(&good, folder).set("net.widht", 1)).contains("widht"));
    assert!(told(of(&folder.join("absent.dsl"), folder)).contains("absent.dsl"));
    let other = examples().join("data/digits_first.safetensors");
    assert!(told(of(&good, folder).checkpoint(other)).contains("`first.weight`"));
    assert!(told(Model::new(&good).emit_cargo(false)).contains("OUT_DIR"));
    let bad = written(folder, "dlc 1\n\nmodel net(x: f32[N, 3]) -> (y) {\n  y = x |> dens(2) as first\n}\n");
    let text = told(of(&bad, folder));
    assert!(text.starts_with("the model has an error") && text.contains("model.dsl:4:12"), "{text}");
    assert!(text.contains("dens(2)") && text.contains("`dense`"), "{text}");
}
