//! NVIDIA's driver: the op suite, and whole models in sessions, initialised, trained, evaluated and asked in turn beside a
//! session of threads that is given the same. The driver is the stand-in that executes PTX, or a real one where
//! `DLC_CUDA_TEST_DRIVER` names it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod op_suite;

use dlc_abi::DeviceModule;
use dlc_compiler::emit::{Architecture, DeviceOptions, Math, device};
use dlc_compiler::{Compilation, CompileOptions, compile};
use dlc_cuda::CudaDevice;
use dlc_dsl::Loaded;
use dlc_runtime::{LoadPolicy, Program, Session};
use dlc_stand_in_driver::alone;
use dlc_tests::harness::load;
use dlc_tests::models::{RECURRENT, called, from_file, from_text, inputs, near, repository};
use dlc_types::DType;
use std::sync::Arc;

const BATCH_MAX: usize = 4;

/// A compilation on the first GPU, by the newest code that it runs, which is changed before it is loaded.
fn loaded(compilation: &Compilation, change: impl FnOnce(&mut DeviceModule)) -> Result<CudaDevice, String> {
    let gpu = dlc_cuda::device(0).map_err(|error| error.to_string())?;
    let runs = |one: &Architecture| one.capability().runs_on(gpu.major, gpu.minor);
    let architecture = Architecture::ALL.into_iter().rev().find(runs).ok_or("the GPU is too old")?;
    let options = DeviceOptions { architecture, math: Math::F32 };
    let mut module = device(compilation, options).map_err(|error| error.to_string())?;
    change(&mut module);
    let interface = &compilation.interface;
    // SAFETY: the compiler made the module for this interface.
    let device = unsafe { CudaDevice::load(0, interface, &module, &interface.constants) };
    device.map_err(|error| error.to_string())
}

/// A session on the first GPU, whose code is changed before it is loaded.
fn on_gpu(model: &Loaded, stepwise: bool, change: impl FnOnce(&mut DeviceModule)) -> Session {
    let compilation = compile(&model.model, &CompileOptions::for_device(BATCH_MAX)).unwrap();
    let mut device = loaded(&compilation, change).unwrap();
    device.set_stepwise(stepwise);
    let program = Program::of_device(compilation.interface, None).unwrap();
    Session::on(Arc::new(program), Box::new(device)).unwrap()
}

fn on_threads(loaded: &Loaded) -> Session {
    let compilation = compile(&loaded.model, &CompileOptions::new(BATCH_MAX)).unwrap();
    Session::new(load(&compilation).unwrap(), 1).unwrap()
}

/// Parameters and states of both.
fn compare(gpu: &Session, threads: &Session, after: &str) {
    for tensor in &threads.program().interface().tensors {
        let (found, expected) = (gpu.tensor(&tensor.name).unwrap(), threads.tensor(&tensor.name).unwrap());
        let what = format!("{} after {after}", tensor.name);
        near(&what, DType::ALL[tensor.element as usize], &found.bytes, &expected.bytes);
    }
}

/// Calls in turn; the bits of every output, and at the end of parameters and states.
fn run(loaded: &Loaded, stepwise: bool) -> Vec<Vec<u8>> {
    let (mut gpu, mut threads) = (on_gpu(loaded, stepwise, |_| ()), on_threads(loaded));
    for session in [&mut gpu, &mut threads] {
        session.initialize(3).unwrap();
        session.set_scalar_i64("train.total_steps", 20).unwrap();
    }
    compare(&gpu, &threads, "initialize");
    let calls = [
        ("predict", 4),
        ("train", 4),
        ("train", 3),
        ("train", 4),
        ("evaluate", 1),
        ("predict", 3),
        ("predict", 3),
    ];
    let mut bits = Vec::new();
    for (seed, (name, batch)) in (0..).zip(calls) {
        let (found, expected) =
            (called(&mut gpu, name, batch, seed), called(&mut threads, name, batch, seed));
        let interface = threads.program().interface();
        let function = interface.functions.iter().find(|function| function.name == name).unwrap();
        for ((port, found), expected) in function.outputs.iter().zip(&found).zip(&expected) {
            near(&format!("{} of {name}", port.name), DType::ALL[port.element as usize], found, expected);
        }
        compare(&gpu, &threads, name);
        bits.extend(found);
    }
    bits.push(gpu.persistent().unwrap().into_owned());
    bits
}

/// Does a test in a process of its own.
fn by_itself(name: &str, test: impl FnOnce()) {
    alone::<&str>(&format!("{}::{name}", module_path!()), &[], test);
}

/// As graphs, then as launches one by one, which give the same bits.
fn goes_along(loaded: &Loaded) {
    let graphs = run(loaded, false);
    assert_eq!(run(loaded, true), graphs);
}

fn digits() -> Loaded {
    from_file(&repository().join("examples/digits.dsl"))
}

#[test]
fn convolutional_digits() {
    by_itself("convolutional_digits", || goes_along(&digits()));
}

/// Time steps are repetitions, each with places of its own.
#[test]
fn recurrent_layers() {
    by_itself("recurrent_layers", || goes_along(&from_text(RECURRENT)));
}

#[test]
fn checkpoints_go_from_one_machine_to_the_other() {
    by_itself("checkpoints_go_from_one_machine_to_the_other", || {
        let loaded = digits();
        let (mut gpu, mut threads) = (on_gpu(&loaded, false, |_| ()), on_threads(&loaded));
        gpu.initialize(3).unwrap();
        called(&mut gpu, "train", 4, 0);
        threads.restore(&gpu.checkpoint().unwrap(), LoadPolicy::Exact).unwrap();
        called(&mut gpu, "train", 4, 1);
        called(&mut threads, "train", 4, 1);
        compare(&gpu, &threads, "a step from the same checkpoint");
        gpu.restore(&threads.checkpoint().unwrap(), LoadPolicy::Exact).unwrap();
        for tensor in &threads.program().interface().tensors {
            let name = &tensor.name;
            assert_eq!(gpu.tensor(name).unwrap(), threads.tensor(name).unwrap(), "{name}");
        }
    });
}

#[test]
fn a_fault_leaves_the_last_checkpoint_alone() {
    by_itself("a_fault_leaves_the_last_checkpoint_alone", || {
        let loaded = digits();
        let mut broken = String::new();
        let mut gpu = on_gpu(&loaded, true, |module| {
            let train = module.kernels.iter().rposition(|kernel| kernel.name.starts_with("train_")).unwrap();
            broken.clone_from(&module.kernels[train].name);
            let start = module.text.find(&format!(".entry {broken}(")).unwrap();
            let end = start + module.text[start..].find("ret;").unwrap();
            module.text.insert_str(end, "trap;\n    ");
        });
        gpu.initialize(3).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        gpu.save(&path, None).unwrap();
        let saved = std::fs::read(&path).unwrap();
        let mut report = vec![0.0; gpu.report_length("train", 2).unwrap()];
        let function = gpu.program().interface().functions.iter().find(|one| one.name == "train").unwrap();
        let fed = inputs(function, 2, 2, 0);
        let fed: Vec<&[u8]> = fed.iter().map(Vec::as_slice).collect();
        let error = gpu.train_step(2, &fed, &mut report).unwrap_err().to_string();
        assert!(error.contains(&format!(" of `train`, the kernel `{broken}`, failed: ")), "{error}");
        let error = gpu.save(&path, None).unwrap_err().to_string();
        assert!(error.contains("the GPU failed before, and what it holds is lost: launch "), "{error}");
        assert!(gpu.train_step(2, &fed, &mut report).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), saved);
    });
}
