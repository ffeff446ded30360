//! Checkpoints: the same bytes for the same content, other models refused, damage survived.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod stand_in;

use dlc_runtime::abi::ElementType;
use dlc_runtime::{Checkpoint, HostTensor, Identity, LoadPolicy, RuntimeError, Session};
use stand_in::{bytes, interface, program, program_of};
use std::path::Path;
use std::sync::Arc;

fn trained() -> Session {
    let mut session = Session::new(program(), 2).unwrap();
    session.initialize(3).unwrap();
    session.train_step(2, &[&bytes(&[1.0, 2.0, 3.0, 4.0])], &mut [0.0; 2]).unwrap();
    session
}

#[test]
fn saved_and_loaded_is_the_same_and_so_are_the_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("a.safetensors"), folder.path().join("b.safetensors"));
    trained().save(&first, Some("1")).unwrap();
    let mut session = Session::new(program(), 1).unwrap();
    session.load(&first, LoadPolicy::Exact).unwrap();
    assert_eq!(session.checkpoint().unwrap(), trained().checkpoint().unwrap());
    session.save(&second, Some("1")).unwrap();
    assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap());
    assert_eq!(Checkpoint::read(&second).unwrap().note.as_deref(), Some("1"));
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn every_element_type_has_its_place_in_a_file() {
    let mut checkpoint = Checkpoint::default();
    for element in ElementType::ALL {
        let bytes = vec![1; 3 * element.size()];
        let tensor = HostTensor::new(element, vec![3], bytes).unwrap();
        checkpoint.tensors.insert(element.name().to_owned(), tensor);
    }
    assert_eq!(Checkpoint::from_bytes(&checkpoint.to_bytes().unwrap()).unwrap(), checkpoint);
}

#[test]
fn a_failed_save_keeps_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("taken");
    std::fs::create_dir(&place).unwrap();
    std::fs::write(place.join("inside"), "x").unwrap();
    assert!(matches!(trained().save(&place, None), Err(RuntimeError::File { .. })));
    assert!(place.join("inside").exists());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn another_models_checkpoint_lists_every_fault_and_changes_nothing() {
    let mut session = trained();
    let before = session.checkpoint().unwrap();
    let mut other = before.clone();
    let step = other.tensors.remove("train.step").unwrap();
    other.tensors.insert("steps".to_owned(), step);
    other.tensors.insert("weight".to_owned(), HostTensor::from_f32(&[2], &[1.0; 2]).unwrap());
    other.tensors.insert("train.seed".to_owned(), HostTensor::scalar_i64(9));
    let error = session.restore(&other, LoadPolicy::Exact).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the checkpoint is of another model than stand_in: `weight` is f32[2] in the checkpoint, \
         f32[3, 2] in the model; `train.step` (i32[]) is missing; `steps` is not in the model"
    );
    assert_eq!(session.checkpoint().unwrap(), before);
    other.identity = Some(Identity { model: "points".to_owned(), graph: 1 });
    let told = session.restore(&other, LoadPolicy::Exact).unwrap_err().to_string();
    assert!(
        told.starts_with("the checkpoint is of the model points, not of stand_in: `weight` is "),
        "{told}"
    );
}

#[cfg(unix)]
#[test]
fn what_is_no_file_keeps_its_place() {
    use std::os::unix::fs::FileTypeExt;
    for (place, is_written) in [("/dev/null", true), ("/dev/full", false)] {
        let is_device = || std::fs::metadata(place).is_ok_and(|found| found.file_type().is_char_device());
        if is_device() {
            assert_eq!(trained().save(Path::new(place), None).is_ok(), is_written);
            assert!(is_device());
        }
    }
}

#[test]
fn policies_say_what_may_differ() {
    let full = trained().checkpoint().unwrap();
    let mut inference = interface();
    inference.tensors.truncate(1);
    inference.functions.retain(|function| function.name == "predict");
    let mut session = Session::new(Arc::new(program_of(inference).unwrap()), 1).unwrap();
    assert!(session.restore(&full, LoadPolicy::Exact).is_err());
    session.restore(&full, LoadPolicy::IgnoreExtra).unwrap();
    let weights = session.checkpoint().unwrap();
    let mut session = Session::new(program(), 1).unwrap();
    assert!(session.restore(&weights, LoadPolicy::IgnoreExtra).is_err());
    session.restore(&weights, LoadPolicy::Parameters).unwrap();
    assert_eq!(session.tensor("weight").unwrap(), full.tensors["weight"]);
}

#[test]
fn damaged_files_are_errors() {
    let good = trained().checkpoint().unwrap().to_bytes().unwrap();
    for length in 0..good.len() {
        assert!(Checkpoint::from_bytes(&good[..length]).is_err(), "truncated to {length}");
    }
    for position in 0..good.len() {
        for flip in [1u8, 0x80, 0xFF] {
            let mut damaged = good.clone();
            damaged[position] ^= flip;
            // Some changes only change a value or a name; none may panic.
            if let Ok(checkpoint) = Checkpoint::from_bytes(&damaged) {
                let _ = Session::new(program(), 1).unwrap().restore(&checkpoint, LoadPolicy::Exact);
            }
        }
    }
    let header = r#"{"a":{"dtype":"F32","shape":[18446744073709551615,4],"data_offsets":[0,4]}}"#;
    let mut huge = (header.len() as u64).to_le_bytes().to_vec();
    huge.extend(header.bytes());
    huge.extend([0; 4]);
    assert!(matches!(Checkpoint::from_bytes(&huge), Err(RuntimeError::DamagedCheckpoint(_))));
}

#[test]
fn inconsistent_interfaces_are_refused() {
    let mut beyond = interface();
    beyond.tensors[0].strides = vec![1, 40];
    assert!(matches!(program_of(beyond), Err(RuntimeError::Interface(_))));
    let mut version = interface();
    version.version += 1;
    assert!(matches!(program_of(version), Err(RuntimeError::Version { .. })));
    let mut twice = interface();
    twice.tensors[2].name = "weight".to_owned();
    assert!(matches!(program_of(twice), Err(RuntimeError::Interface(_))));
    let mut absent = interface();
    absent.functions[1].name = "tune".to_owned();
    assert!(matches!(program_of(absent), Err(RuntimeError::Interface(_))));
}
