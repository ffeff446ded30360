//! What can be wrong with a file.

use std::path::PathBuf;
use thiserror::Error;

/// Why a file cannot be used. Each is one line that names the file and, where there is one, the node.
#[derive(Debug, Error)]
pub enum OnnxError {
    /// A file that cannot be read.
    #[error("{}: {cause}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// What is in the file is damaged or contradicts itself.
    #[error("{file}: {what}")]
    Invalid {
        /// The file.
        file: String,
        /// Node and fault.
        what: String,
    },
    /// The file is from the future, or asks for something that this version cannot do.
    #[error("{file}: {what}")]
    Unsupported {
        /// The file.
        file: String,
        /// What is not supported.
        what: String,
    },
}
