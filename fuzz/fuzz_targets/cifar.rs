//! Any bytes are records with labels in range, or an error.
#![no_main]

use dlc_trainer::dataset::cifar10::{Records, parse_cifar10};
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let mut records = Records::default();
    if parse_cifar10(bytes, Path::new("fuzz.bin"), &mut records).is_ok() {
        assert_eq!(records.pictures.len(), records.labels.len() * 3 * 32 * 32);
        assert!(records.labels.iter().all(|label| (0..10).contains(label)));
    }
});
