//! The small ONNX cases of `tests/onnx`, through the whole of `dlc run`: compiled, and by the oracle.
//!
//! `manifest.txt` names all cases that pass, with the tolerances (relative, absolute) that results are held to. A
//! folder that it does not name is a failure, too: no case is forgotten.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use dlc_driver::{EngineKind, RunSettings, run_onnx};
use dlc_host::Value;
use dlc_host::proto::{MessageKind, read_value, write_tensor};
use dlc_onnx::decode::tensor_from_bytes;
use dlc_onnx::{Array, ValueInfo, ValueType};
use dlc_tests::models::repository;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

struct Case {
    name: String,
    folder: PathBuf,
    relative: f64,
    absolute: f64,
}

fn cases() -> Vec<Case> {
    let root = repository().join("tests/onnx");
    let manifest = std::fs::read_to_string(root.join("manifest.txt")).unwrap();
    let case = |line: &str| {
        let [name, relative, absolute] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("no case: {line}")
        };
        let (relative, absolute) = (relative.parse().unwrap(), absolute.parse().unwrap());
        Case { name: name.to_owned(), folder: root.join("cases").join(name), relative, absolute }
    };
    manifest.lines().map(case).collect()
}

fn read(path: &Path, info: &ValueInfo) -> Value {
    let kind = match info.ty {
        ValueType::Sequence(_) => MessageKind::Sequence,
        ValueType::Optional(_) => MessageKind::Optional,
        _ => MessageKind::Tensor,
    };
    let bytes = std::fs::read(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
    read_value(kind, &bytes).unwrap()
}

/// Why two tensors differ, if they do.
fn tensors_differ(found: &Array, wanted: &Array, case: &Case) -> Option<String> {
    if found.element() != wanted.element() || found.dims() != wanted.dims() {
        return Some(format!("{} instead of {}", found.type_text(), wanted.type_text()));
    }
    if found.bytes() == wanted.bytes() && found.as_texts() == wanted.as_texts() {
        return None;
    }
    let (Some(found), Some(wanted)) = (found.floats(), wanted.floats()) else {
        return Some(format!("{found:?} instead of {wanted:?}"));
    };
    let near = |a: f64, b: f64| {
        a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= case.absolute + case.relative * b.abs()
    };
    let place = found.iter().zip(&wanted).position(|(&a, &b)| !near(a, b))?;
    Some(format!("element {place} is {} instead of {}", found[place], wanted[place]))
}

fn differ(found: &Value, wanted: &Value, case: &Case) -> Option<String> {
    match (found, wanted) {
        (Value::Tensor(found), Value::Tensor(wanted)) => {
            let array = |tensor| tensor_from_bytes(write_tensor(tensor)).unwrap().1;
            tensors_differ(&array(found), &array(wanted), case)
        }
        (Value::Sequence(found), Value::Sequence(wanted)) if found.len() == wanted.len() => {
            found.iter().zip(wanted).find_map(|(found, wanted)| differ(found, wanted, case))
        }
        (Value::Optional(None), Value::Optional(None)) => None,
        (Value::Optional(Some(found)), Value::Optional(Some(wanted))) => differ(found, wanted, case),
        _ => Some(format!("{} instead of {}", found.kind(), wanted.kind())),
    }
}

/// What is wrong with a case.
fn fault(case: &Case, engine: EngineKind) -> Option<String> {
    let model = case.folder.join("model.onnx");
    let document = match dlc_onnx::load(&model) {
        Ok(document) => document,
        Err(error) => return Some(error.to_string()),
    };
    let output = tempfile::tempdir().unwrap();
    let inputs = document.graph.inputs.iter().enumerate().filter_map(|(place, input)| {
        let path = case.folder.join(format!("input_{place}.pb"));
        path.exists().then(|| (input.name.clone(), path))
    });
    let settings = RunSettings {
        inputs: inputs.collect(),
        threads: Some(1),
        engine,
        output_dir: Some(output.path().to_owned()),
        ..RunSettings::default()
    };
    if let Err(error) = run_onnx(&model, &settings) {
        return Some(error.to_string());
    }
    document.graph.outputs.iter().enumerate().find_map(|(place, info)| {
        let found = read(&output.path().join(format!("{}.pb", info.name)), info);
        let wanted = read(&case.folder.join(format!("output_{place}.pb")), info);
        differ(&found, &wanted, case).map(|what| format!("`{}`: {what}", info.name))
    })
}

fn check(engine: EngineKind) {
    let cases = cases();
    let faults = cases
        .iter()
        .filter_map(|case| fault(case, engine).map(|what| format!("{}: {what}", case.name)))
        .collect::<Vec<_>>();
    assert!(faults.is_empty(), "{} of {} cases:\n{}", faults.len(), cases.len(), faults.join("\n"));
}

#[test]
fn cases_pass_compiled() {
    check(EngineKind::default());
}

#[test]
fn cases_pass_by_the_oracle() {
    check(EngineKind::Interpreter);
}

#[test]
fn the_manifest_names_every_case() {
    let root = repository().join("tests/onnx/cases");
    let folders = std::fs::read_dir(root).unwrap();
    let names = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let listed: BTreeSet<String> = cases().into_iter().map(|case| case.name).collect();
    assert_eq!(names.collect::<BTreeSet<_>>(), listed);
    assert!(listed.len() >= 200, "{} cases", listed.len());
}
