//! A small model written by hand, and what it computes.
//!
//! Parameters and states: four weights, then two times four sums. `train` multiplies its input by the products of weights
//! and constants (its prologue) and adds the result to both sums; `predict` gives the scaled input and those products;
//! `tally` counts in a part of the arena that has to be cleared; `far` needs much shared memory; `stray` faults.

use dlc_abi::{
    Capability, DeviceFunction, DeviceKernel, DeviceLaunch, DeviceMemory, DeviceModule, DeviceOperand,
    DeviceStep, DeviceStride, ElementType, Extent, FunctionInterface, Interface, Port, PortRole, Tiles,
};
use dlc_cuda::{CudaDevice, CudaError};
use dlc_runtime::{Call, Device};

pub(crate) const TEXT: &str = include_str!("model.ptx");
pub(crate) const BATCH_MAX: usize = 20;
pub(crate) const PERSISTENT: usize = 12;

pub(crate) const TRAIN: usize = 0;
pub(crate) const PREDICT: usize = 1;
pub(crate) const TALLY: usize = 2;
pub(crate) const STRAY: usize = 3;
pub(crate) const FAR: usize = 4;

const CONSTANTS: [f32; 4] = [1.0, 2.0, 3.0, 4.0];

pub(crate) fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

pub(crate) fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect()
}

fn port(name: &str, role: PortRole, dims: &[Extent]) -> Port {
    Port { name: name.to_owned(), role, element: ElementType::F32, dims: dims.to_vec() }
}

fn function(name: &str, inputs: Vec<Port>, outputs: Vec<Port>) -> FunctionInterface {
    FunctionInterface {
        name: name.to_owned(),
        arena_bytes: 128,
        thread_bytes: 0,
        cleared: Vec::new(),
        keeps_persistent: name != "train",
        inputs,
        outputs,
    }
}

pub(crate) fn interface() -> Interface {
    let samples = [Extent { scale: 1, batch: true }, Extent { scale: 4, batch: false }];
    let fixed = |scale| [Extent { scale, batch: false }];
    let x = || vec![port("x", PortRole::Input, &samples)];
    let y = port("y", PortRole::Output, &samples);
    let factors = port("factors", PortRole::Output, &fixed(4));
    let mut tally = function("tally", vec![], vec![port("counts", PortRole::Output, &fixed(8))]);
    tally.cleared = vec![(64, 32)];
    Interface {
        version: dlc_abi::VERSION,
        model: "small".to_owned(),
        batch_max: BATCH_MAX,
        persistent_bytes: PERSISTENT * 4,
        tensors: Vec::new(),
        constants: bytes(&CONSTANTS),
        functions: vec![
            function("train", x(), vec![y.clone()]),
            function("predict", x(), vec![y, factors]),
            tally,
            function("stray", vec![], vec![port("z", PortRole::Output, &fixed(4))]),
            function("far", vec![], vec![port("z", PortRole::Output, &fixed(4))]),
        ],
    }
}

fn at(memory: DeviceMemory, byte: usize) -> DeviceOperand {
    DeviceOperand { memory, byte, strides: Vec::new() }
}

fn along(memory: DeviceMemory, byte: usize, step: i64, period: usize) -> DeviceOperand {
    DeviceOperand { memory, byte, strides: vec![DeviceStride { step, period }] }
}

fn launch(kernel: usize, operands: Vec<DeviceOperand>) -> DeviceStep {
    DeviceStep::Launch(DeviceLaunch { kernel, operands })
}

fn functions() -> Vec<DeviceFunction> {
    use DeviceMemory::{Arena, Binding, Constants, Persistent};
    let prologue = || vec![launch(0, vec![at(Persistent, 0), at(Constants, 0), at(Arena, 0)])];
    let scale = || launch(1, vec![at(Binding(0), 0), at(Arena, 0), at(Binding(1), 0)]);
    let gather = launch(2, vec![at(Binding(1), 0), along(Persistent, 16, 16, 2)]);
    let count = launch(3, vec![along(Arena, 64, 16, 2)]);
    vec![
        DeviceFunction {
            prologue: prologue(),
            steps: vec![scale(), DeviceStep::Repeat { times: 4, steps: vec![gather] }],
        },
        DeviceFunction {
            prologue: prologue(),
            steps: vec![scale(), launch(6, vec![at(Arena, 0), at(Binding(2), 0)])],
        },
        DeviceFunction {
            prologue: Vec::new(),
            steps: vec![
                DeviceStep::Repeat { times: 2, steps: vec![count] },
                launch(4, vec![at(Arena, 64), at(Binding(0), 0)]),
            ],
        },
        DeviceFunction {
            prologue: Vec::new(),
            steps: vec![launch(3, vec![at(Arena, 0)]), launch(5, vec![at(Binding(0), 0)])],
        },
        DeviceFunction { prologue: Vec::new(), steps: vec![launch(7, vec![at(Binding(0), 0)])] },
    ]
}

