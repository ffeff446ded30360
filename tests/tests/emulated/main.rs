//! The op suite on other processors, in an emulator: all its functions as objects of one program in C, against the
//! oracle, and on aarch64 against this machine's code of the same vectors to the bit.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use dlc_abi::{FunctionInterface, Port};
use dlc_compiler::emit::{Cpu, ObjectData, Platform, Target, Variant, object};
use dlc_interp::{Data, Tensor};
use dlc_ir::Op;
use dlc_runtime::Session;
use dlc_tests::cases::{self, Case};
use dlc_tests::harness::{bytes_of, compilation_with, load_for, run_compiled, tensor_of};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// A tool that is absent is told and, where `DLC_REQUIRE_TOOLS` is set, a failure.
fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        assert!(std::env::var_os("DLC_REQUIRE_TOOLS").is_none(), "{tool} is missing");
        eprintln!("skipped: {tool} is missing");
    }
    found
}

/// The program's input, and its functions.
#[derive(Default)]
struct Suite {
    calls: Vec<u8>,
    count: u64,
    functions: String,
    objects: Vec<String>,
}

impl Suite {
    fn words(&mut self, words: &[usize]) {
        self.calls.extend(words.iter().flat_map(|&word| (word as u64).to_le_bytes()));
    }

    /// Adds a function and a call of it.
    fn add(&mut self, case: &Case, batch: usize, target: &Target, folder: &Path) {
        let compilation = compilation_with(&case.function, batch, true).unwrap();
        let name = format!("case{}", self.count);
        let data =
            [ObjectData { symbol: format!("{name}_constants"), bytes: &compilation.interface.constants }];
        let entry = |_: &str| name.clone();
        let code = object(&compilation, &Variant::only(target), &name, &entry, &data).unwrap();
        self.objects.push(format!("{name}.o"));
        std::fs::write(folder.join(format!("{name}.o")), code.bytes).unwrap();
        let _ = writeln!(
            self.functions,
            "void {name}(const dlc_context *, int64_t);\nextern const char {name}_constants[];"
        );
        let function = &compilation.interface.functions[0];
        let FunctionInterface { arena_bytes, thread_bytes, inputs, outputs, .. } = function;
        let persistent = compilation.interface.persistent_bytes;
        self.words(&[
            self.count as usize,
            batch,
            persistent,
            *arena_bytes,
            *thread_bytes,
            inputs.len(),
            outputs.len(),
        ]);
        let fed = case.fed_with(batch);
        for input in inputs {
            let mut bytes = bytes_of(&fed[&input.name]);
            self.words(&[bytes.len()]);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            self.calls.extend(bytes);
        }
        for output in outputs {
            self.words(&[size(output, batch)]);
        }
        self.count += 1;
    }

