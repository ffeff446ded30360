//! Compiled libraries in Rust programs: opened by `dlc-runtime`, they compute to the bits of the C runtime, of a session
//! of this process and of `dlc train`.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use dlc_driver::{
    ArtifactKind, CompileSettings, Cpu, Loaded, Silent, TrainSettings, compile, load, load_text,
};
use dlc_runtime::{Checkpoint, LoadPolicy, Model, RuntimeError, Session};
use dlc_trainer::RunOptions;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

/// Whether there is a C compiler, which shared libraries are linked by.
fn has_cc() -> bool {
    let found = Command::new("cc").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        assert!(std::env::var_os("DLC_REQUIRE_TOOLS").is_none(), "cc is missing");
        eprintln!("skipped: cc is missing");
    }
    found
}

fn digits() -> Loaded {
    load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/digits.dsl"), &[]).unwrap()
}

fn cc(folder: &Path, arguments: &[&str]) {
    let output = Command::new("cc").current_dir(folder).arg("-pthread").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn settings(folder: &Path, train: bool) -> CompileSettings {
    CompileSettings {
        train,
        output_dir: Some(folder.to_owned()),
        emit: vec![ArtifactKind::So],
        ..CompileSettings::default()
    }
}

fn open(path: impl AsRef<Path>) -> Result<Model, RuntimeError> {
    // SAFETY: these libraries were made here.
    unsafe { Model::open(path) }
}

/// Batches; the last ones are parts of one.
fn batches() -> Vec<(usize, Vec<u8>, Vec<u8>)> {
    let batch = |(number, size): (usize, usize)| {
        let pixel = |place: usize| ((place * 11 + number * 5 + place / 64 * 3) % 17) as f32;
        let image = (0..size * 64).flat_map(|place| pixel(place).to_ne_bytes()).collect();
        let label = (0..size).flat_map(|place| ((place * 7 + number) as i32 % 10).to_ne_bytes()).collect();
        (size, image, label)
    };
    [32, 7, 32, 1].into_iter().enumerate().map(batch).collect()
}

fn bits(what: &str, values: &[f32]) -> String {
    let words: String = values.iter().map(|value| format!(" {:08x}", value.to_bits())).collect();
    format!("{what}{words}\n")
}

/// Trains, evaluates and predicts as `driver/tests/library/hosted.c` does, and tells every bit.
fn followed(session: &mut Session) -> String {
    session.initialize(3).unwrap();
    session.set_scalar_i64("train.total_steps", 9).unwrap();
    let mut text = String::new();
    for (size, image, label) in batches() {
        let mut report = [0.0; 2];
        session.train_step(size, &[&image, &label], &mut report).unwrap();
        text.push_str(&bits("train", &report));
        session.evaluate(size, &[&image, &label], &mut report).unwrap();
        text.push_str(&bits("evaluate", &report));
        text.push_str(&bits("predict", &predicted(session, size, &image)));
    }
    text
}

fn predicted(session: &mut Session, size: usize, image: &[u8]) -> Vec<f32> {
    let mut logits = vec![[0.0; 10]; size];
    session.predict(size, &[image], &mut [dlc_runtime::typed::bytes_mut(&mut logits)]).unwrap();
    logits.concat()
}

#[test]
fn both_runtimes_compute_the_same_bits() {
    if !has_cc() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut asked = settings(folder, true);
    asked.emit.extend([ArtifactKind::Obj, ArtifactKind::Header, ArtifactKind::C]);
    compile(&digits(), &asked).unwrap();
    let file: Vec<u8> = batches()
        .into_iter()
        .flat_map(|(size, image, label)| [(size as i32).to_ne_bytes().to_vec(), image, label].concat())
        .collect();
    std::fs::write(folder.join("batches"), file).unwrap();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/library/hosted.c");
    let parts = ["digits.c", "dlc_runtime.c", "digits.o"];
    cc(folder, &[&["-O1", "-I.", "-o", "hosted", program.to_str().unwrap()][..], &parts].concat());
    let mut command = Command::new(folder.join("hosted"));
    let output = command.current_dir(folder).args(["batches", "2", "by_c"]).output().unwrap();
    assert!(output.status.success());
    let by_c = String::from_utf8(output.stdout).unwrap();

    // It is found whatever it is called.
    std::fs::rename(folder.join("libdigits.so"), folder.join("a model.bin")).unwrap();
    let model = open(folder.join("a model.bin")).unwrap();
    for threads in [1, 3] {
        let mut session = model.session(threads).unwrap();
        let text = followed(&mut session);
        assert!(text == by_c, "{threads} threads:\n{text}\nis not\n{by_c}");
        session.save(folder.join("by_rust"), None).unwrap();
        let files = ["by_c", "by_rust"].map(|name| std::fs::read(folder.join(name)).unwrap());
        assert!(files[0] == files[1]);
    }
    // Each reads what the other wrote.
    let mut session = model.session(1).unwrap();
    session.load(folder.join("by_c"), LoadPolicy::Exact).unwrap();
}

#[test]
fn an_opened_library_trains_as_dlc_does() {
    if !has_cc() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let loaded = digits();
    compile(&loaded, &settings(folder, true)).unwrap();
    let (epochs, seed) = (Some(2), Some(11));
    let run = TrainSettings {
        epochs,
        seed,
        threads: Some(2),
        out: Some(folder.join("dlc")),
        ..TrainSettings::default()
    };
    let stop = AtomicBool::new(false);
    dlc_driver::train(&loaded, &run, &mut Silent, &stop).unwrap();
    let mut session = open(folder.join("libdigits.so")).unwrap().session(1).unwrap();
    let run = RunOptions { epochs, seed, threads: 1, out: folder.join("opened"), ..RunOptions::default() };
    let recipe = loaded.recipe.as_ref().unwrap();
    dlc_trainer::train(recipe, &loaded.folder, &mut session, &run, &mut Silent, &stop).unwrap();
    let saved = ["dlc", "opened"].map(|run| {
        let file = Checkpoint::read(&folder.join(run).join("last.safetensors")).unwrap();
        file.tensors
    });
    assert!(saved[0].len() > 10 && saved[0] == saved[1]);
}

fn trained(folder: &Path) -> PathBuf {
    let mut session = open(folder.join("libdigits.so")).unwrap().session(1).unwrap();
    followed(&mut session);
    let path = folder.join("trained.safetensors");
    session.save(&path, None).unwrap();
    path
}

#[test]
fn weights_come_from_the_library_or_from_beside_it() {
    if !has_cc() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    compile(&digits(), &settings(folder, true)).unwrap();
    let checkpoint = Some(trained(folder));
    let (_, image, _) = batches().swap_remove(0);
    let mut reference = open(folder.join("libdigits.so")).unwrap().session(1).unwrap();
    reference.load(folder.join("trained.safetensors"), LoadPolicy::Exact).unwrap();
    let expected = predicted(&mut reference, 32, &image);

    let place = folder.join("beside");
    let beside = CompileSettings { checkpoint: checkpoint.clone(), ..settings(&place, false) };
    compile(&digits(), &beside).unwrap();
    let model = open(place.join("libdigits.so")).unwrap();
    assert!(!model.embeds_weights());
    assert_eq!(predicted(&mut model.session(2).unwrap(), 32, &image), expected);

    let place = folder.join("embedded");
    let embedded = CompileSettings { checkpoint, embed_weights: true, ..settings(&place, false) };
    compile(&digits(), &embedded).unwrap();
    let model = open(place.join("libdigits.so")).unwrap();
    assert!(model.embeds_weights() && !place.join("digits.safetensors").exists());
    // Instances share the library's pages, and outlive the model that made them.
    let sessions = [1, 2].map(|threads| model.session(threads).unwrap());
    assert_eq!(sessions[0].persistent().unwrap().as_ptr(), sessions[1].persistent().unwrap().as_ptr());
    drop(model);
    for mut session in sessions {
        assert_eq!(predicted(&mut session, 32, &image), expected);
    }

    // A file of another model beside the library.
    let other = "dlc 1\nmodel other(x: f32[N, 3]) -> (y) {\n  y = x |> dense(2) as a\n}\n";
    let other = load_text("other.dsl", other, &[]).unwrap();
    compile(&other, &settings(folder, false)).unwrap();
    std::fs::copy(folder.join("beside/digits.safetensors"), folder.join("other.safetensors")).unwrap();
    let error = open(folder.join("libother.so")).unwrap().session(1).unwrap_err();
    assert!(matches!(&error, RuntimeError::OtherGraph { .. }), "{error}");
    assert!(error.to_string().starts_with("the weights are those of the model digits (graph "), "{error}");
    std::fs::remove_file(folder.join("other.safetensors")).unwrap();
    let mut session = open(folder.join("libother.so")).unwrap().session(1).unwrap();
    let mut y = [0; 8];
    let error = session.predict(1, &[&[0; 12]], &mut [&mut y]).unwrap_err();
    assert!(matches!(error, RuntimeError::NoWeights { .. }), "{error}");
}

#[test]
fn what_is_no_library_of_ours_is_told() {
    if !has_cc() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let told = |name: &str| open(folder.join(name)).unwrap_err();
    let error = told("absent.so");
    assert!(
        matches!(&error, RuntimeError::File { .. }) && error.to_string().contains("absent.so"),
        "{error}"
    );
    std::fs::write(folder.join("text.so"), "no library").unwrap();
    let error = told("text.so");
    assert!(matches!(&error, RuntimeError::Library { .. }), "{error}");
    assert!(
        error.to_string().contains("text.so is no shared library that this system can load: "),
        "{error}"
    );
    let build = |name: &str, source: &str| {
        std::fs::write(folder.join("source.c"), source).unwrap();
        cc(folder, &["-shared", "-fPIC", "-o", name, "source.c"]);
    };
    build("else.so", "int dlc_librarian(void) { return 1; }");
    let error = told("else.so").to_string();
    assert!(error.ends_with("made: it has no `dlc_library` with a description"), "{error}");
    build("null.so", "const void *dlc_library(void) { return 0; }");
    assert!(matches!(told("null.so"), RuntimeError::NoModel { .. }));
    build(
        "older.so",
        "static const unsigned long long words[] = {0x4c45444f4d434c44ull, 3, 24};\nstatic void *parts[] = {(void *)words, \
         (void *)words, 0, (void *)words};\nconst void *dlc_library(void) { return parts; }",
    );
    assert!(matches!(told("older.so"), RuntimeError::Version { found: 3, .. }));
    let cpu = if dlc_compiler::emit::Target::host(Cpu::V4Vnni).is_ok() { None } else { Some(Cpu::V4Vnni) };
    if let Some(cpu) = cpu {
        compile(&digits(), &CompileSettings { cpu, ..settings(folder, false) }).unwrap();
        let error = told("libdigits.so").to_string();
        assert!(error.contains("was compiled for instructions that this machine lacks: "), "{error}");
    }
}
