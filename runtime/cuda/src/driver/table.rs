//! The driver's functions, with the types of its interface and the version of CUDA that each came with.
//!
//! Names are those that the driver's library exports: `_v2` is part of them, since plain names stand for older forms
//! with other types. Sizes are those of 64-bit systems.

use std::ffi::{c_char, c_int, c_uint, c_void};

/// A `CUresult`; 0 is success.
pub(crate) type Status = c_int;
/// A `CUdeviceptr`: an address on the device.
pub(crate) type Address = u64;

/// What the driver gives out to name a context, a stream, an event, a module, a function or a graph.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handle(*mut c_void);

// SAFETY: a handle is a name; the driver's functions may be called with it on any thread.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Handle {
    /// No object.
    pub(crate) const NONE: Handle = Handle(std::ptr::null_mut());
}

/// A function that a driver's library lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) name: &'static str,
    /// The version of CUDA whose drivers have it.
    pub(crate) since: &'static str,
}

macro_rules! table {
    ($($since:literal $name:ident($($parameter:ident: $type:ty),* $(,)?);)*) => {
        /// A pointer for each function that this crate calls.
        #[allow(non_snake_case, reason = "names of the driver's interface")]
        pub(crate) struct Table {
            $(pub(crate) $name: unsafe extern "system" fn($($parameter: $type),*) -> Status,)*
        }

        impl Table {
            /// Fills the table by looking every name up; the first one that is not there is the error.
            ///
            /// # Safety
            /// What is found under a name is the function that NVIDIA's interface says.
            pub(crate) unsafe fn load(find: &dyn Fn(&str) -> Option<*const ()>) -> Result<Table, Missing> {
                Ok(Table {
                    $($name: {
                        let missing = Missing { name: stringify!($name), since: $since };
                        let pointer = find(missing.name).ok_or(missing)?;
                        // SAFETY: the caller vouches for the function's type.
                        unsafe {
                            std::mem::transmute::<
                                *const (),
                                unsafe extern "system" fn($($parameter: $type),*) -> Status,
                            >(pointer)
                        }
                    },)*
                })
            }
        }
    };
}

table! {
    "6.0" cuGetErrorName(status: Status, text: *mut *const c_char);
    "6.0" cuGetErrorString(status: Status, text: *mut *const c_char);
    "2.0" cuInit(flags: c_uint);
    "2.0" cuDeviceGetCount(count: *mut c_int);
    "2.0" cuDeviceGet(device: *mut c_int, ordinal: c_int);
    "2.0" cuDeviceGetName(name: *mut c_char, length: c_int, device: c_int);
    "2.0" cuDeviceGetAttribute(value: *mut c_int, attribute: c_int, device: c_int);
    "3.2" cuDeviceTotalMem_v2(total: *mut usize, device: c_int);
    "7.0" cuDevicePrimaryCtxRetain(context: *mut Handle, device: c_int);
    "11.0" cuDevicePrimaryCtxRelease_v2(device: c_int);
    "4.0" cuCtxPushCurrent_v2(context: Handle);
    "4.0" cuCtxPopCurrent_v2(context: *mut Handle);
    "3.2" cuMemGetInfo_v2(free: *mut usize, total: *mut usize);
    "3.2" cuMemAlloc_v2(address: *mut Address, bytes: usize);
    "3.2" cuMemFree_v2(address: Address);
    "2.2" cuMemHostAlloc(pointer: *mut *mut c_void, bytes: usize, flags: c_uint);
    "2.0" cuMemFreeHost(pointer: *mut c_void);
    "3.2" cuMemcpyHtoDAsync_v2(to: Address, from: *const c_void, bytes: usize, stream: Handle);
    "3.2" cuMemcpyDtoHAsync_v2(to: *mut c_void, from: Address, bytes: usize, stream: Handle);
    "3.2" cuMemsetD8Async(to: Address, value: u8, bytes: usize, stream: Handle);
    "2.0" cuStreamCreate(stream: *mut Handle, flags: c_uint);
    "4.0" cuStreamDestroy_v2(stream: Handle);
    "2.0" cuStreamSynchronize(stream: Handle);
    "10.1" cuStreamBeginCapture_v2(stream: Handle, mode: c_uint);
    "10.0" cuStreamEndCapture(stream: Handle, graph: *mut Handle);
    "11.4" cuGraphInstantiateWithFlags(executable: *mut Handle, graph: Handle, flags: u64);
    "10.0" cuGraphLaunch(executable: Handle, stream: Handle);
    "10.0" cuGraphExecDestroy(executable: Handle);
    "10.0" cuGraphDestroy(graph: Handle);
    "2.1" cuModuleLoadDataEx(
        module: *mut Handle,
        image: *const c_void,
        count: c_uint,
        options: *mut c_uint,
        values: *mut *mut c_void,
    );
    "2.0" cuModuleUnload(module: Handle);
    "2.0" cuModuleGetFunction(function: *mut Handle, module: Handle, name: *const c_char);
    "2.2" cuFuncGetAttribute(value: *mut c_int, attribute: c_int, function: Handle);
    "9.0" cuFuncSetAttribute(function: Handle, attribute: c_int, value: c_int);
    "4.0" cuLaunchKernel(
        function: Handle,
        blocks_x: c_uint,
        blocks_y: c_uint,
        blocks_z: c_uint,
        threads_x: c_uint,
        threads_y: c_uint,
        threads_z: c_uint,
        shared_bytes: c_uint,
        stream: Handle,
        parameters: *mut *mut c_void,
        extra: *mut *mut c_void,
    );
    "2.0" cuEventCreate(event: *mut Handle, flags: c_uint);
    "2.0" cuEventRecord(event: Handle, stream: Handle);
    "11.1" cuEventRecordWithFlags(event: Handle, stream: Handle, flags: c_uint);
    "2.0" cuEventSynchronize(event: Handle);
    "2.0" cuEventElapsedTime(milliseconds: *mut f32, start: Handle, end: Handle);
    "4.0" cuEventDestroy_v2(event: Handle);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_function_that_is_missing_is_told() {
        let here = |_: &str| Some(std::ptr::dangling::<()>());
        let without = |lost: &'static str| move |name: &str| (name != lost).then(std::ptr::dangling::<()>);
        // SAFETY: nothing of these tables is called.
        let tables = unsafe {
            [
                Table::load(&here).err(),
                Table::load(&without("cuGraphInstantiateWithFlags")).err(),
                Table::load(&without("cuInit")).err(),
                Table::load(&|_| None).err(),
            ]
        };
        let names = tables.map(|missing| missing.map(|missing| (missing.name, missing.since)));
        assert_eq!(
            names,
            [
                None,
                Some(("cuGraphInstantiateWithFlags", "11.4")),
                Some(("cuInit", "2.0")),
                Some(("cuGetErrorName", "6.0")),
            ]
        );
    }
}