    /// What a program of all functions writes in the emulator.
    fn run(mut self, compiler: &str, emulator: &str, folder: &Path) -> Vec<u8> {
        let all = |end: &str| {
            (0..self.count).map(|number| format!("case{number}{end}")).collect::<Vec<_>>().join(", ")
        };
        let table = format!(
            "{}static const dlc_entry functions[] = {{{}}};\nstatic const void *const constants[] = {{{}}};\n",
            self.functions,
            all(""),
            all("_constants")
        );
        std::fs::write(folder.join("suite.h"), table).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        std::fs::write(folder.join("objects"), self.objects.join("\n")).unwrap();
        let mut command = Command::new(compiler);
        command
            .current_dir(folder)
            .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-static", "-o", "suite"]);
        command.arg("-I.").arg(format!("-I{}", root.join("../runtime/c").display()));
        let output = command.arg(root.join("tests/emulated/suite.c")).arg("@objects").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut calls = self.count.to_le_bytes().to_vec();
        calls.append(&mut self.calls);
        std::fs::write(folder.join("calls"), calls).unwrap();
        let calls = std::fs::File::open(folder.join("calls")).unwrap();
        let program = folder.join("suite");
        let output = Command::new(emulator).arg(program).stdin(Stdio::from(calls)).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

fn size(port: &Port, batch: usize) -> usize {
    port.elements(batch) * port.element.size()
}

/// The short form of the suite: every case that has an op of an element type and rank that none before it has. Where
/// `DLC_OP_SUITE` is `all`, all of it, which takes minutes.
fn suite() -> Vec<Case> {
    if std::env::var_os("DLC_OP_SUITE").is_some_and(|text| text == "all") {
        return cases::all();
    }
    let mut seen = BTreeSet::new();
    let mut shows = |case: &Case| {
        let nodes = case.function.nodes.values();
        let mut kinds: Vec<String> = nodes
            .map(|node| {
                format!("{} {:?}", node.op.name(), node.ty.tensor().map(|ty| (ty.dtype, ty.shape.rank())))
            })
            .collect();
        kinds.sort();
        let new = kinds.iter().filter(|kind| seen.insert((*kind).clone())).count();
        new > 0
    };
    cases::all().into_iter().filter(|case| shows(case)).collect()
}

/// The results of every case, as the platform computes them.
fn results(platform: &str, emulator: &str, cases: &[Case]) -> Option<Vec<Vec<Tensor>>> {
    let platform: Platform = platform.parse().unwrap();
    let compiler = platform.c_compiler()?;
    if !(has(compiler) && has(emulator)) {
        return None;
    }
    let target = Target::of(platform, Cpu::Portable).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut suite = Suite::default();
    for case in cases {
        suite.add(case, case.batches[0], &target, folder.path());
    }
    let bytes = suite.run(compiler, emulator, folder.path());
    let mut rest = bytes.as_slice();
    let mut all = Vec::new();
    for case in cases {
        let function = &case.function;
        let outputs = function.outputs.iter().map(|output| {
            let ty = function.tensor_type(output.value);
            let size = ty.shape.at(case.batches[0]).iter().product::<usize>() * ty.dtype.size();
            let (mine, others) = rest.split_at(size);
            rest = others;
            tensor_of(ty, case.batches[0], mine)
        });
        all.push(outputs.collect());
    }
    assert!(rest.is_empty());
    Some(all)
}

/// The bytes of a tensor, with one NaN for all: processors differ in the sign of those that they make.
fn bits(tensor: &Tensor) -> Vec<u8> {
    let Data::Float(values) = &tensor.data else { return bytes_of(tensor) };
    let values = values.iter().map(|value| if value.is_nan() { f64::NAN } else { *value });
    bytes_of(&Tensor { data: Data::Float(values.collect()), ..tensor.clone() })
}

/// What the oracle has against results.
fn faults(cases: &[Case], results: &[Vec<Tensor>]) -> Vec<String> {
    let mut faults = Vec::new();
    for (case, results) in cases.iter().zip(results) {
        let inputs = case.fed_with(case.batches[0]);
        let inputs = |op: &Op| match op {
            Op::Input { name } => inputs.get(name).cloned(),
            _ => None,
        };
        let expected = dlc_interp::evaluate(&case.function, case.batches[0], &inputs).unwrap();
        for (result, expected) in results.iter().zip(&expected) {
            if let Err(difference) = case.judge(result, expected) {
                faults.push(format!("{}: {difference}", case.name));
            }
        }
    }
    faults
}

#[test]
fn the_op_suite_on_aarch64_is_right_and_has_the_bits_of_this_machine() {
    let cases = suite();
    let Some(results) = results("aarch64-unknown-linux-gnu", "qemu-aarch64", &cases) else { return };
    let faults = faults(&cases, &results);
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    // Vectors of the same width with fused multiply-adds: the same sums in the same order.
    let target = Target::host(Cpu::Portable).unwrap();
    if !target.extensions().contains("has_fma") {
        return;
    }
    let mut differ = Vec::new();
    for (case, results) in cases.iter().zip(&results) {
        let compilation = compilation_with(&case.function, case.batches[0], true).unwrap();
        let mut session = Session::new(load_for(&compilation, &target).unwrap(), 1).unwrap();
        let here =
            run_compiled(&mut session, &case.function, case.batches[0], &case.fed_with(case.batches[0]));
        if here.iter().zip(results).any(|(here, there)| bits(here) != bits(there)) {
            differ.push(case.name.as_str());
        }
    }
    assert!(differ.is_empty(), "{} of {} differ: {differ:#?}", differ.len(), cases.len());
}

#[test]
fn the_op_suite_on_riscv64_is_right() {
    let cases = suite();
    let Some(results) = results("riscv64gc-unknown-linux-gnu", "qemu-riscv64", &cases) else { return };
    let faults = faults(&cases, &results);
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
