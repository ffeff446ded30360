//! What tests ask about the driver beside its interface.

use crate::state;
use std::path::{Path, PathBuf};

/// What happened in the driver since it was loaded.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Holds on contexts, blocks of memory, streams, events, modules and graphs that nobody has given back.
    pub living: u64,
    /// Calls that were refused because they do not use the interface as it is meant.
    pub refused: u64,
    /// Kernels that were run.
    pub launches: u64,
    /// Graphs that were made ready to start.
    pub graphs: u64,
    /// Graphs that were started.
    pub graph_launches: u64,
    /// Times that somebody waited for a stream.
    pub waits: u64,
}

/// Gives the counters of this copy of the driver.
#[unsafe(no_mangle)]
extern "C" fn dlc_stand_in_counters() -> Counters {
    state::lock().as_ref().map_or_else(Counters::default, state::State::counters)
}

/// Where cargo put the shared library, as seen from a test that has this crate among its dependencies.
///
/// Cargo builds a dependency in all its forms and puts them beside the test's own program, the library without a hash in
/// its name.
///
/// # Panics
/// Where it is not there.
#[must_use]
pub fn library() -> PathBuf {
    use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
    let name = format!("{DLL_PREFIX}dlc_stand_in_driver{DLL_SUFFIX}");
    let program = std::env::current_exe().unwrap_or_default();
    // Tests lie in `deps`, programs and libraries of the workspace's own packages one above.
    let folders =
        program.ancestors().skip(1).take(2).flat_map(|folder| [folder.join("deps"), folder.to_owned()]);
    let found = folders.map(|folder| folder.join(&name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("cargo has put no {name} beside {}", program.display()))
}

/// The counters of the driver that this process has loaded from a path.
///
/// # Panics
/// Where that is no stand-in.
#[must_use]
pub fn counters(library: &Path) -> Counters {
    let ask = || {
        // SAFETY: the library is this crate's.
        let library = unsafe { libloading::Library::new(library) }?;
        // SAFETY: the function above.
        let function = unsafe { library.get::<extern "C" fn() -> Counters>(b"dlc_stand_in_counters") }?;
        Ok::<Counters, libloading::Error>(function())
    };
    ask().unwrap_or_else(|error| panic!("{} is no stand-in: {error}", library.display()))
}
