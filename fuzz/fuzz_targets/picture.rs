//! Any bytes are a picture of the size asked for, or an error.
#![no_main]

use dlc_trainer::dataset::picture::decode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for (channels, size) in [(1, None), (3, Some((5, 7)))] {
        let Ok(picture) = decode(bytes, channels, size) else { continue };
        assert_eq!(picture.planes.len(), channels * picture.size.0 * picture.size.1);
        assert!(size.is_none_or(|size| size == picture.size));
    }
});
