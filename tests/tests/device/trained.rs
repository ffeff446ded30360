//! Whole models on the device: initialised, trained, evaluated and asked in turn, against a session of the CPU that is
//! given the same. Functions share the arena, so that what another one left there, what a prologue has to compute again
//! and borders of zeros are all met.

use crate::executed::Device;
use dlc_compiler::{CompileOptions, compile};
use dlc_dsl::Loaded;
use dlc_runtime::Session;
use dlc_tests::harness::load;
use dlc_tests::models::{RECURRENT, called, from_file, from_text, inputs, near, repository};
use dlc_types::DType;
use std::sync::Arc;

const BATCH_MAX: usize = 4;

/// A device and a session that hold the same weights.
struct Pair {
    device: Device,
    session: Session,
}

impl Pair {
    fn new(loaded: &Loaded) -> Pair {
        let here = compile(&loaded.model, &CompileOptions::new(BATCH_MAX)).unwrap();
        let session = Session::new(load(&here).unwrap(), 1).unwrap();
        let there = compile(&loaded.model, &CompileOptions::for_device(BATCH_MAX)).unwrap();
        let mut pair = Pair { device: Device::new(&there).unwrap(), session };
        pair.initialize();
        pair
    }

    fn initialize(&mut self) {
        self.session.initialize(3).unwrap();
        self.device.set_tensor("train.seed", &self.session.tensor("train.seed").unwrap()).unwrap();
        self.device.call("initialize", 1, &[]).unwrap();
        self.compare_tensors("initialize");
        self.session.set_scalar_i64("train.total_steps", 20).unwrap();
        let steps = self.session.tensor("train.total_steps").unwrap();
        self.device.set_tensor("train.total_steps", &steps).unwrap();
    }

    /// Calls a function of both with the same inputs, and compares what it gives and leaves.
    fn call(&mut self, name: &str, batch: usize, seed: u64) {
        let program = Arc::clone(self.session.program());
        let interface = program.interface();
        let function = interface.functions.iter().find(|function| function.name == name).unwrap();
        let fed = inputs(function, batch, 2, seed);
        let expected = called(&mut self.session, name, batch, seed);
        let found = self.device.call(name, batch, &fed).unwrap();
        for ((port, found), expected) in function.outputs.iter().zip(&found).zip(&expected) {
            near(&format!("{} of {name}", port.name), DType::ALL[port.element as usize], found, expected);
        }
        self.compare_tensors(name);
    }

    fn compare_tensors(&mut self, after: &str) {
        let program = Arc::clone(self.session.program());
        for tensor in &program.interface().tensors {
            let expected = self.session.tensor(&tensor.name).unwrap();
            let found = self.device.tensor(&tensor.name).unwrap();
            let what = format!("{} after {after}", tensor.name);
            near(&what, DType::ALL[tensor.element as usize], &found, &expected.bytes);
        }
    }
}

/// Functions in turn, batches of several sizes.
fn goes_along(loaded: &Loaded) {
    let mut pair = Pair::new(loaded);
    for (seed, (name, batch)) in [
        ("predict", 2),
        ("predict", BATCH_MAX),
        ("train", BATCH_MAX),
        ("train", 3),
        ("predict", BATCH_MAX),
        ("evaluate", 1),
        ("train", 1),
        ("predict", 3),
        ("predict", 3),
    ]
    .into_iter()
    .enumerate()
    {
        pair.call(name, batch, seed as u64);
    }
}

#[test]
fn convolutional_digits() {
    goes_along(&from_file(&repository().join("examples/digits.dsl")));
}

#[test]
fn recurrent_layers() {
    goes_along(&from_text(RECURRENT));
}

/// What gradients need phases, merged groups and scattered windows for.
#[test]
fn strides_groups_and_windows() {
    goes_along(&from_text(
        r#"dlc 1
model net(x: f32[N, 4, 9, 9]) -> (logits) {
  y = x |> conv2d(8, kernel = 3, padding = 1, stride = 2, groups = 2, bias = false) as first |> batch_norm() as norm |> relu()
  y = y |> conv2d(8, kernel = 3, padding = 2, dilation = 2) as second |> gelu()
  logits = y |> max_pool(2) |> flatten() |> dense(2) as head
}
data d {
  source = synthetic(samples = 64, classes = 2) -> (x, label)
  batch = 4
}
train net on d {
  loss = cross_entropy(logits, label)
  optimizer = sgd(lr = 0.05, momentum = 0.9)
  average = ema(0.9)
  epochs = 2
}
"#,
    ));
}
