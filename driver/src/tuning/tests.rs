//! Tuned code gives the same bits, and the file is read and written when it should be.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;
use crate::compare::synthetic_inputs;
use crate::data::port_bytes;
use crate::native::native_program_for;
use crate::{Loaded, load_text};
use dlc_compiler::{CompileOptions, FunctionKind};
use dlc_runtime::Session;
use dlc_trainer::Engine;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const THREADS: usize = 2;
const BATCH: usize = 4;

fn model(channels: usize) -> Loaded {
    let text = format!(
        "dlc 1
model m(x: f32[N, 3, 15, 15]) -> (y) {{
  h = x |> conv2d({channels}, kernel = 3, padding = same, bias = false) as first |> batch_norm() as norm |> relu()
  h = h |> conv2d({channels}, kernel = 3, stride = 2, padding = same) as second |> relu()
  y = h |> global_avg_pool() |> dense(3) as head
}}
data d {{
  source = synthetic(samples = 8, classes = 3) -> (x, t)
  batch = {BATCH}
}}
train m on d {{
  loss = cross_entropy(y, t)
  optimizer = sgd(lr = 0.1, momentum = 0.9)
  epochs = 1
}}
"
    );
    load_text("m.dsl", &text, &[]).unwrap()
}

/// Channels with which contractions are worth a trial, and with which they are not.
const HEAVY: usize = 33;
const LIGHT: usize = 2;

fn compiled(loaded: &Loaded) -> Compilation {
    let functions = vec![FunctionKind::Initialize, FunctionKind::Train];
    let options = CompileOptions { functions, ..CompileOptions::new(BATCH) };
    dlc_compiler::compile(&loaded.model, &options).unwrap()
}

/// Parameters and states after a step.
fn after_a_step(loaded: &Loaded, compilation: &Compilation, target: &Target) -> Vec<u8> {
    let program = native_program_for(compilation, target).unwrap();
    let mut session = Session::new(Arc::new(program), THREADS).unwrap();
    session.initialize(3).unwrap();
    Engine::set_total_steps(&mut session, 10).unwrap();
    let mut all = synthetic_inputs(loaded, &compilation.interface, BATCH, 3);
    let interface = compilation.interface.functions.iter().find(|one| one.name == "train").unwrap();
    let inputs: Vec<Vec<u8>> = interface.inputs.iter().map(|port| all.remove(&port.name).unwrap()).collect();
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    let mut outputs: Vec<Vec<u8>> =
        interface.outputs.iter().map(|port| vec![0; port_bytes(port, BATCH)]).collect();
    let mut slots: Vec<&mut [u8]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
    let handle = session.prepare("train").unwrap();
    session.call(handle, BATCH, &inputs, &mut slots).unwrap();
    session.persistent().unwrap().into_owned()
}

#[test]
fn tuned_code_gives_the_same_bits() {
    let loaded = model(HEAVY);
    let compilation = compiled(&loaded);
    for cpu in [Cpu::V3, Cpu::V4] {
        let Ok(target) = Target::host(cpu) else { continue };
        let expected = after_a_step(&loaded, &compilation, &target);
        let shapes = shapes(&compilation, &target);
        let mut different = 0;
        for turn in 1..8 {
            let mut tuned = target.clone();
            for (text, shape) in &shapes {
                let candidates = target.candidates(shape.kernel()).unwrap();
                different += usize::from(candidates.len() > turn);
                let choice = candidates[turn % candidates.len()];
                tuned.tuning.by_shape.insert(text.clone(), choice);
            }
            assert!(after_a_step(&loaded, &compilation, &tuned) == expected, "{cpu:?}, candidates {turn}");
        }
        assert!(different > shapes.len(), "{different} of {}", shapes.len());
    }
}

/// Whether this machine has code that there are choices for.
fn has_choices() -> bool {
    Target::host(Cpu::Native).unwrap().wide.is_some()
}

fn silent(mode: TuneMode, file: &Path) -> TuneOptions {
    let warn = |text: &str| panic!("{text}");
    TuneOptions { mode, file: Some(file.to_owned()), warn }
}

