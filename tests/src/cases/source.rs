//! Ops without tensor operands: constants, counters, extents, random numbers.

use super::{Case, Tolerance, batched, fixed, integers};
use dlc_interp::Tensor;
use dlc_ir::literal::Elements;
use dlc_ir::{Literal, Op};
use dlc_types::{DType, Dim, Shape, TensorType};

/// All cases of the family.
pub fn cases() -> Vec<Case> {
    let mut cases = constants();
    for dtype in DType::ALL.into_iter().filter(|&dtype| dtype != DType::Bool) {
        cases.push(Case::new(format!("iota of {dtype}"), |b| {
            (0..3).map(|axis| b.declare(Op::Iota { axis }, &[], batched(dtype, &[3, 5]))).collect()
        }));
        cases.push(Case::new(format!("extent of {dtype}"), |b| {
            Ok(vec![
                b.extent(Dim::N, dtype)?,
                b.extent(Dim::Batch(6), dtype)?,
                b.extent(Dim::Fixed(7), dtype)?,
            ])
        }));
    }
    for rest in [vec![], vec![1], vec![3, 5], vec![130]] {
        for (seed, step) in [(0, 0), (-1, 3), (1 << 40, i64::from(i32::MAX))] {
            cases.push(random(&rest, seed, step));
        }
    }
    cases
}

fn constants() -> Vec<Case> {
    let truths = [true, false, false, true, true, false];
    let bools = Literal { ty: fixed(DType::Bool, &[2, 3]), elements: Elements::Bool(truths.to_vec()) };
    let literals = [
        Literal::floats(DType::F32, &[2, 3], &[0.1, -0.0, f64::INFINITY, f64::NAN, 1e30, -2.5]),
        Literal::floats(DType::F64, &[6], &[0.1, -0.0, f64::INFINITY, f64::NAN, 1e300, -2.5]),
        Literal::ints(DType::I32, &[3, 2, 1], &[0, -1, 7, i64::from(i32::MIN), i64::from(i32::MAX), 5]),
        Literal::ints(DType::I64, &[6], &[0, -1, 7, i64::MIN, i64::MAX, 1 << 40]),
        Literal::floats(DType::F16, &[6], &[0.1, -0.0, f64::INFINITY, f64::NAN, 6e-8, -65504.0]),
        Literal::floats(DType::BF16, &[6], &[0.1, -0.0, f64::INFINITY, f64::NAN, 1e30, -2.5]),
        Literal::ints(DType::I8, &[4], &[0, -128, 127, 5]),
        Literal::ints(DType::U8, &[4], &[0, 255, 128, 5]),
        Literal::ints(DType::I16, &[4], &[0, -32768, 32767, 5]),
        Literal::ints(DType::U16, &[4], &[0, 65535, 32768, 5]),
        Literal::ints(DType::U32, &[4], &[0, 4_294_967_295, 1 << 31, 5]),
        Literal::ints(DType::U64, &[4], &[0, -1, i64::MIN, 5]),
        Literal::scalar(DType::F16, 0.3),
        Literal::scalar(DType::U8, 200.0),
        Literal::ints(DType::U64, &[], &[-2]),
        Literal::scalar(DType::F32, 0.3),
        Literal::scalar(DType::I64, -4.0),
        Literal::scalar(DType::Bool, 1.0),
        bools,
    ];
    let literals = literals.into_iter().map(|literal| {
        let name = format!("constant {}", literal.ty);
        Case::new(name, |b| {
            let value = b.constant(literal)?;
            let wide = Shape([&[Dim::N], b.shape(value).dims()].concat());
            let axes: Vec<usize> = (1..wide.rank()).collect();
            Ok(vec![value, b.broadcast(value, wide, &axes)?])
        })
        .within(Tolerance::Each(0.0, 0.0))
    });
    literals.collect()
}

fn random(rest: &[usize], seed: i64, step: i64) -> Case {
    let scalar = |vector: Tensor| Tensor { dims: Vec::new(), ..vector };
    let case = Case::new(format!("random numbers {rest:?}, seed {seed}, step {step}"), |b| {
        let seed = b.input("seed", TensorType::scalar(DType::I64))?;
        let step = b.input("step", TensorType::scalar(DType::I32))?;
        (0..2)
            .map(|stream| b.declare(Op::Random { stream }, &[seed, step], batched(DType::F32, rest)))
            .collect()
    });
    case.fed("seed", scalar(integers(DType::I64, &[seed])))
        .fed("step", scalar(integers(DType::I32, &[step])))
        .within(Tolerance::Each(0.0, 0.0))
}
