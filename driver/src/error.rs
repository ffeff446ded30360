//! What a command can end with, and the exit code that tells it.

use dlc_compiler::autodiff::AutodiffError;
use dlc_compiler::lower::LowerError;
use dlc_compiler::rewrite::RewriteError;
use dlc_compiler::step::StepError;
use dlc_compiler::{CompileError, PtxError};
use dlc_cuda::CudaError;
use dlc_interp::InterpError;
use dlc_runtime::RuntimeError;
use dlc_trainer::TrainError;
use dlc_types::{Diagnostics, Severity, SourceMap};
use std::path::PathBuf;
use thiserror::Error;

/// Why a command failed.
#[derive(Debug, Error)]
pub enum DriverError {
    /// The model's text has errors; the diagnostics tell them, warnings included.
    #[error("{}", counted(.diagnostics))]
    Invalid {
        /// The texts that spans point into.
        sources: Box<SourceMap>,
        /// All of them.
        diagnostics: Diagnostics,
    },
    /// The user asked for something that the model or the files do not give.
    #[error("{0}")]
    User(String),
    /// A file that cannot be read or written.
    #[error("{}: {cause}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A failure around training or of data.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A failure between caller and compiled program.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A GPU that cannot be used.
    #[error(transparent)]
    Cuda(#[from] CudaError),
    /// A model that cannot be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// A function that the interpreter cannot evaluate.
    #[error("the interpreter: {0}")]
    Interpret(#[from] InterpError),
    /// Something that this version cannot do.
    #[error("{0}")]
    Unsupported(String),
    /// Compiled and interpreted numbers differ.
    #[error("compiled and interpreted numbers differ: {0}")]
    Mismatch(String),
    /// A compressed model lost more than it may.
    #[error("{0}")]
    TooMuchLost(String),
    /// A broken invariant.
    #[error("{0}; this is a bug in dlc")]
    Bug(String),
}

impl From<dlc_onnx::OnnxError> for DriverError {
    fn from(error: dlc_onnx::OnnxError) -> DriverError {
        match error {
            dlc_onnx::OnnxError::File { path, cause } => DriverError::File { path, cause },
            dlc_onnx::OnnxError::Unsupported { .. } => DriverError::Unsupported(error.to_string()),
            dlc_onnx::OnnxError::Invalid { .. } => DriverError::User(error.to_string()),
        }
    }
}

fn counted(diagnostics: &Diagnostics) -> String {
    let errors = diagnostics.all.iter().filter(|one| one.severity == Severity::Error).count();
    if errors == 1 { "the model has an error".to_owned() } else { format!("the model has {errors} errors") }
}

impl DriverError {
    /// 1 the user's mistake, 3 compiled and interpreted numbers differ, or a compressed model lost too much, 4 not supported, 101 a bug in
    /// dlc.
    pub fn exit_code(&self) -> u8 {
        match self {
            DriverError::Invalid { .. } | DriverError::User(_) | DriverError::File { .. } => 1,
            DriverError::Train(error) => train_code(error),
            DriverError::Runtime(error) => runtime_code(error),
            DriverError::Compile(error) => compile_code(error),
            DriverError::Unsupported(_) => 4,
            DriverError::Cuda(error) => cuda_code(error),
            DriverError::Interpret(InterpError::TooLarge { .. } | InterpError::NothingToChoose { .. }) => 1,
            DriverError::Mismatch(_) | DriverError::TooMuchLost(_) => 3,
            DriverError::Interpret(_) | DriverError::Bug(_) => 101,
        }
    }
}

fn train_code(error: &TrainError) -> u8 {
    match error {
        TrainError::Runtime(cause) | TrainError::Checkpoint { cause, .. } => runtime_code(cause),
        _ => 1,
    }
}

fn runtime_code(error: &RuntimeError) -> u8 {
    match error {
        RuntimeError::Version { .. } | RuntimeError::Interface(_) | RuntimeError::Engine(_) => 101,
        _ => 1,
    }
}

fn cuda_code(error: &CudaError) -> u8 {
    match error {
        CudaError::Malformed(_) | CudaError::Text { .. } => 101,
        _ => 1,
    }
}

fn compile_code(error: &CompileError) -> u8 {
    match error {
        CompileError::Autodiff(error) | CompileError::Step(StepError::Autodiff(error)) => {
            autodiff_code(error)
        }
        CompileError::Step(StepError::NoTraining { .. } | StepError::IntegerInitializer { .. })
        | CompileError::Rewrite(RewriteError::UnknownRule { .. })
        | CompileError::PerfMap { .. }
        | CompileError::Lower(LowerError::TooLarge(_)) => 1,
        CompileError::Lower(LowerError::Unsupported { .. })
        | CompileError::Ptx(PtxError::UnsupportedType(_) | PtxError::UnsupportedOp { .. })
        | CompileError::Target(_)
        | CompileError::Cpu { .. } => 4,
        _ => 101,
    }
}

fn autodiff_code(error: &AutodiffError) -> u8 {
    match error {
        AutodiffError::LossCount { .. }
        | AutodiffError::LossNotScalar { .. }
        | AutodiffError::MissingGradients(_) => 1,
        AutodiffError::SecondDerivativeOfMaxPooling { .. } | AutodiffError::Unsupported { .. } => 4,
        AutodiffError::Rule { .. } => 101,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_follow_the_contract() {
        let unsupported = LowerError::Unsupported { origin: "x".to_owned(), what: "y".to_owned() };
        let cases = [
            (DriverError::User(String::new()), 1),
            (DriverError::Mismatch(String::new()), 3),
            (DriverError::TooMuchLost(String::new()), 3),
            (DriverError::Compile(CompileError::Lower(unsupported)), 4),
            (DriverError::Compile(CompileError::Cpu { cpu: "x86-64-v4", lacks: "FMA".to_owned() }), 4),
            (DriverError::Compile(CompileError::Module(String::new())), 101),
            (DriverError::Runtime(RuntimeError::Batch { batch: 9, batch_max: 4 }), 1),
            (DriverError::Bug(String::new()), 101),
        ];
        for (error, code) in cases {
            assert_eq!(error.exit_code(), code, "{error}");
        }
    }
}
