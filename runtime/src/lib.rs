//! What a program links to run compiled models: sessions over generated code.
//!
//! A [`Program`] is compiled code with its [`dlc_abi::Interface`]; a [`Session`] is one instance of it
//! with parameters and states of its own, a [`Team`] of threads and an arena. The compiler is not
//! needed here: whoever has the code, from the JIT or from a library, makes the program.
//!
//! Values cross this boundary as plain row-major tensors in native byte order. Nothing in a call
//! allocates after the first call of a function, except in the forms that look names up.

mod block;
mod checkpoint;
mod code_names;
#[cfg(unix)]
mod crash;
mod error;
mod execution;
mod float_mode;
mod gate;
mod identity;
mod order;
mod plan;
mod program;
mod session;
mod session_checkpoint;
mod session_memory;
mod session_tensors;
mod team;
mod tensor;
mod weights;

pub use checkpoint::{Checkpoint, LoadPolicy, write_atomically};
pub use code_names::{CodeNames, name_code};
#[cfg(unix)]
pub use crash::report_crashes;
pub use error::RuntimeError;
pub use identity::Identity;
pub use program::Program;
pub use session::{FunctionHandle, Session};
pub use team::Team;
pub use tensor::HostTensor;
pub use weights::{persistent_image, weights_file, weights_header};

pub use dlc_abi as abi;
