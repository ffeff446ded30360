//! A program whose entries are written by hand: `x: f32[N, 2]`, `weight: f32[3, 2]` stored transposed
//! with a gap, `train.step`, `train.seed`.

#![allow(clippy::undocumented_unsafe_blocks, reason = "every block here relies on the contract of dlc-abi")]
#![allow(dead_code, reason = "not every test binary uses all of it")]

use dlc_abi::{
    Context, ElementType, Extent, FunctionInterface, Interface, PersistentRole, PersistentTensor, Port,
    PortRole, VERSION,
};
use dlc_runtime::Program;
use std::sync::Arc;

const WEIGHT: usize = 0;
const STEP: usize = 64;
const SEED: usize = 128;

pub(crate) fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_ne_bytes()).collect()
}

/// Element `[row, column]` of the weight: strides (1, 4).
unsafe fn weight(context: &Context, row: usize, column: usize) -> *mut f32 {
    unsafe { context.persistent.add(WEIGHT).cast::<f32>().add(row + 4 * column) }
}

unsafe fn barrier(context: &Context) {
    unsafe { (context.barrier)(context.barrier_data) };
}

unsafe extern "C" fn initialize(context: *const Context, thread: i64) {
    let context = unsafe { &*context };
    if thread != 0 {
        return;
    }
    for row in 0..3 {
        for column in 0..2 {
            unsafe { *weight(context, row, column) = *context.persistent.add(SEED).cast::<i64>() as f32 };
        }
    }
}

/// Sums each column of `x` into the arena, one column per thread in turn; adds the sums to every row of
/// the weight; the loss is the sum of both, the metric the batch.
unsafe extern "C" fn train(context: *const Context, thread: i64) {
    let context = unsafe { &*context };
    let batch = context.batch as usize;
    let sums = context.arena.cast::<f32>();
    unsafe {
        let x = (*context.bindings).cast::<f32>();
        for column in (thread as usize..2).step_by(context.threads as usize) {
            *sums.add(column) = (0..batch).map(|row| *x.add(row * 2 + column)).sum();
        }
        barrier(context);
        for row in (thread as usize..3).step_by(context.threads as usize) {
            for column in 0..2 {
                *weight(context, row, column) += *sums.add(column);
            }
        }
        if thread == context.threads - 1 {
            *context.persistent.add(STEP).cast::<i32>() += 1;
            *(*context.bindings.add(2)).cast::<f32>() = *sums + *sums.add(1);
            *(*context.bindings.add(1)).cast::<f32>() = batch as f32;
        }
        barrier(context);
    }
}

/// `y[n, j] = x[n, j] * sum over i of weight[i, j]`.
unsafe extern "C" fn predict(context: *const Context, thread: i64) {
    let context = unsafe { &*context };
    unsafe {
        let x = (*context.bindings).cast::<f32>();
        let y = (*context.bindings.add(1)).cast::<f32>();
        for sample in (thread..context.batch).step_by(context.threads as usize) {
            for column in 0..2 {
                let sum: f32 = (0..3).map(|row| *weight(context, row, column)).sum();
                let element = sample as usize * 2 + column;
                *y.add(element) = *x.add(element) * sum;
            }
        }
    }
}

fn port(name: &str, role: PortRole, dims: &[Extent]) -> Port {
    Port { name: name.to_owned(), role, element: ElementType::F32, dims: dims.to_vec() }
}

pub(crate) fn interface() -> Interface {
    let rows = [Extent { scale: 1, batch: true }, Extent { scale: 2, batch: false }];
    let scalar = |name: &str, element: ElementType, offset| PersistentTensor {
        name: name.to_owned(),
        role: PersistentRole::State,
        element,
        dims: vec![],
        strides: vec![],
        offset,
        bytes: element.size(),
    };
    let function = |name: &str, inputs, outputs| FunctionInterface {
        name: name.to_owned(),
        arena_bytes: 64,
        thread_bytes: 0,
        cleared: Vec::new(),
        keeps_persistent: false,
        inputs,
        outputs,
    };
    let x = || vec![port("x", PortRole::Input, &rows)];
    Interface {
        version: VERSION,
        model: "stand_in".to_owned(),
        batch_max: 4,
        persistent_bytes: 192,
        tensors: vec![
            PersistentTensor {
                name: "weight".to_owned(),
                role: PersistentRole::Parameter,
                element: ElementType::F32,
                dims: vec![3, 2],
                strides: vec![1, 4],
                offset: WEIGHT,
                bytes: 64,
            },
            scalar("train.step", ElementType::I32, STEP),
            scalar("train.seed", ElementType::I64, SEED),
        ],
        constants: vec![1, 2, 3],
        functions: vec![
            function("initialize", vec![], vec![]),
            function(
                "train",
                x(),
                vec![port("accuracy", PortRole::Metric, &[]), port("loss", PortRole::Loss, &[])],
            ),
            function("predict", x(), vec![port("y", PortRole::Output, &rows)]),
        ],
    }
}

pub(crate) fn program() -> Arc<Program> {
    Arc::new(program_of(interface()).unwrap())
}

pub(crate) fn program_of(interface: Interface) -> Result<Program, dlc_runtime::RuntimeError> {
    // SAFETY: the entries above are written for this interface and live as long as the process.
    unsafe { Program::new(interface, entries(), Box::new(())) }
}

/// One per function, in their order.
pub(crate) fn entries() -> Vec<(String, dlc_abi::Entry)> {
    vec![
        ("initialize".to_owned(), initialize as dlc_abi::Entry),
        ("train".to_owned(), train as dlc_abi::Entry),
        ("predict".to_owned(), predict as dlc_abi::Entry),
    ]
}
