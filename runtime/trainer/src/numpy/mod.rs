//! NumPy's files: `.npy` arrays, and `.npz` archives of them.

mod npy;
mod npz;

pub use npy::{ArrayFault, Header, read_header, read_npy, write_npy};
pub use npz::{read_npz, unpack_npz};
