//! Launches of kernels.

use crate::state::{Answer, Name, Object, State, within};
use crate::status::*;
use crate::stream::Work;
use dlc_ptx_machine::{Argument, Launch as MachineLaunch, Module};
use std::ffi::{c_uint, c_void};
use std::sync::Arc;

/// Most shared memory of a block that nobody asked more for.
const SHARED: usize = 48 << 10;

/// A launch with all its numbers.
pub(crate) struct Launch {
    module: Arc<Module>,
    entry: String,
    blocks: [u32; 3],
    threads: [u32; 3],
    shared_bytes: usize,
    parameters: Vec<Argument>,
}

impl State {
    pub(crate) fn run(&mut self, launch: &Launch) -> Answer<()> {
        let Launch { module, entry, .. } = launch;
        let grid = MachineLaunch {
            grid: launch.blocks,
            block: launch.threads,
            shared_bytes: launch.shared_bytes,
            parameters: &launch.parameters,
            checks: self.settings.checks,
        };
        self.counters.launches += 1;
        match module.launch(entry, &grid, &mut self.memory) {
            Ok(_) => Ok(()),
            Err(fault) => Err(self.fail(of_fault(&fault), &fault.to_string())),
        }
    }
}

/// The parameters, all of 64 bits, from the form in which a buffer has them one behind the other.
///
/// # Safety
/// `extra` is null, or ends with `CU_LAUNCH_PARAM_END` and names a buffer that is as long as it says.
unsafe fn parameters(mut extra: *const *const c_void) -> Answer<Vec<u64>> {
    let (mut buffer, mut bytes) = (std::ptr::null::<u64>(), 0_usize);
    if extra.is_null() {
        return Err(INVALID_VALUE);
    }
    loop {
        // SAFETY: by the caller, the list goes on until its end.
        let (option, value) = unsafe { (*extra as usize, extra.add(1)) };
        match option {
            0 => break,
            // SAFETY: by the caller, a value follows.
            1 => buffer = unsafe { *value }.cast(),
            // SAFETY: by the caller, a pointer to a size follows.
            2 => bytes = unsafe { *(*value).cast::<usize>() },
            _ => return Err(INVALID_VALUE),
        }
        extra = extra.wrapping_add(2);
    }
    if buffer.is_null() || bytes % 8 != 0 {
        return Err(INVALID_VALUE);
    }
    // SAFETY: by the caller, the buffer is so long.
    Ok((0..bytes / 8).map(|at| unsafe { buffer.add(at).read_unaligned() }).collect())
}

#[unsafe(no_mangle)]
unsafe extern "system" fn cuLaunchKernel(
    function: Name,
    blocks_x: c_uint,
    blocks_y: c_uint,
    blocks_z: c_uint,
    threads_x: c_uint,
    threads_y: c_uint,
    threads_z: c_uint,
    shared_bytes: c_uint,
    stream: Name,
    each: *mut *mut c_void,
    extra: *const *const c_void,
) -> Status {
    within(|state| {
        let Some(Object::Function { text, name, dynamic_shared, .. }) = state.objects.get(&function) else {
            return Err(INVALID_HANDLE);
        };
        if !each.is_null() {
            return Err(INVALID_VALUE);
        }
        // SAFETY: by the interface.
        let parameters = unsafe { parameters(extra)? };
        if text.parameter_bytes(name) != Some(parameters.len() * 8) {
            return Err(INVALID_VALUE);
        }
        let (blocks, threads) = ([blocks_x, blocks_y, blocks_z], [threads_x, threads_y, threads_z]);
        let all: u64 = threads.iter().map(|&threads| u64::from(threads)).product();
        if blocks.contains(&0) || blocks_x > i32::MAX as u32 || !(1..=1024).contains(&all) {
            return Err(INVALID_VALUE);
        }
        let declared = text.shared_bytes(name).unwrap_or(0);
        let shared_bytes = shared_bytes as usize;
        if declared > SHARED || (declared + shared_bytes > SHARED && shared_bytes > *dynamic_shared) {
            return Err(INVALID_VALUE);
        }
        let parameters = parameters.into_iter().map(Argument::U64).collect();
        let (module, entry) = (Arc::clone(text), name.clone());
        let launch = Launch { module, entry, blocks, threads, shared_bytes, parameters };
        state.enqueue(stream, Work::Launch(Arc::new(launch)))
    })
}
