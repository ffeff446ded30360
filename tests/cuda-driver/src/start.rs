//! Starting the driver, its devices, and their contexts.

use crate::settings;
use crate::state::{CURRENT, Name, Object, State, lock, started, within};
use crate::status::*;
use std::ffi::{c_char, c_int, c_uint};

/// `CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN`
const SHARED_BYTES: c_int = 97;
/// `CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR`
const MAJOR: c_int = 75;
/// `CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR`
const MINOR: c_int = 76;
/// Other attributes, and what they are here: `CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT`, `CLOCK_RATE` and
/// `MEMORY_CLOCK_RATE` in kHz, `GLOBAL_MEMORY_BUS_WIDTH` in bits.
const FIXED: [(c_int, c_int); 4] = [(16, 4), (13, 1_000_000), (36, 1_000_000), (37, 64)];
/// What the devices are called.
const DEVICE: &str = "dlc stand-in";

/// Writes through a pointer that the interface says can be written.
///
/// # Safety
/// It can, or is null.
pub(crate) unsafe fn put<T>(to: *mut T, value: T) -> Result<(), Status> {
    if to.is_null() {
        return Err(INVALID_VALUE);
    }
    // SAFETY: by the caller.
    unsafe { to.write(value) };
    Ok(())
}

#[unsafe(no_mangle)]
extern "system" fn cuInit(flags: c_uint) -> Status {
    if flags != 0 {
        return INVALID_VALUE;
    }
    let mut state = lock();
    let state = state.get_or_insert_with(State::new);
    if state.settings.devices > 0 { 0 } else { NO_DEVICE }
}

#[unsafe(no_mangle)]
unsafe extern "system" fn cuDriverGetVersion(version: *mut c_int) -> Status {
    let (major, minor) = settings::version();
    // SAFETY: by the interface.
    unsafe { put(version, major * 1000 + minor * 10) }.err().unwrap_or(0)
}

#[unsafe(no_mangle)]
unsafe extern "system" fn cuDeviceGetCount(count: *mut c_int) -> Status {
    // SAFETY: by the interface.
    started(|state| unsafe { put(count, state.settings.devices) })
}

fn device(state: &State, device: c_int) -> Result<(), Status> {
    if (0..state.settings.devices).contains(&device) { Ok(()) } else { Err(INVALID_DEVICE) }
}

#[unsafe(no_mangle)]
unsafe extern "system" fn cuDeviceGet(to: *mut c_int, ordinal: c_int) -> Status {
    started(|state| {
        device(state, ordinal)?;
        // SAFETY: by the interface.
        unsafe { put(to, ordinal) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "system" fn cuDeviceGetName(to: *mut c_char, length: c_int, number: c_int) -> Status {
    started(|state| {
        device(state, number)?;
        let length = usize::try_from(length).ok().filter(|&length| length > 0).ok_or(INVALID_VALUE)?;
        let name = DEVICE.bytes().take(length - 1).chain([0]);
        for (at, byte) in name.enumerate() {
            // SAFETY: by the interface, there are so many bytes.
            unsafe { put(to.wrapping_add(at), byte as c_char)? };
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "system" fn cuDeviceGetAttribute(to: *mut c_int, attribute: c_int, number: c_int) -> Status {
    started(|state| {
        device(state, number)?;
        let value = match attribute {
            MAJOR => state.settings.capability.0,
            MINOR => state.settings.capability.1,
            SHARED_BYTES => state.settings.most_shared() as c_int,
            other => FIXED.iter().find(|(one, _)| *one == other).ok_or(INVALID_VALUE)?.1,
        };
        // SAFETY: by the interface.
        unsafe { put(to, value) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "system" fn cuDeviceTotalMem_v2(total: *mut usize, number: c_int) -> Status {
    started(|state| {
        device(state, number)?;
        // SAFETY: by the interface.
        unsafe { put(total, state.settings.memory) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "system" fn cuDevicePrimaryCtxRetain(to: *mut Name, number: c_int) -> Status {
    started(|state| {
        device(state, number)?;
        let name = match state.holds.get(&number) {
            Some((name, _)) => *name,
            None => state.add(Object::Context),
        };
        state.holds.entry(number).or_insert((name, 0)).1 += 1;
        // SAFETY: by the interface.
        unsafe { put(to, name) }
    })
}

#[unsafe(no_mangle)]
extern "system" fn cuDevicePrimaryCtxRelease_v2(number: c_int) -> Status {
    started(|state| {
        device(state, number)?;
        let (name, holds) = state.holds.get_mut(&number).ok_or(INVALID_CONTEXT)?;
        let name = *name;
        *holds -= 1;
        if *holds == 0 {
            state.holds.remove(&number);
            state.objects.remove(&name);
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "system" fn cuCtxPushCurrent_v2(context: Name) -> Status {
    started(|state| match state.objects.get(&context) {
        Some(Object::Context) => {
            CURRENT.with_borrow_mut(|contexts| contexts.push(context));
            Ok(())
        }
        _ => Err(INVALID_CONTEXT),
    })
}

#[unsafe(no_mangle)]
unsafe extern "system" fn cuCtxPopCurrent_v2(to: *mut Name) -> Status {
    started(|_| {
        let context = CURRENT.with_borrow_mut(Vec::pop).ok_or(INVALID_CONTEXT)?;
        // SAFETY: by the interface.
        unsafe { put(to, context) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "system" fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> Status {
    within(|state| {
        // SAFETY: by the interface.
        unsafe {
            put(free, state.free_bytes())?;
            put(total, state.settings.memory)
        }
    })
}
