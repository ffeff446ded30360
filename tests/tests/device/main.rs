//! The op suite on a device with blocks of threads: every function lowered as for a GPU, its kernels as PTX text, and
//! that text executed launch by launch by the machine of `dlc-ptx-machine`, against the oracle. The machine reports what
//! a GPU would not: accesses out of bounds, misaligned, of bytes that nobody wrote, and races of threads. Launches are
//! those of the `DeviceModule`, that a runtime gets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod assembled;
mod executed;
mod trained;

use dlc_compiler::emit::{Architecture, DeviceOptions, Math, device};
use dlc_compiler::{CompileOptions, FunctionKind, compile};
use dlc_ir::{Binary, Op, Reduction};
use dlc_tests::cases::{self, Case, Results, Tolerance, batched, run_by};
use dlc_tests::harness::{bytes_of, compilation_for, tensor_of};
use dlc_tests::models::{all_files, from_file, repository};
use dlc_types::DType;
use executed::{Blocks, Device};

/// Everything that can be made of a model.
const KINDS: [FunctionKind; 5] = [
    FunctionKind::Initialize,
    FunctionKind::Predict,
    FunctionKind::Evaluate,
    FunctionKind::Train,
    FunctionKind::Gradients,
];

/// A case's results as the device computes them, for each batch of the case.
fn computed(case: &Case) -> Result<Results, String> {
    let greatest = case.batches.iter().copied().max().unwrap_or(1);
    let compilation = compilation_for(&case.function, &CompileOptions::for_device(greatest))?;
    let program = &compilation.functions[0].lowered.program;
    let shown = |fault: String| format!("{fault}\n{program}");
    let mut device = Device::new(&compilation).map_err(shown)?;
    let mut results = Vec::new();
    for &batch in &case.batches {
        let fed = case.fed_with(batch);
        let inputs: Vec<Vec<u8>> =
            device.function("predict")?.1.inputs.iter().map(|input| bytes_of(&fed[&input.name])).collect();
        let outputs = device.call("predict", batch, &inputs).map_err(shown)?;
        let types = case.function.outputs.iter().map(|output| case.function.tensor_type(output.value));
        let tensors = outputs.iter().zip(types).map(|(bytes, ty)| tensor_of(ty, batch, bytes));
        results.push((batch, tensors.collect()));
    }
    Ok(results)
}

fn all_of(cases: &[Case]) {
    run_by(cases, &computed);
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

/// Everything that is made of the models in the repository has a form as PTX, and two emissions are equal.
#[test]
fn every_model_has_code() {
    for path in all_files() {
        let options = CompileOptions { functions: KINDS.to_vec(), ..CompileOptions::for_device(8) };
        let compilation = compile(&from_file(&path).model, &options).unwrap();
        for (architecture, math) in [(Architecture::Sm75, Math::F32), (Architecture::Sm90a, Math::Tf32)] {
            let options = DeviceOptions { architecture, math };
            let module = device(&compilation, options)
                .unwrap_or_else(|error| panic!("{} for {architecture}: {error}", path.display()));
            assert_eq!(module.functions.len(), compilation.functions.len());
            assert_eq!(Ok(module), device(&compilation, options).map_err(|error| error.to_string()));
        }
    }
}

/// A program with what only processors have is a bug of ours, or was lowered for processors.
#[test]
fn programs_for_processors_are_refused() {
    let loaded = from_file(&repository().join("examples/resnet_cifar10.dsl"));
    let options = CompileOptions { winograd_always: true, ..CompileOptions::new(8) };
    let compilation = compile(&loaded.model, &options).unwrap();
    let options = DeviceOptions { architecture: Architecture::Sm80, math: Math::F32 };
    let error = device(&compilation, options).unwrap_err().to_string();
    assert!(error.contains("lower for a device") && error.contains("a bug in dlc"), "{error}");
}

/// Teams of several warps whose threads meet, in grids with so many points that smaller teams share blocks; the last block
/// would not be full.
#[test]
fn teams_of_several_warps_have_a_block_of_their_own() {
    let rows = |length: usize| {
        let case = Case::new(format!("sums over {length}"), |b| {
            let x = b.input("x", batched(DType::F32, &[length]))?;
            let square = b.add_node(Op::Binary(Binary::Multiply), &[x, x])?;
            let sum = || Op::Reduce { kind: Reduction::Sum, axes: vec![1] };
            let sums = [b.add_node(sum(), &[x])?, b.add_node(sum(), &[square])?];
            Ok(vec![sums[0], sums[1], b.add_node(Op::Softmax { axis: 1 }, &[x])?])
        });
        Case { batches: vec![1027], ..case.within(Tolerance::Each(1e-4, 1e-4)) }
    };
    all_of(&[200, 400].map(rows));
}

/// The blocks of a launch are counted as a launcher would.
#[test]
fn no_work_is_no_launch() {
    assert_eq!(Blocks::checked(Some(0)), Ok(None));
    assert_eq!(Blocks::checked(Some(7)), Ok(Some(Blocks(7))));
    assert!(Blocks::checked(None).is_err() && Blocks::checked(Some(1 << 31)).is_err());
}
