//! A look at a session's memory between calls, for whoever checks compiled code value by value.

use crate::error::Result;
use crate::session::{Place, Session};
use std::borrow::Cow;

impl Session {
    /// The arena as the last call left it. Places are those of the program that was compiled; the bytes
    /// mean something only where the compilation kept every value. A device's is copied.
    ///
    /// # Errors
    /// [`RuntimeError::Device`](crate::RuntimeError::Device) where a device does not give it.
    pub fn arena(&self) -> Result<Cow<'_, [u8]>> {
        match &self.place {
            Place::Host(host) => Ok(Cow::Borrowed(host.arena.bytes())),
            Place::Device(mirror) => mirror.arena().map(Cow::Owned),
        }
    }

    /// All parameters and states, each at the offset and in the strides that the interface tells. A device's are
    /// copied where they are newer than the session's own.
    ///
    /// # Errors
    /// As above.
    pub fn persistent(&self) -> Result<Cow<'_, [u8]>> {
        match &self.place {
            Place::Host(host) => Ok(Cow::Borrowed(host.persistent.bytes())),
            Place::Device(mirror) => mirror.persistent(),
        }
    }
}
