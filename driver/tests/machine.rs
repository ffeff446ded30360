//! What the machine has: instructions that code may use, and threads.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use dlc_compiler::emit::{Target, jit};
use dlc_compiler::{CompileOptions, compile};
use dlc_driver::{
    ArtifactKind, BenchOptions, BenchTarget, CompileSettings, Cpu, DriverError, Loaded, TimedOptions,
    load_text, native_session,
};

const MODEL: &str = "dlc 1

model net(x: f32[N, 24]) -> (y) {
  h = x |> dense(40) as hidden |> tanh()
  y = h |> dense(5) as head
}

data random {
  source = synthetic(samples = 64, classes = 5) -> (x, label)
  batch  = 16
}

train net on random {
  loss      = cross_entropy(y, label)
  optimizer = sgd(lr = 0.1)
  epochs    = 1
}
";

fn model() -> Loaded {
    load_text("net.dsl", MODEL, &[]).unwrap()
}

#[test]
fn code_that_is_not_run_may_be_for_any_cpu() {
    let folder = tempfile::tempdir().unwrap();
    let texts = [Cpu::Native, Cpu::Portable, Cpu::V3, Cpu::V4].map(|cpu| {
        let out = folder.path().join(cpu.name());
        let settings = CompileSettings {
            cpu,
            emit: vec![ArtifactKind::Clif],
            output_dir: Some(out.clone()),
            ..CompileSettings::default()
        };
        let report = dlc_driver::compile(&model(), &settings).unwrap();
        assert!(report.code_bytes > 1000, "{report:?}");
        std::fs::read_to_string(out.join("net.train.clif")).unwrap()
    });
    // Multiply-adds are one instruction from x86-64-v3 on, and everywhere else.
    let fused = texts.map(|text| text.contains("= fma "));
    assert_eq!(fused[1..], [cfg!(not(target_arch = "x86_64")), true, true]);
}

/// Fails on no machine: one that has all instructions refuses nothing.
#[test]
fn code_that_is_run_needs_a_machine_that_can() {
    let model = model().model;
    let compilation = compile(&model, &CompileOptions::new(4)).unwrap();
    for cpu in [Cpu::Portable, Cpu::V3, Cpu::V4] {
        let elsewhere = jit(&compilation, &Target::elsewhere(cpu).unwrap());
        match native_session(&compilation, 1, cpu) {
            Ok(_) => assert!(elsewhere.is_ok(), "{cpu:?}"),
            Err(error) => {
                assert_eq!(error.exit_code(), 4);
                assert!(error.to_string().contains("this machine lacks"), "{error}");
                assert!(elsewhere.is_err(), "{cpu:?}");
            }
        }
    }
}

#[test]
fn more_threads_than_cores_give_the_same_bits() {
    let model = model().model;
    let compilation = compile(&model, &CompileOptions::new(16)).unwrap();
    let x: Vec<u8> = (0..16 * 24_i16).flat_map(|i| (f32::from(i % 17) / 8.0 - 1.0).to_le_bytes()).collect();
    let labels: Vec<u8> = (0..16_i32).flat_map(|i| (i % 5).to_le_bytes()).collect();
    let cores = std::thread::available_parallelism().unwrap().get();
    let results = [1, cores + 1, 4 * cores + 3, 64].map(|threads| {
        let mut session = native_session(&compilation, threads, Cpu::Native).unwrap();
        session.initialize(1).unwrap();
        session.set_scalar_i64("train.total_steps", 10).ok();
        let mut reported = vec![0.0; session.report_names("train").unwrap().len()];
        for _ in 0..3 {
            session.train_step(16, &[&x, &labels], &mut reported).unwrap();
        }
        let mut y = vec![0; 16 * 5 * 4];
        session.predict(16, &[&x], &mut [&mut y]).unwrap();
        (reported.iter().map(|value| value.to_bits()).collect::<Vec<_>>(), y)
    });
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn a_benchmark_takes_more_threads_than_cores() {
    let options = BenchOptions {
        timed: TimedOptions { batch: Some(3), threads: Some(9), ..TimedOptions::new(BenchTarget::Run) },
        against_baseline: false,
    };
    let report = dlc_driver::bench(&model(), &options).unwrap();
    assert!(report.median_ms > 0.0 && report.peak_gflops.unwrap() > 0.0, "{report:?}");
}

#[test]
fn threads_beyond_all_machines_are_a_mistake() {
    let compilation = compile(&model().model, &CompileOptions::new(4)).unwrap();
    let error = native_session(&compilation, usize::MAX, Cpu::Native).err().unwrap();
    assert!(matches!(error, DriverError::Runtime(_)), "{error}");
    assert!(error.to_string().ends_with("threads were asked for; a session takes at most 4096"), "{error}");
    assert_eq!(error.exit_code(), 1);
}
