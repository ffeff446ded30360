//! What environment variables say of the device.

use dlc_ptx_machine::Checks;

/// A device as it was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) devices: i32,
    pub(crate) capability: (i32, i32),
    pub(crate) memory: usize,
    /// Graphs that its memory has room for.
    pub(crate) graphs: u64,
    pub(crate) checks: Checks,
}

/// What a variable says, or the default where it is not set.
///
/// # Panics
/// Where it says something else, which ends the process: a test must not run on a device that it did not ask for.
fn variable<T>(name: &str, read: impl Fn(&str) -> Option<T>, default: T) -> T {
    match std::env::var(name) {
        Ok(text) => read(&text).unwrap_or_else(|| panic!("{name} is {text:?}")),
        Err(_) => default,
    }
}

/// Two numbers with a point between them.
pub(crate) fn pair(text: &str) -> Option<(i32, i32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

impl Settings {
    /// Most shared memory of a block, as the generation has it.
    pub(crate) fn most_shared(&self) -> usize {
        let kibibytes = match self.capability {
            (..8, _) => 64,
            (8, 0 | 7) => 163,
            (8, _) => 99,
            _ => 227,
        };
        kibibytes << 10
    }

    pub(crate) fn new() -> Settings {
        let checked = |text: &str| ["none", "all"].iter().position(|known| *known == text);
        let checked = variable("DLC_STAND_IN_CHECKS", checked, 1) == 1;
        Settings {
            devices: variable("DLC_STAND_IN_DEVICES", |text| text.parse().ok(), 1),
            capability: variable("DLC_STAND_IN_CAPABILITY", pair, (8, 0)),
            memory: variable("DLC_STAND_IN_MEMORY", |text| text.parse().ok(), 8 << 30),
            graphs: variable("DLC_STAND_IN_GRAPHS", |text| text.parse().ok(), u64::MAX),
            checks: Checks { races: checked, uninitialised: checked, ..Checks::default() },
        }
    }
}

/// The version of CUDA that the driver says it is for.
pub(crate) fn version() -> (i32, i32) {
    variable("DLC_STAND_IN_VERSION", pair, (12, 8))
}
