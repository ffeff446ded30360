//! What instructions compute, as plain functions on register bits.
//!
//! A register's value is held in 64 bits of which those above its width are zero; every function here takes
//! and returns such values.

pub(crate) mod bits;
pub(crate) mod compare;
pub(crate) mod convert;
pub(crate) mod float;
pub(crate) mod integer;
pub(crate) mod narrow;

/// Result of one source.
pub(crate) type One = fn(u64) -> u64;
/// Result of two sources.
pub(crate) type Two = fn(u64, u64) -> u64;
/// Result of three sources.
pub(crate) type Three = fn(u64, u64, u64) -> u64;
/// Truth of two sources.
pub(crate) type Truth = fn(u64, u64) -> bool;
