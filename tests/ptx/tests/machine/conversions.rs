//! `cvt` in all its directions, and the packing forms of `mov`.

use super::harness::{doubles, singles, words};
use dlc_ptx_machine::{Argument, Launch, Memory, Module};

#[test]
fn integers_extend_truncate_and_saturate() {
    words(&[
        ("mov.b32 %r1, 0x1ff80; cvt.s32.s8 %r0, %r1;", 0xffff_ff80),
        ("mov.b32 %r1, 0x1ff80; cvt.u32.u8 %r0, %r1;", 0x80),
        ("mov.b64 %d1, 0x1234567890; cvt.u32.u64 %r0, %d1;", 0x3456_7890),
        ("mov.b64 %d1, 0x1234567890; cvt.sat.u32.u64 %r0, %d1;", u32::MAX),
        ("cvt.sat.s8.s32 %r0, 200;", 127),
        ("cvt.sat.s8.s32 %r0, -200;", 0xffff_ff80),
        ("cvt.sat.u8.s32 %r0, -5;", 0),
        ("cvt.sat.u8.s32 %r0, 300;", 255),
        ("mov.b32 %r1, 0x12345; cvt.u16.u32 %h0, %r1; cvt.s32.s16 %r0, %h0;", 0x2345),
    ]);
    doubles(&[
        ("mov.s32 %r1, -1; cvt.s64.s32 %d0, %r1;", u64::MAX),
        ("mov.s32 %r1, -1; cvt.u64.u32 %d0, %r1;", 0xffff_ffff),
    ]);
}

#[test]
fn floats_become_integers() {
    words(&[
        ("cvt.rni.s32.f32 %r0, 0f40200000;", 2),
        ("cvt.rni.s32.f32 %r0, 0f40600000;", 4),
        ("cvt.rzi.s32.f32 %r0, 0fc0200000;", (-2i32) as u32),
        ("cvt.rmi.s32.f32 %r0, 0fc0200000;", (-3i32) as u32),
        ("cvt.rpi.s32.f32 %r0, 0f40200000;", 3),
        ("cvt.rzi.s32.f32 %r0, 0f7f800000;", 0x7fff_ffff),
        ("cvt.rzi.s32.f32 %r0, 0fff800000;", 0x8000_0000),
        ("cvt.rzi.s32.f32 %r0, 0f7fffffff;", 0),
        ("cvt.rzi.u32.f32 %r0, 0fbf800000;", 0),
        ("cvt.rni.s8.f32 %r0, 0f43480000;", 127),
        ("cvt.rni.sat.s8.f32 %r0, 0fc3480000;", 0xffff_ff80),
        ("cvt.rzi.s32.f64 %r0, 0d400c000000000000;", 3),
    ]);
    doubles(&[
        ("cvt.rzi.s64.f32 %d0, 0f7fffffff;", 1 << 63),
        ("cvt.rzi.s64.f64 %d0, 0dc01c000000000000;", (-7i64) as u64),
    ]);
}

#[test]
fn integers_become_floats() {
    singles(&[
        ("cvt.rn.f32.s32 %f0, -3;", -3.0),
        ("cvt.rn.f32.u32 %f0, 0xffffffff;", 4_294_967_296.0),
        ("cvt.rz.f32.u32 %f0, 0xffffffff;", 4_294_967_040.0),
        ("cvt.rn.f32.s32 %f0, 16777217;", 16_777_216.0),
        ("cvt.rp.f32.s32 %f0, 16777217;", 16_777_218.0),
        ("cvt.rm.f32.s32 %f0, -16777217;", -16_777_218.0),
        ("mov.b64 %d1, 0x1000001000000000; cvt.rn.f32.u64 %f0, %d1;", f32::from_bits(0x5d80_0000)),
        // Rounding by way of a double would make this the same tie.
        ("mov.b64 %d1, 0x1000001000000001; cvt.rn.f32.u64 %f0, %d1;", f32::from_bits(0x5d80_0001)),
    ]);
    doubles(&[("cvt.rn.f64.s32 %g0, -3; mov.b64 %d0, %g0;", (-3f64).to_bits())]);
}

