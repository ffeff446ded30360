//! Libraries for other machines and for several levels of one, at every size of a batch: what a C program gets of them
//! against a session.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use dlc_compiler::compile as compiled;
use dlc_compiler::emit::{Target, jit};
use dlc_driver::{
    ArtifactKind, CompileChoices, CompileSettings, Cpu, Loaded, Platform, compile, load, read_library,
};
use dlc_runtime::{Program, Session};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

const BATCH_MAX: usize = 32;

/// A tool that is absent is told and, where `DLC_REQUIRE_TOOLS` is set, a failure.
fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        assert!(std::env::var_os("DLC_REQUIRE_TOOLS").is_none(), "{tool} is missing");
        eprintln!("skipped: {tool} is missing");
    }
    found
}

fn digits() -> Loaded {
    load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/digits.dsl"), &[]).unwrap()
}

fn settings(folder: &Path) -> CompileSettings {
    CompileSettings {
        train: true,
        output_dir: Some(folder.to_owned()),
        emit: vec![ArtifactKind::Obj, ArtifactKind::Header, ArtifactKind::C],
        ..CompileSettings::default()
    }
}

/// All of [`batches`].
const STEPS: usize = BATCH_MAX + 2;

/// The first batches of a row that has every size, the greatest first and last.
fn batches(steps: usize) -> Vec<(usize, Vec<u8>, Vec<u8>)> {
    let batch = |(number, size): (usize, usize)| {
        let pixel = |place: usize| ((place * 7 + number * 13 + place / 64 * 5) % 17) as f32;
        let image = (0..size * 64).flat_map(|place| pixel(place).to_le_bytes()).collect();
        let label = (0..size).flat_map(|place| ((place * 3 + number) as i32 % 10).to_le_bytes()).collect();
        (size, image, label)
    };
    let sizes = [BATCH_MAX]
        .into_iter()
        .chain((1..=BATCH_MAX).map(|size| size * 11 % BATCH_MAX + 1))
        .chain([BATCH_MAX]);
    sizes.enumerate().take(steps).map(batch).collect()
}

fn write_batches(path: &Path, steps: usize) {
    let text = batches(steps)
        .into_iter()
        .flat_map(|(size, image, label)| [(size as i32).to_le_bytes().to_vec(), image, label].concat());
    std::fs::write(path, text.collect::<Vec<u8>>()).unwrap();
}

/// What a session computes, in the order of the program's lines.
fn expected(target: &Target, steps: usize) -> Vec<Vec<f32>> {
    let options = CompileChoices::default().options(BATCH_MAX).unwrap();
    let compilation = compiled(&digits().model, &options).unwrap();
    let code = jit(&compilation, target).unwrap();
    // SAFETY: the entries were made from the very compilation that the interface describes.
    let program = unsafe { Program::new(compilation.interface.clone(), code.entries, code.owner) };
    let mut session = Session::new(Arc::new(program.unwrap()), 2).unwrap();
    session.initialize(3).unwrap();
    session.set_scalar_i64("train.total_steps", 40).unwrap();
    let mut lines = Vec::new();
    for (size, image, label) in batches(steps) {
        let mut report = [0.0; 2];
        session.train_step(size, &[&image, &label], &mut report).unwrap();
        lines.push(report.to_vec());
        session.evaluate(size, &[&image, &label], &mut report).unwrap();
        lines.push(report.to_vec());
        let mut logits = vec![0; size * 40];
        session.predict(size, &[&image], &mut [&mut logits]).unwrap();
        lines.push(logits.as_chunks().0.iter().map(|&bytes| f32::from_ne_bytes(bytes)).collect());
    }
    lines
}