pub(crate) fn module() -> DeviceModule {
    let kernel = |name: &str, threads, grid, operands| DeviceKernel {
        name: name.to_owned(),
        threads,
        shared_bytes: 0,
        grid,
        operands,
    };
    let samples = vec![Extent { scale: 1, batch: true }, Extent { scale: 4, batch: false }];
    let kernels = vec![
        kernel("product", 4, vec![], 3),
        kernel("scale", 32, vec![Tiles { extents: samples, per_block: 32 }], 3),
        kernel("gather", 4, vec![], 2),
        kernel("count", 4, vec![], 1),
        kernel("copy", 8, vec![], 2),
        kernel("stray", 1, vec![], 1),
        // The same entry with other threads.
        kernel("copy", 4, vec![], 2),
        DeviceKernel { shared_bytes: 64 << 10, ..kernel("far", 4, vec![], 1) },
    ];
    let capability = Capability { major: 7, minor: 5, exact: false };
    DeviceModule { capability, text: TEXT.to_owned(), kernels, functions: functions() }
}

/// The small model with a function that has a large input, and gives eight elements of it: the four before a byte and the
/// four behind it.
pub(crate) fn with_large_input(elements: usize, byte: usize) -> (Interface, DeviceModule) {
    let (mut interface, mut module) = (interface(), module());
    let fixed = |scale| [Extent { scale, batch: false }];
    let x = vec![port("x", PortRole::Input, &fixed(elements))];
    interface.functions.push(function("large", x, vec![port("part", PortRole::Output, &fixed(8))]));
    let copied = vec![at(DeviceMemory::Binding(0), byte - 16), at(DeviceMemory::Binding(1), 0)];
    module.functions.push(DeviceFunction { prologue: Vec::new(), steps: vec![launch(4, copied)] });
    (interface, module)
}

/// Loads a module for the small model's interface.
pub(crate) fn load(
    ordinal: usize,
    interface: &Interface,
    module: &DeviceModule,
) -> Result<CudaDevice, CudaError> {
    // SAFETY: the kernels above touch what they are given; `stray` faults in the driver.
    unsafe { CudaDevice::load(ordinal, interface, module, &interface.constants) }
}

/// The small model on the first GPU.
pub(crate) fn loaded() -> CudaDevice {
    load(0, &interface(), &module()).unwrap()
}

/// A call that prepares and clears.
pub(crate) fn call(function: usize, batch: usize) -> Call {
    Call { function, batch, prepare: true, clear: true, staged: false }
}

/// Inputs that differ between samples and between calls.
pub(crate) fn samples(batch: usize, call: usize) -> Vec<f32> {
    (0..batch * 4).map(|at| ((at * 7 + call * 3) % 11) as f32 * 0.37 - 1.5).collect()
}

/// The model, computed here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expected {
    pub(crate) persistent: [f32; PERSISTENT],
}

impl Expected {
    pub(crate) fn new() -> Expected {
        let mut persistent = [0.0; PERSISTENT];
        persistent[..4].copy_from_slice(&[0.5, -1.25, 0.3, 2.0]);
        Expected { persistent }
    }

    pub(crate) fn factors(&self) -> [f32; 4] {
        std::array::from_fn(|at| self.persistent[at] * CONSTANTS[at])
    }

    pub(crate) fn scaled(&self, x: &[f32]) -> Vec<f32> {
        x.iter().enumerate().map(|(at, x)| x * self.factors()[at % 4]).collect()
    }

    /// A step of training; its output.
    pub(crate) fn train(&mut self, x: &[f32]) -> Vec<f32> {
        let y = self.scaled(x);
        for round in 0..4 {
            for (at, y) in y.iter().enumerate() {
                self.persistent[4 + round % 2 * 4 + at % 4] += y;
            }
        }
        y
    }
}

/// Parameters and states as they are on the GPU.
pub(crate) fn downloaded(device: &CudaDevice) -> Vec<f32> {
    let mut persistent = vec![0xAA; PERSISTENT * 4];
    device.download(&mut persistent).unwrap();
    floats(&persistent)
}
