//! The primary context of a GPU, which all users of the GPU in a process share.

use super::Answer;
use crate::driver::{Driver, Handle};
use std::ffi::c_int;

/// A hold on a GPU's primary context.
pub(crate) struct Context {
    driver: &'static Driver,
    device: c_int,
    handle: Handle,
}

/// The time for which a context is current on a thread.
pub(crate) struct Current<'a> {
    context: &'a Context,
    /// Which context is current is a matter of one thread.
    _thread: std::marker::PhantomData<*const ()>,
}

impl Context {
    pub(crate) fn new(driver: &'static Driver, device: c_int) -> Answer<Context> {
        let mut handle = Handle::NONE;
        // SAFETY: writes one handle.
        let status = unsafe { (driver.table.cuDevicePrimaryCtxRetain)(&mut handle, device) };
        driver.check("cuDevicePrimaryCtxRetain", status)?;
        Ok(Context { driver, device, handle })
    }

    pub(crate) fn driver(&self) -> &'static Driver {
        self.driver
    }

    /// The driver's number of the GPU.
    pub(crate) fn device(&self) -> c_int {
        self.device
    }

    /// Makes the context current on this thread, until the guard goes.
    pub(crate) fn enter(&self) -> Answer<Current<'_>> {
        // SAFETY: the context is retained.
        let status = unsafe { (self.driver.table.cuCtxPushCurrent_v2)(self.handle) };
        self.driver.check("cuCtxPushCurrent_v2", status)?;
        Ok(Current { context: self, _thread: std::marker::PhantomData })
    }
}

impl Drop for Current<'_> {
    fn drop(&mut self) {
        let mut before = Handle::NONE;
        // SAFETY: takes away what `enter` put there; the guard has not left the thread.
        unsafe { (self.context.driver.table.cuCtxPopCurrent_v2)(&mut before) };
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: retained once by this owner, and all that was made in it is given back.
        unsafe { (self.driver.table.cuDevicePrimaryCtxRelease_v2)(self.device) };
    }
}
