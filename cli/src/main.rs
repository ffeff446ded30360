//! The dlc binary.
fn main() {}
