//! Code for GPUs by the command line: what is written, reading it back, and what is refused.

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

fn refused(folder: &Path, command: &str, part: &str) {
    let output = dlc(folder, command);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(matches!(output.status.code(), Some(1 | 2)), "{command}: {:?} {told}", output.status);
    assert!(told.contains(part), "{command}: {told}");
}

const MODEL: &str = r#"dlc 1
model net(x: f32[N, 5, 6]) -> (y) {
  y = x |> lstm(8, output = last) as recurrent |> dense(2) as head
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
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("net.dsl"), MODEL).unwrap();
    folder
}

#[test]
fn code_is_written_and_read_back() {
    let folder = folder();
    let told = printed(
        folder.path(),
        "compile net.dsl --emit ptx --target nvptx64 --sm 80 --math tf32 --train --max-batch 9 --name n --memory-report",
    );
    for part in ["code for sm_80, products in tf32", "train", "shared memory", "n.launches", "alive in"] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    let read = printed(folder.path(), "inspect n.launches");
    for part in [
        "n: compiled by dlc",
        "(PTX for sm_80)",
        "batch up to 9",
        "f32[N, 5, 6]",
        "compute capability 8.0 and later",
        "products in tf32",
        "train_recurrent",
    ] {
        assert!(read.contains(part), "{part} is not in\n{read}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&printed(folder.path(), "inspect n.launches --json")).unwrap();
    let rows = json["device"]["functions"].as_array().unwrap();
    assert_eq!(rows.iter().filter(|row| row["name"] == "train").count(), 1);
    // Five steps of the scan, forwards and backwards.
    assert!(rows.iter().all(|row| row["name"] != "train" || row["launches"].as_u64().unwrap() > 10));
    let text = std::fs::read_to_string(folder.path().join("n.ptx")).unwrap();
    assert!(text.starts_with("// net\n.version 8.0\n.target sm_80\n"), "{}", &text[..80]);
    let entries = text.matches(".entry ").count() as u64;
    assert_eq!(json["device"]["kernels"].as_u64(), Some(entries));
    // The text in the other file is the same.
    let image = std::fs::read(folder.path().join("n.launches")).unwrap();
    assert!(image.windows(text.len()).any(|window| window == text.as_bytes()));
}

#[test]
fn two_builds_on_two_paths_give_the_same_bytes() {
    let [one, other] = [folder(), folder()];
    let deeper = other.path().join("a/b");
    std::fs::create_dir_all(&deeper).unwrap();
    std::fs::rename(other.path().join("net.dsl"), deeper.join("net.dsl")).unwrap();
    let command = "--emit ptx --target nvptx64 --sm 90a --train";
    printed(one.path(), &format!("compile net.dsl {command}"));
    printed(other.path(), &format!("compile a/b/net.dsl {command} --output a/out"));
    for file in ["net.ptx", "net.launches"] {
        let bytes = |path: &Path| std::fs::read(path.join(file)).unwrap();
        assert!(bytes(one.path()) == bytes(&other.path().join("a/out")), "{file}");
    }
}

#[test]
fn weights_lie_beside_the_code() {
    let folder = folder();
    printed(folder.path(), "train net.dsl --out trained --threads 1");
    let checkpoint =
        std::fs::read_dir(folder.path().join("trained")).unwrap().map(|entry| entry.unwrap().path());
    let checkpoint =
        checkpoint.into_iter().find(|path| path.extension().is_some_and(|one| one == "safetensors"));
    let checkpoint = checkpoint.unwrap();
    let command = "compile net.dsl --emit ptx --target nvptx64 --checkpoint";
    printed(folder.path(), &format!("{command} {}", checkpoint.display()));
    assert!(folder.path().join("net.safetensors").exists());
}

#[test]
fn damaged_files_are_told() {
    let folder = folder();
    printed(folder.path(), "compile net.dsl --emit ptx --target nvptx64");
    let path = folder.path().join("net.launches");
    let bytes = std::fs::read(&path).unwrap();
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 4;
    std::fs::write(&path, damaged).unwrap();
    refused(folder.path(), "inspect net.launches", "is damaged");
    std::fs::write(&path, &bytes[..bytes.len() - 8]).unwrap();
    refused(folder.path(), "inspect net.launches", "is damaged");
    let mut later = bytes.clone();
    later[8] += 1;
    std::fs::write(&path, later).unwrap();
    refused(folder.path(), "inspect net.launches", "compile the model again");
    std::fs::write(&path, "").unwrap();
    refused(folder.path(), "inspect net.launches", "is no file of `dlc compile --emit ptx`");
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let folder = folder();
    for (flags, part) in [
        ("--emit ptx --target nvptx64 --sm 70", "there is no code for sm_70; there is for 75, 80, 90a"),
        ("--emit ptx --target nvptx", "did you mean nvptx64?"),
        ("--emit ptx", "`--target nvptx64` asks for"),
        ("--sm 80", "`--sm` is about GPUs"),
        ("--emit obj --target x86_64-unknown-linux-gnu --sm 80", "`--sm` is about GPUs"),
        ("--math tf32", "`--math f32`, `tf32` and `bf16` are about code for a GPU"),
        ("--emit obj --math f32", "`--math f32`, `tf32` and `bf16` are about code for a GPU"),
        ("--emit so --target nvptx64", "`--emit so` is code for a processor"),
        ("--emit ptx,asm --target nvptx64", "`--emit asm` is code for a processor"),
        ("--emit ptx --target nvptx64 --cpu portable", "`--cpu` is about processors"),
        ("--emit ptx --target nvptx64 --cpu multi", "`--cpu` is about processors"),
        ("--emit ptx --target nvptx64 --embed-weights", "weights are a file beside the code"),
        ("--target nvptx64 --name n", "`--name` is about files"),
        ("--emit ptx --target nvptx64 --name 4x", "is no name of C"),
        ("--emit ptx --target nvptx64 --sm 75 --math tf32", "code for sm_75 has f32"),
        (
            "--emit ptx --target nvptx64 --sm 75 --math bf16",
            "`--math bf16` is what tensor cores from sm_80 on",
        ),
        ("--emit ptx --target nvptx64 --math strict --fast-math", "`--math strict`"),
    ] {
        refused(folder.path(), &format!("compile net.dsl {flags}"), part);
    }
    let listed = printed(folder.path(), "targets");
    let row = listed.lines().find(|line| line.starts_with("nvptx64")).unwrap();
    assert!(row.contains("75, 80, 90a") && row.contains("ptx, header, c"), "{row}");
}

#[test]
fn compiled_code_is_no_model() {
    let folder = folder();
    printed(folder.path(), "compile net.dsl --emit ptx --target nvptx64 --sm 80");
    printed(folder.path(), "compile net.dsl --emit obj,so");
    for file in ["net.launches", "net.o", "libnet.so"] {
        let told = format!("{file} is compiled code: `dlc inspect` shows what is in it");
        for command in ["run", "check", "compile", "bench run"] {
            refused(folder.path(), &format!("{command} {file}"), &told);
        }
    }
    refused(folder.path(), "run other.launches", "other.launches cannot be read");
}
