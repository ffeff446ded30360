//! NVIDIA's assembler takes the code of every example, and spills nothing of a contraction's registers.
//!
//! A test that finds no assembler says so and, where `DLC_REQUIRE_TOOLS` is set, fails.

use dlc_abi::{DeviceModule, DeviceStep};
use dlc_compiler::emit::{Architecture, DeviceOptions, Math, device};
use dlc_compiler::{Compilation, CompileOptions, compile};
use dlc_kernel::Body;
use dlc_ptx_machine::assembler::{assemble, ptxas};
use dlc_tests::models::{from_file, repository};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Bytes that each entry spills, or keeps in a stack frame.
fn spilled(
    ptxas: &Path,
    module: &DeviceModule,
    architecture: Architecture,
    model: &str,
) -> BTreeMap<String, u64> {
    let folder = tempfile::tempdir().unwrap();
    let said = assemble(ptxas, folder.path(), &module.text, architecture.name())
        .unwrap_or_else(|said| panic!("{model} for {architecture}: {said}"));
    let mut spilled = BTreeMap::new();
    let mut entry = String::new();
    for line in said.lines() {
        if let Some((_, rest)) = line.split_once("Function properties for ") {
            entry = rest.trim().to_owned();
        } else if line.contains("bytes stack frame") {
            let numbers = line.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok());
            spilled.insert(entry.clone(), numbers.sum());
        }
    }
    assert_eq!(spilled.len(), module.kernels.len(), "{model} for {architecture}: {said}");
    spilled
}

/// The kernels of a module that are contractions.
fn contractions(compilation: &Compilation, module: &DeviceModule) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (function, on_device) in compilation.functions.iter().zip(&module.functions) {
        let program = &function.lowered.program;
        let steps = [&on_device.prologue, &on_device.steps];
        let launched: Vec<_> = steps.into_iter().flat_map(|steps| DeviceStep::written(steps)).collect();
        assert_eq!(launched.len(), program.launches.len(), "{}", function.name);
        for (launch, on_device) in program.launches.iter().zip(launched) {
            if matches!(program.kernels[launch.kernel].body, Body::Contraction(_)) {
                names.insert(module.kernels[on_device.kernel].name.clone());
            }
        }
    }
    names
}

/// Assembles the code of examples and tells of every contraction that spills.
fn assembles(examples: &[&str], architectures: &[Architecture], maths: &[Math]) {
    let Some(ptxas) = ptxas() else { return };
    let mut faults = Vec::new();
    for example in examples {
        let loaded = from_file(&repository().join("examples").join(example));
        let batch = loaded.recipe.as_ref().map_or(1, |recipe| recipe.data.batch);
        let compilation = compile(&loaded.model, &CompileOptions::for_device(batch)).unwrap();
        for (&architecture, &math) in
            architectures.iter().flat_map(|architecture| maths.iter().map(move |math| (architecture, math)))
        {
            let module = device(&compilation, DeviceOptions { architecture, math }).unwrap();
            let spilled = spilled(&ptxas, &module, architecture, example);
            let contractions = contractions(&compilation, &module);
            assert!(!contractions.is_empty(), "{example}");
            let spilling =
                contractions.iter().filter(|&name| spilled.get(name).is_none_or(|&bytes| bytes > 0));
            faults.extend(spilling.map(|name| {
                format!("{example} for {architecture}, {math:?}: {name} spills {:?}", spilled.get(name))
            }));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

const SMALL: &[&str] =
    &["breast_cancer.dsl", "diabetes.dsl", "digits.dsl", "lstm_digits.dsl", "mlp_digits.dsl", "sigmoid.dsl"];

const LARGE: &[&str] = &[
    "brackets.dsl",
    "digits_first.dsl",
    "dilated_context.dsl",
    "fine_tune.dsl",
    "image_folder.dsl",
    "muon_cifar10.dsl",
    "resnet_cifar10.dsl",
    "resnet_seed.dsl",
    "segmentation.dsl",
];

#[test]
fn small_examples() {
    assembles(SMALL, &[Architecture::Sm80, Architecture::Sm90a], &[Math::F32]);
}

#[test]
#[ignore = "minutes of ptxas; cargo test -p dlc-tests --test device -- --ignored"]
fn large_examples() {
    assembles(LARGE, &[Architecture::Sm80, Architecture::Sm90a], &[Math::F32]);
}

#[test]
#[ignore = "minutes of ptxas; cargo test -p dlc-tests --test device -- --ignored"]
fn examples_by_tensor_cores() {
    for examples in [SMALL, LARGE] {
        assembles(examples, &[Architecture::Sm80, Architecture::Sm90a], &[Math::Tf32, Math::Bf16]);
    }
}

/// The two lists above are all examples there are.
#[test]
fn every_example_is_listed() {
    let entries = std::fs::read_dir(repository().join("examples")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let found: BTreeSet<String> = names.filter(|name| name.ends_with(".dsl")).collect();
    let listed: BTreeSet<String> = SMALL.iter().chain(LARGE).map(|&name| name.to_owned()).collect();
    assert_eq!(found, listed);
}
