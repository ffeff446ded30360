//! Crashes in generated code: which kernel it was, in one line on stderr.
//!
//! A process that wants reports installs the handlers ([`report_crashes`]); a library must not do so by itself,
//! since handlers are the process's. After the line the signal takes its default action, as without a handler.
//! Signals that meet other code go on to the handler that was installed before.

use crate::code_names::locate;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicPtr, Ordering};

const SIGNALS: [c_int; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL];

/// What was installed before, per signal; set before the handler is.
static PREVIOUS: [AtomicPtr<libc::sigaction>; 4] = [const { AtomicPtr::new(ptr::null_mut()) }; SIGNALS.len()];

type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// Installs handlers that tell on stderr in which kernel a crash happened, once per process. For a program's
/// `main`.
pub fn report_crashes() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        for (&signal, previous) in SIGNALS.iter().zip(&PREVIOUS) {
            let mut before = MaybeUninit::<libc::sigaction>::zeroed();
            // SAFETY: a null action asks for the current one, which is written to `before`.
            if unsafe { libc::sigaction(signal, ptr::null(), before.as_mut_ptr()) } != 0 {
                continue;
            }
            // SAFETY: the call above has succeeded and filled it in.
            previous.store(Box::into_raw(Box::new(unsafe { before.assume_init() })), Ordering::SeqCst);
            // SAFETY: all zeros is a valid `sigaction`: no flags, an empty mask.
            let mut action = unsafe { MaybeUninit::<libc::sigaction>::zeroed().assume_init() };
            action.sa_sigaction = handle as Handler as usize;
            // On the alternate stack, where the thread has one, as std's handler of full stacks.
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            // SAFETY: `handle` has the signature that SA_SIGINFO asks for and calls nothing but
            // functions that may be called in a signal handler.
            unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
        }
    });
}

extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let report = |words: &str, distance: usize| write_report(signal, words, distance);
    // SAFETY: the kernel passes a `ucontext_t` to a handler with SA_SIGINFO.
    let known = unsafe { program_counter(context) }.is_some_and(|address| locate(address, report));
    if known { end(signal) } else { pass_on(signal, info, context) }
}

/// Lets the signal take its default action when the handler returns.
fn end(signal: c_int) {
    // SAFETY: both may be called in a signal handler and take any signal. The signal stays blocked, and thus
    // pending, until the handler returns.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// Does what would have happened without us.
fn pass_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let number = SIGNALS.iter().position(|&one| one == signal).unwrap_or(0);
    // SAFETY: the pointer is null or one that `report_crashes` made and nobody frees.
    let previous = unsafe { PREVIOUS[number].load(Ordering::SeqCst).as_ref() };
    let Some(previous) = previous else { return end(signal) };
    match previous.sa_sigaction {
        // A fault is not ignored by the system either: the instruction would fault for ever.
        libc::SIG_DFL | libc::SIG_IGN => end(signal),
        before if previous.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: with SA_SIGINFO the address is that of a handler of this signature.
            let before = unsafe { std::mem::transmute::<usize, Handler>(before) };
            before(signal, info, context);
        }
        before => {
            // SAFETY: without SA_SIGINFO the address is that of a handler of this signature.
            let before = unsafe { std::mem::transmute::<usize, extern "C" fn(c_int)>(before) };
            before(signal);
        }
    }
}

/// Where the signal has met the thread; `None` on machines whose registers we cannot read.
///
/// # Safety
/// `context` is what a handler with SA_SIGINFO was given.
unsafe fn program_counter(context: *mut c_void) -> Option<usize> {
    let _ = context;
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    {
        // SAFETY: the contract above.
        let registers = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
        usize::try_from(registers[libc::REG_RIP as usize]).ok()
    }
    #[cfg(all(target_os = "linux", target_arch = "aarch64"))]
    {
        // SAFETY: the contract above.
        usize::try_from(unsafe { (*context.cast::<libc::ucontext_t>()).uc_mcontext.pc }).ok()
    }
    #[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
    None
}

/// Writes the report in one call, without formatting: what `std` formats with may not be used here.
fn write_report(signal: c_int, words: &str, distance: usize) {
    let (mut decimal, mut hexadecimal) = ([0; 20], [0; 20]);
    let signal = digits(usize::try_from(signal).unwrap_or(0), 10, &mut decimal);
    let distance = digits(distance, 16, &mut hexadecimal);
    let parts: [&[u8]; 7] = [
        b"dlc: crash (signal ",
        signal,
        b") in ",
        words.as_bytes(),
        b" at +0x",
        distance,
        b"; this is a bug in dlc\n",
    ];
    let parts =
        parts.map(|part| libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() });
    // SAFETY: the parts live until the call returns, which only reads them.
    unsafe { libc::writev(libc::STDERR_FILENO, parts.as_ptr(), parts.len() as c_int) };
}

/// A number's digits, written from the buffer's end.
fn digits(mut number: usize, base: usize, buffer: &mut [u8; 20]) -> &[u8] {
    let mut first = buffer.len();
    loop {
        first -= 1;
        buffer[first] = b"0123456789abcdef"[number % base];
        number /= base;
        if number == 0 {
            return &buffer[first..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::digits;

    #[test]
    fn digits_are_those_of_the_number() {
        for number in [0, 7, 11, 255, 4096, usize::MAX] {
            let mut buffer = [0; 20];
            assert_eq!(digits(number, 10, &mut buffer), number.to_string().as_bytes());
            assert_eq!(digits(number, 16, &mut buffer), format!("{number:x}").as_bytes());
        }
    }
}
