use crate::{assert_close, bools, floats, ints};

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

fn unary(name: &str, values: &str, count: usize) -> Vec<f64> {
    floats(&format!("%0: f64[{count}] = constant [{values}]  %1: f64[{count}] = {name}(%0)"), &[])
}

fn binary(name: &str, a: &str, b: &str, count: usize) -> Vec<f64> {
    let nodes = format!(
        "%0: f64[{count}] = constant [{a}]  %1: f64[{count}] = constant [{b}]  %2: f64[{count}] = {name}(%0, %1)"
    );
    floats(&nodes, &[])
}

#[test]
fn functions_of_one_number() {
    assert_eq!(unary("neg", "1.5, -2.0", 2), [-1.5, 2.0]);
    assert_eq!(unary("abs", "1.5, -2.0", 2), [1.5, 2.0]);
    assert_close(&unary("sign", "-3.0, 0.0, 2.0, nan", 4), &[-1.0, 0.0, 1.0, NAN]);
    assert_close(&unary("relu", "-3.0, 0.0, 2.0, nan, -inf", 5), &[0.0, 0.0, 2.0, NAN, 0.0]);
    assert_close(&unary("exp", "0.0, 1.0, -inf, nan", 4), &[1.0, std::f64::consts::E, 0.0, NAN]);
    assert_close(&unary("log", "1.0, 0.0, -1.0", 3), &[0.0, -INF, NAN]);
    assert_eq!(unary("log1p", "1e-20", 1), [1e-20]);
    assert_close(&unary("sqrt", "9.0, -1.0", 2), &[3.0, NAN]);
    assert_eq!(unary("rsqrt", "4.0, 0.0", 2), [0.5, INF]);
    assert_close(&unary("tanh", "0.5, 100.0", 2), &[0.462_117_157_260_009_8, 1.0]);
    assert_close(
        &unary("sigmoid", "0.0, 1000.0, -1000.0, 1.0", 4),
        &[0.5, 1.0, 0.0, 0.731_058_578_630_004_9],
    );
    assert_eq!(unary("floor", "1.5, -1.5", 2), [1.0, -2.0]);
    assert_eq!(unary("ceil", "1.5, -1.5", 2), [2.0, -1.0]);
    assert_eq!(unary("round", "0.5, 1.5, 2.5, -2.5, 2.6", 5), [0.0, 2.0, 2.0, -2.0, 3.0]);
    assert_close(&unary("cos", "1.0", 1), &[0.540_302_305_868_139_7]);
    assert_close(&unary("sin", "1.0", 1), &[0.841_470_984_807_896_5]);
}

/// Values from the tables of Abramowitz, Stegun and, beyond their digits, from arbitrary precision.
#[test]
fn the_error_function() {
    assert_close(
        &unary("erf", "0.0, 0.1, 0.5, 1.0, 2.0, -3.0, 5.5, inf, nan", 9),
        &[
            0.0,
            0.112_462_916_018_284_9,
            0.520_499_877_813_046_5,
            0.842_700_792_949_714_9,
            0.995_322_265_018_952_7,
            -0.999_977_909_503_001_4,
            0.999_999_999_999_992_6,
            1.0,
            NAN,
        ],
    );
}

#[test]
fn functions_of_two_numbers() {
    assert_eq!(binary("add", "1.0, 2.0", "3.0, 4.0", 2), [4.0, 6.0]);
    assert_eq!(binary("sub", "1.0, 2.0", "3.0, 5.0", 2), [-2.0, -3.0]);
    assert_eq!(binary("mul", "1.5, 2.0", "3.0, 4.0", 2), [4.5, 8.0]);
    assert_close(&binary("div", "1.0, 0.0", "0.0, 0.0", 2), &[INF, NAN]);
    assert_eq!(binary("pow", "2.0, 9.0", "10.0, 0.5", 2), [1024.0, 3.0]);
    assert_close(&binary("max", "1.0, nan, 1.0", "2.0, 1.0, nan", 3), &[2.0, NAN, NAN]);
    assert_close(&binary("min", "1.0, nan, 1.0", "2.0, 1.0, nan", 3), &[1.0, NAN, NAN]);
}

#[test]
fn integers_wrap_and_divide_without_traps() {
    let nodes = "%0: i32[4] = constant [2147483647, 7, -7, -2147483648]  %1: i32[4] = constant [1, 2, 0, -1]";
    assert_eq!(ints(&format!("{nodes} %2: i32[4] = add(%0, %1)"), &[]), [-2147483648, 9, -7, 2147483647]);
    assert_eq!(ints(&format!("{nodes} %2: i32[4] = div(%0, %1)"), &[]), [2147483647, 3, 0, -2147483648]);
    assert_eq!(ints(&format!("{nodes} %2: i32[4] = sign(%0)"), &[]), [1, 1, -1, -1]);
}

#[test]
fn comparisons_with_nan_hold_for_ne_alone() {
    let nodes = "%0: f64[3] = constant [1.0, 2.0, nan]  %1: f64[3] = constant [2.0, 2.0, nan]";
    let compare = |name: &str| bools(&format!("{nodes} %2: bool[3] = {name}(%0, %1)"), &[]);
    assert_eq!(compare("eq"), [false, true, false]);
    assert_eq!(compare("ne"), [true, false, true]);
    assert_eq!(compare("lt"), [true, false, false]);
    assert_eq!(compare("le"), [true, true, false]);
    assert_eq!(compare("gt"), [false, false, false]);
    assert_eq!(compare("ge"), [false, true, false]);
}

#[test]
fn logic_and_choice() {
    let nodes =
        "%0: bool[4] = constant [true, true, false, false]  %1: bool[4] = constant [true, false, true, false]
        %2: i32[4] = constant [1, 2, 3, 4]  %3: i32[4] = constant [5, 6, 7, 8]";
    assert_eq!(bools(&format!("{nodes} %4: bool[4] = and(%0, %1)"), &[]), [true, false, false, false]);
    assert_eq!(bools(&format!("{nodes} %4: bool[4] = or(%0, %1)"), &[]), [true, true, true, false]);
    assert_eq!(bools(&format!("{nodes} %4: bool[4] = not(%0)"), &[]), [false, false, true, true]);
    assert_eq!(ints(&format!("{nodes} %4: i32[4] = select(%1, %2, %3)"), &[]), [1, 6, 3, 8]);
}

#[test]
fn casts() {
    let nodes = "%0: f64[5] = constant [1.9, -1.9, 1e10, nan, 0.1]";
    assert_eq!(ints(&format!("{nodes} %1: i32[5] = cast(%0) to=i32"), &[]), [1, -1, 2147483647, 0, 0]);
    assert_eq!(bools(&format!("{nodes} %1: bool[5] = cast(%0) to=bool"), &[]), [true; 5]);
    assert_eq!(floats(&format!("{nodes} %1: f32[5] = cast(%0) to=f32"), &[])[4], f64::from(0.1_f32));
    let wide = "%0: i64[2] = constant [4294967297, -1]";
    assert_eq!(ints(&format!("{wide} %1: i32[2] = cast(%0) to=i32"), &[]), [1, -1]);
    assert_eq!(ints(&format!("{wide} %1: u8[2] = cast(%0) to=u8"), &[]), [1, 255]);
}

#[test]
fn floats_are_not_rounded_between_ops() {
    // Constants are rounded to f32, their quotient is not.
    let nodes = "%0: f32[1] = constant [0.1]  %1: f32[1] = constant [3.0]  %2: f32[1] = div(%0, %1)";
    assert_eq!(floats(nodes, &[]), [f64::from(0.1_f32) / 3.0]);
}
