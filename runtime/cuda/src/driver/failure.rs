//! A call of the driver that did not succeed.

use super::table::{Status, Table};
use std::ffi::{CStr, c_char};
use std::fmt::{self, Display, Formatter};

/// `CUDA_ERROR_OUT_OF_MEMORY`
pub(crate) const OUT_OF_MEMORY: Status = 2;
/// `CUDA_ERROR_NO_DEVICE`
pub(crate) const NO_DEVICE: Status = 100;
/// `CUDA_ERROR_UNSUPPORTED_PTX_VERSION`
pub(crate) const UNSUPPORTED_PTX_VERSION: Status = 222;

/// What the driver answered to a call, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The driver's function.
    pub call: &'static str,
    /// Its answer, a `CUresult`.
    pub code: i32,
    /// The answer's name, such as `CUDA_ERROR_ILLEGAL_ADDRESS`.
    pub name: &'static str,
    /// What the driver says of it.
    pub text: &'static str,
}

impl Failure {
    /// Asks the driver for the words.
    pub(crate) fn new(table: &Table, call: &'static str, code: Status) -> Failure {
        type Words = unsafe extern "system" fn(Status, *mut *const c_char) -> Status;
        let words = |function: Words| {
            let mut text = std::ptr::null();
            // SAFETY: the driver writes one pointer, to a text that it keeps, or null.
            let status = unsafe { function(code, &mut text) };
            if status != 0 || text.is_null() {
                return None;
            }
            // SAFETY: a text of the driver ends with a zero byte, and the driver is never unloaded.
            let text: &'static CStr = unsafe { CStr::from_ptr(text) };
            text.to_str().ok()
        };
        let name = words(table.cuGetErrorName).unwrap_or("an error without a name");
        let text = words(table.cuGetErrorString).unwrap_or("the driver has no words for it");
        Failure { call, code, name, text }
    }
}

impl std::error::Error for Failure {}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, from {})", self.text, self.name, self.call)
    }
}
