//! What generated code tells of itself: a crash names its kernel, and `perf` gets a map.
//!
//! Both belong to a process, so each test runs this binary again: the ignored tests are what it does there.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

use dlc_abi::Context;
use dlc_compiler::emit::{Cpu, JitCode, Target, jit};
use dlc_compiler::{CompileOptions, FunctionKind, compile};
use dlc_runtime::{name_code, report_crashes};
use dlc_tests::harness::targets;
use dlc_tests::models::from_text;
use std::ffi::c_void;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

/// Tells the process of a test which code generator to use.
const CPU: &str = "DLC_TESTS_CRASH_CPU";
const MODEL: &str =
    "dlc 1\n\nmodel net(x: f32[N, 48]) -> (y) {\n  y = x |> dense(32) as first |> tanh()\n}\n";

fn code(target: &Target) -> JitCode {
    let options = CompileOptions { functions: vec![FunctionKind::Predict], ..CompileOptions::new(4) };
    jit(&compile(&from_text(MODEL).model, &options).unwrap(), target).unwrap()
}

/// Starts one of the ignored tests in a process of its own.
fn again(test: &str, variable: &str, value: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env(variable, value)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

unsafe extern "C" fn no_barrier(_: *const c_void) {}

/// A context whose every pointer leads to the first page, which nobody may read.
fn nowhere(bindings: &[*mut u8]) -> Context {
    Context {
        arena: std::ptr::without_provenance_mut(64),
        persistent: std::ptr::without_provenance_mut(64),
        constants: std::ptr::without_provenance(64),
        bindings: bindings.as_ptr(),
        batch: 4,
        threads: 1,
        barrier: no_barrier,
        barrier_data: std::ptr::null(),
        prepare: 1,
        scratch: std::ptr::without_provenance_mut(64),
        scratch_bytes: 0,
    }
}

#[test]
#[ignore = "ends its process; `a_crash_names_its_kernel` starts it"]
fn crashes() {
    let Ok(cpu) = std::env::var(CPU) else { return };
    let cpu = cpu.parse::<Cpu>().unwrap();
    let code = code(&Target::host(cpu).unwrap());
    let _names = name_code(&code.ranges);
    report_crashes();
    let bindings = [std::ptr::without_provenance_mut(64); 2];
    let context = nowhere(&bindings);
    // SAFETY: the contract is broken on purpose. The pointers lead to a page that is never mapped, so the first
    // access ends the process before anything else happens.
    unsafe { (code.entries[0].1)(&raw const context, 0) };
}

#[test]
fn a_crash_names_its_kernel() {
    for (cpu, target) in targets() {
        let name = match cpu {
            Cpu::V3 => "x86-64-v3",
            Cpu::V4 => "x86-64-v4",
            _ => "portable",
        };
        let output = again("crashes", CPU, name).wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(11), "{name}: {text}");
        let (_, told) =
            text.split_once("dlc: crash (signal 11) in kernel `").unwrap_or_else(|| panic!("{name}: {text}"));
        let (kernel, told) = told.split_once("` of function `predict` at +0x").unwrap();
        let (distance, rest) = told.split_once("; this is a bug in dlc\n").unwrap();
        assert_eq!(rest, "", "one line is all");
        let ranges = code(&target).ranges;
        let range = ranges.iter().find(|range| range.kernel.as_deref() == Some(kernel)).unwrap();
        assert!(usize::from_str_radix(distance, 16).unwrap() < range.bytes, "{text}");
    }
}

#[test]
#[ignore = "sends its process a signal; `other_crashes_are_left_alone` starts it"]
fn crashes_elsewhere() {
    if std::env::var_os(CPU).is_none() {
        return;
    }
    let code = code(&Target::host(Cpu::Native).unwrap());
    let _names = name_code(&code.ranges);
    report_crashes();
    // SAFETY: broken on purpose; the first page is never mapped, and the access ends the process.
    unsafe { std::ptr::without_provenance_mut::<u8>(64).write_volatile(1) };
}

#[test]
fn other_crashes_are_left_alone() {
    let output = again("crashes_elsewhere", CPU, "native").wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(11));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
#[ignore = "reads the map of its process; `perf_can_name_kernels` starts it"]
fn writes_a_perf_map() {
    let Ok(asked) = std::env::var("DLC_PERF_MAP") else { return };
    let path = format!("/tmp/perf-{}.map", std::process::id());
    let target = Target::host(Cpu::Native).unwrap();
    let codes = [code(&target), code(&target)];
    let map = std::fs::read_to_string(&path);
    if asked != "1" {
        assert!(map.is_err(), "nobody asked for {path}");
        return;
    }
    std::fs::remove_file(&path).unwrap();
    let ranges = codes.iter().flat_map(|code| &code.ranges);
    let lines: String = ranges
        .inspect(|range| assert!(range.bytes > 0 && range.symbol.starts_with("net_predict"), "{range:?}"))
        .map(|range| format!("{:x} {:x} {}\n", range.start, range.bytes, range.symbol))
        .collect();
    assert_eq!(map.unwrap(), lines);
}

#[test]
fn perf_can_name_kernels() {
    for asked in ["1", "0"] {
        let output = again("writes_a_perf_map", "DLC_PERF_MAP", asked).wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn ranges_of_code_do_not_overlap() {
    let mut ranges = code(&Target::host(Cpu::Native).unwrap()).ranges;
    assert!(ranges.iter().any(|range| range.kernel.is_none()), "the entry");
    ranges.sort_by_key(|range| range.start);
    assert!(ranges.windows(2).all(|pair| pair[0].start + pair[0].bytes <= pair[1].start), "{ranges:?}");
}
