//! Every elementwise function on ordinary and awkward values of every type.

use super::{Case, Tolerance, fixed, floats, integers};
use dlc_interp::{Data, Tensor};
use dlc_ir::{Binary, Comparison, Op, Unary};
use dlc_types::DType;

const FLOATS: [f64; 29] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    3.7,
    1e-3,
    -1e-3,
    1e-7,
    -1e-7,
    1e-20,
    10.0,
    -10.0,
    80.0,
    -80.0,
    100.0,
    -100.0,
    4000.0,
    3e9,
    -3e9,
    3e38,
    -3e38,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];
const WIDE_FLOATS: [f64; 6] = [700.0, -700.0, 1e300, -1e300, 1e19, -1e19];
/// Around the ends of `f16`: subnormal, and on both sides of the way to infinity.
const HALF_FLOATS: [f64; 7] = [6e-8, 3e-8, -1e-5, 6.1e-5, 65504.0, 65519.0, -65520.0];
const INTEGERS: [i64; 11] = [0, 1, -1, 2, -3, 7, 100, -101, i32::MAX as i64, i32::MIN as i64, 46_341];
const WIDE_INTEGERS: [i64; 4] = [i64::MAX, i64::MIN, 1 << 40, (1 << 53) + 1];

/// Functions that lowering makes of others.
const COMPOSED: [Unary; 8] = [
    Unary::Asin,
    Unary::Acos,
    Unary::Atan,
    Unary::Sinh,
    Unary::Cosh,
    Unary::Asinh,
    Unary::Acosh,
    Unary::Atanh,
];

/// All cases of the family.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for &function in Unary::ALL {
        for dtype in DType::ALL {
            cases.extend(unary(function, dtype));
        }
    }
    for dtype in DType::ALL {
        cases.extend(Binary::ALL.iter().filter_map(|&function| binary(function, dtype)));
        cases.extend(Comparison::ALL.iter().filter_map(|&comparison| compare(comparison, dtype)));
        cases.push(select(dtype));
        for to in DType::ALL {
            cases.push(cast(dtype, to));
            cases.extend(bitcast(dtype, to));
        }
    }
    cases
}

fn values(dtype: DType) -> Tensor {
    match dtype {
        DType::F16 => floats(dtype, &[FLOATS.as_slice(), &HALF_FLOATS].concat()),
        DType::F32 | DType::BF16 => floats(dtype, &FLOATS),
        DType::F64 => floats(dtype, &[FLOATS.as_slice(), &WIDE_FLOATS].concat()),
        DType::I32 => integers(dtype, &INTEGERS),
        DType::I64 | DType::U64 => integers(dtype, &[INTEGERS.as_slice(), &WIDE_INTEGERS].concat()),
        DType::U32 => integers(dtype, &[INTEGERS.as_slice(), &[1 << 31, 31, 32]].concat()),
        _ if dtype.is_integer() => {
            let (least, greatest) = dtype.integer_range();
            integers(dtype, &[0, 1, 2, -1, -3, 7, 8, 100, least, greatest, greatest - 1])
        }
        _ => Tensor::new(dtype, &[2], Data::Bool(vec![false, true])).unwrap(),
    }
}

/// Every value with every value.
fn pairs(dtype: DType) -> (Tensor, Tensor) {
    let values = values(dtype);
    let count = values.data.len();
    let pick = |index: &dyn Fn(usize) -> usize| {
        let places = (0..count * count).map(index);
        let data = match &values.data {
            Data::Float(values) => Data::Float(places.map(|place| values[place]).collect()),
            Data::Int(values) => Data::Int(places.map(|place| values[place]).collect()),
            Data::Bool(values) => Data::Bool(places.map(|place| values[place]).collect()),
        };
        Tensor::new(dtype, &[count * count], data).unwrap()
    };
    (pick(&|place| place / count), pick(&|place| place % count))
}

/// Bounds that the approximations state, doubled.
fn tolerance(dtype: DType, absolute: f64) -> Tolerance {
    match dtype {
        DType::F64 => Tolerance::Each(2e-15, absolute * 8e-16),
        _ => Tolerance::Each(5e-7, absolute * 2.4e-7),
    }
}

