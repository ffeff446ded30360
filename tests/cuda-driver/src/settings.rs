//! What environment variables say of the device.

use dlc_ptx_machine::Checks;

/// A device as it was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) devices: i32,
    pub(crate) capability: (i32, i32),
    pub(crate) memory: usize,
    pub(crate) checks: Checks,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Two numbers with a point between them.
fn pair(text: &str) -> Option<(i32, i32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

impl Settings {
    pub(crate) fn new() -> Settings {
        let number = |name: &str| variable(name).and_then(|text| text.parse().ok());
        let without = variable("DLC_STAND_IN_CHECKS").is_some_and(|checks| checks == "none");
        Settings {
            devices: number("DLC_STAND_IN_DEVICES").unwrap_or(1),
            capability: variable("DLC_STAND_IN_CAPABILITY").and_then(|text| pair(&text)).unwrap_or((8, 0)),
            memory: variable("DLC_STAND_IN_MEMORY").and_then(|text| text.parse().ok()).unwrap_or(8 << 30),
            checks: Checks { races: !without, uninitialised: !without, ..Checks::default() },
        }
    }
}

/// The version of CUDA as the driver tells it: 12080.
pub(crate) fn version() -> i32 {
    let (major, minor) = variable("DLC_STAND_IN_VERSION").and_then(|text| pair(&text)).unwrap_or((12, 8));
    major * 1000 + minor * 10
}
