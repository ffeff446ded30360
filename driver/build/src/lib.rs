//! Compiles a model while `cargo build` runs, for a program that links it and calls it with types.
//!
//! A crate has a model `digits.dsl` (or an ONNX file), and in its `Cargo.toml`
//!
//! ```toml
//! [dependencies]
//! dlc-runtime = { path = "dlc/runtime" }
//!
//! [build-dependencies]
//! dlc-build = { path = "dlc/driver/build" }
//!
//! # The compiler is a program of some size: let it run fast.
//! [profile.dev.build-override]
//! opt-level = 2
//! [profile.release.build-override]
//! opt-level = 2
//! ```
//!
//! Its `build.rs` names the model:
//!
//! ```no_run
//! fn main() -> Result<(), dlc_build::Error> {
//!     dlc_build::Model::new("digits.dsl").checkpoint("digits.safetensors").train(true).compile()?;
//!     Ok(())
//! }
//! ```
//!
//! and the program takes in the module that was generated:
//!
//! ```ignore
//! mod digits {
//!     dlc_runtime::include_model!("digits");
//! }
//! use digits::{Digits, Image, Label};
//!
//! fn main() -> Result<(), dlc_runtime::RuntimeError> {
//!     let mut model = Digits::new()?;
//!     let image: Image = [[[0.0; 8]; 8]; 1];
//!     let logits = model.predict_one(&image)?; // [f32; 10]
//!     let report = model.train_step(&[image, image], &[3, 7])?; // a batch of two
//!     println!("{logits:?}, loss {}", report.loss);
//!     model.save("digits.safetensors")
//! }
//! ```
//!
//! The module depends on `dlc-runtime` alone; neither the compiler nor a C compiler is part of the program. Shapes and
//! element types are types of Rust: an image of 9x8 pixels does not compile. Batches are slices of up to
//! `BATCH_MAX` samples; what only a run can tell (a batch too large, a file of other weights) is a `RuntimeError`.
//!
//! What is wrong with a model ends the build with the compiler's diagnostics. A whole crate is in `examples/embed-rust`.
//!
//! The parts can be made anywhere, which an example shows:
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let model = folder.path().join("sum.dsl");
//! std::fs::write(&model, "dlc 1\n\nmodel sum(x: f32[N, 3]) -> (y) {\n  y = x |> dense(1) as first\n}\n")?;
//! let made = dlc_build::Model::new(&model).max_batch(8).out_dir(folder.path()).emit_cargo(false).compile()?;
//! let module = std::fs::read_to_string(made.module())?;
//! assert!(module.contains("pub type X = [f32; 3];"));
//! assert!(module.contains("pub fn predict(&mut self, x: &[X], y: &mut [Y])"));
//! # Ok(())
//! # }
//! ```

mod cpu;
mod error;

pub use cpu::Cpu;
pub use error::Error;

use dlc_driver::{ArtifactKind, CompileSettings, Platform, compile, draw_diagnostics, load_for_checkpoint};
use std::path::{Path, PathBuf};

/// A model to compile, and how.
#[derive(Clone, Debug)]
#[must_use = "nothing is compiled before `compile`"]
pub struct Model {
    path: PathBuf,
    settings: Vec<(String, String)>,
    checkpoint: Option<PathBuf>,
    embed_weights: bool,
    train: bool,
    name: Option<String>,
    max_batch: Option<usize>,
    max_arena: Option<usize>,
    cpu: Option<Cpu>,
    out_dir: Option<PathBuf>,
    emit_cargo: bool,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Compiled {
    name: String,
    library: PathBuf,
    out_dir: PathBuf,
    cargo: Vec<String>,
}

impl Model {
    /// A file of the language, or an ONNX file; relative to the package, where build scripts run.
    pub fn new(path: impl AsRef<Path>) -> Model {
        Model {
            path: path.as_ref().to_owned(),
            settings: Vec::new(),
            checkpoint: None,
            embed_weights: true,
            train: false,
            name: None,
            max_batch: None,
            max_arena: None,
            cpu: None,
            out_dir: None,
            emit_cargo: true,
        }
    }

    /// Trained weights, as `dlc train` or `dlc quantize` wrote them.
    pub fn checkpoint(mut self, path: impl AsRef<Path>) -> Model {
        self.checkpoint = Some(path.as_ref().to_owned());
        self
    }

    /// Whether weights, of a checkpoint or of the ONNX file, become part of the program; else they are written to
    /// `NAME.safetensors` in the output folder, and the program loads its own copy. They do if nothing is said.
    pub fn embed_weights(mut self, embed: bool) -> Model {
        self.embed_weights = embed;
        self
    }

    /// Whether the program also trains: `initialize`, `train_step` and `evaluate` beside `predict`.
    pub fn train(mut self, train: bool) -> Model {
        self.train = train;
        self
    }

    /// What the module and its symbols are called; the model's name if nothing is said. Two models of one program need
    /// two names.
    pub fn name(mut self, name: impl Into<String>) -> Model {
        self.name = Some(name.into());
        self
    }

