//! Any bytes are a checkpoint that can be written again, or an error.
#![no_main]

use dlc_runtime::Checkpoint;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let run = dlc_trainer::read_checkpoint(bytes);
    let Ok(checkpoint) = Checkpoint::from_bytes(bytes) else {
        assert!(run.is_err());
        return;
    };
    let written = checkpoint.to_bytes().expect("what was read can be written");
    let again = Checkpoint::from_bytes(&written).expect("what was written can be read");
    assert_eq!(checkpoint, again);
});
