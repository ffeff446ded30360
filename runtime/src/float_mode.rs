//! The floating-point mode of generated code: round to nearest, no traps, denormals flushed to zero.
//!
//! Denormals cost some processors a hundred cycles each, and training makes them: so they count as
//! zero, on every thread alike. The caller's mode is put back when the guard goes.

/// Sets the mode; dropping it restores what was before.
pub(crate) struct FlushDenormals {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    before: Register,
}

#[cfg(target_arch = "x86_64")]
type Register = u32;
#[cfg(target_arch = "aarch64")]
type Register = u64;

/// All exceptions masked, round to nearest, flush-to-zero (bit 15), denormals-are-zero (bit 6).
#[cfg(target_arch = "x86_64")]
const MODE: Register = 0x1F80 | 1 << 15 | 1 << 6;
/// FPCR with FZ (bit 24) alone.
#[cfg(target_arch = "aarch64")]
const MODE: Register = 1 << 24;

#[cfg(target_arch = "x86_64")]
fn read() -> Register {
    let mut value: Register = 0;
    // SAFETY: stores the control register to a local.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &mut value, options(nostack, preserves_flags)) };
    value
}

#[cfg(target_arch = "x86_64")]
fn write(value: Register) {
    // SAFETY: `value` is `MODE` or was read from the register; neither sets a reserved bit.
    unsafe {
        std::arch::asm!("ldmxcsr [{}]", in(reg) &value, options(nostack, readonly, preserves_flags));
    }
}

#[cfg(target_arch = "aarch64")]
fn read() -> Register {
    let value: Register;
    // SAFETY: reads a control register.
    unsafe { std::arch::asm!("mrs {}, fpcr", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

#[cfg(target_arch = "aarch64")]
fn write(value: Register) {
    // SAFETY: `value` is `MODE` or was read from the register.
    unsafe { std::arch::asm!("msr fpcr, {}", in(reg) value, options(nomem, nostack, preserves_flags)) };
}

impl FlushDenormals {
    /// Sets the mode on this thread.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    pub(crate) fn enter() -> FlushDenormals {
        let before = read();
        write(MODE);
        FlushDenormals { before }
    }

    /// Processors whose mode this crate does not know keep theirs.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub(crate) fn enter() -> FlushDenormals {
        FlushDenormals {}
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl Drop for FlushDenormals {
    fn drop(&mut self) {
        write(self.before);
    }
}

#[cfg(all(test, any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests {
    use super::*;

    #[inline(never)]
    fn half(value: f32) -> f32 {
        std::hint::black_box(value) * std::hint::black_box(0.5)
    }

    #[test]
    fn denormals_are_zero_inside_only() {
        let before = read();
        assert!(half(f32::MIN_POSITIVE) > 0.0);
        {
            let _mode = FlushDenormals::enter();
            assert_eq!(half(f32::MIN_POSITIVE).to_bits(), 0);
        }
        assert!(half(f32::MIN_POSITIVE) > 0.0);
        assert_eq!(read() & 0xFFC0, before & 0xFFC0);
    }
}
