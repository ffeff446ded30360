//! Every scalar operation on awkward values, as vectors, as scalars and in tails.

use crate::build::{at, buffer, check, check_with, kernel, lanes, load, op, store};
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
        DType::U32 => vec![0.0, 1.0, 2.0, 7.0, 31.0, 100.0, 2_147_483_648.0, 4_294_967_295.0, 16_777_217.0],
        DType::U64 => vec![0.0, 1.0, 7.0, 4_294_967_296.0, 9_223_372_036_854_775_808.0, u64::MAX as f64],
        DType::I8 => [0, 1, -1, 2, -7, 100, 127, -128, 64, 5].map(f64::from).to_vec(),
        DType::U8 => [0, 1, 2, 7, 100, 127, 128, 255, 64].map(f64::from).to_vec(),
        DType::I16 => [0, 1, -1, 255, 256, -300, 32_767, -32_768, 12].map(f64::from).to_vec(),
        DType::U16 => [0, 1, 255, 256, 32_768, 65_535, 12, 2049].map(f64::from).to_vec(),
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
    // Where the target cannot multiply and add in one rounding, remainders of `f64` are not exact.
    let fused_only = scalar == ScalarOp::Binary(Binary::Remainder) && result == DType::F64;
    let length = lists[0].len();
    let mut buffers: Vec<Vec<u8>> =
        args.iter().zip(lists).map(|(&dtype, list)| buffer(dtype, list)).collect();
    buffers.push(vec![0; length * result.size()]);
    for in_lanes in [true, false] {
        let kernel = map(scalar, result, args, length, in_lanes);
        if fused_only {
            check_with(&kernel, 1, &buffers, tolerance, true);
        } else {
            check(&kernel, 1, &buffers, tolerance);
        }
    }
}

/// The types that there is arithmetic on.
fn computed() -> impl Iterator<Item = DType> {
    DType::ALL.into_iter().filter(|dtype| !dtype.is_narrow())
}

#[test]
fn unary_operations() {
    for dtype in computed() {
        for &unary in Unary::ALL {
            let allowed = match dtype {
                DType::Bool => unary == Unary::Not,
                _ if dtype.is_integer() => matches!(
                    unary,
                    Unary::Not
                        | Unary::Negate
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
    for dtype in computed() {
        for &binary in Binary::ALL {
            let allowed = match dtype {
                DType::Bool => matches!(binary, Binary::And | Binary::Or | Binary::Xor),
                _ if dtype.is_integer() => true,
                _ => !matches!(
                    binary,
                    Binary::And | Binary::Or | Binary::Xor | Binary::ShiftLeft | Binary::ShiftRight
                ),
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
    for dtype in DType::ALL {
        let (a, b) = pairs(dtype, dtype);
        for &comparison in Comparison::ALL.iter().filter(|_| !dtype.is_narrow()) {
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
    for from in DType::ALL {
        for to in DType::ALL {
            // Exactly: a kernel rounds where the oracle does.
            check_map(ScalarOp::Cast, to, &[from], &[awkward(from)], 0.0);
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
    for dtype in DType::ALL {
        let sources = [
            ScalarOp::Constant(2.5),
            ScalarOp::Constant(-3.0),
            ScalarOp::Integer(-7),
            ScalarOp::Extent(Dim::Batch(3)),
            ScalarOp::Index(crate::build::i(1)),
        ];
        let counts = |source: &ScalarOp| matches!(source, ScalarOp::Extent(_) | ScalarOp::Index(_));
        for source in sources.into_iter().filter(|source| !dtype.is_narrow() || !counts(source)) {
            // A negative number is none of an unsigned type.
            if !(dtype.is_unsigned() && source == ScalarOp::Integer(-7)) {
                check_map(source, dtype, &[], &[vec![0.0; 11]], 1e-7);
            }
        }
    }
}

#[test]
fn arithmetic_on_narrow_types_is_refused() {
    for dtype in DType::ALL.into_iter().filter(|dtype| dtype.is_narrow()) {
        let kernel = map(ScalarOp::Binary(Binary::Add), dtype, &[dtype; 2], 4, true);
        let error = Machine::new(&kernel, true).err().unwrap();
        assert!(error.to_string().contains(dtype.name()), "{error}");
    }
}

/// Every number of the 16-bit floats, what lies between each two of them, and much that lies elsewhere.
#[test]
fn halves_are_converted_exactly() {
    let bits: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    let mut wide: Vec<u32> = (0..1 << 16).map(|number: u32| number.wrapping_mul(0x9E37_79B9)).collect();
    for half in 0..0x7C00_u16 {
        let value = dlc_types::element::f16_to_f32(half).to_bits();
        for near in [value, value + 0xFFF, value + 0x1000, value + 0x1001] {
            wide.extend([near, near | 1 << 31]);
        }
        let middle = (dlc_types::element::f16_to_f32(half) + dlc_types::element::f16_to_f32(half + 1)) / 2.0;
        wide.extend([middle.to_bits(), middle.to_bits() - 1, middle.to_bits() + 1]);
        wide.extend([0x7FFF, 0x8000, 0x8001].map(|low| u32::from(half) << 16 | low));
    }
    // Numbers that the runtime's mode flushes are no part of the contract.
    wide.retain(|&bits| !f32::from_bits(bits).is_subnormal());
    let wide: Vec<u8> = wide.into_iter().flat_map(u32::to_le_bytes).collect();
    for half in [DType::F16, DType::BF16] {
        for in_lanes in [true, false] {
            let up = map(ScalarOp::Cast, DType::F32, &[half], bits.len() / 2, in_lanes);
            check(&up, 1, &[bits.clone(), vec![0; 2 * bits.len()]], 0.0);
            let down = map(ScalarOp::Cast, half, &[DType::F32], wide.len() / 4, in_lanes);
            check(&down, 1, &[wide.clone(), vec![0; wide.len() / 2]], 0.0);
        }
    }
}
