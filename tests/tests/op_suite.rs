//! Every op of the table, compiled against interpreted: one test per family of ops.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use dlc_compiler::{CompileOptions, FunctionKind, compile};
use dlc_ir::literal::Elements;
use dlc_ir::{
    ArgReduction, Binary, Builder, Comparison, Convolution, Initializer, Op, OutputRole, Parameter,
    Reduction, ScatterKind, State, Unary, WindowKind,
};
use dlc_runtime::{HostTensor, Session};
use dlc_tests::cases::{self, Case, batched, fixed, run_all};
use dlc_tests::harness::{load, model_of, program_of};
use dlc_types::DType;
use std::collections::BTreeSet;

#[test]
fn elementwise() {
    run_all(&cases::elementwise::cases());
}

#[test]
fn source() {
    run_all(&cases::source::cases());
}

#[test]
fn movement() {
    run_all(&cases::movement::cases());
}

#[test]
fn reduction() {
    run_all(&cases::reduction::cases());
}

#[test]
fn contraction() {
    run_all(&cases::contraction::cases());
}

#[test]
fn convolution() {
    run_all(&cases::convolution::cases());
}

#[test]
fn window() {
    run_all(&cases::window::cases());
}

#[test]
fn indexing() {
    run_all(&cases::indexing::cases());
}

#[test]
fn normalization() {
    run_all(&cases::normalization::cases());
}

#[test]
fn scan() {
    run_all(&cases::scan::cases());
}

/// What the cases must contain for an op of the table. The match names every variant: a new op fails
/// to build here until somebody says what its cases are.
fn forms(op: &Op) -> Vec<String> {
    let with = |names: Vec<&str>, op: &str| names.into_iter().map(|name| format!("{op}.{name}")).collect();
    match op {
        // These two are tried by `parameters_and_states` below.
        Op::Parameter { .. } | Op::State { .. } => Vec::new(),
        Op::Unary(_) => Unary::ALL.iter().map(|function| function.name().to_owned()).collect(),
        Op::Binary(_) => Binary::ALL.iter().map(|function| function.name().to_owned()).collect(),
        Op::Compare(_) => Comparison::ALL.iter().map(|comparison| comparison.name().to_owned()).collect(),
        Op::ArgReduce { .. } => ArgReduction::ALL.iter().map(|kind| kind.name().to_owned()).collect(),
        Op::Reduce { .. } => with(Reduction::ALL.iter().map(|kind| kind.name()).collect(), "reduce"),
        Op::Cumulative { .. } => with(Reduction::ALL.iter().map(|kind| kind.name()).collect(), "cumulative"),
        Op::Scatter { .. } => with(ScatterKind::ALL.iter().map(|kind| kind.name()).collect(), "scatter"),
        Op::ReduceWindow { .. } => {
            with(WindowKind::ALL.iter().map(|kind| kind.name()).collect(), "reduce_window")
        }
        Op::Input { .. }
        | Op::Constant(_)
        | Op::Iota { .. }
        | Op::Extent(_)
        | Op::Random { .. }
        | Op::Select
        | Op::Cast(_)
        | Op::Bitcast(_)
        | Op::Broadcast { .. }
        | Op::Reshape
        | Op::Transpose { .. }
        | Op::Slice { .. }
        | Op::Pad { .. }
        | Op::Dilate { .. }
        | Op::Reverse { .. }
        | Op::Concat { .. }
        | Op::ArgSort { .. }
        | Op::Contract(_)
        | Op::Convolve(_)
        | Op::WindowArgMax { .. }
        | Op::WindowScatter { .. }
        | Op::Gather { .. }
        | Op::GatherAlong { .. }
        | Op::BatchNorm { .. }
        | Op::Softmax { .. }
        | Op::LogSoftmax { .. }
        | Op::Scan(_)
        | Op::Project(_) => vec![op.name().to_owned()],
    }
}

