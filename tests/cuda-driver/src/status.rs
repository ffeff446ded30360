//! Answers of the driver and the words for them.

use dlc_ptx_machine::Fault;
use std::ffi::{CStr, c_char, c_int};

/// A `CUresult`.
pub(crate) type Status = c_int;

pub(crate) const INVALID_VALUE: Status = 1;
pub(crate) const OUT_OF_MEMORY: Status = 2;
pub(crate) const NOT_INITIALIZED: Status = 3;
pub(crate) const NO_DEVICE: Status = 100;
pub(crate) const INVALID_DEVICE: Status = 101;
pub(crate) const INVALID_CONTEXT: Status = 201;
pub(crate) const INVALID_PTX: Status = 218;
pub(crate) const UNSUPPORTED_PTX_VERSION: Status = 222;
pub(crate) const INVALID_HANDLE: Status = 400;
pub(crate) const NOT_FOUND: Status = 500;
pub(crate) const NOT_READY: Status = 600;
pub(crate) const ILLEGAL_ADDRESS: Status = 700;
pub(crate) const LAUNCH_TIMEOUT: Status = 702;
pub(crate) const ILLEGAL_INSTRUCTION: Status = 715;
pub(crate) const MISALIGNED_ADDRESS: Status = 716;
pub(crate) const LAUNCH_FAILED: Status = 719;
pub(crate) const CAPTURE_UNSUPPORTED: Status = 900;
pub(crate) const CAPTURE_UNMATCHED: Status = 903;

/// Names and words, as the real driver has them.
const WORDS: &[(Status, &CStr, &CStr)] = &[
    (0, c"CUDA_SUCCESS", c"no error"),
    (INVALID_VALUE, c"CUDA_ERROR_INVALID_VALUE", c"invalid argument"),
    (OUT_OF_MEMORY, c"CUDA_ERROR_OUT_OF_MEMORY", c"out of memory"),
    (NOT_INITIALIZED, c"CUDA_ERROR_NOT_INITIALIZED", c"initialization error"),
    (NO_DEVICE, c"CUDA_ERROR_NO_DEVICE", c"no CUDA-capable device is detected"),
    (INVALID_DEVICE, c"CUDA_ERROR_INVALID_DEVICE", c"invalid device ordinal"),
    (INVALID_CONTEXT, c"CUDA_ERROR_INVALID_CONTEXT", c"invalid device context"),
    (INVALID_PTX, c"CUDA_ERROR_INVALID_PTX", c"a PTX JIT compilation failed"),
    (
        UNSUPPORTED_PTX_VERSION,
        c"CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
        c"the provided PTX was compiled with an unsupported toolchain.",
    ),
    (INVALID_HANDLE, c"CUDA_ERROR_INVALID_HANDLE", c"invalid resource handle"),
    (NOT_FOUND, c"CUDA_ERROR_NOT_FOUND", c"named symbol not found"),
    (NOT_READY, c"CUDA_ERROR_NOT_READY", c"device not ready"),
    (ILLEGAL_ADDRESS, c"CUDA_ERROR_ILLEGAL_ADDRESS", c"an illegal memory access was encountered"),
    (LAUNCH_TIMEOUT, c"CUDA_ERROR_LAUNCH_TIMEOUT", c"the launch timed out and was terminated"),
    (ILLEGAL_INSTRUCTION, c"CUDA_ERROR_ILLEGAL_INSTRUCTION", c"an illegal instruction was encountered"),
    (MISALIGNED_ADDRESS, c"CUDA_ERROR_MISALIGNED_ADDRESS", c"misaligned address"),
    (LAUNCH_FAILED, c"CUDA_ERROR_LAUNCH_FAILED", c"unspecified launch failure"),
    (
        CAPTURE_UNSUPPORTED,
        c"CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
        c"operation not permitted when stream is capturing",
    ),
    (
        CAPTURE_UNMATCHED,
        c"CUDA_ERROR_STREAM_CAPTURE_UNMATCHED",
        c"the capture was not initiated in this stream",
    ),
];

pub(crate) fn name(status: Status) -> Option<&'static CStr> {
    WORDS.iter().find(|(code, ..)| *code == status).map(|(_, name, _)| *name)
}

pub(crate) fn text(status: Status) -> Option<&'static CStr> {
    WORDS.iter().find(|(code, ..)| *code == status).map(|(.., text)| *text)
}

/// Whether an answer tells that the interface was not used as it is meant.
pub(crate) fn is_misuse(status: Status) -> bool {
    matches!(
        status,
        INVALID_VALUE
            | NOT_INITIALIZED
            | INVALID_CONTEXT
            | INVALID_HANDLE
            | NOT_READY
            | CAPTURE_UNSUPPORTED
            | CAPTURE_UNMATCHED
    )
}

/// What a GPU would answer to a fault of a kernel.
pub(crate) fn of_fault(fault: &Fault) -> Status {
    match fault {
        Fault::Host { .. } | Fault::OutOfBounds { .. } => ILLEGAL_ADDRESS,
        Fault::Misaligned { .. } => MISALIGNED_ADDRESS,
        Fault::NotExecuted { .. } => ILLEGAL_INSTRUCTION,
        Fault::Deadlock { .. } | Fault::Endless { .. } => LAUNCH_TIMEOUT,
        _ => LAUNCH_FAILED,
    }
}

/// Writes a pointer to words that live as long as the process.
///
/// # Safety
/// `to` can be written, or is null.
unsafe fn give(words: Option<&'static CStr>, to: *mut *const c_char) -> Status {
    if to.is_null() {
        return INVALID_VALUE;
    }
    let pointer = words.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: by the caller.
    unsafe { to.write(pointer) };
    if words.is_some() { 0 } else { INVALID_VALUE }
}

#[unsafe(no_mangle)]
unsafe extern "system" fn cuGetErrorName(status: Status, to: *mut *const c_char) -> Status {
    // SAFETY: by the interface.
    unsafe { give(name(status), to) }
}

#[unsafe(no_mangle)]
unsafe extern "system" fn cuGetErrorString(status: Status, to: *mut *const c_char) -> Status {
    let report = crate::state::lock().as_ref().and_then(|state| state.report(status));
    // SAFETY: by the interface.
    unsafe { give(report.or_else(|| text(status)), to) }
}
