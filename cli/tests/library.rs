//! Libraries by the command line: targets, what is written, and reading it back.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::path::Path;
use std::process::{Command, Output};

fn dlc(folder: &Path, command: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dlc")).args(command.split(' ')).current_dir(folder).output().unwrap()
}

fn printed(folder: &Path, command: &str) -> String {
    let output = dlc(folder, command);
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(folder: &Path, command: &str) -> (i32, String) {
    let output = dlc(folder, command);
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let model = "dlc 1\nmodel net(x: f32[N, 3]) -> (y) {\n  y = x |> dense(2) as a\n}\n";
    std::fs::write(folder.path().join("net.dsl"), model).unwrap();
    folder
}

#[test]
fn targets_are_listed_and_an_unknown_one_is_told_the_nearest() {
    let folder = folder();
    let listed = printed(folder.path(), "targets");
    for part in [
        "x86_64-unknown-linux-gnu",
        "riscv64gc-unknown-linux-gnu",
        "none, scalars",
        "Mach-O",
        "CC_aarch64_apple_darwin",
    ] {
        assert!(listed.contains(part), "{part} is not in\n{listed}");
    }
    let json: serde_json::Value = serde_json::from_str(&printed(folder.path(), "targets --json")).unwrap();
    let hosts = json.as_array().unwrap().iter().filter(|row| row["is_host"] == true).count();
    assert!(hosts <= 1 && json.as_array().unwrap().len() == 13);
    let (code, error) = refused(folder.path(), "compile net.dsl --emit obj --target aarch64-linux-gnu");
    assert_eq!(code, 2);
    assert!(error.contains("did you mean aarch64-unknown-linux-gnu?"), "{error}");
    let (code, error) =
        refused(folder.path(), "compile net.dsl --emit obj --target aarch64-apple-darwin --cpu multi");
    assert_eq!(code, 1);
    assert!(error.contains("aarch64-apple-darwin has one kind of code alone"), "{error}");
    let (code, error) = refused(folder.path(), "compile net.dsl --cpu x86-64-v9");
    assert_eq!(code, 2);
    assert!(error.contains("x86-64-v4-vnni, multi"), "{error}");
    let (code, error) = refused(
        folder.path(),
        "compile net.dsl --cpu portable --target riscv64gc-unknown-linux-gnu --emit obj --embed-weights",
    );
    assert_eq!(code, 1);
    assert!(error.contains("`--embed-weights` needs weights"), "{error}");
}

#[test]
fn a_library_for_another_machine_is_read_back() {
    let folder = folder();
    printed(folder.path(), "compile net.dsl --emit obj,staticlib --target aarch64-apple-darwin --batch 7");
    for file in ["net.o", "libnet.a"] {
        let text = printed(folder.path(), &format!("inspect {file}"));
        for part in
            ["net: compiled by dlc", "(Mach-O, aarch64)", "batch up to 7", "f32[N, 3]", "code for portable"]
        {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
    let json: serde_json::Value =
        serde_json::from_str(&printed(folder.path(), "inspect net.o --json")).unwrap();
    assert_eq!((&json["batch_max"], &json["functions"][0]["name"]), (&7.into(), &"predict".into()));
    std::fs::write(folder.path().join("other.o"), std::fs::read(env!("CARGO_BIN_EXE_dlc")).unwrap()).unwrap();
    let (code, error) = refused(folder.path(), "inspect other.o");
    assert_eq!(code, 1);
    assert!(error.contains("holds no model that this version of dlc compiled"), "{error}");
}
