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
use table::Table;

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
            address.map(|address| address.cast_const().cast::<()>())
        };
        let version = found("cuDriverGetVersion").and_then(version);
        // SAFETY: NVIDIA's driver exports these names with these types.
        let table = unsafe { Table::load(&found) };
        let table = table.map_err(|missing| match version {
            Some(version) => CudaError::OldDriver {
                library: library(),
                symbol: missing.name,
                since: missing.since,
                version,
            },
            None => CudaError::NotADriver { library: library() },
        })?;
        // The functions in the table live as long as the process.
        std::mem::forget(opened);
        let version = version.ok_or_else(|| CudaError::NotADriver { library: library() })?;
        let driver = Driver { table, version };
        // SAFETY: the first call of the driver, with the only flags there are.
        match driver.check("cuInit", unsafe { (driver.table.cuInit)(0) }) {
            Ok(()) => Ok(driver),
            Err(failure) if failure.code == NO_DEVICE => Err(CudaError::NoDevice),
            Err(failure) => Err(CudaError::Start { failure }),
        }
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
