//! The bench of libraries on a small model: what it calls is what the header of today declares.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::path::Path;
use std::process::Command;

#[test]
fn a_library_is_timed_with_the_options_of_its_header() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ahead_of_time"));
    command.arg(examples.join("digits_first.dsl")).arg("--checkpoint");
    let output =
        command.arg(examples.join("data/digits_first.safetensors")).args(["--rounds", "2"]).output().unwrap();
    let (told, fault) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{fault}");
    assert!(told.contains("to the first result"), "{told}");
}
