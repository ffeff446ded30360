//! Modules: PTX that the machine reads.

use crate::settings;
use crate::start::put;
use crate::state::{Name, Object, within};
use crate::status::*;
use dlc_ptx_machine::Module;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::Arc;

/// `CU_JIT_ERROR_LOG_BUFFER`
const ERRORS: c_uint = 5;
/// `CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES`
const ERRORS_BYTES: c_uint = 6;

/// Whether a device of a generation runs what `.target` names; `sm_90a` runs on 9.0 alone.
fn runs(target: &str, (major, minor): (c_int, c_int)) -> bool {
    let Some(number) = target.strip_prefix("sm_") else { return false };
    let exact = number.strip_suffix('a');
    let Ok(wanted) = exact.unwrap_or(number).parse::<c_int>() else { return false };
    let own = major * 10 + minor;
    if exact.is_some() { own == wanted } else { own >= wanted }
}

/// Whether a driver knows the version of PTX that a text is in: 7.0 came with CUDA 11.0, 8.0 with 12.0.
fn knows(text: &str, driver: (c_int, c_int)) -> bool {
    let version = text.lines().find_map(|line| line.trim().strip_prefix(".version"));
    let Some((major, minor)) = version.and_then(|version| settings::pair(version.trim())) else {
        return true;
    };
    (major + 4, minor) <= driver
}

/// The caller's buffer for what is wrong with a text.
///
/// # Safety
/// There are `count` options, each with a value of its kind.
unsafe fn log(count: c_uint, options: *const c_uint, values: *const *mut c_void) -> Option<(*mut u8, usize)> {
    let mut found = (std::ptr::null_mut::<u8>(), 0);
    for at in 0..count as usize {
        // SAFETY: by the caller.
        let (option, value) = unsafe { (*options.add(at), *values.add(at)) };
        match option {
            ERRORS => found.0 = value.cast(),
            ERRORS_BYTES => found.1 = value as usize,
            _ => {}
        }
    }
    (!found.0.is_null() && found.1 > 0).then_some(found)
}

#[unsafe(no_mangle)]
unsafe extern "system" fn cuModuleLoadDataEx(
    to: *mut Name,
    image: *const c_char,
    count: c_uint,
    options: *const c_uint,
    values: *const *mut c_void,
) -> Status {
    within(|state| {
        state.outside_capture()?;
        if image.is_null() {
            return Err(INVALID_VALUE);
        }
        // SAFETY: by the interface, a text ends with a zero byte.
        let text = unsafe { CStr::from_ptr(image) }.to_string_lossy();
        if !knows(&text, settings::version()) {
            return Err(UNSUPPORTED_PTX_VERSION);
        }
        let capability = state.settings.capability;
        let parsed = Module::parse(&text).map_err(|fault| fault.to_string()).and_then(|module| {
            match runs(module.target(), capability) {
                true => Ok(module),
                false => {
                    Err(format!("{} does not run on sm_{}{}", module.target(), capability.0, capability.1))
                }
            }
        });
        let module = parsed.map_err(|message| {
            // SAFETY: by the interface.
            if let Some((start, bytes)) = unsafe { log(count, options, values) } {
                let written = message.bytes().take(bytes - 1).chain([0]);
                for (at, byte) in written.enumerate() {
                    // SAFETY: the buffer has so many bytes.
                    unsafe { start.add(at).write(byte) };
                }
            }
            INVALID_PTX
        })?;
        let name = state.add(Object::Module(Arc::new(module)));
        // SAFETY: by the interface.
        unsafe { put(to, name) }
    })
}

#[unsafe(no_mangle)]
extern "system" fn cuModuleUnload(module: Name) -> Status {
    within(|state| {
        state.outside_capture()?;
        state.remove(module, |object| matches!(object, Object::Module(_)))?;
        let gone = |object: &Object| matches!(object, Object::Function { module: of, .. } if *of == module);
        state.objects.retain(|_, object| !gone(object));
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "system" fn cuModuleGetFunction(to: *mut Name, module: Name, name: *const c_char) -> Status {
    within(|state| {
        let Some(Object::Module(text)) = state.objects.get(&module) else { return Err(INVALID_HANDLE) };
        // SAFETY: by the interface, a name ends with a zero byte.
        let name = unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned();
        if !text.entries().any(|entry| entry == name) {
            return Err(NOT_FOUND);
        }
        let function = Object::Function { module, text: Arc::clone(text), name, dynamic_shared: 0 };
        let function = state.add(function);
        // SAFETY: by the interface.
        unsafe { put(to, function) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "system" fn cuFuncGetAttribute(to: *mut c_int, attribute: c_int, function: Name) -> Status {
    within(|state| {
        let Some(Object::Function { text, name, dynamic_shared, .. }) = state.objects.get(&function) else {
            return Err(INVALID_HANDLE);
        };
        let value = match attribute {
            0 => 1024,
            1 => text.shared_bytes(name).unwrap_or(0) as c_int,
            3 => 0,
            4 => 32,
            8 => *dynamic_shared as c_int,
            _ => return Err(INVALID_VALUE),
        };
        // SAFETY: by the interface.
        unsafe { put(to, value) }
    })
}

#[unsafe(no_mangle)]
extern "system" fn cuFuncSetAttribute(function: Name, attribute: c_int, value: c_int) -> Status {
    within(|state| {
        let all = state.settings.most_shared();
        let Some(Object::Function { dynamic_shared, text, name, .. }) = state.objects.get_mut(&function)
        else {
            return Err(INVALID_HANDLE);
        };
        let most = all.saturating_sub(text.shared_bytes(name).unwrap_or(0));
        let value = usize::try_from(value).ok().filter(|&value| attribute == 8 && value <= most);
        *dynamic_shared = value.ok_or(INVALID_VALUE)?;
        Ok(())
    })
}
