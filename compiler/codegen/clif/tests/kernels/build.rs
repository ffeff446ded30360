//! Short forms for kernels, buffers and comparisons.

use crate::evaluator::{Evaluator, Number, read, write};
use crate::machine::Machine;
use dlc_kernel::{Affine, Body, IndexVar, Kernel, Loop, LoopBody, Operand, ScalarOp, Statement, Var};
use dlc_types::index::EntityIndex;
use dlc_types::random::Stream;
use dlc_types::{DType, Dim};

pub fn v(number: usize) -> Var {
    Var::from_usize(number)
}

pub fn i(number: usize) -> IndexVar {
    IndexVar::from_usize(number)
}

pub fn at(number: usize) -> Affine {
    Affine::var(i(number))
}

/// `sum of coefficient * variable + constant`
pub fn sum(terms: &[(usize, i64)], constant: i64) -> Affine {
    let mut form = Affine::constant(constant);
    for &(var, coefficient) in terms {
        form.add_term(i(var), coefficient);
    }
    form
}

pub fn load(result: usize, operand: usize, index: Affine) -> Statement {
    Statement::Load { result: v(result), operand, index, guard: None }
}

pub fn store(operand: usize, index: Affine, value: usize) -> Statement {
    Statement::Store { operand, index, value: v(value) }
}

pub fn op(result: usize, dtype: DType, op: ScalarOp, args: &[usize]) -> Statement {
    Statement::Let { result: v(result), dtype, op, args: args.iter().map(|&arg| v(arg)).collect() }
}

pub fn lanes(var: usize, end: Affine, body: Vec<Statement>) -> Loop {
    Loop { var: i(var), start: Affine::default(), end, lanes: true, carries: Vec::new(), body }
}

/// A loop kernel with operands of these types.
pub fn kernel(dtypes: &[DType], space: &[Dim], coordinates: &[usize], statements: Vec<Statement>) -> Kernel {
    let operands = dtypes
        .iter()
        .enumerate()
        .map(|(number, &dtype)| Operand { name: format!("o{number}"), dtype, writes: true, reads: true })
        .collect();
    let coordinates = coordinates.iter().map(|&var| i(var)).collect();
    Kernel {
        name: "test".into(),
        operands,
        space: space.to_vec(),
        body: Body::Loop(LoopBody { coordinates, statements }),
    }
}

/// A buffer of numbers.
pub fn buffer(dtype: DType, numbers: &[f64]) -> Vec<u8> {
    let mut bytes = vec![0; numbers.len() * dtype.size()];
    for (index, &number) in numbers.iter().enumerate() {
        let number = if dtype.is_float() { Number::Float(number) } else { Number::Integer(number as i128) };
        write(&mut bytes, dtype, index, number);
    }
    bytes
}

/// A buffer of small random numbers.
pub fn noise(dtype: DType, count: usize, seed: u64) -> Vec<u8> {
    let mut stream = Stream::new(seed, 1, 1);
    let numbers: Vec<f64> = (0..count)
        .map(|_| match dtype {
            DType::Bool => f64::from(stream.below(2)),
            _ if dtype.is_float() => f64::from(stream.unit()) * 2.0 - 1.0,
            _ => f64::from(stream.below(41)) - 20.0,
        })
        .collect();
    buffer(dtype, &numbers)
}

/// Whether two numbers agree: exactly, as NaN, or within a relative or absolute tolerance.
pub fn agree(a: f64, b: f64, tolerance: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * (1.0 + a.abs().max(b.abs()))
}

/// Runs a kernel both ways and compares all operands.
pub fn check_with(kernel: &Kernel, batch: i64, buffers: &[Vec<u8>], tolerance: f64, fused: bool) {
    let mut expected = buffers.to_vec();
    Evaluator::run(kernel, batch, &mut expected);
    let machine = Machine::new(kernel, fused).unwrap();
    let total: i64 = kernel.space.iter().map(|dim| dim.at(batch as usize) as i64).product();
    // In one go, and in pieces as threads would take it.
    for cuts in [vec![0, total], vec![0, total / 3, total / 3, total / 2, total]] {
        let mut actual = buffers.to_vec();
        for pair in cuts.windows(2) {
            machine.run(batch, pair[0], pair[1], &mut actual);
        }
        for (number, operand) in kernel.operands.iter().enumerate() {
            for index in 0..actual[number].len() / operand.dtype.size() {
                let a = read(&actual[number], operand.dtype, index);
                let e = read(&expected[number], operand.dtype, index);
                let same = match (a, e) {
                    (Number::Integer(a), Number::Integer(e)) => a == e,
                    (a, e) => agree(a.float(), e.float(), tolerance),
                };
                assert!(same, "operand {number}, element {index}: {a:?}, expected {e:?}, in {kernel:#?}");
            }
        }
    }
}

/// Runs a kernel both ways, with fused multiply-add and without.
pub fn check(kernel: &Kernel, batch: i64, buffers: &[Vec<u8>], tolerance: f64) {
    check_with(kernel, batch, buffers, tolerance, true);
    check_with(kernel, batch, buffers, tolerance, false);
}
