//! A text of PTX that the driver translated, and its kernels.

use super::{Answer, Context, Stream};
use crate::driver::{Address, Failure, Handle};
use std::ffi::{CStr, c_int, c_uint, c_void};
use std::sync::Arc;

/// `CU_JIT_INFO_LOG_BUFFER`, `CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES`, and the same for errors.
const LOG_OPTIONS: [c_uint; 4] = [3, 4, 5, 6];
/// Bytes of each log.
const LOG_BYTES: usize = 16 << 10;
/// `CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK`
const MOST_THREADS: c_int = 0;
/// `CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES`
const LOCAL_BYTES: c_int = 3;
/// `CU_FUNC_ATTRIBUTE_NUM_REGS`
const REGISTERS: c_int = 4;
/// `CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES`
const DYNAMIC_SHARED_BYTES: c_int = 8;

/// A module that is ready to launch from.
pub(crate) struct LoadedModule {
    context: Arc<Context>,
    handle: Handle,
}

/// One of its kernels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Function {
    handle: Handle,
    /// The most threads of a block, with the registers that the driver chose.
    pub(crate) most_threads: usize,
    /// Registers of a thread.
    pub(crate) registers: usize,
    /// Bytes of a thread that found no registers.
    pub(crate) local_bytes: usize,
}

/// The numbers of a launch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    pub(crate) blocks: u32,
    pub(crate) threads: u32,
    /// Bytes of shared memory beside those that the module declares.
    pub(crate) shared_bytes: u32,
}

impl LoadedModule {
    /// Translates a text; the error comes with what the driver wrote about it.
    pub(crate) fn new(context: &Arc<Context>, text: &CStr) -> Result<LoadedModule, (Failure, String)> {
        let driver = context.driver();
        let _current = context.enter().map_err(|failure| (failure, String::new()))?;
        let mut logs = [vec![0_u8; LOG_BYTES], vec![0_u8; LOG_BYTES]];
        let [info, errors] = &mut logs;
        let mut options = LOG_OPTIONS;
        // Lengths are passed as pointers.
        let length = || std::ptr::without_provenance_mut::<c_void>(LOG_BYTES);
        let mut values = [info.as_mut_ptr().cast(), length(), errors.as_mut_ptr().cast(), length()];
        let mut handle = Handle::NONE;
        // SAFETY: the text ends with a zero byte, there are four options with values of their kinds, and the logs are
        // as long as it says.
        let status = unsafe {
            (driver.table.cuModuleLoadDataEx)(
                &mut handle,
                text.as_ptr().cast(),
                LOG_OPTIONS.len() as c_uint,
                options.as_mut_ptr(),
                values.as_mut_ptr(),
            )
        };
        let loaded = driver.check("cuModuleLoadDataEx", status);
        loaded.map_err(|failure| (failure, written(&logs)))?;
        Ok(LoadedModule { context: Arc::clone(context), handle })
    }

    /// A kernel by its name. What the driver loads late is loaded now, so that nothing is in a recording.
    pub(crate) fn function(&self, name: &CStr) -> Answer<Function> {
        let driver = self.context.driver();
        let _current = self.context.enter()?;
        let mut handle = Handle::NONE;
        // SAFETY: the module lives; writes one handle.
        let status = unsafe { (driver.table.cuModuleGetFunction)(&mut handle, self.handle, name.as_ptr()) };
        driver.check("cuModuleGetFunction", status)?;
        let attribute = |attribute| {
            let mut value: c_int = 0;
            // SAFETY: the function lives as long as the module; writes one number.
            let status = unsafe { (driver.table.cuFuncGetAttribute)(&mut value, attribute, handle) };
            driver.check("cuFuncGetAttribute", status)?;
            Ok(usize::try_from(value).unwrap_or(0))
        };
        let (most_threads, registers) = (attribute(MOST_THREADS)?, attribute(REGISTERS)?);
        Ok(Function { handle, most_threads, registers, local_bytes: attribute(LOCAL_BYTES)? })
    }

    /// Lets blocks of a kernel have so much shared memory beside what the module declares.
    pub(crate) fn allow_shared(&self, function: &Function, bytes: u32) -> Answer<()> {
        let driver = self.context.driver();
        let _current = self.context.enter()?;
        let bytes = c_int::try_from(bytes).unwrap_or(c_int::MAX);
        // SAFETY: the function lives as long as the module.
        let status =
            unsafe { (driver.table.cuFuncSetAttribute)(function.handle, DYNAMIC_SHARED_BYTES, bytes) };
        driver.check("cuFuncSetAttribute", status)
    }
}

/// The texts that end with a zero byte, errors first.
fn written([info, errors]: &[Vec<u8>; 2]) -> String {
    let text = |bytes: &[u8]| {
        let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
    };
    let texts = [text(errors), text(info)];
    texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
}

impl Stream {
    /// Launches a kernel, all of whose parameters have 64 bits. Needs the context to be current.
    ///
    /// # Safety
    /// The kernel does, with these parameters, nothing to memory that is not its own.
    pub(crate) unsafe fn launch(
        &self,
        function: &Function,
        grid: Grid,
        parameters: &[Address],
    ) -> Answer<()> {
        // `CU_LAUNCH_PARAM_BUFFER_POINTER`, `CU_LAUNCH_PARAM_BUFFER_SIZE`, `CU_LAUNCH_PARAM_END`: this form tells the
        // driver how many bytes there are, so that it reads no further.
        let (pointer, size, end) = (1, 2, 0);
        let mark = std::ptr::without_provenance_mut::<c_void>;
        let mut bytes = size_of_val(parameters);
        let buffer = parameters.as_ptr().cast_mut().cast::<c_void>();
        let mut extra =
            [mark(pointer), buffer, mark(size), std::ptr::from_mut(&mut bytes).cast::<c_void>(), mark(end)];
        let driver = self.context().driver();
        let Grid { blocks, threads, shared_bytes } = grid;
        // SAFETY: the driver copies the parameters before it returns; the caller vouches for the kernel.
        let status = unsafe {
            (driver.table.cuLaunchKernel)(
                function.handle,
                blocks,
                1,
                1,
                threads,
                1,
                1,
                shared_bytes,
                self.handle(),
                std::ptr::null_mut(),
                extra.as_mut_ptr(),
            )
        };
        driver.check("cuLaunchKernel", status)
    }
}

impl Drop for LoadedModule {
    fn drop(&mut self) {
        let _current = self.context.enter();
        // SAFETY: loaded by this owner, and whoever drops it has waited for its launches.
        unsafe { (self.context.driver().table.cuModuleUnload)(self.handle) };
    }
}
