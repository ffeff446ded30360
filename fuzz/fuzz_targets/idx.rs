//! Any bytes are IDX pictures and labels, plain or zipped, or an error.
#![no_main]

use dlc_trainer::dataset::idx::{parse_idx, parse_idx_header};
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(header) = parse_idx_header(bytes) {
        assert!(header.start <= bytes.len());
    }
    for zipped in [false, true] {
        let Ok(array) = parse_idx(bytes, zipped, Path::new("fuzz")) else { continue };
        let (mut seen, mut scratch) = (0, Vec::new());
        for sample in 0..array.records.len().min(3) {
            let visit = |_| seen += 1;
            assert!(array.each_float(sample, &mut scratch, visit).is_ok());
        }
        assert_eq!(seen, array.records.len().min(3) * array.width());
    }
});
