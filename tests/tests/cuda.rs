//! Whole models by the runtime for NVIDIA's driver: initialised, trained, evaluated and asked in turn, against a session of
//! the CPU that is given the same. The driver is the stand-in that executes PTX, or a real one where
//! `DLC_CUDA_TEST_DRIVER` names it.

#![allow(clippy::unwrap_used, reason = "tests")]

use dlc_abi::{FunctionInterface, Interface};
use dlc_compiler::emit::{Architecture, DeviceOptions, Math, device};
use dlc_compiler::{CompileOptions, compile};
use dlc_cuda::CudaDevice;
use dlc_dsl::Loaded;
use dlc_runtime::{Call, Device, HostTensor, Session};
use dlc_stand_in_driver::alone;
use dlc_tests::harness::load;
use dlc_tests::models::{from_file, from_text, inputs, repository};
use dlc_types::DType;
use std::sync::Arc;

const BATCH_MAX: usize = 4;
/// Bound on the norm of differences; both compute in `f32`, in other orders, and a step amplifies that.
const BOUND: f64 = 1e-4;

/// A model on a GPU, called as a session calls.
struct OnGpu {
    device: CudaDevice,
    interface: Interface,
    arena_user: Option<usize>,
    persistent_seen: bool,
}

impl OnGpu {
    fn new(loaded: &Loaded) -> OnGpu {
        let compilation = compile(&loaded.model, &CompileOptions::for_device(BATCH_MAX)).unwrap();
        let options = DeviceOptions { architecture: Architecture::Sm80, math: Math::F32 };
        let module = device(&compilation, options).unwrap();
        let interface = compilation.interface;
        // SAFETY: the compiler made the module for this interface.
        let device = unsafe { CudaDevice::load(0, &interface, &module, &interface.constants) }.unwrap();
        OnGpu { device, interface, arena_user: None, persistent_seen: false }
    }

    fn function(&self, name: &str) -> (usize, &FunctionInterface) {
        let functions = self.interface.functions.iter().enumerate();
        functions.into_iter().find(|(_, function)| function.name == name).unwrap()
    }

    fn call(&mut self, name: &str, batch: usize, inputs: &[&[u8]]) -> Vec<Vec<u8>> {
        let (function, interface) = self.function(name);
        let (outputs, keeps) = (interface.outputs.len(), interface.keeps_persistent);
        let clear = self.arena_user.replace(function) != Some(function);
        let prepare = clear || !self.persistent_seen;
        self.persistent_seen = keeps;
        let wanted: Vec<usize> = (0..outputs).collect();
        self.device.call(Call { function, batch, prepare, clear }, inputs, &wanted).unwrap();
        wanted.into_iter().map(|number| self.device.output(number).to_vec()).collect()
    }

    fn persistent(&self) -> Vec<u8> {
        let mut persistent = vec![0; self.interface.persistent_bytes];
        self.device.download(&mut persistent).unwrap();
        persistent
    }

    /// First bytes of a tensor's elements, in their plain order, and an element's size.
    fn places(&self, name: &str) -> (Vec<usize>, usize) {
        let tensor = self.interface.tensors.iter().find(|tensor| tensor.name == name).unwrap();
        let along = tensor.dims.iter().zip(&tensor.strides);
        let elements = along.fold(vec![0_usize], |starts, (&count, &stride)| {
            starts.into_iter().flat_map(|start| (0..count).map(move |place| start + place * stride)).collect()
        });
        let size = tensor.element.size();
        (elements.into_iter().map(|element| tensor.offset + element * size).collect(), size)
    }

    fn set(&mut self, name: &str, value: &HostTensor) {
        let mut persistent = self.persistent();
        let (places, size) = self.places(name);
        for (place, element) in places.into_iter().zip(value.bytes.chunks(size)) {
            persistent[place..place + size].copy_from_slice(element);
        }
        self.device.upload(&persistent).unwrap();
        self.persistent_seen = false;
    }

    fn tensor(&self, persistent: &[u8], name: &str) -> Vec<u8> {
        let (places, size) = self.places(name);
        places.into_iter().flat_map(|place| &persistent[place..place + size]).copied().collect()
    }
}

