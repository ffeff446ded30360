//! Every scalar operation on awkward values, as vectors, as scalars and in tails.

use crate::build::{at, buffer, check, kernel, lanes, load, op, store};
use crate::machine::Machine;
use dlc_codegen_clif::ClifError;
use dlc_kernel::{Affine, Binary, Comparison, ScalarOp, Statement, Unary};
use dlc_types::{DType, Dim};

const FLOATS: [f64; 25] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    3.75,
    -7.25,
    1e-3,
    -1e-3,
    12.0,
    -12.0,
    100.0,
    -100.0,
    1e10,
    -1e10,
    3e38,
    -3e38,
    1e-40,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

fn awkward(dtype: DType) -> Vec<f64> {
    match dtype {
        DType::Bool => vec![0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0],
        DType::I32 => {
            [0, 1, -1, 2, -7, 100, i32::MAX, i32::MIN, i32::MIN + 1, 16_777_217].map(f64::from).to_vec()
        }
        DType::I64 => vec![0.0, 1.0, -1.0, 7.0, -9.0, 4_294_967_296.0, -9e15, i64::MIN as f64],
        _ => FLOATS.to_vec(),
    }
}

/// All pairs of awkward values.
fn pairs(a: DType, b: DType) -> (Vec<f64>, Vec<f64>) {
    let mut lists = (Vec::new(), Vec::new());
    for &x in &awkward(a) {
        for &y in &awkward(b) {
            lists.0.push(x);
            lists.1.push(y);
        }
    }
    lists
}

/// Result `o[i] = op(a[i], b[i], …)`, in lanes or one after the other.
fn map(scalar: ScalarOp, result: DType, args: &[DType], length: usize, in_lanes: bool) -> dlc_kernel::Kernel {
    let mut dtypes = args.to_vec();
    dtypes.push(result);
    let mut body: Vec<Statement> = (0..args.len()).map(|number| load(number, number, at(1))).collect();
    let operands: Vec<usize> = (0..args.len()).collect();
    body.push(op(9, result, scalar, &operands));
    body.push(store(args.len(), at(1), 9));
    let mut nest = lanes(1, Affine::constant(length as i64), body);
    nest.lanes = in_lanes;
    kernel(&dtypes, &[Dim::Fixed(1)], &[0], vec![Statement::For(nest)])
}

fn check_map(scalar: ScalarOp, result: DType, args: &[DType], lists: &[Vec<f64>], tolerance: f64) {
    let length = lists[0].len();
    let mut buffers: Vec<Vec<u8>> =
        args.iter().zip(lists).map(|(&dtype, list)| buffer(dtype, list)).collect();
    buffers.push(vec![0; length * result.size()]);
    for in_lanes in [true, false] {
        check(&map(scalar, result, args, length, in_lanes), 1, &buffers, tolerance);
    }
}

const ALL: [DType; 5] = [DType::F32, DType::F64, DType::I32, DType::I64, DType::Bool];

#[test]
fn unary_operations() {
    for dtype in ALL {
        for &unary in Unary::ALL {
            let allowed = match dtype {
                DType::Bool => unary == Unary::Not,
                DType::I32 | DType::I64 => matches!(
                    unary,
                    Unary::Negate
                        | Unary::Abs
                        | Unary::Sign
                        | Unary::Relu
                        | Unary::Floor
                        | Unary::Ceil
                        | Unary::Round
                ),
                _ => unary != Unary::Not,
            };
            if !allowed {
                let kernel = map(ScalarOp::Unary(unary), dtype, &[dtype], 9, true);
                assert!(matches!(Machine::new(&kernel, true), Err(ClifError::UnsupportedOp { .. })));
                continue;
            }
            let mut values = awkward(dtype);
            if matches!(unary, Unary::Sin | Unary::Cos) {
                values.retain(|value| !value.is_finite() || value.abs() <= 8192.0);
            }
            let tolerance = if dtype == DType::F64 { 2e-15 } else { 4e-7 };
            check_map(ScalarOp::Unary(unary), dtype, &[dtype], &[values], tolerance);
        }
    }
}

#[test]
fn binary_operations() {
    for dtype in ALL {
        for &binary in Binary::ALL {
            let allowed = match dtype {
                DType::Bool => matches!(binary, Binary::And | Binary::Or),
                DType::I32 | DType::I64 => !matches!(binary, Binary::Power | Binary::And | Binary::Or),
                _ => !matches!(binary, Binary::And | Binary::Or),
            };
            if !allowed {
                continue;
            }
            let (a, b) = pairs(dtype, dtype);
            let tolerance = if dtype == DType::F32 { 2e-7 } else { 2e-13 };
            check_map(ScalarOp::Binary(binary), dtype, &[dtype, dtype], &[a, b], tolerance);
        }
    }
}

#[test]
fn comparisons_and_selects() {
    for dtype in ALL {
        let (a, b) = pairs(dtype, dtype);
        for &comparison in Comparison::ALL {
            check_map(
                ScalarOp::Compare(comparison),
                DType::Bool,
                &[dtype, dtype],
                &[a.clone(), b.clone()],
                0.0,
            );
        }
        let condition: Vec<f64> = (0..a.len()).map(|number| f64::from(number % 3 == 0)).collect();
        check_map(ScalarOp::Select, dtype, &[DType::Bool, dtype, dtype], &[condition, a, b], 0.0);
    }
}

#[test]
fn casts() {
    for from in ALL {
        for to in ALL {
            check_map(ScalarOp::Cast, to, &[from], &[awkward(from)], 1e-7);
        }
    }
}

#[test]
fn multiply_add_takes_three_floats() {
    for dtype in [DType::F32, DType::F64] {
        let (a, b) = pairs(dtype, dtype);
        let c: Vec<f64> = (0..a.len()).map(|number| number as f64 - 300.0).collect();
        check_map(ScalarOp::FusedMultiplyAdd, dtype, &[dtype; 3], &[a, b, c], 1e-6);
    }
}

#[test]
fn random_numbers_are_those_of_the_oracle() {
    let seed: Vec<f64> = (0..19).map(|number| f64::from(number) * 4_294_967_296.5 - 3.0).collect();
    let step: Vec<f64> = (0..19).map(|number| f64::from(number * 1_000_003 - 5)).collect();
    let index: Vec<f64> = (0..19).map(|number| f64::from(number) * 3_000_000_001.0).collect();
    let op = ScalarOp::Random { stream: 0xFEDC_BA98 };
    check_map(op, DType::F32, &[DType::I64, DType::I32, DType::I64], &[seed, step, index], 0.0);
}

#[test]
fn sources_in_every_type() {
    for dtype in ALL {
        let sources = [
            ScalarOp::Constant(2.5),
            ScalarOp::Constant(-3.0),
            ScalarOp::Integer(-7),
            ScalarOp::Extent(Dim::Batch(3)),
            ScalarOp::Index(crate::build::i(1)),
        ];
        for source in sources {
            check_map(source, dtype, &[], &[vec![0.0; 11]], 1e-7);
        }
    }
}

#[test]
fn types_without_a_machine_form_are_named() {
    for dtype in
        [DType::F16, DType::BF16, DType::I8, DType::U8, DType::I16, DType::U16, DType::U32, DType::U64]
    {
        let kernel = map(ScalarOp::Cast, dtype, &[dtype], 4, true);
        let error = Machine::new(&kernel, true).err().unwrap();
        assert!(error.to_string().contains(dtype.name()), "{error}");
    }
}