/// Builds the program for a platform.
fn build(folder: &Path, platform: Option<Platform>) {
    let compiler = platform.map_or("cc", |one| one.c_compiler().unwrap());
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/targets/steps.c");
    let mut command = Command::new(compiler);
    command.current_dir(folder).args([
        "-std=c99",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Werror",
        "-O1",
        "-pthread",
    ]);
    command.args(["-static", "-I.", "-o", "steps"]).arg(program);
    let output = command.args(["digits.c", "dlc_runtime.c", "digits.o"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What the program prints: the code it chose, and its numbers.
fn run(command: &mut Command, folder: &Path, arguments: [&str; 2]) -> (String, Vec<Vec<f32>>) {
    let output = command
        .arg(folder.join("steps"))
        .current_dir(folder)
        .arg("batches")
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let (first, rest) = text.split_once('\n').unwrap();
    let number = |word: &str| f32::from_bits(u32::from_str_radix(word, 16).unwrap());
    let numbers = rest.lines().map(|line| line.split(' ').skip(1).map(number).collect()).collect();
    (first.strip_prefix("cpu ").unwrap().to_owned(), numbers)
}

fn directly() -> Command {
    Command::new("env")
}

#[test]
fn one_library_takes_every_batch_up_to_its_greatest() {
    if !has("cc") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    compile(&digits(), &settings(folder)).unwrap();
    write_batches(&folder.join("batches"), STEPS);
    build(folder, None);
    assert_eq!(
        run(&mut directly(), folder, ["2", "widest"]),
        ("native".to_owned(), expected(&Target::host(Cpu::Native).unwrap(), STEPS))
    );
}

#[test]
#[cfg(target_arch = "x86_64")]
fn one_library_has_code_for_every_level() {
    if !has("cc") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    compile(&digits(), &CompileSettings { multi: true, ..settings(folder) }).unwrap();
    write_batches(&folder.join("batches"), STEPS);
    build(folder, None);
    let mut widest = Cpu::Portable;
    for cpu in [Cpu::Portable, Cpu::V3, Cpu::V4] {
        if Target::host(cpu).is_err() {
            continue;
        }
        widest = cpu;
        let (name, found) = run(&mut directly(), folder, ["2", cpu.name()]);
        assert_eq!(name, cpu.name());
        assert!(found == expected(&Target::elsewhere(cpu).unwrap(), STEPS), "{cpu:?}");
    }
    let (name, found) = run(&mut directly(), folder, ["1", "widest"]);
    assert_eq!(name, widest.name());
    assert!(found == run(&mut directly(), folder, ["2", widest.name()]).1);
}

/// Steps after which training has not yet made differences of roundings grow.
const NEAR_STEPS: usize = 4;

/// Losses and logits of a training whose sums were added in another order.
fn near(found: &[Vec<f32>], expected: &[Vec<f32>]) {
    const BOUND: f32 = 1e-3;
    assert_eq!(found.len(), expected.len());
    for (number, (a, b)) in found.iter().zip(expected).enumerate() {
        assert_eq!(a.len(), b.len(), "line {number}");
        for (a, b) in a.iter().zip(b).take(if number < 3 * NEAR_STEPS { a.len() } else { 0 }) {
            assert!((a - b).abs() <= BOUND * b.abs().max(1.0), "line {number}: {a} is not {b}");
        }
    }
}

/// What the program of a library for a platform prints in the emulator.
fn emulated(platform: &str, emulator: &str, steps: usize) -> Option<Vec<Vec<f32>>> {
    let platform: Platform = platform.parse().unwrap();
    if !(has(platform.c_compiler()?) && has(emulator)) {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let asked = CompileSettings { platform: Some(platform), cpu: Cpu::Portable, ..settings(folder) };
    compile(&digits(), &asked).unwrap();
    write_batches(&folder.join("batches"), steps);
    build(folder, Some(platform));
    let (name, found) = run(&mut Command::new(emulator), folder, ["2", "widest"]);
    assert_eq!(name, "portable");
    Some(found)
}

#[test]
fn aarch64_trains_to_the_bits_of_this_machine() {
    let Some(found) = emulated("aarch64-unknown-linux-gnu", "qemu-aarch64", STEPS) else { return };
    let here = Target::host(Cpu::Portable).unwrap();
    let expected = expected(&here, STEPS);
    if here.extensions().contains("has_fma") || cfg!(target_arch = "aarch64") {
        assert!(found == expected);
    } else {
        near(&found, &expected);
    }
}

#[test]
fn riscv64_trains_as_this_machine_does() {
    let Some(found) = emulated("riscv64gc-unknown-linux-gnu", "qemu-riscv64", NEAR_STEPS) else { return };
    near(&found, &expected(&Target::host(Cpu::Portable).unwrap(), NEAR_STEPS));
}

#[test]
fn what_a_target_cannot_do_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let told = |triple: &str, change: &dyn Fn(&mut CompileSettings)| {
        let platform = Some(triple.parse().unwrap());
        let mut settings = CompileSettings { platform, cpu: Cpu::Portable, ..settings(folder.path()) };
        change(&mut settings);
        compile(&digits(), &settings).unwrap_err().to_string()
    };
    let error = told("riscv64gc-unknown-linux-gnu", &|s| s.multi = true);
    assert!(error.contains("riscv64gc-unknown-linux-gnu has one kind of code alone"), "{error}");
    let error = told("x86_64-unknown-none", &|s| s.emit = vec![ArtifactKind::So]);
    assert!(error.contains("has no system that loads shared libraries"), "{error}");
    let error = told("aarch64-apple-darwin", &|s| s.cpu = Cpu::V4);
    assert!(error.contains("`x86-64-v4` are x86-64's instructions"), "{error}");
    if std::env::var_os("CC_aarch64_apple_darwin").is_none() {
        let error = told("aarch64-apple-darwin", &|s| s.emit = vec![ArtifactKind::So]);
        assert!(error.contains("the environment variable CC_aarch64_apple_darwin has to name"), "{error}");
    }
}

#[test]
fn static_libraries_of_every_platform_are_written() {
    for (triple, file) in [
        ("aarch64-apple-darwin", "libdigits.a"),
        ("x86_64-pc-windows-msvc", "digits.lib"),
        ("x86_64-pc-windows-gnu", "libdigits.a"),
        ("riscv64gc-unknown-linux-gnu", "libdigits.a"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let platform: Platform = triple.parse().unwrap();
        let asked = CompileSettings {
            platform: Some(platform),
            cpu: Cpu::Portable,
            train: false,
            emit: vec![ArtifactKind::Staticlib],
            ..settings(folder.path())
        };
        let report = compile(&digits(), &asked).unwrap();
        assert!(report.files[0].ends_with(file), "{triple}: {:?}", report.files);
        let found = read_library(&report.files[0]).unwrap();
        assert_eq!(
            (found.len(), found[0].model.as_str(), found[0].functions.len()),
            (1, "digits", 1),
            "{triple}"
        );
        assert_eq!(found[0].format, platform.format.name());
    }
}

#[test]
fn a_library_tells_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut emit = vec![ArtifactKind::Obj, ArtifactKind::Staticlib];
    if has("cc") {
        emit.push(ArtifactKind::So);
    }
    let multi = cfg!(target_arch = "x86_64");
    let report = compile(&digits(), &CompileSettings { multi, emit, ..settings(folder.path()) }).unwrap();
    for file in &report.files {
        let found = read_library(file).unwrap();
        assert_eq!(found.len(), 1, "{}", file.display());
        let found = &found[0];
        assert_eq!(
            (found.model.as_str(), found.batch_max, found.embeds_weights),
            ("digits", BATCH_MAX, false)
        );
        assert!(found.compiler.starts_with("dlc ") && found.graph.len() == 16);
        let names: Vec<&str> = found.functions.iter().map(|function| function.name.as_str()).collect();
        assert_eq!(names, ["initialize", "predict", "evaluate", "train"]);
        let predict = &found.functions[1];
        assert_eq!(
            (predict.inputs[0].ty.as_str(), predict.outputs[0].ty.as_str()),
            ("f32[N, 1, 8, 8]", "f32[N, 10]")
        );
        assert_eq!(predict.arena_bytes, report.functions[1].arena_bytes);
        if multi {
            let names: Vec<&str> = found.variants.iter().map(|variant| variant.name.as_str()).collect();
            assert_eq!(names, ["portable", "x86-64-v3", "x86-64-v4"]);
            assert!(
                found.variants[1].instructions.contains(&"fma")
                    && !found.variants[0].instructions.contains(&"fma")
            );
        }
    }
    let text = folder.path().join("text.o");
    std::fs::write(&text, "no object").unwrap();
    let error = read_library(&text).unwrap_err().to_string();
    assert!(error.contains("is no object file, static or shared library"), "{error}");
}
