//! The stated bounds of the elementary functions, over their whole ranges.

use crate::build::{at, buffer, kernel, lanes, load, op, store};
use crate::evaluator::{read, unary};
use crate::machine::Machine;
use dlc_kernel::{Affine, Binary, ScalarOp, Statement, Unary};
use dlc_types::{DType, Dim};

fn run(dtype: DType, scalar: ScalarOp, inputs: &[Vec<f64>], fused: bool) -> Vec<f64> {
    let mut body: Vec<Statement> = (0..inputs.len()).map(|number| load(number, number, at(1))).collect();
    body.push(op(9, dtype, scalar, &(0..inputs.len()).collect::<Vec<_>>()));
    body.push(store(inputs.len(), at(1), 9));
    let nest = lanes(1, Affine::extent(Dim::N), body);
    let kernel = kernel(&vec![dtype; inputs.len() + 1], &[], &[], vec![Statement::For(nest)]);
    let count = inputs[0].len();
    let mut buffers: Vec<Vec<u8>> = inputs.iter().map(|list| buffer(dtype, list)).collect();
    buffers.push(vec![0; count * dtype.size()]);
    Machine::new(&kernel, fused).unwrap().run(count as i64, 0, 1, &mut buffers);
    (0..count).map(|index| read(&buffers[inputs.len()], dtype, index).float()).collect()
}

/// The distance of neighbouring `f32` numbers at `x`.
fn ulp(x: f64) -> f64 {
    let exponent = x.abs().log2().floor().clamp(-126.0, 127.0);
    2.0_f64.powf(exponent - 23.0)
}

/// `f32` numbers of both signs and all exponents in a range.
fn sweep(low: f32, high: f32) -> Vec<f64> {
    let mut numbers = Vec::new();
    for bits in (0..0x7F80_0000_u32).step_by(5003) {
        let x = f32::from_bits(bits);
        numbers.extend([x, -x].into_iter().filter(|x| (low..=high).contains(x)).map(f64::from));
    }
    let steps = 100_000;
    numbers.extend((0..=steps).map(|step| f64::from(low + (high - low) * step as f32 / steps as f32)));
    numbers
}

fn worst(function: Unary, low: f32, high: f32, fused: bool) -> (f64, f64) {
    let inputs = sweep(low, high);
    let inputs: Vec<f64> = inputs.into_iter().map(|x| f64::from(x as f32)).collect();
    let outputs = run(DType::F32, ScalarOp::Unary(function), std::slice::from_ref(&inputs), fused);
    let mut worst = (0.0, 0.0);
    for (&x, y) in inputs.iter().zip(outputs) {
        let exact = unary(function, x);
        let error = if f64::from(exact as f32) == y { 0.0 } else { (y - exact).abs() / ulp(exact) };
        assert!(!error.is_nan(), "{}({x:e}) = {y}, expected {exact}", function.name());
        if error > worst.0 {
            worst = (error, x);
        }
    }
    worst
}

#[test]
fn single_precision_bounds() {
    for (function, low, high, bound) in [
        (Unary::Exp, -110.0, 90.0, 2.0),
        (Unary::Log, 0.0, f32::MAX, 2.0),
        (Unary::LogOnePlus, -1.0, f32::MAX, 2.0),
        (Unary::Tanh, -20.0, 20.0, 3.0),
        (Unary::Sigmoid, -110.0, 110.0, 3.0),
        (Unary::Erf, -6.0, 6.0, 3.0),
    ] {
        for fused in [true, false] {
            let (error, x) = worst(function, low, high, fused);
            println!("{} {error:.2} ulp at {x:e}", function.name());
            assert!(error <= bound, "{} is {error} ulp off at {x:e}", function.name());
        }
    }
}

#[test]
fn trigonometry_is_within_one_ulp_of_one() {
    for function in [Unary::Sin, Unary::Cos] {
        for fused in [true, false] {
            let inputs = sweep(-8192.0, 8192.0);
            let inputs: Vec<f64> = inputs.into_iter().map(|x| f64::from(x as f32)).collect();
            let outputs = run(DType::F32, ScalarOp::Unary(function), std::slice::from_ref(&inputs), fused);
            for (&x, y) in inputs.iter().zip(outputs) {
                let error = (y - unary(function, x)).abs();
                assert!(error <= 2.0_f64.powi(-23), "{}({x:e}) is {error:e} off", function.name());
            }
        }
    }
}

#[test]
fn double_precision_bounds() {
    for (function, low, high, bound) in [
        (Unary::Exp, -700.0, 700.0, 1e-15),
        (Unary::Log, 1e-300, 1e300, 1e-15),
        (Unary::LogOnePlus, -0.999, 1e6, 1e-15),
        (Unary::Tanh, -20.0, 20.0, 2e-15),
        (Unary::Sigmoid, -600.0, 600.0, 2e-15),
        (Unary::Erf, -6.0, 6.0, 1e-14),
    ] {
        let inputs: Vec<f64> =
            (0..=40_000).map(|step| low + (high - low) * f64::from(step) / 40_000.0).collect();
        let outputs = run(DType::F64, ScalarOp::Unary(function), std::slice::from_ref(&inputs), true);
        for (&x, y) in inputs.iter().zip(outputs) {
            let exact = unary(function, x);
            let error = if exact == y { 0.0 } else { ((y - exact) / exact).abs() };
            assert!(error <= bound, "{}({x:e}) = {y:e} is {error:e} off {exact:e}", function.name());
        }
    }
    for function in [Unary::Sin, Unary::Cos] {
        let inputs: Vec<f64> = (0..=40_000).map(|step| f64::from(step) * 13.1 - 262_000.0).collect();
        let outputs = run(DType::F64, ScalarOp::Unary(function), std::slice::from_ref(&inputs), true);
        for (&x, y) in inputs.iter().zip(outputs) {
            let error = (y - unary(function, x)).abs();
            assert!(error <= 2.3e-16, "{}({x:e}) is {error:e} off", function.name());
        }
    }
}

#[test]
fn powers() {
    let mut a = Vec::new();
    let mut b = Vec::new();
    for x in
        [0.0, -0.0, 1.0, -1.0, 0.3, -0.3, 2.0, -2.0, 1e-30, 7e20, f64::INFINITY, f64::NEG_INFINITY, f64::NAN]
    {
        for y in [0.0, 1.0, -1.0, 2.0, 3.0, -3.0, 0.5, -0.5, 1e3, f64::INFINITY, f64::NEG_INFINITY, f64::NAN]
        {
            a.push(f64::from(x as f32));
            b.push(y);
        }
    }
    for step in 0..20_000 {
        a.push(f64::from((f64::from(step) * 0.01 + 1e-3) as f32));
        b.push(f64::from((f64::from(step % 71) * 0.37 - 13.0) as f32));
    }
    for (dtype, relative) in [(DType::F32, 0.0), (DType::F64, 2.5e-16)] {
        let results = run(dtype, ScalarOp::Binary(Binary::Power), &[a.clone(), b.clone()], true);
        for ((&x, &y), result) in a.iter().zip(&b).zip(results) {
            let exact = x.powf(y);
            let bound = if dtype == DType::F32 {
                ulp(exact)
            } else {
                relative * (1.0 + (y * x.abs().ln()).abs()) * exact.abs()
            };
            let same =
                result == exact || (result.is_nan() && exact.is_nan()) || f64::from(exact as f32) == result;
            assert!(same || (result - exact).abs() <= bound, "{x}^{y} = {result:e}, expected {exact:e}");
        }
    }
}