fn near(what: &str, dtype: DType, found: &[u8], expected: &[u8]) {
    if !dtype.is_float() {
        assert_eq!(found, expected, "{what}");
        return;
    }
    let (found, expected) = (dtype.floats(found), dtype.floats(expected));
    assert_eq!(found.len(), expected.len(), "{what}");
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let apart = norm(&mut found.iter().zip(&expected).map(|(a, b)| a - b));
    let scale = norm(&mut expected.iter().copied()).max(1e-3);
    assert!(apart <= BOUND * scale, "{what}: {apart} apart of {scale}");
}

fn compare(gpu: &OnGpu, session: &Session, after: &str) {
    let persistent = gpu.persistent();
    for tensor in &session.program().interface().tensors {
        let expected = session.tensor(&tensor.name).unwrap();
        let found = gpu.tensor(&persistent, &tensor.name);
        let what = format!("{} after {after}", tensor.name);
        near(&what, DType::ALL[tensor.element as usize], &found, &expected.bytes);
    }
}

/// Calls in turn; every output's bits, and at the end those of parameters and states.
fn run(loaded: &Loaded, stepwise: bool) -> Vec<Vec<u8>> {
    let here = compile(&loaded.model, &CompileOptions::new(BATCH_MAX)).unwrap();
    let mut session = Session::new(load(&here).unwrap(), 1).unwrap();
    let mut gpu = OnGpu::new(loaded);
    gpu.device.set_stepwise(stepwise);
    session.initialize(3).unwrap();
    gpu.set("train.seed", &session.tensor("train.seed").unwrap());
    gpu.call("initialize", 1, &[]);
    compare(&gpu, &session, "initialize");
    session.set_scalar_i64("train.total_steps", 20).unwrap();
    gpu.set("train.total_steps", &session.tensor("train.total_steps").unwrap());
    let program = Arc::clone(session.program());
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
    for (seed, (name, batch)) in calls.into_iter().enumerate() {
        let function = program.interface().functions.iter().find(|function| function.name == name).unwrap();
        let fed = inputs(function, batch, 2, seed as u64);
        let slices: Vec<&[u8]> = fed.iter().map(Vec::as_slice).collect();
        let mut expected: Vec<Vec<u8>> =
            function.outputs.iter().map(|port| vec![0; port.elements(batch) * port.element.size()]).collect();
        let mut buffers: Vec<&mut [u8]> = expected.iter_mut().map(Vec::as_mut_slice).collect();
        let handle = session.prepare(name).unwrap();
        session.call(handle, batch, &slices, &mut buffers).unwrap();
        let found = gpu.call(name, batch, &slices);
        for ((port, found), expected) in function.outputs.iter().zip(&found).zip(&expected) {
            near(&format!("{} of {name}", port.name), DType::ALL[port.element as usize], found, expected);
        }
        compare(&gpu, &session, name);
        bits.extend(found);
    }
    bits.push(gpu.persistent());
    bits
}

/// In a process of its own: graphs, then launches one by one, which give the same bits.
fn goes_along(test: &str, loaded: impl FnOnce() -> Loaded) {
    alone::<&str>(&format!("{}::{test}", module_path!()), &[], || {
        let loaded = loaded();
        let graphs = run(&loaded, false);
        assert_eq!(run(&loaded, true), graphs);
    });
}

#[test]
fn convolutional_digits() {
    goes_along("convolutional_digits", || from_file(&repository().join("examples/digits.dsl")));
}

/// Time steps are repetitions, each with places of its own.
#[test]
fn recurrent_layers() {
    goes_along("recurrent_layers", || {
        from_text(
            r#"dlc 1
model net(x: f32[N, 5, 6]) -> (logits) {
  y, h, c = lstm(x, 7, layers = 2, bidirectional = true) as lstm
  logits = y |> gru(8, output = last) as gru |> dropout(0.2) |> dense(2) as head
}
data d {
  source = synthetic(samples = 64, classes = 2) -> (x, label)
  batch = 4
}
train net on d {
  loss = cross_entropy(logits, label)
  optimizer = adamw(lr = one_cycle(max = 0.01))
  clip = norm(5)
  accumulate = 2
  epochs = 2
}
"#,
        )
    });
}
