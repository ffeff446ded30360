//! The stated bounds of the elementary functions in wide vectors, over their whole ranges.

use crate::guarded::{Guarded, Side};
use crate::loops::kernel;
use crate::machine::Machine;
use crate::results::levels;
use dlc_codegen_x86::{Level, build_kernel};

fn text(function: &str) -> String {
    format!(
        "kernel \"{function}\" (x: f32 read, y: f32 write) space [] {{
           lanes for i0 in 0 .. N {{
             v0 = load x[i0]
             v1: f32 = {function} v0
             store y[i0] = v1
           }}
         }}"
    )
}

fn run(machine: &Machine, inputs: &[f32]) -> Vec<f32> {
    let x = Guarded::new(inputs, Side::Back);
    let mut y = Guarded::new(&vec![0.0; inputs.len()], Side::Back);
    machine.run(inputs.len() as i64, 0, 1, &[x.pointer(), y.pointer()]);
    y.elements_mut().to_vec()
}

fn wide(function: &str, level: Level) -> Machine {
    let bytes = build_kernel(&kernel(&text(function)), level).unwrap();
    Machine::of_bytes(&bytes.unwrap_or_else(|| panic!("{function} has no wide form")))
}

/// The distance of neighbouring `f32` numbers at `x`.
fn ulp(x: f64) -> f64 {
    let exponent = x.abs().log2().floor().clamp(-126.0, 127.0);
    2.0_f64.powf(exponent - 23.0)
}

/// `f32` numbers of both signs and all exponents in a range, and a dense row of them.
fn sweep(low: f32, high: f32) -> Vec<f32> {
    let mut numbers = Vec::new();
    for bits in (0..0x7F80_0000_u32).step_by(5003) {
        let x = f32::from_bits(bits);
        numbers.extend([x, -x].into_iter().filter(|x| (low..=high).contains(x)));
    }
    let steps = 100_000;
    numbers.extend((0..=steps).map(|step| low + (high - low) * step as f32 / steps as f32));
    numbers
}

/// The error function by its series, and by the continued fraction of its complement further out.
fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a > 6.0 {
        return x.signum();
    }
    if a < 2.5 {
        let (mut term, mut sum) = (x, x);
        for n in 1..120 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        return sum * std::f64::consts::FRAC_2_SQRT_PI;
    }
    let mut fraction = 0.0;
    for n in (1..200).rev() {
        fraction = f64::from(n) / 2.0 / (a + fraction);
    }
    let complement = (-a * a).exp() / (a + fraction) / std::f64::consts::PI.sqrt();
    x.signum() * (1.0 - complement)
}

fn sigmoid(x: f64) -> f64 {
    if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
}

#[test]
fn bounds_in_units_in_the_last_place() {
    type Exact = fn(f64) -> f64;
    let functions: [(&str, Exact, f32, f32, f64); 6] = [
        ("exp", f64::exp, -110.0, 90.0, 2.0),
        ("log", f64::ln, 0.0, f32::MAX, 2.0),
        ("log1p", f64::ln_1p, -1.0, f32::MAX, 2.0),
        ("tanh", f64::tanh, -20.0, 20.0, 3.0),
        ("sigmoid", sigmoid, -110.0, 110.0, 3.0),
        ("erf", erf, -6.0, 6.0, 3.0),
    ];
    for level in levels() {
        for (function, exact, low, high, bound) in functions {
            let inputs = sweep(low, high);
            let outputs = run(&wide(function, level), &inputs);
            for (&x, y) in inputs.iter().zip(outputs) {
                let exact = exact(f64::from(x));
                let error = if exact as f32 == y { 0.0 } else { (f64::from(y) - exact).abs() / ulp(exact) };
                assert!(error <= bound, "{level:?}: {function}({x:e}) = {y:e}, {error} ulp off {exact:e}");
            }
        }
        for (function, exact) in [("sin", f64::sin as Exact), ("cos", f64::cos)] {
            let inputs = sweep(-8192.0, 8192.0);
            let outputs = run(&wide(function, level), &inputs);
            for (&x, y) in inputs.iter().zip(outputs) {
                let error = (f64::from(y) - exact(f64::from(x))).abs();
                assert!(error <= 2.0_f64.powi(-23), "{level:?}: {function}({x:e}) is {error:e} off");
            }
        }
    }
}

#[test]
fn borders_are_those_of_the_portable_code() {
    let inputs: Vec<f32> = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        1.5,
        2.5,
        -2.5,
        1e-45,
        -1e-45,
        1e-40,
        f32::MIN_POSITIVE,
        f32::MAX,
        f32::MIN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        88.7,
        88.8,
        -87.4,
        -103.9,
        -104.1,
        8e9,
        -8e9,
        0.624,
        0.626,
        0.927,
        0.928,
        3.99,
        4.01,
    ]
    .to_vec();
    let names = [
        "exp", "log", "log1p", "tanh", "sigmoid", "erf", "abs", "sign", "floor", "ceil", "round", "sqrt",
        "rsqrt", "relu", "neg", "sin", "cos",
    ];
    for name in names {
        let trigonometric = matches!(name, "sin" | "cos");
        let expected = run(&Machine::portable(&kernel(&text(name))), &inputs);
        for level in levels() {
            let found = run(&wide(name, level), &inputs);
            for ((&x, &e), &f) in inputs.iter().zip(&expected).zip(&found) {
                let near = (e - f).abs() <= 4e-7 * e.abs().max(f32::MIN_POSITIVE);
                let same = e == f || (e.is_nan() && f.is_nan()) || near;
                let beyond = trigonometric && x.abs() > 8192.0;
                assert!(same || beyond, "{level:?}: {name}({x:e}) = {f:e}, not {e:e}");
            }
        }
    }
}
