//! Any bytes are records with labels in range, or an error.
#![no_main]

use dlc_trainer::dataset::cifar::{LabelledPictures, Layout, parse_cifar};
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    for layout in [Layout::TEN, Layout::FINE, Layout::COARSE] {
        let mut records = LabelledPictures::default();
        if parse_cifar(bytes, layout, Path::new("fuzz.bin"), &mut records).is_ok() {
            assert_eq!(records.pictures.len(), records.labels.len() * 3 * 32 * 32);
            assert!(records.labels.iter().all(|label| (0..i64::from(layout.classes)).contains(label)));
        }
    }
});
