//! What C programs are refused before anything is computed, each in a sentence.

use crate::{build, command, compiled, digits, has, net, printed, settings};
use dlc_driver::{CompileSettings, compile};
use std::path::Path;

/// What a program tells that makes an instance with these variables set.
fn told(program: &Path, file: &str, ordinal: &str, variables: &[(&str, &str)]) -> String {
    let mut command = command(program);
    command.envs(variables.iter().copied()).args([file, ordinal, "saved"]);
    printed(&mut command).trim_end().to_owned()
}

#[test]
fn a_machine_that_cannot_is_told() {
    if !has("cc") {
        return;
    }
    let folder = compiled(&net());
    let program = build(folder.path(), "create", "net", &[]);
    let stand_in = dlc_stand_in_driver::library();
    let refused = |ordinal: &str, variables: &[(&str, &str)]| {
        let driver = [("DLC_CUDA_DRIVER", stand_in.to_str().unwrap())];
        told(&program, "net.launches", ordinal, &[&driver[..], variables].concat())
    };
    let no_device = "create: this machine has no such GPU, or no driver for it: ";
    let absent = refused("0", &[("DLC_CUDA_DRIVER", "/nowhere/libcuda.so.1")]);
    assert!(
        absent.starts_with(&format!("{no_device}this machine has no NVIDIA driver (/nowhere/")),
        "{absent}"
    );
    assert!(absent.ends_with("; without one, compute on the CPU"), "{absent}");
    assert_eq!(
        refused("0", &[("DLC_CUDA_DRIVER", "libm.so.6")]),
        format!("{no_device}libm.so.6 is no driver of NVIDIA's: it has no `cuDriverGetVersion` that answers")
    );
    assert_eq!(
        refused("0", &[("DLC_STAND_IN_DEVICES", "0")]),
        format!("{no_device}NVIDIA's driver finds no GPU that it may use on this machine")
    );
    assert_eq!(
        refused("2", &[("DLC_STAND_IN_DEVICES", "2")]),
        format!("{no_device}there is no GPU 2: this machine has 2, numbered from 0")
    );
    assert_eq!(
        refused("4294967295", &[]),
        format!("{no_device}there is no GPU 4294967295: this machine has 1, numbered from 0")
    );
    assert_eq!(refused("1", &[("DLC_STAND_IN_DEVICES", "2")]), "");
    assert_eq!(
        refused("0", &[("DLC_STAND_IN_CAPABILITY", "7.5")]),
        "create: this machine lacks instructions that the library was compiled for: the code is for sm_80, the GPU dlc \
         stand-in is sm_75: compile for sm_75, or an earlier one"
    );
    assert_eq!(
        refused("0", &[("DLC_STAND_IN_VERSION", "11.8")]),
        format!(
            "{no_device}NVIDIA's driver is too old for this form of PTX; update it to one for CUDA 12.0 or later"
        )
    );
    let full = refused("0", &[("DLC_STAND_IN_MEMORY", "1500")]);
    assert!(full.starts_with("create: the system refused memory: the model needs "), "{full}");
    assert!(full.ends_with(" on the GPU dlc stand-in, of which 1.5 KiB are free"), "{full}");
}

#[test]
fn files_of_other_models_are_told() {
    if !has("cc") {
        return;
    }
    let folder = compiled(&net());
    let folder = folder.path();
    let program = build(folder, "create", "net", &[]);
    let refused = |file: &str| told(&program, file, "0", &[]);
    // Of the same graph, but without the functions that the program calls.
    let elsewhere = folder.join("elsewhere");
    compile(&net(), &CompileSettings { train: false, ..settings(&elsewhere) }).unwrap();
    compile(&digits(), &settings(&elsewhere)).unwrap();
    assert_eq!(
        refused("elsewhere/net.launches"),
        "create: the handle or the header belongs to another model: the functions of elsewhere/net.launches are not those \
         of the program: compile the code and the header together"
    );
    let other = refused("elsewhere/digits.launches");
    assert!(other.contains(": elsewhere/digits.launches is of the model digits (graph "), "{other}");
    assert_eq!(
        refused("nothing"),
        "create: the file cannot be read or written: nothing cannot be read: No such file or directory"
    );
    assert!(refused("elsewhere").starts_with("create: the file cannot be read or written: "));
    assert_eq!(
        refused("net.ptx"),
        "create: the file is damaged, or of another kind: net.ptx is no code for GPUs that `dlc compile --emit ptx` made"
    );
}

#[test]
fn no_damage_of_a_file_goes_unseen_or_is_followed() {
    if !has("cc") {
        return;
    }
    let folder = compiled(&net());
    let program = build(folder.path(), "damage", "net", &[]);
    let mut command = command(&program);
    command.env("DLC_CUDA_DRIVER", "/nowhere");
    printed(command.args(["net.launches", "scratch", "4000"]));
}
