//! Which GPUs a machine has.

use crate::driver::{Driver, DriverVersion, OUT_OF_MEMORY};
use crate::error::{CudaError, Result, size};
use crate::owned::{Answer, Context};
use crate::speed::Rates;
use std::ffi::{CStr, c_char, c_int};
use std::fmt::{self, Display, Formatter};

/// `CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR`
const MAJOR: c_int = 75;
/// `CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR`
const MINOR: c_int = 76;
/// `CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN`
pub(crate) const SHARED_BYTES: c_int = 97;
/// `CU_DEVICE_ATTRIBUTE_CLOCK_RATE`, in kHz.
const CLOCK: c_int = 13;
/// `CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT`
const MULTIPROCESSORS: c_int = 16;
/// `CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE`, in kHz.
const MEMORY_CLOCK: c_int = 36;
/// `CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH`, in bits.
const MEMORY_BUS: c_int = 37;

/// A GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its number, from 0, as `CUDA_VISIBLE_DEVICES` has them.
    pub ordinal: usize,
    /// `NVIDIA H100 80GB HBM3`, say.
    pub name: String,
    /// Its generation, the number before the point.
    pub major: u32,
    /// Its generation, the number behind the point.
    pub minor: u32,
    /// All its memory, in bytes.
    pub total_bytes: usize,
    /// The version of CUDA that the driver is for.
    pub driver: DriverVersion,
    /// What it is clocked at and how wide it is.
    pub rates: Rates,
}

impl Display for DeviceInfo {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let DeviceInfo { name, major, minor, driver, .. } = self;
        write!(f, "{name}, sm_{major}{minor}, {}, driver for CUDA {driver}", size(self.total_bytes))
    }
}

/// Every GPU that the driver lets this process use.
///
/// # Errors
/// No driver, or no GPU.
pub fn devices() -> Result<Vec<DeviceInfo>> {
    let driver = Driver::get()?;
    (0..count(driver)?).map(|ordinal| info(driver, ordinal)).collect()
}

/// One GPU.
///
/// # Errors
/// As [`devices`], or where there is no GPU of that number.
pub fn device(ordinal: usize) -> Result<DeviceInfo> {
    info(Driver::get()?, ordinal)
}

/// How many there are, at least one.
fn count(driver: &Driver) -> Result<usize> {
    let mut count: c_int = 0;
    // SAFETY: writes one number.
    driver.check("cuDeviceGetCount", unsafe { (driver.table.cuDeviceGetCount)(&mut count) })?;
    usize::try_from(count).ok().filter(|&count| count > 0).ok_or(CudaError::NoDevice)
}

/// The driver's own number of a GPU.
fn number(driver: &Driver, ordinal: usize) -> Result<c_int> {
    let count = count(driver)?;
    let refused = CudaError::Ordinal { ordinal, count };
    let ordinal = c_int::try_from(ordinal).ok().filter(|_| ordinal < count).ok_or(refused)?;
    let mut device: c_int = 0;
    // SAFETY: writes one number.
    driver.check("cuDeviceGet", unsafe { (driver.table.cuDeviceGet)(&mut device, ordinal) })?;
    Ok(device)
}

/// A hold on a GPU.
pub(crate) fn context(driver: &'static Driver, ordinal: usize) -> Result<Context> {
    Context::new(driver, number(driver, ordinal)?).map_err(|failure| match failure.code {
        OUT_OF_MEMORY => CudaError::Full { what: "another program", failure },
        _ => CudaError::Driver(failure),
    })
}

/// An attribute of a GPU, by the driver's own number.
pub(crate) fn attribute(driver: &Driver, number: c_int, attribute: c_int) -> Answer<c_int> {
    let mut value: c_int = 0;
    // SAFETY: writes one number.
    let status = unsafe { (driver.table.cuDeviceGetAttribute)(&mut value, attribute, number) };
    driver.check("cuDeviceGetAttribute", status)?;
    Ok(value)
}

/// Bytes that nobody uses.
pub(crate) fn free_bytes(context: &Context) -> Answer<usize> {
    let driver = context.driver();
    let _current = context.enter()?;
    let (mut free, mut total) = (0, 0);
    // SAFETY: writes two sizes, of the GPU whose context is current.
    driver.check("cuMemGetInfo_v2", unsafe { (driver.table.cuMemGetInfo_v2)(&mut free, &mut total) })?;
    Ok(free)
}

/// What the driver says of a GPU. It is asked without a context, whose making takes long and memory of the GPU, and
/// fails where others have filled it.
pub(crate) fn info(driver: &Driver, ordinal: usize) -> Result<DeviceInfo> {
    const LENGTH: usize = 256;
    let number = number(driver, ordinal)?;
    let mut name: [c_char; LENGTH] = [0; LENGTH];
    // SAFETY: writes at most so many bytes, with a zero at the end; the array has one more.
    let status = unsafe { (driver.table.cuDeviceGetName)(name.as_mut_ptr(), LENGTH as c_int - 1, number) };
    driver.check("cuDeviceGetName", status)?;
    // SAFETY: the last byte is zero.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned();
    let part = |part| attribute(driver, number, part).map(|value| u32::try_from(value).unwrap_or(0));
    let (major, minor) = (part(MAJOR)?, part(MINOR)?);
    let mut total_bytes = 0;
    // SAFETY: writes one size.
    let status = unsafe { (driver.table.cuDeviceTotalMem_v2)(&mut total_bytes, number) };
    driver.check("cuDeviceTotalMem_v2", status)?;
    // A driver that does not tell these is none the worse for it.
    let rate = |rate| part(rate).unwrap_or(0);
    let rates = Rates {
        multiprocessors: rate(MULTIPROCESSORS),
        clock_khz: rate(CLOCK),
        memory_clock_khz: rate(MEMORY_CLOCK),
        memory_bus_bits: rate(MEMORY_BUS),
    };
    Ok(DeviceInfo { ordinal, name, major, minor, total_bytes, driver: driver.version, rates })
}
