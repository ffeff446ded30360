//! Any bytes are a picture or label map of the size asked for, or an error.
#![no_main]

use dlc_trainer::dataset::fit::Fit;
use dlc_trainer::dataset::picture::{decode, decode_label_map};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for (channels, fit) in [(1, Fit::default()), (3, Fit::to((5, 7)))] {
        for picture in [decode(bytes, channels, &fit), decode_label_map(bytes, &fit)] {
            let Ok(picture) = picture else { continue };
            let plane = picture.size.0 * picture.size.1;
            assert!(picture.planes.len() == channels * plane || picture.planes.len() == plane);
            assert!(fit.is_empty() || picture.size == (5, 7));
        }
    }
});