#[test]
fn every_op_has_cases() {
    let mut found = BTreeSet::new();
    let cases = cases::all();
    for op in cases.iter().flat_map(|case| case.function.nodes.values()).map(|node| &node.op) {
        found.insert(match op {
            Op::Reduce { kind, .. } => format!("reduce.{}", kind.name()),
            Op::Cumulative { kind, .. } => format!("cumulative.{}", kind.name()),
            Op::Scatter { kind, .. } => format!("scatter.{}", kind.name()),
            Op::ReduceWindow { kind, .. } => format!("reduce_window.{}", kind.name()),
            _ => op.name().to_owned(),
        });
    }
    // The table's own text form holds every op; its round trip is tested where it lies.
    let table = dlc_ir::text::parse(include_str!("../../ir/graph/src/text/every_op.txt")).unwrap();
    let wanted: BTreeSet<String> = table.nodes.values().flat_map(|node| forms(&node.op)).collect();
    let missing: Vec<&String> = wanted.difference(&found).collect();
    assert!(missing.is_empty(), "no case has {missing:?}");
    assert!(cases.iter().any(|case| case.function.nodes.values().any(|node| {
        matches!(&node.op, Op::Constant(literal) if matches!(literal.elements, Elements::Bool(_)))
    })));
}

/// Forms that compilation refuses by name so far. Who makes one compile moves it to the cases.
#[test]
fn refused_forms() {
    let along_batch = Case::new("a contraction of i32", |b| {
        let x = b.input("x", batched(DType::I32, &[3, 5]))?;
        let x = b.transpose(x, &[1, 0, 2])?;
        let kernel = b.input("kernel", batched(DType::I32, &[4, 2]))?;
        let kernel = b.transpose(kernel, &[1, 0, 2])?;
        let convolution = Convolution {
            strides: vec![1],
            padding: vec![(0, 0)],
            input_dilation: vec![1],
            kernel_dilation: vec![1],
            groups: 1,
        };
        Ok(vec![b.convolve(x, kernel, convolution)?])
    });
    let error = program_of(&along_batch.function, 1).err().unwrap();
    let refusal = format!("{} is not supported by the compiler yet", along_batch.name);
    assert!(error.contains(&refusal), "{error}");
}

#[test]
fn parameters_and_states() {
    let mut b = Builder::new("predict");
    let weight = b.parameter("weight", fixed(DType::F32, &[2, 3])).unwrap();
    let count = b.state("count", fixed(DType::I64, &[])).unwrap();
    let flags = b.state("flags", fixed(DType::Bool, &[3])).unwrap();
    let turned = b.transpose(weight, &[1, 0]).unwrap();
    for (name, value) in [("weight", weight), ("turned", turned), ("count", count), ("flags", flags)] {
        b.output(OutputRole::Output, name, value);
    }
    let mut model = model_of(&b.finish());
    let zero = Initializer::Constant(0.0);
    let parameter = |name: &str, ty| Parameter {
        name: name.to_owned(),
        ty,
        initializer: zero,
        trainable: true,
        span: None,
    };
    model.parameters = vec![parameter("weight", fixed(DType::F32, &[2, 3]))];
    model.states = [("count", fixed(DType::I64, &[])), ("flags", fixed(DType::Bool, &[3]))]
        .map(|(name, ty)| State { name: name.to_owned(), ty, initializer: zero })
        .to_vec();
    let options = CompileOptions { functions: vec![FunctionKind::Predict], ..CompileOptions::new(1) };
    let program = load(&compile(&model, &options).unwrap()).unwrap();
    let mut session = Session::new(program, 2).unwrap();
    let weight = HostTensor::from_f32(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
    session.set_tensor("weight", &weight).unwrap();
    session.set_scalar_i64("count", -7).unwrap();
    let flags = HostTensor { element: dlc_abi::ElementType::Bool, dims: vec![3], bytes: vec![1, 0, 1] };
    session.set_tensor("flags", &flags).unwrap();
    let (mut plain, mut turned, mut count, mut flags) = ([0; 24], [0; 24], [0; 8], [9; 3]);
    let mut outputs: [(&str, &mut [u8]); 4] =
        [("weight", &mut plain), ("turned", &mut turned), ("count", &mut count), ("flags", &mut flags)];
    session.run("predict", 1, &[], &mut outputs).unwrap();
    let floats = |bytes: &[u8]| -> Vec<f32> {
        bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
    };
    assert_eq!(floats(&plain), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(floats(&turned), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    assert_eq!((i64::from_le_bytes(count), flags), (-7, [1, 0, 1]));
}
