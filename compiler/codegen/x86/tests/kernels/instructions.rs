//! What the emitted functions are made of.

use crate::cases::{self, Case};
use crate::epilogues::{self, Shape, Tail};
use crate::{generated, loops};
use dlc_codegen_x86::{Level, build_kernel};
use dlc_kernel::{Binary, Contraction, Guard, Kernel, ScalarOp, Statement, Var};
use dlc_types::DType;
use dlc_types::index::EntityIndex;
use iced_x86::{
    CpuidFeature, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic,
    OpAccess, Register,
};

/// The function's instructions, up to its only return.
fn decode(bytes: &[u8]) -> Vec<Instruction> {
    let mut decoder = Decoder::with_ip(64, bytes, 0, DecoderOptions::NONE);
    let mut instructions = Vec::new();
    while decoder.can_decode() {
        let instruction = decoder.decode();
        assert!(!instruction.is_invalid(), "invalid code at {:#x}", instruction.ip());
        instructions.push(instruction);
        if instruction.mnemonic() == Mnemonic::Ret {
            break;
        }
    }
    instructions
}

fn allowed(level: Level) -> Vec<CpuidFeature> {
    let mut features = vec![
        CpuidFeature::INTEL8086,
        CpuidFeature::INTEL386,
        CpuidFeature::X64,
        CpuidFeature::CMOV,
        CpuidFeature::SSE,
        CpuidFeature::AVX,
        CpuidFeature::AVX2,
    ];
    features.extend(match level {
        Level::Avx2 => vec![CpuidFeature::FMA],
        Level::Avx512 => vec![
            CpuidFeature::AVX512F,
            CpuidFeature::AVX512DQ,
            CpuidFeature::AVX512BW,
            CpuidFeature::AVX512VL,
        ],
    });
    features
}

#[test]
fn functions_keep_to_their_level_and_to_the_convention() {
    const SAVED: [Register; 6] =
        [Register::RBX, Register::RBP, Register::R12, Register::R13, Register::R14, Register::R15];
    let mut info = InstructionInfoFactory::new();
    let mut kernels: Vec<Kernel> = cases::all().into_iter().map(|case| case.kernel).collect();
    kernels.extend(loops::CASES.iter().map(|case| loops::kernel(case.text)));
    kernels.push(loops::kernel(&loops::transform()));
    kernels.extend((0..150).map(generated::generate));
    for level in [Level::Avx2, Level::Avx512] {
        let allowed = allowed(level);
        for kernel in &kernels {
            let bytes = build_kernel(kernel, level).unwrap();
            let random = kernel.name.starts_with("generated");
            assert!(bytes.is_some() || random, "{} has no form for {level:?}", kernel.name);
            let Some(bytes) = bytes else { continue };
            let instructions = decode(&bytes);
            let label = format!("{}, {level:?}", kernel.name);
            let code_bytes = instructions.last().unwrap().next_ip();
            assert!(code_bytes < 24 << 10, "{label}: {code_bytes} bytes");
            let [.., before, last] = instructions.as_slice() else { panic!("{label}: too short") };
            assert_eq!(
                (before.mnemonic(), last.mnemonic()),
                (Mnemonic::Vzeroupper, Mnemonic::Ret),
                "{label}"
            );
            let mut stack = 0_i64;
            for instruction in &instructions {
                let here = format!("{label}: {instruction}");
                assert!(
                    instruction.cpuid_features().iter().all(|feature| allowed.contains(feature)),
                    "{here}"
                );
                let flow = instruction.flow_control();
                let plain =
                    [FlowControl::Next, FlowControl::ConditionalBranch, FlowControl::UnconditionalBranch];
                assert!(plain.contains(&flow) || instruction.mnemonic() == Mnemonic::Ret, "{here}");
                if flow != FlowControl::Next && flow != FlowControl::Return {
                    let target = instruction.near_branch_target();
                    assert!(instructions.iter().any(|other| other.ip() == target), "{here}");
                }
                for register in info.info(instruction).used_registers() {
                    let writes = !matches!(register.access(), OpAccess::Read | OpAccess::CondRead);
                    let whole = register.register().full_register();
                    assert!(!(writes && SAVED.contains(&whole)), "{here}");
                    if writes && whole == Register::RSP && instruction.mnemonic() != Mnemonic::Ret {
                        let sign = if instruction.mnemonic() == Mnemonic::Sub { -1 } else { 1 };
                        stack += sign * instruction.immediate(1) as i64;
                    }
                }
            }
            assert_eq!(stack, 0, "{label}: the frame is left as it was found");
        }
    }
}

#[test]
fn what_has_no_wide_form_is_left_to_others() {
    let mut kernel = cases::all().remove(20).kernel;
    assert!(build_kernel(&kernel, Level::Avx2).unwrap().is_some());
    for operand in &mut kernel.operands {
        operand.dtype = dlc_types::DType::F64;
    }
    assert_eq!(build_kernel(&kernel, Level::Avx2).unwrap(), None);
}

#[test]
fn epilogues_without_a_wide_form_are_left_to_others() {
    let shape = Shape { sequential: 1, lanes: 24, rows: 6, reduced: 8, taps: 1 };
    let built = |change: &dyn Fn(&mut Contraction)| {
        let mut contraction = epilogues::contraction(Tail::Residual, shape);
        change(&mut contraction);
        let case = Case::new("residual".into(), contraction, &[1]);
        [Level::Avx2, Level::Avx512].map(|level| build_kernel(&case.kernel, level).unwrap().is_some())
    };
    assert_eq!(built(&|_| {}), [true; 2]);
    let statements = |contraction: &mut Contraction, change: &dyn Fn(&mut Vec<Statement>)| {
        change(&mut contraction.epilogue.as_mut().unwrap().statements);
    };
    let guarded = |statements: &mut Vec<Statement>| {
        let Statement::Load { guard, .. } = &mut statements[0] else { unreachable!() };
        *guard = Some(Guard { ranges: Vec::new(), fill: 0.0 });
    };
    assert_eq!(built(&|contraction| statements(contraction, &guarded)), [false; 2]);
    let apart = |statements: &mut Vec<Statement>| {
        let Statement::Load { index, .. } = &mut statements[0] else { unreachable!() };
        *index = index.times(2);
    };
    assert_eq!(built(&|contraction| statements(contraction, &apart)), [false; 2]);
    // As many values at a time as there are registers.
    let crowded = |statements: &mut Vec<Statement>| {
        let value = |number: usize| Var::from_usize(100 + number);
        let add = ScalarOp::Binary(Binary::Add);
        let sum = |result: Var, a: Var, b: Var| Statement::Let {
            result,
            dtype: DType::F32,
            op: add,
            args: vec![a, b],
        };
        let many: Vec<Statement> =
            (0..40).map(|number| sum(value(number), Var::from_usize(2), Var::from_usize(0))).collect();
        let all = (1..40).map(|number| {
            let before = if number == 1 { value(0) } else { value(100 + number - 1) };
            sum(value(100 + number), before, value(number))
        });
        let all: Vec<Statement> = all.collect();
        let Some(Statement::Store { value: stored, .. }) = statements.last_mut() else { unreachable!() };
        *stored = value(139);
        let store = statements.pop().unwrap();
        statements.extend(many);
        statements.extend(all);
        statements.push(store);
    };
    assert_eq!(built(&|contraction| statements(contraction, &crowded)), [false; 2]);
}
