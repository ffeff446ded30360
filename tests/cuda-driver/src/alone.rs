//! Tests in processes of their own: the driver is one for a process, and so is a fault.

use crate::counters::{Counters, counters, library};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

/// Names the test that a process was started for.
const CHILD: &str = "DLC_STAND_IN_TEST";
/// Names a real driver's library, with which tests are to be run.
const REAL: &str = "DLC_CUDA_TEST_DRIVER";

/// The driver that tests are run with: the stand-in, or what `DLC_CUDA_TEST_DRIVER` names.
#[must_use]
pub fn driver() -> PathBuf {
    std::env::var_os(REAL).map_or_else(library, PathBuf::from)
}

/// What the stand-in counted in this process; `None` with a real driver.
#[must_use]
pub fn counted() -> Option<Counters> {
    std::env::var_os(REAL).is_none().then(|| counters(&library()))
}

/// Runs a test in a process of its own, in which `DLC_CUDA_DRIVER` names [`driver`], with these variables beside it. `path`
/// is the test's, its crate in front, as [`std::module_path`] has it.
///
/// # Panics
/// Where the test fails.
pub fn alone<V: AsRef<OsStr>>(path: &str, variables: &[(&str, V)], test: impl FnOnce()) {
    // The harness calls tests without the crate's name.
    let name = path.split_once("::").map_or(path, |(_, name)| name);
    if std::env::var(CHILD).is_ok_and(|child| child == name) {
        return test();
    }
    let program = std::env::current_exe().unwrap_or_default();
    let mut command = Command::new(program);
    command.args([name, "--exact", "--nocapture"]).env(CHILD, name).env("DLC_CUDA_DRIVER", driver());
    command.env_remove("DLC_CUDA_STEPWISE").envs(variables.iter().map(|(name, value)| (name, value)));
    let ran = command.output();
    let output = ran.unwrap_or_else(|error| panic!("{name} cannot be run by itself: {error}"));
    let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success() && told[0].contains("1 passed"), "{}{}", told[0], told[1]);
}
