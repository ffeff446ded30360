//! Why a model cannot be compiled: the error of the stage that it stopped at.

use crate::autodiff::AutodiffError;
use crate::composite::CompositeError;
use crate::legalize::LegalizeError;
use crate::lower::LowerError;
use crate::rewrite::RewriteError;
use crate::step::StepError;
use thiserror::Error;

/// Why a model cannot be compiled.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each variant wraps the error of one stage")]
pub enum CompileError {
    #[error(transparent)]
    Autodiff(#[from] AutodiffError),
    #[error(transparent)]
    Step(#[from] StepError),
    #[error(transparent)]
    Composite(#[from] CompositeError),
    #[error(transparent)]
    Legalize(#[from] LegalizeError),
    #[error(transparent)]
    Rewrite(#[from] RewriteError),
    #[error(transparent)]
    Lower(#[from] LowerError),
    #[error(transparent)]
    Clif(#[from] dlc_codegen_clif::ClifError),
    #[error(transparent)]
    X86(#[from] dlc_codegen_x86::X86Error),
    #[error(transparent)]
    Ptx(#[from] dlc_codegen_ptx::PtxError),
    #[error("no code can be generated for this machine: {0}")]
    Target(String),
    #[error("code for {cpu} cannot run here: this machine lacks {lacks}; `native` uses all that it has")]
    Cpu { cpu: &'static str, lacks: String },
    #[error("{path}, which DLC_PERF_MAP asks for, cannot be written: {cause}")]
    PerfMap { path: String, cause: std::io::Error },
    #[error("the code generator failed, which is a bug in dlc: {0}")]
    Module(String),
    #[error("stage {stage} made something invalid of function {function}, which is a bug in dlc: {error}")]
    Invalid { stage: &'static str, function: String, error: String },
}

impl From<cranelift_module::ModuleError> for CompileError {
    fn from(error: cranelift_module::ModuleError) -> Self {
        CompileError::Module(format!("{error:?}"))
    }
}
