//! A GPU that fails, and that nothing is taken for a result from then on.

use crate::alone::alone;
use crate::model::*;
use dlc_runtime::Device;
use dlc_stand_in_driver::counted;

/// Every further use is refused with the first failure's words.
fn lost(device: &mut dlc_cuda::CudaDevice, first: &str) {
    let lost = format!("{}: the GPU failed before, and what it holds is lost: {first}", device.name());
    let mut persistent = [7; PERSISTENT * 4];
    assert_eq!(device.download(&mut persistent).unwrap_err().to_string(), lost);
    assert_eq!(persistent, [7; PERSISTENT * 4], "nothing of the GPU's is given out");
    let x = bytes(&samples(2, 0));
    assert_eq!(device.call(call(TRAIN, 2), &[&x], &[0]).unwrap_err().to_string(), lost);
    assert_eq!(device.upload(&persistent).unwrap_err().to_string(), lost);
    assert_eq!(device.scratch(&mut [0; 16]).unwrap_err().to_string(), lost);
    assert!(device.last_times().is_err());
    assert!((0..2).all(|number| device.output(number).is_empty()));
}

/// The stand-in's words for the fault of `stray`, or the driver's.
fn fault(error: &str) -> bool {
    let line =
        1 + TEXT.lines().collect::<Vec<_>>().iter().rposition(|line| line.contains("st.global")).unwrap();
    let report =
        format!("memory access was encountered: stray, line {line}, block (0, 0, 0), thread (0, 0, 0)");
    error.contains("CUDA_ERROR_ILLEGAL_ADDRESS") && (counted().is_none() || error.contains(&report))
}

/// Calls `stray`, which fails, and does not wait; whether that is still to be told, as it must be by the stand-in. A
/// driver may tell of it at once.
fn untold(device: &mut dlc_cuda::CudaDevice) -> bool {
    match device.call(call(STRAY, 1), &[], &[]) {
        Ok(()) => true,
        Err(error) => {
            assert!(counted().is_none() && fault(&error.to_string()), "{error}");
            false
        }
    }
}

alone! {
    fn a_fault_in_a_graph_says_how_to_find_the_kernel() {
        let mut device = loaded();
        device.call(call(TRAIN, 2), &[&bytes(&samples(2, 0))], &[0]).unwrap();
        let error = device.call(call(STRAY, 1), &[], &[0]).unwrap_err().to_string();
        let first = error.strip_prefix(&format!("{}: ", device.name())).unwrap();
        assert!(first.starts_with("`stray` failed: an illegal memory access was encountered"), "{first}");
        assert!(first.ends_with("); with DLC_CUDA_STEPWISE=1 the error names the kernel"), "{first}");
        assert!(fault(first), "{first}");
        lost(&mut device, first);
    }

    fn a_fault_in_steps_names_its_kernel(DLC_CUDA_STEPWISE = "1") {
        let mut device = loaded();
        let error = device.call(call(STRAY, 1), &[], &[]).unwrap_err().to_string();
        let first = error.strip_prefix(&format!("{}: ", device.name())).unwrap();
        assert!(first.starts_with("launch 1 of `stray`, the kernel `stray`, failed: an illegal"), "{first}");
        assert!(fault(first), "{first}");
        assert_eq!(device.last_launches().len(), 1);
        lost(&mut device, first);
    }

    fn a_fault_that_nobody_waited_for_is_told_by_the_next() {
        let mut device = loaded();
        if !untold(&mut device) {
            return;
        }
        let x = bytes(&samples(2, 0));
        let error = device.call(call(PREDICT, 2), &[&x], &[0]).unwrap_err().to_string();
        let first = error.strip_prefix(&format!("{}: ", device.name())).unwrap();
        assert!(first.starts_with("`predict` or `stray` failed: ") && fault(first), "{first}");
        lost(&mut device, first);
    }

    fn every_function_that_nobody_waited_for_is_named() {
        let mut device = loaded();
        if !untold(&mut device) || device.call(call(TALLY, 1), &[], &[]).is_err() {
            return;
        }
        let x = bytes(&samples(2, 0));
        let error = device.call(call(PREDICT, 2), &[&x], &[0]).unwrap_err().to_string();
        assert!(error.contains(": `predict` or `tally` or `stray` failed: ") && fault(&error), "{error}");
    }

    fn a_download_tells_of_a_call_that_failed() {
        let mut device = loaded();
        if !untold(&mut device) {
            return;
        }
        let mut persistent = [7; PERSISTENT * 4];
        let error = device.download(&mut persistent).unwrap_err().to_string();
        assert!(error.contains(": `stray` failed: ") && fault(&error), "{error}");
        assert_eq!(persistent, [7; PERSISTENT * 4]);
        let first = error.strip_prefix(&format!("{}: ", device.name())).unwrap();
        lost(&mut device, first);
    }

    fn another_model_on_the_gpu_fails_too() {
        let (mut device, mut other) = (loaded(), loaded());
        assert!(device.call(call(STRAY, 1), &[], &[0]).is_err());
        let error = other.call(call(TALLY, 1), &[], &[0]).unwrap_err().to_string();
        assert!(fault(&error), "{error}");
        assert!(load(0, &interface(), &module()).is_err());
    }
}