#[test]
fn floats_change_width() {
    singles(&[
        ("cvt.rn.f32.f64 %f0, 0d3ff0000010000000;", 1.0),
        ("cvt.rp.f32.f64 %f0, 0d3ff0000010000000;", f32::from_bits(0x3f80_0001)),
        ("cvt.rz.f32.f64 %f0, 0d47f0000000000000;", f32::MAX),
        ("cvt.rn.f32.f64 %f0, 0d47f0000000000000;", f32::INFINITY),
        ("cvt.rni.f32.f32 %f0, 0f40200000;", 2.0),
        ("cvt.rmi.f32.f32 %f0, 0fc0200000;", -3.0),
        ("cvt.sat.f32.f32 %f0, 0f40200000;", 1.0),
        ("cvt.sat.f32.f32 %f0, 0f7fffffff;", 0.0),
        ("cvt.ftz.f32.f32 %f0, 0f00000001;", 0.0),
        ("mov.b16 %h1, 0x3c00; cvt.f32.f16 %f0, %h1;", 1.0),
        ("mov.b16 %h1, 0x0001; cvt.f32.f16 %f0, %h1;", 2f32.powi(-24)),
        ("mov.b16 %h1, 0xfc00; cvt.f32.f16 %f0, %h1;", f32::NEG_INFINITY),
    ]);
    doubles(&[("cvt.f64.f32 %g0, 0f3f800001; mov.b64 %d0, %g0;", 0x3ff0_0000_2000_0000)]);
}

#[test]
fn halves_round_to_nearest_even() {
    let half = |value: &str| format!("cvt.rn.f16.f32 %h0, {value}; cvt.u32.u16 %r0, %h0;");
    let brain = |value: &str| format!("cvt.rn.bf16.f32 %h0, {value}; cvt.u32.u16 %r0, %h0;");
    let cases = [
        (half("0f3f801000"), 0x3c00),
        (half("0f3f803000"), 0x3c02),
        (half("0f477fefff"), 0x7bff),
        (half("0f477ff000"), 0x7c00),
        (half("0f33000000"), 0),
        (half("0f33000001"), 1),
        (half("0f387fe000"), 0x0400),
        (half("0f7fffffff"), 0x7fff),
        (half("0f80000000"), 0x8000),
        (brain("0f3f808000"), 0x3f80),
        (brain("0f3f818000"), 0x3f82),
        (brain("0f7f7fffff"), 0x7f80),
        (brain("0f00000001"), 0),
        (brain("0f00018000"), 2),
    ];
    words(&cases.iter().map(|(line, bits)| (line.as_str(), *bits)).collect::<Vec<_>>());
    words(&[
        ("cvt.rna.tf32.f32 %r0, 0f3f801000;", 0x3f80_2000),
        ("cvt.rna.tf32.f32 %r0, 0f3f800fff;", 0x3f80_0000),
        ("cvt.rna.tf32.f32 %r0, 0fbf801000;", 0xbf80_2000),
        ("cvt.rn.f16x2.f32 %r0, 0f3f800000, 0f40000000;", 0x3c00_4000),
        ("cvt.rn.bf16x2.f32 %r0, 0f3f800000, 0fc0000000;", 0x3f80_c000),
        ("cvt.rn.relu.bf16x2.f32 %r0, 0f3f800000, 0fc0000000;", 0x3f80_0000),
        ("cvt.rz.bf16x2.f32 %r0, 0f3f80ffff, 0f3f81ffff;", 0x3f80_3f81),
    ]);
}

#[test]
fn moves_pack_and_unpack() {
    doubles(&[
        ("mov.b32 %r1, 1; mov.b32 %r2, 2; mov.b64 %d0, {%r1, %r2};", 0x2_0000_0001),
        ("mov.f32 %f1, 0f3f800000; mov.b64 %d0, {%f1, %f1};", 0x3f80_0000_3f80_0000),
    ]);
    words(&[
        ("mov.b64 %d1, 0x200000001; mov.b64 {%r1, %r0}, %d1;", 2),
        ("mov.b64 %d1, 0x200000001; mov.b64 {%r0, _}, %d1;", 1),
        ("mov.b16 %h1, 0x1234; mov.b16 %h2, 0x5678; mov.b32 %r0, {%h1, %h2};", 0x5678_1234),
        ("mov.b32 %r1, 0x56781234; mov.b32 {%h1, %h2}, %r1; cvt.u32.u16 %r0, %h2;", 0x5678),
        ("mov.b32 %f1, 0x40000000; mov.b32 %r0, %f1;", 0x4000_0000),
    ]);
}

#[test]
fn newer_targets_widen_brain_floats() {
    let body = "
    mov.b16 %h1, 0xc020;
    cvt.f32.bf16 %f0, %h1;
    st.global.f32 [%out], %f0;
    cvt.rn.tf32.f32 %r1, 0f3f801000;
    st.global.b32 [%out+4], %r1;";
    let text = super::harness::module("", body).replace("sm_80", "sm_90a");
    let mut memory = Memory::new();
    let out = memory.allocate(8);
    let parameters = [Argument::U64(out), Argument::U64(out)];
    let launch = Launch { block: [1, 1, 1], parameters: &parameters, ..Launch::default() };
    Module::parse(&text).unwrap().launch("kernel", &launch, &mut memory).unwrap();
    assert_eq!(memory.read_u32(out, 2).unwrap(), [(-2.5f32).to_bits(), 0x3f80_0000]);
}