fn unary(function: Unary, dtype: DType) -> Option<Case> {
    let mut x = values(dtype);
    let turns = matches!(function, Unary::Sin | Unary::Cos | Unary::Tan);
    if let (Data::Float(values), true) = (&mut x.data, turns) {
        // Beyond, the error grows with the argument.
        values.iter_mut().filter(|value| value.is_finite()).for_each(|value| *value = value.clamp(-8e3, 8e3));
    }
    let ty = fixed(dtype, &x.dims);
    let case = Case::fitting(&format!("{} of {dtype}", function.name()), |b| {
        let x = b.input("x", ty)?;
        Ok(vec![b.unary(function, x)?])
    });
    // The series of the error function cancels near its ends in the oracle itself.
    let absolute = if turns { 1.0 } else { 0.0 };
    let tolerance = match (function, dtype) {
        // The errors of sine and cosine are absolute, and a quotient by a small cosine multiplies them.
        (Unary::Tan, DType::F64) => Tolerance::Each(2e-14, 8e-16),
        (Unary::Tan, _) => Tolerance::Each(5e-6, 2.4e-7),
        // Twice the error of an exponential, or of two roots and a quotient.
        _ if COMPOSED.contains(&function) => match dtype {
            DType::F64 => Tolerance::Each(4e-15, 0.0),
            _ => Tolerance::Each(1e-6, 0.0),
        },
        _ => tolerance(dtype, absolute),
    };
    Some(case.ok()?.fed("x", x).within(tolerance))
}

fn binary(function: Binary, dtype: DType) -> Option<Case> {
    let (x, y) = pairs(dtype);
    let ty = fixed(dtype, &x.dims);
    let case = Case::fitting(&format!("{} of {dtype}", function.name()), |b| {
        let (x, y) = (b.input("x", ty.clone())?, b.input("y", ty)?);
        Ok(vec![b.binary(function, x, y)?])
    });
    let tolerance = match (function, dtype) {
        // Relative error of 2^-52 (1 + |b log a|); the largest product here is about 710.
        (Binary::Power, DType::F64) => Tolerance::Each(4e-13, 0.0),
        _ => tolerance(dtype, 0.0),
    };
    Some(case.ok()?.fed("x", x).fed("y", y).within(tolerance))
}

fn compare(comparison: Comparison, dtype: DType) -> Option<Case> {
    let (x, y) = pairs(dtype);
    let ty = fixed(dtype, &x.dims);
    let case = Case::fitting(&format!("{} of {dtype}", comparison.name()), |b| {
        let (x, y) = (b.input("x", ty.clone())?, b.input("y", ty)?);
        Ok(vec![b.compare(comparison, x, y)?])
    });
    Some(case.ok()?.fed("x", x).fed("y", y))
}

fn select(dtype: DType) -> Case {
    let (x, y) = pairs(dtype);
    let ty = fixed(dtype, &x.dims);
    let case = Case::new(format!("select of {dtype}"), |b| {
        let condition = b.input("condition", fixed(DType::Bool, &x.dims))?;
        let (x, y) = (b.input("x", ty.clone())?, b.input("y", ty)?);
        Ok(vec![b.select(condition, x, y)?])
    });
    case.fed("x", x).fed("y", y).within(Tolerance::Each(0.0, 0.0))
}

fn bitcast(from: DType, to: DType) -> Option<Case> {
    let x = values(from);
    let case = Case::fitting(&format!("bitcast of {from} to {to}"), |b| {
        let x = b.input("x", fixed(from, &x.dims))?;
        Ok(vec![b.add_node(Op::Bitcast(to), &[x])?])
    });
    // Of a NaN no more is kept than that it is one, and the numbers that are flushed have no bits to keep.
    let mut x = x;
    if let Data::Float(values) = &mut x.data {
        values.iter_mut().for_each(|value| *value = if value.is_nan() { 1.0 } else { *value });
    }
    Some(case.ok()?.fed("x", x).within(Tolerance::Each(0.0, 0.0)))
}

fn cast(from: DType, to: DType) -> Case {
    let x = values(from);
    let case = Case::new(format!("cast of {from} to {to}"), |b| {
        let x = b.input("x", fixed(from, &x.dims))?;
        Ok(vec![b.cast(x, to)?])
    });
    case.fed("x", x).within(Tolerance::Each(0.0, 0.0))
}
