//! What ends a build, in a form that is read in cargo's output.

use dlc_driver::{DriverError, draw_diagnostics};
use std::fmt;

/// Why a model could not be compiled: all diagnostics with their places in the text, or one sentence.
///
/// A build script that ends with an error prints its `Debug` form, so that is the text, too.
pub struct Error {
    text: String,
}

impl Error {
    pub(crate) fn new(text: impl Into<String>) -> Error {
        Error { text: text.into() }
    }
}

impl From<DriverError> for Error {
    fn from(error: DriverError) -> Error {
        let text = match &error {
            DriverError::Invalid { sources, diagnostics } => {
                format!("{error}\n\n{}", draw_diagnostics(sources, diagnostics, false))
            }
            _ => error.to_string(),
        };
        Error { text }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}
