//! The error function within 3 ulp.
//!
//! `f32`: N. Juffa's two-range approximation (an odd polynomial below 475/512, `1 - e^-p(|x|)` above). `f64`:
//! the rational functions of FreeBSD's msun (`s_erf.c`; Copyright 1993 Sun Microsystems, freely
//! distributable with this notice), whose highest coefficients stand first here.

use super::ERF;
use super::arithmetic::{Arithmetic, Condition};
use super::exp;

const ERX: f64 = 0.845_062_911_510_467_5;

const PP: [f64; 5] = [
    -2.376_301_665_665_016_3e-05,
    -0.005_770_270_296_489_442,
    -0.028_481_749_575_598_51,
    -0.325_042_107_247_001_5,
    0.128_379_167_095_512_56,
];

const QQ: [f64; 6] = [
    -3.960_228_278_775_368e-06,
    0.000_132_494_738_004_321_64,
    0.005_081_306_281_875_766,
    0.065_022_249_988_767_3,
    0.397_917_223_959_155_35,
    1.0,
];

const PA: [f64; 7] = [
    -0.002_166_375_594_868_791,
    0.035_478_304_325_618_236,
    -0.110_894_694_282_396_68,
    0.318_346_619_901_161_75,
    -0.372_207_876_035_701_3,
    0.414_856_118_683_748_33,
    -0.002_362_118_560_752_659_4,
];

const QA: [f64; 7] = [
    0.011_984_499_846_799_107,
    0.013_637_083_912_029_05,
    0.126_171_219_808_761_64,
    0.071_828_654_414_196_27,
    0.540_397_917_702_171,
    0.106_420_880_400_844_23,
    1.0,
];

const RA: [f64; 8] = [
    -9.814_329_344_169_145,
    -81.287_435_506_306_6,
    -184.605_092_906_711_04,
    -162.396_669_462_573_47,
    -62.375_332_450_326_006,
    -10.558_626_225_323_291,
    -0.693_858_572_707_181_8,
    -0.009_864_944_034_847_148,
];

const SA: [f64; 9] = [
    -0.060_424_415_214_858_1,
    6.570_249_770_319_282,
    108.635_005_541_779_44,
    429.008_140_027_567_83,
    645.387_271_733_267_9,
    434.565_877_475_229_23,
    137.657_754_143_519_04,
    19.651_271_667_439_257,
    1.0,
];

const RB: [f64; 7] = [
    -483.519_191_608_651_4,
    -1_025.095_131_611_077_2,
    -637.566_443_368_389_6,
    -160.636_384_855_821_92,
    -17.757_954_917_754_752,
    -0.799_283_237_680_523,
    -0.009_864_942_924_700_1,
];

const SB: [f64; 8] = [
    -22.440_952_446_585_82,
    474.528_541_206_955_37,
    2_553.050_406_433_164_4,
    3_199.858_219_508_595_5,
    1_536.729_586_084_437,
    325.792_512_996_573_9,
    30.338_060_743_482_46,
    1.0,
];

/// `erf x`
pub fn erf<A: Arithmetic>(float: &mut A, x: A::Value) -> A::Value {
    if float.is_double() { double(float, x) } else { single(float, x) }
}

fn single<A: Arithmetic>(float: &mut A, x: A::Value) -> A::Value {
    let magnitude = float.abs(x);
    let square = float.mul(x, x);
    let inner = float.polynomial(square, &ERF.inner);
    let inner = float.mul_add(inner, x, x);

    let outer = float.polynomial(magnitude, &ERF.outer);
    let outer = float.mul_add(outer, magnitude, magnitude);
    let exponent = float.neg(outer);
    let e = exp(float, exponent);
    let one = float.constant(1.0);
    let outer = float.sub(one, e);
    // The polynomial turns down again far outside, and infinity makes it NaN.
    let far = float.constant(4.0);
    let is_far = float.holds(Condition::Greater, magnitude, far);
    let outer = float.select(is_far, one, outer);
    let outer = float.copy_sign(outer, x);

    let border = float.constant(ERF.border);
    let is_outer = float.holds(Condition::Greater, magnitude, border);
    float.select(is_outer, outer, inner)
}

fn ratio<A: Arithmetic>(float: &mut A, x: A::Value, numerator: &[f64], denominator: &[f64]) -> A::Value {
    let numerator = float.polynomial(x, numerator);
    let denominator = float.polynomial(x, denominator);
    float.div(numerator, denominator)
}

fn double<A: Arithmetic>(float: &mut A, x: A::Value) -> A::Value {
    let one = float.constant(1.0);
    let magnitude = float.abs(x);
    let square = float.mul(x, x);
    let inner = ratio(float, square, &PP, &QQ);
    let inner = float.mul_add(inner, x, x);

    let beyond_one = float.sub(magnitude, one);
    let middle = ratio(float, beyond_one, &PA, &QA);
    let erx = float.constant(ERX);
    let middle = float.add(middle, erx);

    let inverse = float.div(one, square);
    let near = ratio(float, inverse, &RA, &SA);
    let far = ratio(float, inverse, &RB, &SB);
    let border = float.constant(1.0 / 0.35);
    let is_near = float.holds(Condition::Less, magnitude, border);
    let exponent = float.select(is_near, near, far);
    let shift = float.constant(0.5625);
    let exponent = float.sub(exponent, shift);
    let exponent = float.sub(exponent, square);
    let tail = exp(float, exponent);
    let tail = float.div(tail, magnitude);
    let outer = float.sub(one, tail);
    let end = float.constant(6.0);
    let is_end = float.holds(Condition::Greater, magnitude, end);
    let outer = float.select(is_end, one, outer);

    let border = float.constant(1.25);
    let is_middle = float.holds(Condition::Less, magnitude, border);
    let outer = float.select(is_middle, middle, outer);
    let outer = float.copy_sign(outer, x);
    let border = float.constant(0.84375);
    let is_inner = float.holds(Condition::Less, magnitude, border);
    let result = float.select(is_inner, inner, outer);
    // NaN passes no comparison and would come out of the tail as NaN times a sign; keep it plain.
    let unordered = float.holds(Condition::Unordered, x, x);
    float.select(unordered, x, result)
}
