//! Models as native libraries: C programs predict and train with them to the bits of a session.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use dlc_compiler::compile as compiled;
use dlc_driver::{
    ArtifactKind, CompileChoices, CompileSettings, Cpu, Loaded, compile, load, load_text, native_session,
};
use dlc_runtime::{Checkpoint, HostTensor, Identity, Session};
use std::path::{Path, PathBuf};
use std::process::Command;

const FLAGS: [&str; 8] = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1", "-g", "-pthread"];

/// A tool that is absent is told and, where `DLC_REQUIRE_TOOLS` is set, a failure.
fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        assert!(std::env::var_os("DLC_REQUIRE_TOOLS").is_none(), "{tool} is missing");
        eprintln!("skipped: {tool} is missing");
    }
    found
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/library")
}

fn digits() -> Loaded {
    load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/digits.dsl"), &[]).unwrap()
}

fn settings(folder: &Path, cpu: Cpu, emit: &[ArtifactKind]) -> CompileSettings {
    CompileSettings {
        cpu,
        train: true,
        output_dir: Some(folder.to_owned()),
        emit: emit.to_vec(),
        ..CompileSettings::default()
    }
}

const PARTS: [ArtifactKind; 4] =
    [ArtifactKind::Obj, ArtifactKind::Header, ArtifactKind::C, ArtifactKind::Staticlib];

fn cc(folder: &Path, arguments: &[&str]) {
    let output = Command::new("cc").current_dir(folder).args(FLAGS).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What a program prints.
fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (text, told) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {text}\n{told}");
    text
}

/// Batches as the programs read them; the last is a part of one.
fn batches() -> Vec<(usize, Vec<u8>, Vec<u8>)> {
    let batch = |(number, size): (usize, usize)| {
        let pixel = |place: usize| ((place * 7 + number * 13 + place / 64 * 5) % 17) as f32;
        let image = (0..size * 64).flat_map(|place| pixel(place).to_le_bytes()).collect();
        let label = (0..size).flat_map(|place| ((place * 3 + number) as i32 % 10).to_le_bytes()).collect();
        (size, image, label)
    };
    [32, 32, 19, 32, 1, 32].into_iter().enumerate().map(batch).collect()
}

fn write_batches(path: &Path) {
    let text = batches()
        .into_iter()
        .flat_map(|(size, image, label)| [(size as i32).to_le_bytes().to_vec(), image, label].concat());
    std::fs::write(path, text.collect::<Vec<u8>>()).unwrap();
}

fn bits(what: &str, values: &[f32]) -> String {
    let words: String = values.iter().map(|value| format!(" {:08x}", value.to_bits())).collect();
    format!("{what}{words}\n")
}

/// What the programs should print, and the weights that they should leave.
fn expected(cpu: Cpu) -> (String, Checkpoint) {
    let options = CompileChoices::default().options(32).unwrap();
    let compilation = compiled(&digits().model, &options).unwrap();
    let mut session: Session = native_session(&compilation, 2, cpu).unwrap();
    session.initialize(3).unwrap();
    session.set_scalar_i64("train.total_steps", 9).unwrap();
    let mut text = String::new();
    for (size, image, label) in batches() {
        let mut report = [0.0; 2];
        session.train_step(size, &[&image, &label], &mut report).unwrap();
        text.push_str(&bits("train", &report));
        session.evaluate(size, &[&image, &label], &mut report).unwrap();
        text.push_str(&bits("evaluate", &report));
        let mut logits = vec![0; size * 40];
        session.predict(size, &[&image], &mut [&mut logits]).unwrap();
        let values: Vec<f32> = logits.as_chunks().0.iter().map(|&bytes| f32::from_ne_bytes(bytes)).collect();
        text.push_str(&bits("predict", &values));
    }
    (text, session.checkpoint().unwrap())
}