    /// The greatest batch; that of the file's data section if nothing is said, or 1 without one.
    pub fn max_batch(mut self, batch: usize) -> Model {
        self.max_batch = Some(batch);
        self
    }

    /// Refuses a model that needs more scratch memory, in bytes.
    pub fn max_arena(mut self, bytes: usize) -> Model {
        self.max_arena = Some(bytes);
        self
    }

    /// Replaces a setting of the file, as `dlc --set KEY=VALUE` does: an option of the model, the size of an extent
    /// (`dim.L`), an input that is given ahead (`bind.NAME`).
    pub fn set(mut self, key: impl Into<String>, value: impl ToString) -> Model {
        self.settings.push((key.into(), value.to_string()));
        self
    }

    /// Instructions of the code. If nothing is said, those that the Rust compiler was given (`-C target-cpu`, `-C
    /// target-feature`), as far as there is code for them; where Rust code is for any x86-64, [`Cpu::Multi`].
    pub fn cpu(mut self, cpu: Cpu) -> Model {
        self.cpu = Some(cpu);
        self
    }

    /// Where files are written; `$OUT_DIR` if nothing is said.
    pub fn out_dir(mut self, folder: impl AsRef<Path>) -> Model {
        self.out_dir = Some(folder.as_ref().to_owned());
        self
    }

    /// Whether [`Model::compile`] prints what cargo is to link and to watch. It does if nothing is said.
    pub fn emit_cargo(mut self, emit: bool) -> Model {
        self.emit_cargo = emit;
        self
    }

    /// Compiles the model: `NAME.rs` and `libNAME.a` in the output folder, and lines for cargo on the standard output.
    ///
    /// # Errors
    /// Everything that `dlc compile` tells of, in its words; and a target of cargo's that there is no code for.
    pub fn compile(self) -> Result<Compiled, Error> {
        let out_dir = self.out_dir.clone().or_else(|| std::env::var_os("OUT_DIR").map(PathBuf::from));
        let out_dir = out_dir.ok_or_else(|| {
            Error::new("there is no OUT_DIR: call this in a build script, or name a folder by `out_dir`")
        })?;
        let platform = cpu::platform()?;
        let cpu = self.cpu.unwrap_or_else(|| cpu::of_cargo(platform));
        let loaded = match &self.checkpoint {
            Some(checkpoint) => load_for_checkpoint(&self.path, checkpoint, &self.settings)?,
            None => dlc_driver::load(&self.path, &self.settings)?,
        };
        let mut cargo = self.watched(&loaded);
        let warnings = draw_diagnostics(&loaded.sources, &loaded.diagnostics, false);
        cargo.extend(warnings.lines().map(|line| format!("cargo:warning={line}")));
        let comes_with_weights = self.checkpoint.is_some() || !loaded.weights.is_empty();
        let report = compile(
            &loaded,
            &CompileSettings {
                cpu: cpu.of_driver(),
                multi: cpu == Cpu::Multi,
                platform,
                batch: self.max_batch,
                output_dir: Some(out_dir.clone()),
                emit: vec![ArtifactKind::Staticlib, ArtifactKind::Rust],
                train: self.train,
                name: self.name.clone(),
                checkpoint: self.checkpoint.clone(),
                embed_weights: self.embed_weights && comes_with_weights,
                max_arena: self.max_arena,
                ..CompileSettings::default()
            },
        )?;
        let name = self.name.unwrap_or(report.model);
        cargo.push(format!("cargo:rustc-link-search=native={}", out_dir.display()));
        cargo.push(format!("cargo:rustc-link-lib=static={name}"));
        if self.emit_cargo {
            cargo.iter().for_each(|line| println!("{line}"));
        }
        let library = platform
            .or_else(Platform::host)
            .map_or_else(|| format!("lib{name}.a"), |platform| platform.static_library(&name));
        Ok(Compiled { name, library: out_dir.join(library), out_dir, cargo })
    }

    /// Files whose change makes the model anew.
    fn watched(&self, loaded: &dlc_driver::Loaded) -> Vec<String> {
        let mut files: Vec<PathBuf> = vec![self.path.clone()];
        files.extend(self.checkpoint.clone());
        files.extend(loaded.sources.files.values().map(|file| PathBuf::from(&file.name)));
        files.extend(loaded.imported.iter().cloned());
        files.retain(|file| file.exists());
        files.sort();
        files.dedup();
        files.iter().map(|file| format!("cargo:rerun-if-changed={}", file.display())).collect()
    }
}

impl Compiled {
    /// The name of the module and of the library.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The generated module, which [`dlc_runtime::include_model!`](https://docs.rs/dlc-runtime) takes in.
    pub fn module(&self) -> PathBuf {
        self.out_dir.join(format!("{}.rs", self.name))
    }

    /// The static library.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// The lines for cargo.
    pub fn cargo_lines(&self) -> &[String] {
        &self.cargo
    }
}
