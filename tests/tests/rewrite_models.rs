//! Rewriting keeps what the functions of the examples and bench cases compute.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use dlc_compiler::composite::{Statistics, expand_composites};
use dlc_compiler::rematerialize::{Plan, rematerialize};
use dlc_compiler::rewrite::{RegionReport, RewriteOptions, RewriteReport, StopReason, rewrite};
use dlc_compiler::step;
use dlc_interp::{Data, Tensor};
use dlc_ir::{Function, Op};
use dlc_tests::harness::{bytes_of, random_tensor, run_compiled, session_of};
use dlc_types::TensorType;
use dlc_types::random::Stream;
use std::path::{Path, PathBuf};

/// Folders with models, from this crate.
const FOLDERS: [&str; 2] = ["../examples", "../bench/cases"];

fn models() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.extend(entries.filter(|path| path.extension().is_some_and(|it| it == "dsl")));
    }
    files.sort();
    files
}

/// Options that make the large models small enough for the interpreter.
fn load_options(path: &Path) -> dlc_dsl::LoadOptions<'static> {
    let name = path.file_stem().unwrap().to_string_lossy();
    let settings: &[(&str, &str)] = match &*name {
        "dilated_context" => &[("dilated_context.width", "4")],
        "resnet_cifar10" => &[("resnet20.width", "4"), ("resnet20.blocks", "1")],
        "resnet_seed" => &[("resnet_seed.width", "4"), ("resnet_seed.blocks", "1")],
        _ => &[],
    };
    let settings = settings.iter().map(|&(key, value)| (key.to_owned(), value.to_owned()));
    dlc_dsl::LoadOptions { settings: settings.collect(), importer: None }
}

/// The expanded predict function and, where there is one, training step.
fn functions(path: &Path, options: &dlc_dsl::LoadOptions) -> Vec<Function> {
    let (loaded, _, diagnostics) = dlc_dsl::load(path, options);
    let model = loaded.unwrap_or_else(|| panic!("{diagnostics:?}")).model;
    let mut functions = vec![model.predict.without_dead_nodes()];
    functions.extend(step::training_step(&model));
    functions.iter().map(|function| expand_composites(function, Statistics::Shifted).unwrap()).collect()
}

fn rewritten(function: &Function) -> (Function, RewriteReport) {
    rewrite(function, &RewriteOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// Inputs, parameters and states by seed; variances above zero, counters and labels small and not negative.
fn external(op: &Op, ty: &TensorType, batch: usize) -> Tensor {
    let (Op::Input { name } | Op::Parameter { name } | Op::State { name }) = op else { panic!("{op}") };
    let salt = name.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(131).wrapping_add(u64::from(byte)));
    let mut tensor = random_tensor(ty, batch, &mut Stream::new(salt, 3, 0));
    match &mut tensor.data {
        Data::Float(values) if name.ends_with("variance") || name.ends_with("second_moment") => {
            values.iter_mut().for_each(|value| *value = value.abs() + 0.1);
        }
        Data::Float(values) if matches!(op, Op::Parameter { .. }) => {
            values.iter_mut().for_each(|value| *value *= 0.2);
        }
        Data::Int(values) => values.iter_mut().for_each(|value| *value = value.abs() % 2 + 1),
        _ => {}
    }
    tensor
}

fn outputs(function: &Function, types: &Function, batch: usize) -> Vec<Tensor> {
    dlc_interp::evaluate(function, batch, &|op| {
        let (id, _) = types.externals().find(|&(id, _)| types.nodes[id].op == *op)?;
        Some(external(op, types.tensor_type(id), batch))
    })
    .unwrap_or_else(|error| panic!("{error}"))
}

/// Norm-wise distance, in units of the norm.
fn distance(a: &Tensor, b: &Tensor) -> f64 {
    match (&a.data, &b.data) {
        (Data::Float(a), Data::Float(b)) => {
            let error: f64 = a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum();
            let norm: f64 = a.iter().map(|x| x * x).sum();
            error.sqrt() / norm.sqrt().max(1e-6)
        }
        (a, b) => f64::from(u8::from(a != b)),
    }
}

/// The oracle gives the same bits for a step that computes forward values again.
#[test]
fn values_computed_again_are_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    for name in ["digits", "lstm_digits", "mlp_digits", "resnet_cifar10", "sigmoid"] {
        let path = folder.join(format!("{name}.dsl"));
        let functions = functions(&path, &load_options(&path));
        let train = functions.iter().find(|function| function.name == "train").unwrap();
        let before = outputs(train, train, 2);
        let mut changed = false;
        for plan in [Plan::Costly, Plan::Parts(2), Plan::Parts(3), Plan::Parts(6)] {
            let again = rematerialize(train, plan);
            dlc_ir::verify::verify(&again).unwrap_or_else(|error| panic!("{name}, {plan:?}: {error}"));
            changed |= again.nodes.len() > train.nodes.len();
            let after = outputs(&again, train, 2);
            let same = before.iter().zip(&after).all(|(a, b)| bytes_of(a) == bytes_of(b));
            assert!(same, "{name}, {plan:?}");
        }
        assert!(changed, "nothing of {name} is computed again");
    }
}

