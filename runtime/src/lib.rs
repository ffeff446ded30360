//! What a program links to run compiled models: sessions over generated code.
//!
//! # Embedding a model
//!
//! `dlc compile model.dsl --train --emit so` writes a shared library. [`Model::open`] loads it, and a [`Session`] of it
//! predicts and trains, without dlc on the machine:
//!
//! ```no_run
//! use dlc_runtime::{LoadPolicy, Model};
//! use dlc_runtime::typed::{bytes, bytes_mut};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // SAFETY: the library is our own.
//! let model = unsafe { Model::open("libdigits.so")? };
//! let mut session = model.session(0)?; // on all threads of the machine
//! session.load("digits.safetensors", LoadPolicy::IgnoreExtra)?;
//!
//! // Tensors are bytes of plain row-major arrays: here two images f32[1, 8, 8], and ten numbers for each.
//! let images = [[[[0.0_f32; 8]; 8]; 1]; 2];
//! let mut logits = [[0.0_f32; 10]; 2];
//! session.predict(2, &[bytes(&images)], &mut [bytes_mut(&mut logits)])?;
//!
//! let mut report = [0.0; 2]; // loss and accuracy
//! session.train_step(2, &[bytes(&images), bytes(&[3_i32, 7])], &mut report)?;
//! session.save("digits.safetensors", None)?;
//! # Ok(())
//! # }
//! ```
//!
//! The crate `dlc-build` compiles a model while `cargo build` runs, links it statically and generates a module in which
//! images, labels and results have types: [`include_model!`](include_model) takes it in. It is made of [`LinkedModel`]
//! and of [`typed`]; `examples/embed-rust` is a whole program.
//!
//! Every mistake is a [`RuntimeError`] with a sentence, and none reaches compiled code: a batch or buffer of a wrong size, a
//! library of another version or for another machine, weights of another graph.
//!
//! # What it is made of
//!
//! A [`Program`] is compiled code with its [`dlc_abi::Interface`]; a [`Session`] is one instance of it
//! with parameters and states of its own, a [`Team`] of threads and an arena. The compiler is not
//! needed here: whoever has the code, from the JIT or from a library, makes the program.
//!
//! Values cross this boundary as plain row-major tensors in native byte order. Nothing in a call
//! allocates after the first call of a function, except in the forms that look names up. Results have the same bits for any
//! number of threads, and those of the C runtime (`runtime/c`), which follows the same contract ([`abi`]).

mod block;
mod checkpoint;
mod code_names;
#[cfg(unix)]
mod crash;
mod device;
mod error;
mod execution;
mod float_mode;
mod gate;
mod host;
mod identity;
mod instructions;
mod mirror;
mod model;
mod order;
mod plan;
mod program;
mod session;
mod session_checkpoint;
mod session_memory;
mod session_tensors;
mod team;
mod tensor;
mod tensor_file;
pub mod typed;
mod weights;

pub use checkpoint::{Checkpoint, LoadPolicy, write_atomically};
pub use code_names::{CodeNames, name_code};
#[cfg(unix)]
pub use crash::report_crashes;
pub use device::{Ahead, Call, CallTimes, Device, LaunchTime, Samples};
pub use error::RuntimeError;
pub use identity::Identity;
pub use model::{LinkedModel, Model};
pub use program::Program;
pub use session::{FunctionHandle, Session};
pub use team::Team;
pub use tensor::HostTensor;
pub use weights::{persistent_image, weights_file, weights_header};

pub use dlc_abi as abi;

/// Takes in the module that `dlc-build` generated for the model of this name.
///
/// ```ignore
/// mod digits {
///     dlc_runtime::include_model!("digits");
/// }
/// ```
#[macro_export]
macro_rules! include_model {
    ($name:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $name, ".rs"));
    };
}
