//! Programs in C and C++ with compiled models: the examples, and checkpoints of `dlc train` in the hands of a program.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// A tool that is absent is told and, where `DLC_REQUIRE_TOOLS` is set, a failure.
fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        assert!(std::env::var_os("DLC_REQUIRE_TOOLS").is_none(), "{tool} is missing");
        eprintln!("skipped: {tool} is missing");
    }
    found
}

fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (text, told) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {text}\n{told}");
    assert!(!told.contains("warning:"), "{command:?}: {told}");
    text
}

fn dlc(folder: &Path, arguments: &[&str]) -> String {
    printed(Command::new(env!("CARGO_BIN_EXE_dlc")).args(arguments).current_dir(folder))
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)
}

/// What an example prints; all that is made lies in the folder.
fn run(name: &str, folder: &Path) -> String {
    let (place, compiler) = (format!("OUT={}", folder.display()), env!("CARGO_BIN_EXE_dlc"));
    let mut make = Command::new("make");
    // Not as a part of a build that a `make` runs these tests in.
    make.env_remove("MAKEFLAGS").env_remove("MFLAGS").current_dir(example(name));
    printed(make.args([&place, &format!("DLC={compiler}"), "run"]))
}

/// The numbers of `… A of B … are right`.
fn right(text: &str) -> (f64, f64) {
    let line = text.lines().last().unwrap();
    let mut numbers = line.split(' ').filter_map(|word| word.parse().ok());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
fn programs_recognise_digits() {
    if !(has("make") && has("cc")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (in_c, all) = right(&run("embed-c", folder.path()));
    assert!(in_c / all > 0.97, "{in_c} of {all}");
    if !has("c++") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(right(&run("embed-cpp", folder.path())), (in_c, all));
    // Nothing is beside the program: neither weights nor a shared library.
    std::fs::remove_file(folder.path().join("libdigits.a")).unwrap();
    let pictures = example("data/digits_first.csv");
    assert_eq!(right(&printed(Command::new(folder.path().join("recognise")).arg(pictures))), (in_c, all));
}

#[test]
fn a_program_trains_and_dlc_reads_what_it_saves() {
    if !(has("make") && has("cc")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (count, all) = right(&run("train-on-device-c", folder.path()));
    assert!(count / all >= 0.85, "{count} of {all}");
    let saved = folder.path().join("odd.safetensors");
    let report = dlc(
        &example("train-on-device-c"),
        &["eval", "odd.dsl", "--checkpoint", saved.to_str().unwrap(), "--json"],
    );
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let accuracy = report["test"]["accuracy"].as_f64().unwrap();
    assert!((accuracy - count / all).abs() < 1e-6, "{report}: {count} of {all}");
}

const PROGRAM: &str = r#"
#include "points.h"
#include <stdio.h>
int main(int count, char **arguments)
{
    points *model;
    points_options options = POINTS_OPTIONS;
    const float x[] = {1, 2, 3, 4, 5, 6};
    float y[4];
    dlc_status status = points_create(&model, &options);
    if (status == DLC_OK) status = points_load(model, arguments[count - 1], DLC_LOAD_ALL);
    if (status == DLC_OK) status = points_predict(model, 2, x, y);
    if (status == DLC_OK) printf("%.9g %.9g %.9g %.9g\n", y[0], y[1], y[2], y[3]);
    else printf("%s: %s\n", points_status_text(status), points_message(model));
    return points_destroy(model);
}
"#;

fn model(name: &str, activation: &str) -> String {
    format!(
        "dlc 1
model {name}(x: f32[N, 3]) -> (y) {{
  h = x |> dense(4) as hidden |> {activation}()
  y = h |> dense(2) as head
}}
data table {{
  source    = csv(\"points.csv\", target = \"side\") -> (x, side)
  transform = x |> standardize()
  batch     = 4
}}
train {name} on table {{
  loss      = cross_entropy(y, side)
  optimizer = adam(lr = 0.01)
  epochs    = 1
}}
"
    )
}

#[test]
fn a_program_takes_checkpoints_of_its_model_alone() {
    if !has("cc") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    let rows: String = (0..24).map(|n| format!("{},{},{},{}\n", n % 5, n % 7, n % 3, n % 2)).collect();
    write("points.csv", &format!("a,b,c,side\n{rows}"));
    write("points.dsl", &model("points", "relu"));
    write("curves.dsl", &model("curves", "tanh"));
    for name in ["points", "curves"] {
        dlc(folder, &["train", &format!("{name}.dsl")]);
    }
    dlc(folder, &["compile", "points.dsl", "--emit", "obj,header,c"]);
    write("program.c", PROGRAM);
    let parts = ["program.c", "points.c", "dlc_runtime.c", "points.o", "-pthread", "-o", "program"];
    printed(Command::new("cc").current_dir(folder).args(parts));
    let told = |checkpoint: &str| {
        printed(Command::new(folder.join("program")).current_dir(folder).arg(checkpoint)).trim().to_owned()
    };
    let numbers: Vec<f64> =
        told("runs/points/best.safetensors").split(' ').map(|number| number.parse().unwrap()).collect();
    assert_eq!(numbers.len(), 4);
    let text = told("runs/curves/best.safetensors");
    let (status, message) = text.split_once(": ").unwrap();
    assert_eq!(status, "the file holds the weights of another model");
    let (front, rest) = message.split_once(" (graph ").unwrap();
    assert_eq!(front, "the weights are those of the model curves");
    assert!(rest.contains("), the library is points (graph "), "{text}");
    // The compiler refuses it, too, though every tensor fits.
    let arguments =
        ["compile", "points.dsl", "--checkpoint", "runs/curves/best.safetensors", "--emit", "obj"];
    let output =
        Command::new(env!("CARGO_BIN_EXE_dlc")).args(arguments).current_dir(folder).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "error: runs/curves/best.safetensors: the checkpoint is of the model curves, not of points: its tensors fit, but \
         its inference graph is not this one\n"
    );
}

#[test]
fn shells_and_manuals_know_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let help = dlc(folder.path(), &["--help"]);
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let commands: Vec<&str> = list.lines().map_while(|line| line.trim().split(' ').next()).collect();
    let commands: Vec<&str> = commands.into_iter().take_while(|command| !command.is_empty()).collect();
    assert!(commands.len() > 20, "{commands:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = dlc(folder.path(), &["completions", shell]);
        assert!(commands.iter().all(|command| script.contains(command)), "{shell}");
        assert!(script.contains("embed-weights"), "{shell}");
    }
    let written = dlc(folder.path(), &["man", "--out", "pages"]);
    assert_eq!(written.lines().count(), commands.len());
    for command in commands.iter().filter(|command| **command != "help") {
        let page = std::fs::read_to_string(folder.path().join(format!("pages/dlc-{command}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS") && page.contains(&format!("dlc\\-{command} \\-")), "{page}");
    }
    assert_eq!(
        dlc(folder.path(), &["man"]),
        std::fs::read_to_string(folder.path().join("pages/dlc.1")).unwrap()
    );
}