#[test]
fn functions_compute_what_they_did() {
    for path in models() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        // The interpreter takes minutes for these; their smaller relatives are among the examples.
        let large = ["resnet-seed", "resnet18-cifar", "dilated-context"].contains(&name.as_str());
        for function in functions(&path, &load_options(&path)) {
            if large || name == "resnet20-cifar" && function.name == "train" {
                continue;
            }
            let (after, report) = rewritten(&function);
            let (one, other) = (outputs(&function, &function, 2), outputs(&after, &function, 2));
            for (output, (a, b)) in function.outputs.iter().zip(one.iter().zip(&other)) {
                let distance = distance(a, b);
                assert!(
                    distance < 1e-5,
                    "{name} {}: {} \"{}\" differs by {distance:.2e}; {:?}",
                    function.name,
                    output.role.name(),
                    output.name,
                    report.fired
                );
            }
        }
    }
}

#[test]
fn inference_has_no_normalisation_left() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/resnet_cifar10.dsl");
    let function = &functions(&path, &Default::default())[0];
    let (after, _) = rewritten(function);
    let mut wide = std::collections::BTreeMap::new();
    for node in after.nodes.values() {
        let ty = node.ty.tensor().unwrap();
        if ty.shape.rank() == 4 && ty.shape.has_batch() && node.op.is_elementwise() {
            *wide.entry(node.op.name()).or_insert(0) += 1;
        }
    }
    let convolutions = after.nodes.values().filter(|node| node.op.name() == "convolve").count();
    assert_eq!(convolutions, 21, "the convolutions are kept");
    let names: Vec<&str> = wide.keys().copied().collect();
    assert_eq!(
        names,
        ["add", "relu", "sub"],
        "nothing but bias, residual and activation per pixel: {wide:?}"
    );
    // The raw picture is shifted before its padding; its factor is in the first layer's weights.
    assert_eq!(wide["sub"], 1, "{wide:?}");
    // One bias per convolution, but both of a residual sum with a projection in one; nine residual sums.
    assert!(wide["add"] <= 21 + 9, "{wide:?}");
}

#[test]
fn compilation_stays_quick_and_the_same() {
    for path in models() {
        for function in functions(&path, &Default::default()) {
            let start = std::time::Instant::now();
            let (after, report) = rewritten(&function);
            let elapsed = start.elapsed();
            println!(
                "{} {}: {} -> {} nodes, {:?}, {:?}",
                path.file_stem().unwrap().to_string_lossy(),
                function.name,
                report.nodes_before,
                report.nodes_after,
                elapsed,
                report.fired
            );
            assert!(elapsed.as_secs() < 10, "{elapsed:?} for {} nodes", function.nodes.len());
            assert_eq!(after.to_string(), rewritten(&function).0.to_string());
            let stops: Vec<&RegionReport> =
                report.regions.iter().filter(|region| region.stop != StopReason::Saturated).collect();
            println!("   {stops:?}");
        }
    }
}

/// The function with parameters and states fed like inputs.
fn all_fed(function: &Function) -> Function {
    let mut result = function.clone();
    for (_, node) in result.nodes.iter_mut() {
        if let Op::Parameter { name } | Op::State { name } = &node.op {
            node.op = Op::Input { name: name.clone() };
        }
    }
    result
}

#[test]
fn rewritten_inference_lowers_and_runs() {
    for path in models() {
        let function = &functions(&path, &load_options(&path))[0];
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.parent().is_some_and(|folder| folder.ends_with("cases")) {
            continue;
        }
        let expected = outputs(function, function, 2);
        let inputs: std::collections::BTreeMap<String, Tensor> = function
            .externals()
            .map(|(id, name)| {
                (name.to_owned(), external(&function.nodes[id].op, function.tensor_type(id), 2))
            })
            .collect();
        let after = all_fed(&rewritten(function).0);
        let compiled = run_compiled(&mut session_of(&after, 2, 1), &after, 2, &inputs);
        for (output, (one, other)) in function.outputs.iter().zip(compiled.iter().zip(&expected)) {
            let distance = distance(one, other);
            assert!(distance < 1e-5, "{name}, {}: {distance:.2e}\n{after}", output.name);
        }
    }
}
