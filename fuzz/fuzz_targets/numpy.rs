//! Any bytes are an array of the length that it tells, or a fault.
#![no_main]

use dlc_trainer::numpy::{read_header, read_npy, read_npz, write_npy};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = read_header(bytes);
    for tensor in [read_npy(bytes), read_npz(bytes, "x")] {
        let Ok(tensor) = tensor else { continue };
        let elements: usize = tensor.dims.iter().product();
        assert_eq!(tensor.bytes.len(), elements * tensor.element.size());
        let written = write_npy(&tensor);
        assert!(written.is_ok_and(|written| read_npy(&written).is_ok_and(|again| again == tensor)));
    }
});
