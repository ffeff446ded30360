//! The op suite on a device with blocks of threads: every function lowered as for a GPU, its kernels as PTX text, and
//! that text executed launch by launch by the machine of `dlc-ptx-machine`, against the oracle. The machine reports what
//! a GPU would not: accesses out of bounds, misaligned, of bytes that nobody wrote, and races of threads.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod executed;

use dlc_compiler::CompileOptions;
use dlc_interp::Tensor;
use dlc_ir::Op;
use dlc_kernel::Program;
use dlc_tests::cases::{self, Case};
use dlc_tests::harness::{bytes_of, compilation_for, tensor_of};
use executed::{Blocks, Device};

/// A case's results as the device computes them.
fn computed(case: &Case, batch: usize) -> Result<Vec<Tensor>, String> {
    let options = CompileOptions { fuse_epilogues: true, ..CompileOptions::new(batch) };
    let compilation = compilation_for(&case.function, &options)?;
    let interface = &compilation.interface.functions[0];
    let fed = case.fed_with(batch);
    let mut device = Device::new(&compilation);
    for input in &interface.inputs {
        device.bind(&bytes_of(&fed[&input.name]));
    }
    let outputs: Vec<(u64, usize)> = interface
        .outputs
        .iter()
        .map(|port| {
            let bytes = port.elements(batch) * port.element.size();
            (device.bind_output(bytes), bytes)
        })
        .collect();
    let program: &Program = &compilation.functions[0].lowered.program;
    device.run(program, batch).map_err(|fault| format!("{fault}\n{program}"))?;
    let types = case.function.outputs.iter().map(|output| case.function.nodes[output.value].ty.clone());
    let results = outputs.into_iter().zip(types).map(|((address, bytes), ty)| {
        let read = device.read(address, bytes)?;
        Ok(tensor_of(ty.tensor().unwrap(), batch, &read))
    });
    results.collect()
}

fn tried(case: &Case) -> Result<(), String> {
    for &batch in &case.batches {
        let fed = case.fed_with(batch);
        let inputs = |op: &Op| match op {
            Op::Input { name } => fed.get(name).cloned(),
            _ => None,
        };
        let oracle =
            dlc_interp::evaluate(&case.function, batch, &inputs).map_err(|error| error.to_string())?;
        let found =
            computed(case, batch).map_err(|fault| format!("{}, batch {batch}: {fault}", case.name))?;
        for (found, oracle) in found.iter().zip(&oracle) {
            case.judge(found, oracle)
                .map_err(|difference| format!("{}, batch {batch}: {difference}", case.name))?;
        }
    }
    Ok(())
}

fn all_of(cases: &[Case]) {
    let faults: Vec<String> = cases.iter().filter_map(|case| tried(case).err()).collect();
    if let Some(first) = faults.iter().min_by_key(|fault| fault.len()) {
        panic!("{} of {} cases fail, such as {first}", faults.len(), cases.len());
    }
}

#[test]
fn elementwise() {
    all_of(&cases::elementwise::cases());
}

#[test]
fn source() {
    all_of(&cases::source::cases());
}

#[test]
fn movement() {
    all_of(&cases::movement::cases());
}

#[test]
fn reduction() {
    all_of(&cases::reduction::cases());
}

#[test]
fn contraction() {
    all_of(&cases::contraction::cases());
}

#[test]
fn convolution() {
    all_of(&cases::convolution::cases());
}

#[test]
fn window() {
    all_of(&cases::window::cases());
}

#[test]
fn indexing() {
    all_of(&cases::indexing::cases());
}

#[test]
fn normalization() {
    all_of(&cases::normalization::cases());
}

#[test]
fn scan() {
    all_of(&cases::scan::cases());
}

/// The blocks of a launch are counted as a launcher would.
#[test]
fn no_work_is_no_launch() {
    assert_eq!(Blocks::checked(Some(0)), Ok(None));
    assert_eq!(Blocks::checked(Some(7)), Ok(Some(Blocks(7))));
    assert!(Blocks::checked(None).is_err() && Blocks::checked(Some(1 << 31)).is_err());
}
