//! What can go wrong between a caller and a compiled program.

use crate::identity::Identity;
use dlc_abi::ElementType;
use std::path::PathBuf;

/// Every failure of this crate, told in one sentence.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message names each field")]
pub enum RuntimeError {
    /// The code was made for another contract.
    #[error(
        "the program follows version {found} of the runtime contract, this runtime follows {expected}; compile it \
         again by dlc of the runtime's version"
    )]
    Version { found: u64, expected: u32 },
    /// The interface contradicts itself.
    #[error("the program's interface is inconsistent: {0} (this is a bug in dlc)")]
    Interface(String),
    /// No function of that name.
    #[error("the model {model} has no function `{function}`; it has: {available}")]
    NoFunction { model: String, function: String, available: String },
    /// No parameter or state of that name.
    #[error("the model {model} has no parameter or state `{name}`")]
    NoTensor { model: String, name: String },
    /// A batch out of bounds.
    #[error("a batch of {batch} does not fit; this program takes 1 to {batch_max} samples at a time")]
    Batch { batch: usize, batch_max: usize },
    /// The wrong number of inputs, outputs or reported values.
    #[error("`{function}` has {expected} {what}; {found} were given")]
    Count { function: String, what: &'static str, expected: usize, found: usize },
    /// An input that was not given.
    #[error("`{function}` needs the input `{name}`, which was not given")]
    MissingInput { function: String, name: String },
    /// A name that is no port of the function.
    #[error("`{function}` has no {what} `{name}`; it has: {available}")]
    NoPort { function: String, what: &'static str, name: String, available: String },
    /// A buffer of the wrong length.
    #[error("`{name}` of `{function}` takes {expected} bytes for a batch of {batch}; the buffer has {found}")]
    Length { function: String, name: String, batch: usize, expected: usize, found: usize },
    /// A tensor whose type or shape is not the model's.
    #[error("`{name}` is {expected} in the model, not {found}")]
    Misfit { name: String, expected: String, found: String },
    /// A tensor whose bytes do not match its own shape.
    #[error("a tensor {shape} takes {expected} bytes, not {found}")]
    TensorBytes { shape: String, expected: usize, found: usize },
    /// A tensor too large for the address space.
    #[error("a tensor with dimensions {dims:?} has more elements than can be counted")]
    TooLarge { dims: Vec<usize> },
    /// Values asked for as another type.
    #[error("the tensor holds {found:?}, not {expected:?}")]
    Element { expected: ElementType, found: ElementType },
    /// An integer that the state cannot hold.
    #[error("`{name}` cannot hold {value}")]
    Value { name: String, value: i64 },
    /// A file that is not a checkpoint, or a damaged one.
    #[error("this is not a readable checkpoint: {0}")]
    DamagedCheckpoint(String),
    /// A checkpoint that does not belong to the model.
    #[error("the checkpoint is of {origin}: {}", listed(.faults))]
    OtherModel { origin: String, faults: Vec<String> },
    /// A file that the system cannot load as a shared library.
    #[error("{} is no shared library that this system can load: {reason}", .path.display())]
    Library { path: PathBuf, reason: String },
    /// A shared library of something else.
    #[error(
        "{} is no library that `dlc compile --emit so` made: it has no `dlc_library` with a description", .path.display()
    )]
    NoModel { path: PathBuf },
    /// Code for a greater machine.
    #[error(
        "the model {model} was compiled for instructions that this machine lacks: {}; compile it with `--cpu portable`, \
         or another `--cpu` that this machine has", .missing.join(", ")
    )]
    Instructions { model: String, missing: Vec<String> },
    /// Code that a library does not have.
    #[error("the model {model} has no code for `{cpu}`; it has code for {available}")]
    NoVariant { model: String, cpu: String, available: String },
    /// A session to which nobody gave weights.
    #[error("the model {model} has no weights yet: load a file, or initialize them by seed")]
    NoWeights { model: String },
    /// Weights that say that they are of another model.
    #[error(
        "the weights are those of {} (graph {:016x}), the library is {} (graph {:016x}): weights go with the library that was \
         compiled from the same model",
        named(.found), .found.graph, .own.model, .own.graph
    )]
    OtherGraph { found: Identity, own: Identity },
    /// A flat buffer that is not cut into samples.
    #[error("{found} values are not whole samples of {sample}")]
    Samples { sample: usize, found: usize },
    /// Memory that the system did not give.
    #[error("the system refused {bytes} bytes of memory for the {what}")]
    Memory { what: &'static str, bytes: usize },
    /// A thread that the system did not give.
    #[error("the system refused a thread: {0}")]
    Thread(std::io::Error),
    /// A team larger than any machine's.
    #[error("{threads} threads were asked for; a session takes at most {most}")]
    TooManyThreads { threads: usize, most: usize },
    /// A file that cannot be read or written.
    #[error("{}: {cause}", .path.display())]
    File { path: PathBuf, cause: std::io::Error },
    /// Code that threads cannot run.
    #[error("the code of {model} is for a device, not for threads")]
    DeviceCode { model: String },
    /// A file that is not what a device's code is in.
    #[error("{}: {reason}", .path.display())]
    DeviceFile { path: PathBuf, reason: &'static str },
    /// A device that does not do what it is asked for.
    #[error("{device}: {reason}")]
    Device { device: String, reason: String },
    /// A failure of an engine that is not this crate's session.
    #[error("{0}")]
    Engine(String),
}

fn named(identity: &Identity) -> String {
    if identity.model.is_empty() {
        "another model".to_owned()
    } else {
        format!("the model {}", identity.model)
    }
}

/// Faults that a message names before it counts the others.
const NAMED_FAULTS: usize = 6;

fn listed(faults: &[String]) -> String {
    let named = faults[..faults.len().min(NAMED_FAULTS)].join("; ");
    match faults.len().saturating_sub(NAMED_FAULTS) {
        0 => named,
        more => format!("{named}; and {more} more tensors"),
    }
}

/// Results of this crate.
pub(crate) type Result<T> = std::result::Result<T, RuntimeError>;
