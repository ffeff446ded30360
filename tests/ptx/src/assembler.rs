//! NVIDIA's assembler beside the machine: whether a text is PTX at all, and what a kernel takes of a multiprocessor.
//!
//! `ptxas` is no part of the repository: `compiler/codegen/ptx/setup.sh` fetches it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The assembler: what `DLC_PTXAS` names, what `setup.sh` has fetched, or one on the path. Without one a test is skipped,
/// which is said.
///
/// # Panics
/// Without one where `DLC_REQUIRE_TOOLS` is set.
pub fn ptxas() -> Option<PathBuf> {
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/ptxas/bin/ptxas");
    let named = std::env::var_os("DLC_PTXAS").map(PathBuf::from);
    let candidates = named.into_iter().chain([fetched, PathBuf::from("ptxas")]);
    let found = candidates.into_iter().find(|ptxas| Command::new(ptxas).arg("--version").output().is_ok());
    if found.is_none() {
        let how = "ptxas is missing: compiler/codegen/ptx/setup.sh fetches it";
        assert!(std::env::var_os("DLC_REQUIRE_TOOLS").is_none(), "{how}");
        eprintln!("1 test skipped: {how}");
    }
    found
}

/// What the assembler says of a text for an architecture such as `sm_80`, with the resources of every entry. Files
/// are written to the folder.
///
/// # Errors
/// What it says of a text that it does not take, or why it did not run.
pub fn assemble(ptxas: &Path, folder: &Path, text: &str, architecture: &str) -> Result<String, String> {
    let (source, object) = (folder.join("module.ptx"), folder.join("module.cubin"));
    std::fs::write(&source, text).map_err(|error| error.to_string())?;
    let mut command = Command::new(ptxas);
    command.args(["-v", "-arch", architecture, "-o"]).args([&object, &source]);
    let output = command.output().map_err(|error| error.to_string())?;
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    if output.status.success() { Ok(said) } else { Err(said) }
}
