//! `examples/embed-rust` in a folder of its own: it builds, reads and learns; what does not fit is an error of the Rust
//! compiler, of the build or of a call.
//!
//! Nothing is fetched: the crate takes this repository's crates by path, and its versions from the lock file.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use dlc_driver::{ArtifactKind, CompileSettings, compile, load};
use dlc_runtime::Model;
use dlc_runtime::typed::{bytes, bytes_mut};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The crate, copied to a clean folder.
struct Copy {
    folder: PathBuf,
}

/// Profiles by which the crates of others are those that this workspace has built already, and ours are built fast.
fn profiles(lock: &str) -> String {
    let names = lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    let ours = names.filter(|name| name.starts_with("dlc-") && !["dlc-bench", "dlc-tests"].contains(name));
    let ours: String = ours.map(|name| format!("\n[profile.dev.package.{name}]\nopt-level = 0\n")).collect();
    format!("\n[profile.dev.package.\"*\"]\nopt-level = 3\ndebug = false\n{ours}")
}

impl Copy {
    fn new() -> Copy {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("embed-rust");
        let folder = place.join("crate");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("src")).unwrap();
        std::fs::create_dir_all(place.join("data")).unwrap();
        let examples = repository().join("examples");
        for data in ["digits.csv", "digits_first.safetensors"] {
            std::fs::copy(examples.join("data").join(data), place.join("data").join(data)).unwrap();
        }
        for file in ["build.rs", "digits.dsl", "src/main.rs"] {
            std::fs::copy(examples.join("embed-rust").join(file), folder.join(file)).unwrap();
        }
        let lock = source("Cargo.lock");
        let elsewhere = format!("path = \"{}/", repository().display());
        let manifest = source("examples/embed-rust/Cargo.toml").replace("path = \"../../", &elsewhere);
        std::fs::write(folder.join("Cargo.toml"), manifest + &profiles(&lock)).unwrap();
        std::fs::write(folder.join("Cargo.lock"), lock).unwrap();
        Copy { folder }
    }

    fn cargo(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(&self.folder).args(arguments).arg("--offline");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        command.env("CARGO_TARGET_DIR", target).env("CARGO_TERM_COLOR", "never");
        // What the crate itself says counts, not what these tests are built with.
        command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        command.output().unwrap()
    }

    /// What a program prints, built from this source.
    fn printed(&self, source: &str) -> String {
        std::fs::write(self.folder.join("src/main.rs"), source).unwrap();
        let output = self.cargo(&["run", "--quiet"]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        // The generated module is as clean as code of one's own.
        assert!(!told.contains("warning"), "{told}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the compiler says of a program that is none.
    fn refused(&self, source: &str) -> String {
        std::fs::write(self.folder.join("src/main.rs"), source).unwrap();
        let output = self.cargo(&["check", "--quiet"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "it compiles:\n{source}");
        told
    }
}

fn source(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

/// One crate for all, since what it depends on takes a minute to build.
#[test]
fn the_example_builds_in_a_clean_folder() {
    let copy = Copy::new();
    reads_and_learns(&copy);
    follows_an_opened_library(&copy);
    takes_all_kinds_of_ports(&copy);
    wrong_shapes_do_not_compile(&copy);
    mistakes_of_the_model_end_the_build(&copy);
}

fn reads_and_learns(copy: &Copy) {
    let text = copy.printed(&source("examples/embed-rust/src/main.rs"));
    let share = |what: &str| -> f32 {
        let line = text.lines().find_map(|line| line.strip_prefix(what)).unwrap_or_else(|| panic!("{text}"));
        line.parse().unwrap()
    };
    assert!(text.starts_with("the first picture is a 0, read as 0\n"), "{text}");
    assert!(share("right: ") > 0.95, "{text}");
    assert!(share("right upside down: ") < 0.6, "{text}");
    assert!(share("right after learning: ") > 0.9, "{text}");
}

/// Whether there is a C compiler, which shared libraries are linked by.
fn has_cc() -> bool {
    Command::new("cc").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// The linked model computes to the bit what the same model does as a shared library.
fn follows_an_opened_library(copy: &Copy) {
    let text = copy.printed(&source("driver/build/tests/embed/followed.rs"));
    let (computed, told): (Vec<&str>, Vec<&str>) = text
        .lines()
        .partition(|line| ["train ", "evaluate ", "predict "].iter().any(|one| line.starts_with(one)));
    assert_eq!(
        told,
        [
            "a batch of 33 does not fit; this program takes 1 to 32 samples at a time",
            "a batch of 0 does not fit; this program takes 1 to 32 samples at a time",
            "`logits` of `predict` takes 80 bytes for a batch of 2; the buffer has 120",
            "`label` of `train` takes 8 bytes for a batch of 2; the buffer has 4",
            "absent.safetensors: No such file or directory (os error 2)",
            "this is not a readable checkpoint: header too large",
            "absent/file: No such file or directory (os error 2)",
        ]
    );
    if !has_cc() {
        eprintln!("skipped: cc is missing");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let settings = CompileSettings {
        multi: true,
        train: true,
        output_dir: Some(folder.path().to_owned()),
        emit: vec![ArtifactKind::So],
        ..CompileSettings::default()
    };
    compile(&load(&copy.folder.join("digits.dsl"), &[]).unwrap(), &settings).unwrap();
    // SAFETY: the library was made here.
    let model = unsafe { Model::open(folder.path().join("libdigits.so")) }.unwrap();
    let mut session = model.session(1).unwrap();
    session.initialize(3).unwrap();
    let mut expected = Vec::new();
    for size in [32, 5, 32, 1] {
        let pixel = |place: usize| ((place / 64 * 7 + place / 8 % 8 * 5 + place % 8 * 3) % 17) as f32;
        let images: Vec<f32> = (0..size * 64).map(pixel).collect();
        let labels: Vec<i32> = (0..size as i32).map(|number| number % 10).collect();
        let mut report = [0.0; 2];
        session.train_step(size, &[bytes(&images), bytes(&labels)], &mut report).unwrap();
        expected.push(bits("train", &report));
        session.evaluate(size, &[bytes(&images), bytes(&labels)], &mut report).unwrap();
        expected.push(bits("evaluate", &report));
        let mut logits = vec![0.0; size * 10];
        session.predict(size, &[bytes(&images)], &mut [bytes_mut(&mut logits)]).unwrap();
        expected.push(bits("predict", &logits));
    }
    assert_eq!(computed, expected);
}

fn bits(what: &str, values: &[f32]) -> String {
    let words: String = values.iter().map(|value| format!(" {:08x}", value.to_bits())).collect();
    format!("{what}{words}")
}

/// A second model, with what is not a sample of a batch.
fn takes_all_kinds_of_ports(copy: &Copy) {
    let script = source("examples/embed-rust/build.rs");
    let second = "    dlc_build::Model::new(\"odd.dsl\").train(true).compile()?;\n    Ok(())";
    std::fs::write(copy.folder.join("odd.dsl"), source("driver/build/tests/embed/odd.dsl")).unwrap();
    std::fs::write(copy.folder.join("build.rs"), script.replace("    Ok(())", second)).unwrap();
    let text = copy.printed(&source("driver/build/tests/embed/odd.rs"));
    std::fs::write(copy.folder.join("build.rs"), script).unwrap();
    assert_eq!(
        text,
        "the model odd has no weights yet: load a file, or initialize them by seed\n`scores` of `predict` takes 24 bytes for a \
         batch of 3; the buffer has 16\n9 values, the loss falls: true\ndigits and odd\n"
    );
}

fn wrong_shapes_do_not_compile(copy: &Copy) {
    let program = |body: &str| {
        format!(
            "mod digits {{\n    dlc_runtime::include_model!(\"digits\");\n}}\nfn main() -> Result<(), \
             dlc_runtime::RuntimeError> {{\n    let mut model = digits::Digits::new()?;\n    let right = [[[0.0; 8]; 8]; \
             1];\n    {body}\n    Ok(())\n}}\n"
        )
    };
    let right = program("let _: [f32; 10] = model.predict_one(&right)?;");
    copy.printed(&right);
    let array = |expected: usize, found: usize| {
        format!("expected an array with a size of {expected}, found one with a size of {found}")
    };
    for (body, error) in [
        ("model.predict_one(&[[[0.0; 8]; 9]; 1])?;", array(8, 9)),
        (
            "model.predict_one(&[[0.0; 8]; 8])?;",
            "expected `[f32; 8]`, found floating-point number".to_owned(),
        ),
        ("model.predict_one(&[[[0_u8; 8]; 8]; 1])?;", "expected `f32`, found `u8`".to_owned()),
        ("model.train_step(&[right], &[1.0])?;", "expected `i32`, found floating-point number".to_owned()),
        (
            "model.train_step(&[right])?;",
            "this method takes 2 arguments but 1 argument was supplied".to_owned(),
        ),
        ("let logits: [f32; 9] = model.predict_one(&right)?;", array(9, 10)),
        ("model.predict(&[right], &mut [[0.0; 11]])?;", array(10, 11)),
    ] {
        let told = copy.refused(&program(body));
        assert!(told.contains("error[E0308]") || told.contains("error[E0061]"), "{body}: {told}");
        assert!(told.contains(&error), "{body}: {told}\ndoes not say\n{error}");
    }
}

fn mistakes_of_the_model_end_the_build(copy: &Copy) {
    let model = copy.folder.join("digits.dsl");
    let text = std::fs::read_to_string(&model).unwrap();
    std::fs::write(&model, text.replace("dense(10)", "dens(10)")).unwrap();
    let told = copy.refused(&source("examples/embed-rust/src/main.rs"));
    for part in ["the model has an error", "digits.dsl:11:38", "dens(10)", "help: ", "`dense`"] {
        assert!(told.contains(part), "{part} is missing in\n{told}");
    }
    assert!(!told.contains("panicked"), "{told}");
    // A model that was mended is compiled again.
    std::fs::write(&model, text.replace("dense(10)", "dense(12)")).unwrap();
    let told = copy.refused(&source("examples/embed-rust/src/main.rs"));
    // Its checkpoint has ten classes.
    assert!(
        told.contains("`head.weight` is f32[32, 10] in the checkpoint, f32[32, 12] in the model"),
        "{told}"
    );
}
