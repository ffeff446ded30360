//! Float arithmetic: NaN, signed zero, subnormals, saturation.

use super::harness::{doubles, singles, words};

#[test]
fn arithmetic_rounds_once() {
    singles(&[
        ("add.f32 %f0, 0f3f800000, 0f33800000;", 1.0),
        ("add.rn.f32 %f0, 0f3f800000, 0f33800001;", f32::from_bits(0x3f80_0001)),
        ("mul.f32 %f0, 0f3f800001, 0f3f800001;", f32::from_bits(0x3f80_0002)),
        // The product of the fused form is not rounded: 2^-46 is left of it.
        ("fma.rn.f32 %f0, 0f3f800001, 0f3f800001, 0fbf800002;", 2f32.powi(-46)),
        ("mad.rn.f32 %f0, 0f40000000, 0f40400000, 0f3f800000;", 7.0),
        ("sub.f32 %f0, 0f3f800000, 0f40400000;", -2.0),
        ("div.rn.f32 %f0, 0f3f800000, 0f40400000;", 1.0 / 3.0),
        ("div.full.f32 %f0, 0f40c00000, 0f40400000;", 2.0),
        ("div.approx.f32 %f0, 0f40c00000, 0f40400000;", 2.0),
        ("rcp.rn.f32 %f0, 0f40800000;", 0.25),
        ("sqrt.rn.f32 %f0, 0f40000000;", 2f32.sqrt()),
        ("abs.f32 %f0, 0fc0000000;", 2.0),
        ("neg.f32 %f0, 0f00000000;", -0.0),
        ("copysign.f32 %f0, 0f80000000, 0f40000000;", -2.0),
    ]);
}

#[test]
fn nan_is_canonical() {
    words(&[
        ("add.f32 %f0, 0f7f800000, 0fff800000; mov.b32 %r0, %f0;", 0x7fff_ffff),
        ("mul.f32 %f0, 0fffc12345, 0f3f800000; mov.b32 %r0, %f0;", 0x7fff_ffff),
        ("sqrt.rn.f32 %f0, 0fbf800000; mov.b32 %r0, %f0;", 0x7fff_ffff),
        ("min.NaN.f32 %f0, 0f3f800000, 0f7fc00000; mov.b32 %r0, %f0;", 0x7fff_ffff),
        ("max.NaN.f32 %f0, 0f7fc00000, 0f3f800000; mov.b32 %r0, %f0;", 0x7fff_ffff),
        ("max.f32 %f0, 0f7fc00000, 0f7fc00001; mov.b32 %r0, %f0;", 0x7fff_ffff),
    ]);
}

#[test]
fn minimum_and_maximum_drop_nan_and_order_zeros() {
    singles(&[
        ("min.f32 %f0, 0f7fffffff, 0f3f800000;", 1.0),
        ("max.f32 %f0, 0f3f800000, 0f7fffffff;", 1.0),
        ("min.f32 %f0, 0f00000000, 0f80000000;", -0.0),
        ("min.f32 %f0, 0f80000000, 0f00000000;", -0.0),
        ("max.f32 %f0, 0f80000000, 0f00000000;", 0.0),
        ("max.f32 %f0, 0f00000000, 0f80000000;", 0.0),
        ("max.NaN.f32 %f0, 0f40000000, 0f3f800000;", 2.0),
    ]);
}

#[test]
fn flushing_and_saturation() {
    singles(&[
        ("add.f32 %f0, 0f00000001, 0f00000001;", f32::from_bits(2)),
        ("add.ftz.f32 %f0, 0f00000001, 0f3f800000;", 1.0),
        ("mul.ftz.f32 %f0, 0f80000001, 0f3f800000;", -0.0),
        ("mul.ftz.f32 %f0, 0f00800000, 0f3f000000;", 0.0),
        ("mul.f32 %f0, 0f00800000, 0f3f000000;", f32::from_bits(0x0040_0000)),
        ("add.sat.f32 %f0, 0f3f800000, 0f3f800000;", 1.0),
        ("add.sat.f32 %f0, 0fbf800000, 0f00000000;", 0.0),
        ("mul.sat.f32 %f0, 0f7f800000, 0f00000000;", 0.0),
        ("fma.rn.sat.f32 %f0, 0f3f000000, 0f3f000000, 0f3e800000;", 0.5),
        ("fma.rn.ftz.sat.f32 %f0, 0f3f000000, 0f00000001, 0f3e800000;", 0.25),
        ("max.ftz.f32 %f0, 0f00000001, 0fbf800000;", 0.0),
    ]);
}

#[test]
fn approximations_are_close() {
    singles(&[
        ("ex2.approx.f32 %f0, 0f40400000;", 8.0),
        ("ex2.approx.ftz.f32 %f0, 0fff800000;", 0.0),
        ("lg2.approx.f32 %f0, 0f41000000;", 3.0),
        ("lg2.approx.f32 %f0, 0f00000000;", f32::NEG_INFINITY),
        ("rsqrt.approx.f32 %f0, 0f40800000;", 0.5),
        ("rsqrt.approx.f32 %f0, 0f80000000;", f32::NEG_INFINITY),
        ("rcp.approx.ftz.f32 %f0, 0f40000000;", 0.5),
        ("sqrt.approx.f32 %f0, 0f41100000;", 3.0),
        ("sin.approx.f32 %f0, 0f3f800000;", 1f64.sin() as f32),
        ("cos.approx.f32 %f0, 0f3f800000;", 1f64.cos() as f32),
        ("tanh.approx.f32 %f0, 0f3f800000;", 1f64.tanh() as f32),
    ]);
}

#[test]
fn doubles_have_their_own() {
    let cases: [(&str, f64); 11] = [
        ("add.f64 %g0, 0d3ff0000000000000, 0d4000000000000000;", 3.0),
        ("sub.rn.f64 %g0, 0d3ff0000000000000, 0d4000000000000000;", -1.0),
        ("mul.f64 %g0, 0d4008000000000000, 0d4000000000000000;", 6.0),
        ("fma.rn.f64 %g0, 0d4008000000000000, 0d4000000000000000, 0d3ff0000000000000;", 7.0),
        ("div.rn.f64 %g0, 0d3ff0000000000000, 0d4008000000000000;", 1.0 / 3.0),
        ("sqrt.rn.f64 %g0, 0d4000000000000000;", std::f64::consts::SQRT_2),
        ("rcp.rn.f64 %g0, 0d4000000000000000;", 0.5),
        ("min.f64 %g0, 0d7ff8000000000000, 0d4000000000000000;", 2.0),
        ("max.f64 %g0, 0dc008000000000000, 0d4000000000000000;", 2.0),
        ("neg.f64 %g0, 0d4000000000000000;", -2.0),
        ("abs.f64 %g0, 0dc000000000000000;", 2.0),
    ];
    let lines: Vec<_> =
        cases.iter().map(|(line, value)| (format!("{line} mov.b64 %d0, %g0;"), value.to_bits())).collect();
    doubles(&lines.iter().map(|(line, bits)| (line.as_str(), *bits)).collect::<Vec<_>>());
}
