//! NVIDIA's driver as a library that is loaded when it is first asked for.
//!
//! Nothing of it is linked. It is loaded once for a process and never unloaded, since threads of its own may run in it.

mod failure;
mod table;

pub use failure::Failure;
pub(crate) use failure::{NO_DEVICE, OUT_OF_MEMORY, UNSUPPORTED_PTX_VERSION};
pub(crate) use table::{Address, Handle, Status};

use crate::error::CudaError;
use std::collections::BTreeMap;
use std::ffi::{OsString, c_int};
use std::fmt::{self, Display, Formatter};
use std::sync::{Mutex, PoisonError};
use table::{Missing, Table};

/// Names another library than the system's driver.
pub const LIBRARY_VARIABLE: &str = "DLC_CUDA_DRIVER";

/// What NVIDIA calls its driver.
const LIBRARY: &str = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };

/// The version of CUDA that a driver is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DriverVersion {
    /// The number before the point.
    pub major: u32,
    /// The number behind it.
    pub minor: u32,
}

impl Display for DriverVersion {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A driver that has started.
pub(crate) struct Driver {
    pub(crate) table: Table,
    pub(crate) version: DriverVersion,
}

impl Driver {
    /// The system's driver, or what [`LIBRARY_VARIABLE`] names.
    pub(crate) fn get() -> Result<&'static Driver, CudaError> {
        static LOADED: Mutex<BTreeMap<OsString, &'static Driver>> = Mutex::new(BTreeMap::new());
        let name = std::env::var_os(LIBRARY_VARIABLE).filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| LIBRARY.into());
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(driver) = loaded.get(&name) {
            return Ok(driver);
        }
        let driver: &'static Driver = Box::leak(Box::new(Driver::open(&name)?));
        loaded.insert(name, driver);
        Ok(driver)
    }

    fn open(name: &OsString) -> Result<Driver, CudaError> {
        let library = || name.to_string_lossy().into_owned();
        // SAFETY: the driver's initialisers are NVIDIA's, or those of a library that the user names.
        let opened = unsafe { libloading::Library::new(name) };
        let opened = opened.map_err(|error| {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            CudaError::NoDriver { reason: source.unwrap_or_else(|| error.to_string()) }
        })?;
        let found = |symbol: &str| {
            // SAFETY: the symbol is only taken as an address here, and the library stays.
            let address = unsafe { opened.get::<*const ()>(symbol.as_bytes()).ok()?.try_as_raw_ptr() };
            address.map(|address| address.cast_const().cast::<()>()).filter(|address| !address.is_null())
        };
        // SAFETY: NVIDIA's driver exports these names with these types.
        let driver = unsafe { Driver::of(&library(), &found)? };
        // The functions in the table live as long as the process.
        std::mem::forget(opened);
        // SAFETY: the first call of the driver, with the only flags there are.
        match driver.check("cuInit", unsafe { (driver.table.cuInit)(0) }) {
            Ok(()) => Ok(driver),
            Err(failure) if failure.code == NO_DEVICE => Err(CudaError::NoDevice),
            Err(failure) => Err(CudaError::Start { failure }),
        }
    }

    /// A driver of functions that are found by name, not started yet.
    ///
    /// # Safety
    /// What is found under a name is the function that NVIDIA's interface says.
    unsafe fn of(library: &str, found: &dyn Fn(&str) -> Option<*const ()>) -> Result<Driver, CudaError> {
        let library = || library.to_owned();
        let version = found("cuDriverGetVersion").and_then(version);
        let version = version.ok_or_else(|| CudaError::NotADriver { library: library() })?;
        // SAFETY: by the caller.
        let table = unsafe { Table::load(found) };
        let table = table.map_err(|Missing { name: symbol, since }| CudaError::OldDriver {
            library: library(),
            symbol,
            since,
            version,
        })?;
        Ok(Driver { table, version })
    }

    /// An answer of the driver as a result.
    pub(crate) fn check(&self, call: &'static str, status: Status) -> Result<(), Failure> {
        if status == 0 { Ok(()) } else { Err(Failure::new(&self.table, call, status)) }
    }
}

/// What `cuDriverGetVersion` at this address says.
fn version(function: *const ()) -> Option<DriverVersion> {
    let mut number: c_int = 0;
    // SAFETY: the driver's function of this name writes one number, and may be called at any time.
    let status = unsafe {
        let function =
            std::mem::transmute::<*const (), unsafe extern "system" fn(*mut c_int) -> Status>(function);
        function(&mut number)
    };
    let number = u32::try_from(number).ok().filter(|_| status == 0)?;
    Some(DriverVersion { major: number / 1000, minor: number % 1000 / 10 })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    extern "system" fn old(version: *mut c_int) -> Status {
        // SAFETY: the pointer is that of `version` above.
        unsafe { version.write(10_020) };
        0
    }

    extern "system" fn broken(_: *mut c_int) -> Status {
        1
    }

    /// The error of a driver that has nothing but a way to tell its version, and some of the other functions.
    fn refused(
        version: Option<extern "system" fn(*mut c_int) -> Status>,
        has: &dyn Fn(&str) -> bool,
    ) -> String {
        let found = |name: &str| match name {
            "cuDriverGetVersion" => version.map(|function| function as *const ()),
            _ => has(name).then(std::ptr::dangling::<()>),
        };
        // SAFETY: nothing but the version is called.
        unsafe { Driver::of("libcuda.so.1", &found) }.err().unwrap().to_string()
    }

    #[test]
    fn an_old_driver_is_told_by_what_it_lacks() {
        let error = refused(Some(old), &|name| !name.starts_with("cuGraph"));
        assert_eq!(
            error,
            "NVIDIA's driver is too old: libcuda.so.1 is for CUDA 10.2 and lacks `cuGraphInstantiateWithFlags`, which \
             drivers for CUDA 11.4 have; update the driver to one for CUDA 12.0 or later"
        );
    }

    #[test]
    fn what_tells_no_version_is_no_driver() {
        let expected = "libcuda.so.1 is no driver of NVIDIA's: it has no `cuDriverGetVersion` that answers";
        assert_eq!(refused(None, &|_| true), expected);
        assert_eq!(refused(Some(broken), &|_| true), expected);
    }
}
