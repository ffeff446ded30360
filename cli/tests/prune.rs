//! `dlc prune` as a process: what it prints, what it leaves, and the commands that take it.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::path::Path;
use std::process::{Command, Output};

const MODEL: &str = "dlc 1
model points(x: f32[N, 3]) -> (logits) {
  h = x |> dense(32) as hidden |> relu()
  logits = h |> dense(2) as head
}
data table {
  source = csv(\"points.csv\", target = \"side\") -> (x, side)
  split  = split(validation = 0.2, test = 0.2)
  batch  = 16
}
train points on table {
  loss      = cross_entropy(logits, side)
  metrics   = accuracy(logits, side)
  optimizer = adam(lr = 0.01)
  epochs    = 5
}
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("points.dsl"), MODEL).unwrap();
    let mut text = "a,b,c,side\n".to_owned();
    for row in 0..200u32 {
        let draw =
            |salt: u32| f64::from(row.wrapping_mul(2_654_435_761).wrapping_add(salt) >> 8 & 0xFFF) / 1024.0;
        let [a, b, c] = [draw(1), draw(77_777_777), draw(3_333_333_333)];
        text.push_str(&format!("{a},{b},{c},{}\n", u8::from(a + 2.0 * b - c > 4.0)));
    }
    std::fs::write(folder.path().join("points.csv"), text).unwrap();
    folder
}

fn dlc(folder: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dlc"));
    command.current_dir(folder).args(arguments.split(' ')).output().unwrap()
}

/// What a command that succeeds prints to stdout.
fn printed(folder: &Path, arguments: &str) -> String {
    let output = dlc(folder, arguments);
    assert!(output.status.success(), "dlc {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_pruned_checkpoint_goes_with_every_command() {
    let folder = folder();
    let at = folder.path();
    printed(at, "train points.dsl --threads 1 --out run");
    let text = printed(
        at,
        "prune points.dsl --checkpoint run/best.safetensors --sparsity 0.5 --structured --epochs 2 --threads 1 --out out",
    );
    assert!(
        text.contains("32 -> 16") && text.contains("head.weight: it reaches the output `logits`"),
        "{text}"
    );
    assert!(text.contains("before") && text.contains("tuned"), "{text}");
    for command in [
        "eval points.dsl",
        "inspect points.dsl",
        "compile points.dsl --batch 2",
        "compare points.dsl",
        "explain points.dsl",
        "export points.dsl -o narrow.onnx",
        "predict points.dsl points.csv",
    ] {
        let (name, rest) = command.split_once(' ').unwrap();
        let text = printed(at, &format!("{name} --checkpoint out/pruned.safetensors {rest}"));
        assert!(!text.is_empty(), "{command}");
    }
    let layers = printed(at, "inspect points.dsl --checkpoint out/pruned.safetensors");
    assert!(layers.contains("f32[N, 16]") && layers.contains("128 -> 64"), "{layers}");
    assert!(layers.contains("before pruning 194 parameters"), "{layers}");
    let wrong = dlc(at, "inspect points.dsl --set points.hidden=1 --checkpoint out/pruned.safetensors");
    assert_eq!(wrong.status.code(), Some(1));
}

#[test]
fn numbers_are_for_scripts_and_a_limit_is_an_exit_code() {
    let folder = folder();
    let at = folder.path();
    printed(at, "train points.dsl --threads 1 --out run");
    let prune = "prune points.dsl --checkpoint run/best.safetensors --threads 1 --out out --json --sparsity";
    let report: serde_json::Value = serde_json::from_str(&printed(at, &format!("{prune} 0.25"))).unwrap();
    assert_eq!(report["layers"][0]["parameter"], "hidden.weight");
    assert_eq!(report["layers"][0]["weights_after"], 72);
    assert_eq!((&report["metric"], &report["part"]), (&"accuracy".into(), &"validation".into()));
    assert!(report["drop"].is_number() && report["tuned"].is_null());
    std::fs::remove_file(at.join("out/pruned.safetensors")).unwrap();
    let lost = dlc(at, &format!("{prune} 0.95 --set train.monitor=loss --max-drop 0"));
    assert_eq!(lost.status.code(), Some(3), "{}", String::from_utf8_lossy(&lost.stderr));
    assert!(!at.join("out/pruned.safetensors").exists());
    let usage = dlc(at, "prune points.dsl --checkpoint run/best.safetensors");
    assert_eq!(usage.status.code(), Some(2));
}
