//! What C programs compute on a GPU.

use crate::{build, cc, command, compiled, digits, has, net, printed, settings, source};
use dlc_cuda::CudaModel;
use dlc_driver::{ArtifactKind, CompileSettings, compile};
use dlc_runtime::Session;
use dlc_runtime::abi::DeviceImage;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Batches as the program reads them.
fn batches() -> Vec<(usize, Vec<u8>, Vec<u8>)> {
    let batch = |(number, size): (usize, usize)| {
        let pixel = |place: usize| ((place * 7 + number * 13 + place / 64 * 5) % 17) as f32;
        let image = (0..size * 64).flat_map(|place| pixel(place).to_ne_bytes()).collect();
        let label = (0..size).flat_map(|place| ((place * 3 + number) as i32 % 10).to_ne_bytes()).collect();
        (size, image, label)
    };
    [4, 4, 3].into_iter().enumerate().map(batch).collect()
}

fn bits(what: &str, values: &[f32]) -> String {
    let words: String = values.iter().map(|value| format!(" {:08x}", value.to_bits())).collect();
    format!("{what}{words}\n")
}

/// Trains, evaluates and predicts as `hosted.c` does, and tells every bit.
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
        let mut logits = vec![[0.0; 10]; size];
        session.predict(size, &[&image], &mut [dlc_runtime::typed::bytes_mut(&mut logits)]).unwrap();
        text.push_str(&bits("predict", &logits.concat()));
    }
    text
}

/// A driver that has no memory for graphs, and is another one in everything else.
fn without_graphs(folder: &Path, driver: &Path) -> PathBuf {
    let (from, under) = (source("no_graphs.c"), driver.to_str().unwrap());
    let parts = ["-shared", "-fPIC", "-o", "no_graphs.so", from.to_str().unwrap()];
    // Although nothing of it is called there.
    cc(folder, &[&parts[..], &["-Wl,--no-as-needed", under]].concat());
    folder.join("no_graphs.so")
}

fn alone(name: &str, test: impl FnOnce()) {
    dlc_stand_in_driver::alone::<&str>(&format!("{}::{name}", module_path!()), &[], test);
}

#[test]
fn a_c_program_trains_to_the_bits_of_a_rust_session() {
    if !has("cc") {
        return;
    }
    alone("a_c_program_trains_to_the_bits_of_a_rust_session", || {
        let folder = compiled(&digits());
        let folder = folder.path();
        // SAFETY: the file was made here.
        let model = unsafe { CudaModel::open(folder.join("digits.launches")) }.unwrap();
        let mut session = model.session(0).unwrap();
        let expected = followed(&mut session);
        session.save(folder.join("by_rust"), None).unwrap();
        let file: Vec<u8> = batches()
            .into_iter()
            .flat_map(|(size, image, label)| [(size as i32).to_ne_bytes().to_vec(), image, label].concat())
            .collect();
        std::fs::write(folder.join("batches"), file).unwrap();
        let program = build(folder, "hosted", "digits", &[]);
        let driver = dlc_stand_in_driver::driver();
        let mut ways = vec![("0", driver.clone(), "graphs"), ("1", driver.clone(), "steps")];
        if driver.is_file() {
            ways.push(("0", without_graphs(folder, &driver), "launches"));
        }
        for (stepwise, driver, started) in &ways {
            let mut command = command(&program);
            command.env("DLC_CUDA_STEPWISE", stepwise).env("DLC_CUDA_DRIVER", driver);
            let text = printed(command.args(["digits.launches", "batches", "by_c", started]));
            assert!(text == expected, "{started}:\n{text}\nis not\n{expected}");
            let files = ["by_c", "by_rust"].map(|name| std::fs::read(folder.join(name)).unwrap());
            assert!(files[0] == files[1], "{started}");
            std::fs::remove_file(folder.join("by_c")).unwrap();
        }
    });
}