fn tuned(compilation: &Compilation, options: &TuneOptions) -> BTreeMap<String, Choice> {
    tuned_target(compilation, Cpu::Native, THREADS, options).unwrap().tuning.by_shape
}

#[test]
fn what_was_measured_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cache").join("tuning.json");
    let compilation = compiled(&model(HEAVY));
    for mode in [TuneMode::Off, TuneMode::Cached] {
        assert!(tuned(&compilation, &silent(mode, &file)).is_empty());
        assert!(!file.exists());
    }
    if !has_choices() {
        return;
    }
    let first = tuned(&compilation, &silent(TuneMode::On, &file));
    assert!(!first.is_empty());
    let written = std::fs::read(&file).unwrap();
    let value: Value = serde_json::from_slice(&written).unwrap();
    let machines: Vec<&String> = value["machines"].as_object().unwrap().keys().collect();
    let target = Target::host(Cpu::Native).unwrap();
    assert_eq!(machines, [&machine::describe(&target, THREADS)]);
    for mode in [TuneMode::Cached, TuneMode::On] {
        // Shapes that the budget left out may follow; those that are known stay.
        let again = tuned(&compilation, &silent(mode, &file));
        assert!(first.iter().all(|(shape, choice)| again.get(shape) == Some(choice)));
    }
    assert!(tuned(&compilation, &silent(TuneMode::Off, &file)).is_empty());
    let other = tuned_target(&compilation, Cpu::Native, THREADS + 1, &silent(TuneMode::Cached, &file));
    assert!(other.unwrap().tuning.by_shape.is_empty());
}

#[test]
fn light_contractions_are_not_tried() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tuning.json");
    assert!(tuned(&compiled(&model(LIGHT)), &silent(TuneMode::On, &file)).is_empty());
    assert!(!file.exists());
}

#[test]
fn measurements_of_other_versions_and_machines_are_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tuning.json");
    let compilation = compiled(&model(HEAVY));
    let target = Target::host(Cpu::Native).unwrap();
    let mine = machine::describe(&target, THREADS);
    let write = |machine: &str| {
        let choices = shapes(&compilation, &target).into_keys().map(|text| (key(&text, BATCH), "1 4 99 0 0"));
        let choices: BTreeMap<_, _> = choices.collect();
        let value = serde_json::json!({ "format": 1, "machines": { machine: choices } });
        std::fs::write(&file, value.to_string()).unwrap();
    };
    write(&mine);
    assert_eq!(tuned(&compilation, &silent(TuneMode::Cached, &file)).is_empty(), !has_choices());
    for other in [mine.replace("dlc ", "dlc 9."), mine.replace("; ", "; Other "), "x".to_owned()] {
        write(&other);
        assert!(tuned(&compilation, &silent(TuneMode::Cached, &file)).is_empty(), "{other}");
    }
}

#[test]
fn a_damaged_file_is_told_and_written_anew() {
    static WARNINGS: AtomicUsize = AtomicUsize::new(0);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tuning.json");
    let compilation = compiled(&model(LIGHT));
    if !has_choices() {
        return;
    }
    std::fs::write(&file, "{\"format\": 1, \"machines\": {").unwrap();
    let warn = |_: &str| {
        WARNINGS.fetch_add(1, Ordering::Relaxed);
    };
    let damaged = |mode| TuneOptions { warn, ..silent(mode, &file) };
    // Without tuning, nothing is read.
    tuned(&compilation, &damaged(TuneMode::Off));
    assert_eq!(WARNINGS.load(Ordering::Relaxed), 0);
    for (number, mode) in [TuneMode::Cached, TuneMode::On].into_iter().enumerate() {
        std::fs::write(&file, "{").unwrap();
        tuned(&compilation, &damaged(mode));
        assert_eq!(WARNINGS.load(Ordering::Relaxed), number + 1);
        tuned(&compilation, &silent(mode, &file));
    }
    // A folder can be neither read nor written.
    let folder = TuneOptions { file: Some(folder.path().to_owned()), ..damaged(TuneMode::Cached) };
    tuned(&compilation, &folder);
    assert_eq!(WARNINGS.load(Ordering::Relaxed), 4);
}
