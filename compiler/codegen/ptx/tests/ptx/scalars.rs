//! Every scalar operation on every type that it takes, of what was loaded and of numbers that are known, through
//! NVIDIA's assembler.

use crate::assembler::report;
use dlc_codegen_ptx::{Architecture, Math, Options, emit_module};
use dlc_kernel::{Binary, Combine, Comparison, Kernel, Unary, parse_kernel, verify_kernel};
use dlc_ptx_machine::assembler::ptxas;
use dlc_types::DType;

/// A kernel of one operation with so many operands of a type.
fn kernel(op: &str, args: usize, from: DType, to: DType, known: bool) -> Option<Kernel> {
    let number = if from == DType::Bool { "const 1.0" } else { "const 3.0" };
    let arguments: String = (0..args)
        .map(|arg| match known {
            true => format!("v{arg}: {from} = {number}\n"),
            false => format!("v{arg} = load x[3*i0 + {arg}]\n"),
        })
        .collect();
    let names: Vec<String> = (0..args).map(|arg| format!("v{arg}")).collect();
    let text = format!(
        "kernel \"k\" (x: {from} read, y: {to} write) space [N] {{\nat (i0)\n{arguments}v9: {to} = {op} {}\nstore y[i0] = v9\n}}",
        names.join(", ")
    );
    let kernel = parse_kernel(&text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    verify_kernel(&kernel).is_ok().then_some(kernel)
}

/// All operations, and what each is called.
fn kernels() -> Vec<(String, Kernel)> {
    let mut all = Vec::new();
    for known in [false, true] {
        let mut add = |op: &str, args: usize, from: DType, to: DType| {
            if let Some(kernel) = kernel(op, args, from, to, known) {
                let from_name = if known { "known" } else { "loaded" };
                all.push((format!("{op}_{from}_{to}_{from_name}"), kernel));
            }
        };
        for from in DType::ALL {
            Unary::ALL.iter().for_each(|op| add(op.name(), 1, from, from));
            Binary::ALL.iter().for_each(|op| add(op.name(), 2, from, from));
            Comparison::ALL.iter().for_each(|op| add(op.name(), 2, from, DType::Bool));
            add("fma", 3, from, from);
            for to in DType::ALL {
                add("cast", 1, from, to);
                add("bitcast", 1, from, to);
            }
        }
    }
    all
}

#[test]
fn every_operation_assembles() {
    let all = kernels();
    let emitted: Vec<(&str, &Kernel)> = all.iter().map(|(name, kernel)| (name.as_str(), kernel)).collect();
    assert!(emitted.len() > 600, "only {} operations", emitted.len());
    let Some(ptxas) = ptxas() else { return };
    let folder = tempfile::tempdir().unwrap();
    for architecture in Architecture::ALL {
        let module =
            emit_module("scalars", &emitted, Options { architecture, math: Math::F32, batch_max: 8 })
                .unwrap();
        report(&ptxas, folder.path(), "scalars", &module.text, architecture);
    }
}

/// Reductions of every type by every combination, over teams of each kind, with indices of either width.
#[test]
fn every_reduction_assembles() {
    let mut kernels = Vec::new();
    for dtype in [DType::F32, DType::F64, DType::I32, DType::U32, DType::I64, DType::U64] {
        for combine in Combine::ALL {
            let op = match combine {
                Combine::Sum => "add",
                Combine::Product => "mul",
                Combine::Max => "max",
                Combine::Min => "min",
            };
            for length in [5, 64, 4096] {
                let name = combine.name();
                let text = format!(
                    "kernel \"k\" (x: {dtype} read, y: {dtype} write) space [N] {{
                       at (i0)
                       v0 = load x[i0]
                       lanes for i1 in 0 .. {length} carry (v1: {dtype} = v0) {{
                         v2 = load x[{length}*i0 + i1]
                         v3: {dtype} = {op} v1, v2
                         yield v3 {name} -> v4
                       }}
                       store y[i0] = v4
                     }}"
                );
                let kernel = parse_kernel(&text).unwrap();
                verify_kernel(&kernel).unwrap();
                kernels.push((format!("{name}_{dtype}_{length}"), kernel));
            }
        }
    }
    let named: Vec<(&str, &Kernel)> = kernels.iter().map(|(name, kernel)| (name.as_str(), kernel)).collect();
    for batch_max in [8, 1 << 30] {
        for architecture in Architecture::ALL {
            let module =
                emit_module("reductions", &named, Options { architecture, math: Math::F32, batch_max })
                    .unwrap();
            assert_eq!(module.entries.len(), named.len());
            let Some(ptxas) = ptxas() else { return };
            let folder = tempfile::tempdir().unwrap();
            report(&ptxas, folder.path(), "reductions", &module.text, architecture);
        }
    }
}

/// A draw of every kind of operand.
#[test]
fn random_numbers_assemble() {
    let text = "kernel \"k\" (seed: i64 read, step: i32 read, y: f32 write) space [N] {
        at (i0)
        v0 = load seed[0]
        v1 = load step[0]
        lanes for i1 in 0 .. 1000 {
          i2 = 1000*i0 + i1
          v2: i64 = index i2
          v3: f32 = random(7) v0, v1, v2
          store y[1000*i0 + i1] = v3
        }
      }";
    let kernel = parse_kernel(text).unwrap();
    verify_kernel(&kernel).unwrap();
    let module = emit_module(
        "random",
        &[("random", &kernel)],
        Options { architecture: Architecture::Sm75, math: Math::F32, batch_max: 8 },
    )
    .unwrap();
    let Some(ptxas) = ptxas() else { return };
    let folder = tempfile::tempdir().unwrap();
    report(&ptxas, folder.path(), "random", &module.text, Architecture::Sm75);
}