#[test]
fn a_c_program_trains_and_predicts_to_the_same_bits() {
    if !has("cc") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    compile(&digits(), &settings(folder, Cpu::Native, &PARTS)).unwrap();
    write_batches(&folder.join("batches"));
    let program = sources().join("hosted.c");
    let program = program.to_str().unwrap();
    let parts = [program, "digits.c", "dlc_runtime.c"];
    let common = ["-I.", "-o"];
    let build = |name: &str, more: &[&str]| {
        cc(folder, &[&common[..], &[name], &parts, more].concat());
    };
    build("checked", &["digits.o", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
    build(
        "counted",
        &["-L.", "-ldigits", "-DCOUNT_ALLOCATIONS", "-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc"],
    );
    let (text, weights) = expected(Cpu::Native);
    for (name, arguments) in [
        ("checked", &["1", "one"][..]),
        ("checked", &["3", "three"]),
        ("checked", &["2", "pool", "pool"]),
        ("counted", &["2", "two"]),
    ] {
        let mut command = Command::new(folder.join(name));
        let found = printed(command.current_dir(folder).arg("batches").args(arguments));
        assert!(found == text, "{name} {arguments:?}:\n{found}\nis not\n{text}");
        let saved = Checkpoint::read(&folder.join(arguments[1])).unwrap();
        assert!(saved.tensors == weights.tensors, "{name} {arguments:?}");
    }
}

#[test]
fn the_object_alone_runs_in_exactly_the_stated_memory() {
    if !has("cc") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    compile(&digits(), &settings(folder, Cpu::Native, &PARTS)).unwrap();
    write_batches(&folder.join("batches"));
    let program = sources().join("bare.c");
    cc(folder, &["-I.", "-o", "bare", program.to_str().unwrap(), "digits.o"]);
    let (text, _) = expected(Cpu::Native);
    let found = printed(Command::new(folder.join("bare")).arg(folder.join("batches")));
    assert!(found == text.repeat(2), "{found}\nis not twice\n{text}");
}

#[test]
fn valgrind_finds_nothing() {
    // It knows no AVX-512.
    let can = dlc_compiler::emit::Target::host(Cpu::V3).is_ok();
    if !(has("cc") && has("valgrind") && can) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    compile(&digits(), &settings(folder, Cpu::V3, &PARTS)).unwrap();
    write_batches(&folder.join("batches"));
    let program = sources().join("hosted.c");
    cc(folder, &["-I.", "-o", "hosted", program.to_str().unwrap(), "digits.c", "dlc_runtime.c", "digits.o"]);
    let mut command = Command::new("valgrind");
    command.current_dir(folder).args([
        "--quiet",
        "--error-exitcode=9",
        "--leak-check=full",
        "--fair-sched=yes",
    ]);
    printed(command.args(["./hosted", "batches", "2", "out"]));
}

#[test]
fn two_builds_in_two_places_are_equal() {
    let mut kinds = PARTS.to_vec();
    if has("cc") {
        kinds.push(ArtifactKind::So);
    }
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let files = folders.each_ref().map(|folder| {
        let report = compile(&digits(), &settings(folder.path(), Cpu::Native, &kinds)).unwrap();
        report.files.iter().map(|file| std::fs::read(file).unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(files[0].len(), if kinds.len() == 5 { 7 } else { 6 });
    assert!(files[0] == files[1]);
}

#[test]
fn a_library_that_predicts_comes_with_its_weights() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (_, weights) = expected(Cpu::Native);
    weights.write(&folder.join("trained.safetensors")).unwrap();
    let beside = CompileSettings {
        train: false,
        checkpoint: Some(folder.join("trained.safetensors")),
        name: Some("net".to_owned()),
        ..settings(folder, Cpu::Native, &PARTS)
    };
    let report = compile(&digits(), &beside).unwrap();
    assert_eq!(report.functions.len(), 1);
    let names: Vec<_> = report.files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(
        names,
        ["net.o", "net.h", "dlc_runtime.h", "net.c", "dlc_runtime.c", "libnet.a", "net.safetensors"]
    );
    let object = std::fs::metadata(folder.join("net.o")).unwrap().len();
    assert!(object < 200_000, "{object} bytes");
    let written = Checkpoint::read(&folder.join("net.safetensors")).unwrap();
    assert_eq!(written.identity.as_ref().map(|identity| identity.model.as_str()), Some("digits"));
    // No slots of the optimiser, no statistics that prediction does not read.
    assert!(written.tensors.len() < weights.tensors.len() / 2, "{:?}", written.tensors.keys());
    assert!(written.tensors.iter().all(|(name, tensor)| weights.tensors[name] == *tensor));
    let embedded = CompileSettings { embed_weights: true, ..beside };
    let report = compile(&digits(), &embedded).unwrap();
    assert!(report.files.iter().all(|file| !file.ends_with("net.safetensors")));
    assert!(std::fs::read_to_string(folder.join("net.h")).unwrap().contains("net_weights[]"));
}

/// The number in a header's line.
fn graph_of(header: &str) -> u64 {
    let (_, number) = header.split_once("_GRAPH UINT64_C(0x").unwrap();
    u64::from_str_radix(&number[..16], 16).unwrap()
}

#[test]
fn whatever_is_wrong_is_told() {
    if !has("cc") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    compile(&digits(), &settings(folder, Cpu::Native, &PARTS)).unwrap();
    let (_, mut weights) = expected(Cpu::Native);
    let graph = graph_of(&std::fs::read_to_string(folder.join("digits.h")).unwrap());
    weights.identity = Some(Identity { model: "digits".to_owned(), graph });
    weights.write(&folder.join("good")).unwrap();
    let mut other = Checkpoint::default();
    other.tensors.insert("head.weight".to_owned(), HostTensor::scalar_i64(1));
    other.identity = Some(Identity { model: "points".to_owned(), graph: 0xff });
    other.write(&folder.join("other")).unwrap();
    let program = sources().join("fuzz.c");
    let common = ["-I.", "-o", "fuzz", program.to_str().unwrap(), "digits.c", "dlc_runtime.c", "digits.o"];
    cc(folder, &[&common[..], &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]].concat());
    printed(Command::new(folder.join("fuzz")).current_dir(folder).args([".", "good", "other", "3000"]));
}

/// The program in the comment that a header begins with.
fn program_of(header: &str) -> String {
    let lines = header.lines().skip_while(|line| !line.starts_with(" *     #include"));
    let lines = lines.take_while(|line| *line == " *" || line.starts_with(" *     "));
    lines.map(|line| line.strip_prefix(" *     ").unwrap_or_default().to_owned() + "\n").collect()
}

#[test]
fn the_program_in_the_header_runs() {
    if !has("cc") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (_, weights) = expected(Cpu::Native);
    weights.write(&folder.join("trained")).unwrap();
    let trains = CompileSettings { name: Some("net".to_owned()), ..settings(folder, Cpu::Native, &PARTS) };
    let predicts =
        CompileSettings { train: false, checkpoint: Some(folder.join("trained")), ..trains.clone() };
    let holds = CompileSettings { embed_weights: true, ..predicts.clone() };
    let mut shown = Vec::new();
    for settings in [trains, predicts, holds] {
        let _ = std::fs::remove_file(folder.join("net.safetensors"));
        compile(&digits(), &settings).unwrap();
        let header = std::fs::read_to_string(folder.join("net.h")).unwrap();
        std::fs::write(folder.join("program.c"), program_of(&header)).unwrap();
        cc(folder, &["-o", "program", "program.c", "net.c", "dlc_runtime.c", "net.o"]);
        shown.push(printed(Command::new(folder.join("program")).current_dir(folder)));
    }
    // The same weights beside the library and in it.
    assert_eq!(shown[1], shown[2]);
    assert_ne!(shown[0], shown[1]);
}

#[test]
fn what_cannot_be_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let told = |change: &dyn Fn(&mut CompileSettings)| {
        let mut settings = settings(folder.path(), Cpu::Native, &[ArtifactKind::Obj]);
        change(&mut settings);
        let error = compile(&digits(), &settings).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        error.to_string()
    };
    assert!(told(&|s| s.name = Some("double".to_owned())).contains("`double` is no name of C"));
    assert!(told(&|s| s.embed_weights = true).contains("`--embed-weights` needs weights"));
    let plain =
        load_text("m.dsl", "dlc 1\nmodel m(x: f32[N, 3]) -> (y) {\n  y = x |> dense(2) as a\n}\n", &[])
            .unwrap();
    let error = compile(&plain, &settings(folder.path(), Cpu::Native, &[ArtifactKind::Obj])).unwrap_err();
    assert!(error.to_string().contains("`--train` needs"), "{error}");
}
