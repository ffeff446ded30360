//! Code for GPUs in C programs: they compute to the bits of a Rust session on the same driver, and whatever is wrong with
//! a file, a driver or a GPU is a status and a sentence.
//!
//! The driver is the stand-in that executes PTX (`tests/cuda-driver`), or a real one where `DLC_CUDA_TEST_DRIVER` names it.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod computed;
mod refused;

use dlc_compiler::emit::Architecture;
use dlc_driver::{ArtifactKind, CompileSettings, Loaded, compile, load, load_text};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The greatest batch of all models here.
const BATCH: usize = 8;

/// A model of few kernels.
const NET: &str = "dlc 1
model net(x: f32[N, 3]) -> (y) {
  h = x |> dense(4) as body |> relu()
  y = h |> dense(2) as head
}
data d {
  source = synthetic(samples = 16, classes = 2) -> (x, t)
  batch = 4
}
train net on d {
  loss = cross_entropy(y, t)
  optimizer = sgd(lr = 0.1)
  epochs = 1
}
";

/// A tool that is absent is told and, where `DLC_REQUIRE_TOOLS` is set, a failure.
fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        assert!(std::env::var_os("DLC_REQUIRE_TOOLS").is_none(), "{tool} is missing");
        eprintln!("skipped: {tool} is missing");
    }
    found
}

fn digits() -> Loaded {
    load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/digits.dsl"), &[]).unwrap()
}

fn net() -> Loaded {
    load_text("net.dsl", NET, &[]).unwrap()
}

/// The code, the header and the C file, of all functions.
fn settings(folder: &Path) -> CompileSettings {
    CompileSettings {
        gpu: Some(Architecture::Sm80),
        batch: Some(BATCH),
        train: true,
        output_dir: Some(folder.to_owned()),
        emit: vec![ArtifactKind::Ptx, ArtifactKind::Header, ArtifactKind::C],
        ..CompileSettings::default()
    }
}

/// A folder with a model for GPUs.
fn compiled(loaded: &Loaded) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    compile(loaded, &settings(folder.path())).unwrap();
    folder
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gpu").join(name)
}

/// Runs the C compiler, for which any warning is an error.
fn cc(folder: &Path, arguments: &[&str]) {
    let flags = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1", "-g", "-pthread", "-I."];
    let output = Command::new("cc").current_dir(folder).args(flags).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Builds one of the programs beside this file with a model's C file, watched for stray reads and writes.
fn build(folder: &Path, program: &str, model: &str, more: &[&str]) -> PathBuf {
    let (place, glue) = (source(&format!("{program}.c")), format!("{model}.c"));
    let parts = ["-o", program, place.to_str().unwrap(), &glue];
    let runtime = ["dlc_runtime.c", "dlc_image.c", "dlc_cuda.c"];
    let watched = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-ldl", "-lm"];
    cc(folder, &[&parts[..], &runtime, more, &watched].concat());
    folder.join(program)
}

/// A program that the driver of `dlc_stand_in_driver::driver` stands ready for.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(program.parent().unwrap());
    command.env("DLC_CUDA_DRIVER", dlc_stand_in_driver::driver()).env_remove("DLC_CUDA_STEPWISE");
    command
}

/// What a program prints.
fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (text, told) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {text}\n{told}");
    text
}
