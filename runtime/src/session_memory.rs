//! A look at a session's memory between calls, for whoever checks compiled code value by value.

use crate::session::Session;

impl Session {
    /// The arena as the last call left it. Places are those of the program that was compiled; the bytes
    /// mean something only where the compilation kept every value.
    pub fn arena(&self) -> &[u8] {
        self.arena.bytes()
    }

    /// All parameters and states, each at the offset and in the strides that the interface tells.
    pub fn persistent(&self) -> &[u8] {
        self.persistent.bytes()
    }
}
