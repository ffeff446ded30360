//! What is refused before anything runs, each in a sentence.

use crate::alone::alone;
use crate::model::*;
use dlc_abi::{Capability, DeviceMemory, DeviceModule, DeviceStep, Interface};
use dlc_runtime::{Call, Device};
use dlc_stand_in_driver::library;

fn refused(interface: &Interface, module: &DeviceModule) -> String {
    load(0, interface, module).unwrap_err().to_string()
}

/// The error where a module is changed.
fn changed(change: impl FnOnce(&mut DeviceModule)) -> String {
    let mut module = module();
    change(&mut module);
    refused(&interface(), &module)
}

fn first_launch(module: &mut DeviceModule) -> &mut dlc_abi::DeviceLaunch {
    match &mut module.functions[TRAIN].steps[0] {
        DeviceStep::Launch(launch) => launch,
        DeviceStep::Repeat { .. } => panic!("the first step is a launch"),
    }
}

alone! {
    fn no_driver(DLC_CUDA_DRIVER = "/nowhere/libcuda.so.1") {
        let error = dlc_cuda::devices().unwrap_err().to_string();
        assert!(error.starts_with("this machine has no NVIDIA driver (/nowhere/libcuda.so.1: "), "{error}");
        assert!(error.ends_with("; without one, compute on the CPU") && !error.contains('\n'), "{error}");
        assert_eq!(refused(&interface(), &module()), error);
    }

    #[cfg(target_os = "linux")]
    fn another_library(DLC_CUDA_DRIVER = "libm.so.6") {
        let error = dlc_cuda::device(0).unwrap_err().to_string();
        assert_eq!(error, "libm.so.6 is no driver of NVIDIA's: it has no `cuDriverGetVersion` that answers");
    }

    fn no_gpu(DLC_STAND_IN_DEVICES = "0", DLC_CUDA_DRIVER = library()) {
        let error = dlc_cuda::devices().unwrap_err().to_string();
        assert_eq!(error, "NVIDIA's driver finds no GPU that it may use on this machine");
        assert_eq!(refused(&interface(), &module()), error);
    }

    fn a_number_that_no_gpu_has(DLC_STAND_IN_DEVICES = "2", DLC_CUDA_DRIVER = library()) {
        assert_eq!(dlc_cuda::devices().unwrap().len(), 2);
        let expected = "there is no GPU 2: this machine has 2, numbered from 0";
        assert_eq!(dlc_cuda::device(2).unwrap_err().to_string(), expected);
        assert_eq!(load(2, &interface(), &module()).unwrap_err().to_string(), expected);
        assert!(dlc_cuda::device(usize::MAX).is_err());
        assert!(load(1, &interface(), &module()).is_ok());
    }

    fn a_gpu_that_others_have_filled_is_listed(DLC_STAND_IN_MEMORY = "0", DLC_CUDA_DRIVER = library()) {
        assert_eq!(dlc_cuda::devices().unwrap()[0].total_bytes, 0);
        assert!(refused(&interface(), &module()).contains("of which 0 bytes are free"));
    }

    fn code_for_other_gpus(DLC_STAND_IN_CAPABILITY = "8.6", DLC_CUDA_DRIVER = library()) {
        let for_capability = |major, minor, exact| {
            changed(|module| module.capability = Capability { major, minor, exact })
        };
        let told = "the GPU dlc stand-in is sm_86: compile for sm_86, or an earlier one";
        assert_eq!(for_capability(9, 0, false), format!("the code is for sm_90, {told}"));
        assert_eq!(for_capability(8, 0, true), format!("the code is for sm_80a, {told}"));
        // What the table says and the text does not keep is the driver's to refuse.
        let error = changed(|module| module.text = module.text.replace("sm_75", "sm_90"));
        assert!(error.starts_with("the driver refuses the model's code: a PTX JIT compilation failed"), "{error}");
    }

    fn a_text_that_is_no_ptx(DLC_CUDA_DRIVER = library()) {
        let error = changed(|module| module.text = module.text.replace("mul.rn.f32 %x, %x, %y;", "mul.rn.f32 %x, %x;"));
        let mut lines = error.lines();
        let first = "the driver refuses the model's code: a PTX JIT compilation failed (CUDA_ERROR_INVALID_PTX, from \
                     cuModuleLoadDataEx)";
        assert_eq!(lines.next(), Some(first));
        assert!(lines.next().unwrap().starts_with("line 22: "), "{error}");
        let error = changed(|module| module.text.push('\0'));
        assert!(error.contains("its text has a zero byte"), "{error}");
        let error = changed(|module| module.kernels[3].name = "tally".to_owned());
        assert!(error.contains("its text has no kernel `tally`: named symbol not found"), "{error}");
    }

    fn a_text_that_came_after_the_driver(DLC_STAND_IN_VERSION = "11.8", DLC_CUDA_DRIVER = library()) {
        let error = changed(|module| module.text = module.text.replace(".version 6.5", ".version 8.0"));
        assert_eq!(
            error,
            "NVIDIA's driver is too old: it is for CUDA 11.8, which does not know this form of PTX; update the driver to \
             one for CUDA 12.0 or later"
        );
        assert!(load(0, &interface(), &module()).is_ok());
    }

    fn too_little_memory(DLC_STAND_IN_MEMORY = "1000", DLC_CUDA_DRIVER = library()) {
        let error = refused(&interface(), &module());
        assert_eq!(
            error,
            "the model needs 2.0 KiB (256 bytes for values on the way, 256 bytes for parameters and states, 256 bytes \
             for constants, 1.2 KiB for inputs and outputs) on the GPU dlc stand-in, of which 1000 bytes are free: \
             compile for a smaller `--max-batch`, or end what else uses the GPU"
        );
        let mut large = interface();
        large.functions[PREDICT].arena_bytes = 3 << 30;
        assert!(refused(&large, &module()).starts_with("the model needs 3.0 GiB (3.0 GiB for values on the way, "));
    }

    fn kernels_that_a_block_has_no_room_for(DLC_CUDA_DRIVER = library()) {
        let error = changed(|module| module.kernels[1].shared_bytes = 200 << 10);
        assert_eq!(
            error,
            "the kernel `scale` needs 204800 bytes of shared memory for a block; the GPU dlc stand-in has 166912"
        );
        let error = changed(|module| module.kernels[1].threads = 1025);
        assert!(error.contains("`scale` has 1025 threads in a block"), "{error}");
    }

    fn a_gpu_with_less_shared_memory(DLC_STAND_IN_CAPABILITY = "7.5", DLC_CUDA_DRIVER = library()) {
        assert!(load(0, &interface(), &module()).is_ok());
        let error = changed(|module| module.kernels[7].shared_bytes += 1);
        assert!(error.starts_with("the kernel `far` needs 65537 bytes of shared memory for a block; "), "{error}");
    }

    fn tables_that_do_not_fit(DLC_CUDA_DRIVER = library()) {
        let inconsistent = |what: &str| format!("the model's code for GPUs is inconsistent: {what} (this is a bug in dlc)");
        let error = changed(|module| drop(module.functions.pop()));
        assert_eq!(error, inconsistent("the interface has 5 functions, the launch table 4"));
        let error = changed(|module| first_launch(module).kernel = 8);
        assert_eq!(error, inconsistent("`train` launches kernel 8, which is none"));
        let error = changed(|module| drop(first_launch(module).operands.pop()));
        assert_eq!(error, inconsistent("`train` gives 2 operands to `scale`, not 3"));
        let error = changed(|module| first_launch(module).operands[0].memory = DeviceMemory::Binding(2));
        assert_eq!(error, inconsistent("kernel 1 reaches byte 0 of Binding(2)"));
        let error = changed(|module| first_launch(module).operands[1].byte = 129);
        assert_eq!(error, inconsistent("kernel 1 reaches byte 129 of Arena"));
        let error = changed(|module| module.kernels[1].grid[0].extents[1].scale = usize::MAX);
        assert_eq!(error, inconsistent("`scale` has more than 2147483647 blocks"));
        let mut interface = interface();
        interface.functions[TALLY].cleared = vec![(120, 9)];
        assert_eq!(refused(&interface, &module()), inconsistent("`tally` has 9 bytes to clear at 120 of its 128"));
        interface = crate::model::interface();
        interface.functions[TRAIN].inputs[0].dims[1].scale = usize::MAX;
        assert_eq!(refused(&interface, &module()), inconsistent("inputs and outputs of `train` are too large"));
        interface = crate::model::interface();
        interface.persistent_bytes = usize::MAX - 4;
        assert_eq!(refused(&interface, &module()), inconsistent("a size is too large for this machine"));
    }

    fn a_kernel_with_another_number_of_parameters(DLC_CUDA_DRIVER = library()) {
        // The table is consistent in itself; the stand-in compares it with the text.
        let mut module = module();
        module.kernels[3].operands = 2;
        for function in [TALLY, STRAY] {
            let step = match &mut module.functions[function].steps[0] {
                DeviceStep::Repeat { steps, .. } => &mut steps[0],
                launch => launch,
            };
            let DeviceStep::Launch(launch) = step else { panic!("{step:?}") };
            launch.operands.push(launch.operands[0].clone());
        }
        let mut device = load(0, &interface(), &module).unwrap();
        let error = device.call(call(TALLY, 1), &[], &[0]).unwrap_err().to_string();
        assert!(error.contains("`tally` failed: invalid argument (CUDA_ERROR_INVALID_VALUE, from cuLaunchKernel)"), "{error}");
    }

    fn calls_that_do_not_fit(DLC_CUDA_DRIVER = library()) {
        let mut device = loaded();
        let x = bytes(&samples(3, 0));
        let mut told = |call: Call, inputs: &[&[u8]], wanted: &[usize]| {
            device.call(call, inputs, wanted).unwrap_err().to_string()
        };
        assert_eq!(told(call(9, 1), &[], &[]), "dlc stand-in: the model has no function 9");
        assert_eq!(
            told(call(TRAIN, 21), &[&x], &[]),
            "dlc stand-in: a batch of 21 does not fit; `train` takes 20"
        );
        assert_eq!(told(call(TRAIN, 3), &[], &[]), "dlc stand-in: `train` has 1 inputs; 0 were given");
        assert_eq!(told(call(TRAIN, 4), &[&x], &[]), "dlc stand-in: input 0 of `train` has 64 bytes, not 48");
        assert_eq!(told(call(TRAIN, 3), &[&x], &[1]), "dlc stand-in: `train` has no output 1");
        // None of that touched the GPU.
        device.call(call(TRAIN, 3), &[&x], &[0]).unwrap();
    }
}
