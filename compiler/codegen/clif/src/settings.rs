//! The Cranelift settings that the emitted code is written for.

use crate::ClifError;
use cranelift_codegen::settings::{self, Configurable, Flags};

/// The flags that the ISA of a JIT module is built with.
///
/// `opt_level` is `none` on purpose: it governs Cranelift's mid-end alone, which places every pure
/// operation as late as its use allows. In an unrolled product-sum that puts all loads in front of all
/// multiplications and runs out of registers. The kernels are therefore emitted in the order they are to
/// run in, with invariant arithmetic already outside the loops. Instruction selection and register
/// allocation are at full strength.
///
/// # Errors
///
/// [`ClifError::Setting`] where this Cranelift does not know a setting.
pub fn flags() -> Result<Flags, ClifError> {
    with(false, false)
}

/// The flags for objects that a linker places: as [`flags`], position independent. With `probes`, a function touches the
/// pages of a large frame one after the other, which Windows asks for.
///
/// # Errors
///
/// [`ClifError::Setting`] where this Cranelift does not know a setting.
pub fn object_flags(probes: bool) -> Result<Flags, ClifError> {
    with(true, probes)
}

fn with(independent: bool, probes: bool) -> Result<Flags, ClifError> {
    let mut builder = settings::builder();
    builder.set("opt_level", "none")?;
    builder.set("is_pic", if independent { "true" } else { "false" })?;
    builder.set("use_colocated_libcalls", "false")?;
    builder.set("enable_probestack", if probes { "true" } else { "false" })?;
    builder.set("probestack_strategy", "inline")?;
    builder.set("regalloc_algorithm", "backtracking")?;
    builder.set("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" })?;
    Ok(Flags::new(builder))
}