/// The difference that a program tells behind where it computed.
fn difference(told: &str) -> f32 {
    told.trim_end().rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn one_program_computes_on_either_machine() {
    if !has("cc") {
        return;
    }
    let folder = compiled(&digits());
    let folder = folder.path();
    // The library's header and C file take the place of those for GPUs alone, and know both.
    let library = CompileSettings {
        gpu: None,
        emit: vec![ArtifactKind::Obj, ArtifactKind::Header, ArtifactKind::C],
        ..settings(folder)
    };
    compile(&digits(), &library).unwrap();
    let mut session = dlc_driver::native_session(
        &dlc_compiler::compile(&digits().model, &dlc_compiler::CompileOptions::new(4)).unwrap(),
        1,
        dlc_driver::Cpu::Portable,
    )
    .unwrap();
    session.initialize(5).unwrap();
    session.save(folder.join("weights"), None).unwrap();
    let program = build(folder, "both", "digits", &["digits.o", "-DDLC_GPU"]);
    let run = |driver: &Path| {
        printed(command(&program).env("DLC_CUDA_DRIVER", driver).args(["digits.launches", "weights"]))
    };
    let told = run(&dlc_stand_in_driver::driver());
    assert!(told.starts_with("sm_80 ") && difference(&told) < 1e-4 && difference(&told) > 0.0, "{told}");
    let told = run(Path::new("/nowhere/libcuda.so.1"));
    assert!(told.starts_with("this machine has no NVIDIA driver ("), "{told}");
    assert_eq!(difference(&told), 0.0, "{told}");
}

#[test]
fn a_fault_is_told_and_nothing_is_taken_for_a_result_from_then_on() {
    if !has("cc") {
        return;
    }
    let folder = compiled(&net());
    let folder = folder.path();
    let program = build(folder, "create", "net", &[]);
    let broken = broken(folder);
    let run = |file: &str, stepwise: &str| {
        printed(command(&program).env("DLC_CUDA_STEPWISE", stepwise).args([file, "0", "saved"]))
    };
    assert_eq!(run("net.launches", "0"), "");
    let saved = std::fs::read(folder.join("saved")).unwrap();
    for stepwise in ["0", "1"] {
        let told = run("broken.launches", stepwise);
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 4, "{told}");
        assert!(lines[0].starts_with("train: the GPU or its driver failed: "), "{told}");
        assert!(lines[0].contains("(CUDA_ERROR_LAUNCH_FAILED, from cuStreamSynchronize)"), "{told}");
        let names = [format!(" of `train`, the kernel `{broken}`, failed: "), "`train` failed: ".to_owned()];
        assert_eq!(names.map(|name| lines[0].contains(&name)), [stepwise == "1", stepwise == "0"], "{told}");
        assert_eq!(
            lines[0].ends_with("with DLC_CUDA_STEPWISE=1 the error names the kernel"),
            stepwise == "0"
        );
        for (line, call) in lines[1..].iter().zip(["train", "predict", "save"]) {
            assert!(line.starts_with(&format!("{call}: the GPU or its driver failed: ")), "{told}");
            assert!(line.contains(" failed before, and what it holds is lost: "), "{told}");
        }
        assert!(std::fs::read(folder.join("saved")).unwrap() == saved);
    }
}

/// Writes the code of `net` with a kernel of its training step that fails to `broken.launches`; the kernel's name.
fn broken(folder: &Path) -> String {
    let whole = std::fs::read(folder.join("net.launches")).unwrap();
    let mut image = DeviceImage::decode(&whole).unwrap();
    let kernels = &image.module.kernels;
    let broken = kernels.iter().rfind(|kernel| kernel.name.starts_with("train_")).unwrap().name.clone();
    let text = &mut image.module.text;
    let start = text.find(&format!(".entry {broken}(")).unwrap();
    let end = start + text[start..].find("ret;").unwrap();
    text.insert_str(end, "trap;\n    ");
    std::fs::write(folder.join("broken.launches"), image.encode()).unwrap();
    broken
}

#[test]
fn every_function_that_nobody_waited_for_is_named() {
    if !has("cc") {
        return;
    }
    let folder = compiled(&net());
    let folder = folder.path();
    broken(folder);
    let program = build(folder, "unwaited", "net", &[]);
    let told = printed(command(&program).arg("broken.launches"));
    assert!(told.contains(": `initialize` or `predict` or `train` failed: "), "{told}");
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
    let folder = compiled(&net());
    let folder = folder.path();
    let header = std::fs::read_to_string(folder.join("net.h")).unwrap();
    std::fs::write(folder.join("program.c"), program_of(&header)).unwrap();
    let parts = ["program.c", "net.c", "dlc_runtime.c", "dlc_image.c", "dlc_cuda.c", "-ldl"];
    cc(folder, &[&["-o", "program"][..], &parts].concat());
    let number: f32 = printed(&mut command(&folder.join("program"))).trim().parse().unwrap();
    assert!(number.is_finite());
    let mut without = command(&folder.join("program"));
    let output = without.env("DLC_CUDA_DRIVER", "/nowhere").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && told.contains("this machine has no NVIDIA driver (/nowhere: "),
        "{told}"
    );
    if has("c++") {
        let source = "#include \"net.h\"\n#include \"dlc_cuda.h\"\n";
        std::fs::write(folder.join("program.cpp"), source).unwrap();
        let flags = ["-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"];
        let output = Command::new("c++").current_dir(folder).args(flags).arg("program.cpp").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
