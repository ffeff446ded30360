//! Device images are read as they were written, and nothing else is read at all.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{
    DeviceFunction, DeviceLaunch, DeviceMemory, DeviceOperand, DeviceStep, DeviceStride, ElementType,
    FunctionInterface, Interface, Port, PortRole, Variant,
};
use alloc::borrow::ToOwned;
use alloc::vec;

fn operand(memory: DeviceMemory, byte: usize, strides: Vec<DeviceStride>) -> DeviceOperand {
    DeviceOperand { memory, byte, strides }
}

fn launch(kernel: usize, operands: Vec<DeviceOperand>) -> DeviceStep {
    DeviceStep::Launch(DeviceLaunch { kernel, operands })
}

fn steps() -> Vec<DeviceStep> {
    let along = |step, period| DeviceStride { step, period };
    let moving = operand(DeviceMemory::Arena, 64, vec![along(-16, 5), along(8, 2)]);
    let still = operand(DeviceMemory::Binding(1), 4, vec![]);
    let inner = DeviceStep::Repeat { times: 3, steps: vec![launch(1, vec![moving, still])] };
    let outer = launch(0, vec![operand(DeviceMemory::Constants, 12, vec![along(0, 1)])]);
    vec![
        launch(0, vec![operand(DeviceMemory::Persistent, 0, vec![])]),
        DeviceStep::Repeat { times: 5, steps: vec![inner, outer] },
    ]
}

fn image() -> DeviceImage {
    let port = |role| Port {
        name: "x".to_owned(),
        role,
        element: ElementType::F32,
        dims: vec![Extent { scale: 1, batch: true }],
    };
    let kernel = |name: &str, operands| DeviceKernel {
        name: name.to_owned(),
        threads: 256,
        shared_bytes: 4096,
        grid: vec![
            Tiles { extents: vec![Extent { scale: 3, batch: true }], per_block: 64 },
            Tiles { extents: vec![], per_block: 1 },
        ],
        operands,
    };
    DeviceImage {
        description: Description {
            interface: Interface {
                version: crate::VERSION,
                model: "net".to_owned(),
                batch_max: 32,
                persistent_bytes: 128,
                tensors: vec![],
                constants: vec![],
                functions: vec![FunctionInterface {
                    name: "predict".to_owned(),
                    arena_bytes: 640,
                    thread_bytes: 0,
                    cleared: vec![(0, 64)],
                    keeps_persistent: true,
                    inputs: vec![port(PortRole::Input)],
                    outputs: vec![port(PortRole::Output)],
                }],
            },
            constant_bytes: 13,
            graph: 7,
            features: 0,
            variants: vec![Variant { name: "sm_80".to_owned(), features: 0 }],
            compiler: "dlc 9".to_owned(),
            weights_header: vec![1, 2, 3],
            weights_places: vec![],
        },
        constants: (0..13).collect(),
        module: DeviceModule {
            capability: Capability { major: 8, minor: 0, exact: false },
            text: ".version 8.0\n".to_owned(),
            kernels: vec![kernel("a", 1), kernel("b", 2)],
            functions: vec![DeviceFunction { prologue: steps()[..1].to_vec(), steps: steps() }],
        },
    }
}

#[test]
fn what_is_written_is_read() {
    let image = image();
    let bytes = image.encode();
    assert_eq!(DeviceImage::decode(&bytes), Ok(image.clone()));
    assert_eq!(DeviceImage::version(&bytes), Some(crate::VERSION.into()));
    assert_eq!(DeviceImage::version(&image.description.encode()), None);
    assert_eq!(image.encode(), bytes, "the same input, the same bytes");
}

/// Every changed bit, every cut and every byte too many is told.
#[test]
fn damage_is_told() {
    let bytes = image().encode();
    for length in 0..bytes.len() {
        assert!(DeviceImage::decode(&bytes[..length]).is_err(), "{length}");
    }
    for place in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[place] ^= flip;
            assert!(DeviceImage::decode(&damaged).is_err(), "byte {place}");
        }
    }
    let longer = [&bytes[..], &[0; 8]].concat();
    assert!(DeviceImage::decode(&longer).is_err());
}

/// Whoever makes a file on purpose, with the right checksum, gets no further than to an error.
#[test]
fn forged_files_do_no_harm() {
    let bytes = image().encode();
    let accepted = |change: &dyn Fn(&mut [u8])| {
        let mut forged = bytes.clone();
        change(&mut forged);
        let sum = checksum(&forged[UNCHECKED..]);
        forged[UNCHECKED - 8..UNCHECKED].copy_from_slice(&sum.to_le_bytes());
        usize::from(DeviceImage::decode(&forged).is_ok())
    };
    let mut flips = 0;
    for place in 0..bytes.len() {
        flips +=
            [0x01, 0x80, 0xff].map(|flip| accepted(&|forged| forged[place] ^= flip)).iter().sum::<usize>();
    }
    assert!((100..bytes.len() * 2).contains(&flips), "{flips} of {}", bytes.len() * 3);
    for place in 0..bytes.len() / 8 {
        for word in [0, 1, 8, 1 << 31, 1 << 62, u64::MAX - 7, u64::MAX] {
            accepted(&|forged| forged.as_chunks_mut::<8>().0[place] = word.to_le_bytes());
        }
    }
}

#[test]
fn what_no_runtime_could_run_is_refused() {
    let refused = |change: &dyn Fn(&mut DeviceImage)| {
        let mut image = image();
        change(&mut image);
        DeviceImage::decode(&image.encode()).is_err()
    };
    let step = |image: &mut DeviceImage, step| image.module.functions[0].steps = vec![step];
    let one = |memory, byte| launch(0, vec![operand(memory, byte, vec![])]);
    assert!(!refused(&|_| {}));
    assert!(refused(&|image| image.module.kernels[0].threads = 0));
    assert!(refused(&|image| image.module.kernels[0].threads = 2048));
    assert!(refused(&|image| image.module.kernels[0].shared_bytes = u32::MAX));
    assert!(refused(&|image| image.module.kernels[0].grid[0].per_block = 0));
    assert!(refused(&|image| image.module.functions.clear()));
    assert!(refused(&|image| image.constants.push(0)));
    assert!(refused(&|image| step(image, launch(2, vec![]))), "no such kernel");
    assert!(refused(&|image| step(image, launch(0, vec![]))), "an operand is missing");
    assert!(refused(&|image| step(image, one(DeviceMemory::Arena, 641))));
    assert!(refused(&|image| step(image, one(DeviceMemory::Binding(2), 0))));
    assert!(refused(&|image| step(image, one(DeviceMemory::Binding(1), 129))));
    assert!(!refused(&|image| step(image, one(DeviceMemory::Binding(1), 128))));
    let repeated = |step, times| DeviceStep::Repeat {
        times,
        steps: vec![launch(
            0,
            vec![operand(DeviceMemory::Arena, 100, vec![DeviceStride { step, period: 1000 }])],
        )],
    };
    assert!(!refused(&|image| step(image, repeated(-100, 2))));
    assert!(refused(&|image| step(image, repeated(-100, 3))), "before the arena in the last round");
    assert!(refused(&|image| step(image, repeated(i64::MAX, 3))));
    assert!(refused(&|image| step(image, DeviceStep::Repeat { times: 0, steps: vec![] })));
    let nested = (0..100)
        .fold(one(DeviceMemory::Arena, 0), |step, _| DeviceStep::Repeat { times: 1, steps: vec![step] });
    assert!(refused(&|image| step(image, nested.clone())), "deeper than any model");
}
