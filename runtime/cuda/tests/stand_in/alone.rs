//! Tests in processes of their own: the driver is one for a process, and so is a fault.

use dlc_stand_in_driver::{Counters, library};
use std::path::PathBuf;
use std::process::Command;

/// Names the test that this process runs.
const CHILD: &str = "DLC_CUDA_TEST_CHILD";
/// Names a real driver's library for the calls.
const REAL: &str = "DLC_CUDA_TEST_DRIVER";

/// The driver that calls are made with.
pub(crate) fn driver() -> PathBuf {
    std::env::var_os(REAL).map_or_else(library, PathBuf::from)
}

/// What the stand-in counted; `None` with a real driver.
pub(crate) fn counted() -> Option<Counters> {
    std::env::var_os(REAL).is_none().then(|| dlc_stand_in_driver::counters(&library()))
}

/// Runs a test in a new process with these variables and no others of ours.
pub(crate) fn run(path: &str, variables: &[(&str, &str)], body: impl FnOnce()) {
    // Without the crate's name, as the harness calls it.
    let name = path.split_once("::").unwrap().1;
    if std::env::var(CHILD).is_ok_and(|child| child == name) {
        return body();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture"]).env(CHILD, name).env("DLC_CUDA_DRIVER", driver());
    command.env_remove("DLC_CUDA_STEPWISE").envs(variables.iter().copied());
    let output = command.output().unwrap();
    let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success() && told[0].contains("1 passed"), "{}{}", told[0], told[1]);
}

/// Tests of this crate, each in a process of its own.
macro_rules! alone {
    ($($(#[$attribute:meta])* fn $name:ident($($variable:ident = $value:expr),*) $body:block)*) => {
        $(
            $(#[$attribute])*
            #[test]
            fn $name() {
                let path = concat!(module_path!(), "::", stringify!($name));
                crate::alone::run(path, &[$((stringify!($variable), $value)),*], || $body);
            }
        )*
    };
}
pub(crate) use alone;
