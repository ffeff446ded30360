//! Logic, shifts, fields, permutations.

use super::harness::{doubles, truths, words};

#[test]
fn shifts_past_the_width_empty_the_register() {
    words(&[
        ("shl.b32 %r0, 1, 31;", 0x8000_0000),
        ("shl.b32 %r0, 1, 32;", 0),
        ("shl.b32 %r0, 1, 0xffffffff;", 0),
        ("shr.u32 %r0, 0x80000000, 31;", 1),
        ("shr.u32 %r0, 0x80000000, 32;", 0),
        ("shr.s32 %r0, -8, 1;", (-4i32) as u32),
        ("shr.s32 %r0, -8, 40;", u32::MAX),
        ("shr.s32 %r0, 8, 40;", 0),
        ("shr.b32 %r0, 0xf0, 4;", 0xf),
    ]);
    doubles(&[
        ("shl.b64 %d0, 1, 63;", 1 << 63),
        ("shl.b64 %d0, 1, 64;", 0),
        ("shr.s64 %d0, -8, 100;", u64::MAX),
        ("shr.u64 %d0, 0xff00000000, 32;", 0xff),
    ]);
}

#[test]
fn funnel_shifts_take_both_words() {
    words(&[
        ("shf.l.wrap.b32 %r0, 0x80000000, 1, 1;", 3),
        ("shf.l.wrap.b32 %r0, 0x80000000, 1, 33;", 3),
        ("shf.l.clamp.b32 %r0, 0x12345678, 1, 40;", 0x1234_5678),
        ("shf.r.wrap.b32 %r0, 0x80000000, 1, 4;", 0x1800_0000),
        ("shf.r.clamp.b32 %r0, 7, 0x12345678, 32;", 0x1234_5678),
        ("shf.r.wrap.b32 %r0, 7, 0x12345678, 32;", 7),
    ]);
}

#[test]
fn fields_extend_and_stop_at_the_top() {
    words(&[
        ("bfe.u32 %r0, 0xabcd1234, 8, 8;", 0x12),
        ("bfe.s32 %r0, 0x0000f000, 12, 4;", u32::MAX),
        ("bfe.s32 %r0, 0x00007000, 12, 4;", 7),
        ("bfe.u32 %r0, 0xf0000000, 28, 16;", 0xf),
        ("bfe.s32 %r0, 0xf0000000, 28, 16;", u32::MAX),
        ("bfe.s32 %r0, 0x80000000, 40, 3;", u32::MAX),
        ("bfe.u32 %r0, 0x80000000, 0, 0;", 0),
        ("bfi.b32 %r0, 0xff, 0x12345678, 8, 8;", 0x1234_ff78),
        ("bfi.b32 %r0, 0xff, 0, 28, 8;", 0xf000_0000),
        ("bfi.b32 %r0, 0xff, 5, 40, 8;", 5),
    ]);
    doubles(&[
        ("bfe.s64 %d0, 0x8000000000000000, 60, 4;", (-8i64) as u64),
        ("bfi.b64 %d0, 3, 0, 62, 2;", 0xc000_0000_0000_0000),
    ]);
}

#[test]
fn counts_and_reversals() {
    words(&[
        ("popc.b32 %r0, 0xf0f00001;", 9),
        ("clz.b32 %r0, 0x00010000;", 15),
        ("clz.b32 %r0, 0;", 32),
        ("brev.b32 %r0, 0x00000005;", 0xa000_0000),
        ("mov.b64 %d1, 0xff00000000; popc.b64 %r0, %d1;", 8),
        ("mov.b64 %d1, 1; clz.b64 %r0, %d1;", 63),
        ("not.b32 %r0, 0xff;", 0xffff_ff00),
        ("cnot.b32 %r0, 0;", 1),
        ("cnot.b32 %r0, 7;", 0),
        ("and.b32 %r0, 0xff0, 0x0ff;", 0x0f0),
        ("or.b32 %r0, 0xf00, 0x00f;", 0xf0f),
        ("xor.b32 %r0, 0xff0, 0x0ff;", 0xf0f),
    ]);
    doubles(&[("brev.b64 %d0, 1;", 1 << 63), ("not.b64 %d0, 0;", u64::MAX)]);
}

#[test]
fn permutations_pick_bytes_and_signs() {
    words(&[
        ("prmt.b32 %r0, 0x33221100, 0x77665544, 0x7531;", 0x7755_3311),
        ("prmt.b32 %r0, 0x33221100, 0x77665544, 0x0123;", 0x0011_2233),
        // The high bit of a nibble spreads the byte's sign.
        ("prmt.b32 %r0, 0x00008000, 0, 0x8989;", 0x00ff_00ff),
        ("lop3.b32 %r0, 0xf0f0f0f0, 0xcccccccc, 0xaaaaaaaa, 0x80;", 0x8080_8080),
        ("lop3.b32 %r0, 0xf0, 0xcc, 0xaa, 0x96;", 0x96),
        ("lop3.b32 %r0, 0xf0, 0xcc, 0xaa, 0xe8;", 0xe8),
        ("lop3.b32 %r0, 0, 0, 0, 0x01;", u32::MAX),
    ]);
}

#[test]
fn comparisons_know_signs_and_nan() {
    truths(&[
        ("setp.lt.s32 %p0, -1, 0;", true),
        ("setp.lt.u32 %p0, 0xffffffff, 0;", false),
        ("setp.hi.u32 %p0, 0xffffffff, 0;", true),
        ("setp.ls.u32 %p0, 4, 4;", true),
        ("setp.ge.s64 %p0, -5, -5;", true),
        ("setp.eq.b32 %p0, 3, 3;", true),
        ("mov.s16 %h1, -2; setp.lt.s16 %p0, %h1, 1;", true),
        ("setp.ne.f32 %p0, 0f7fffffff, 0f3f800000;", false),
        ("setp.neu.f32 %p0, 0f7fffffff, 0f3f800000;", true),
        ("setp.equ.f32 %p0, 0f7fffffff, 0f3f800000;", true),
        ("setp.eq.f32 %p0, 0f80000000, 0f00000000;", true),
        ("setp.lt.f32 %p0, 0f7fffffff, 0f3f800000;", false),
        ("setp.ltu.f32 %p0, 0f7fffffff, 0f3f800000;", true),
        ("setp.geu.f32 %p0, 0f3f800000, 0f40000000;", false),
        ("setp.num.f32 %p0, 0f3f800000, 0f7fffffff;", false),
        ("setp.nan.f32 %p0, 0f3f800000, 0f7fffffff;", true),
        ("setp.gt.f32 %p0, 0f00000001, 0f00000000;", true),
        ("setp.gt.ftz.f32 %p0, 0f00000001, 0f00000000;", false),
        ("setp.lt.f64 %p0, 0d3ff0000000000000, 0d4000000000000000;", true),
    ]);
}

#[test]
fn predicates_combine() {
    truths(&[
        ("setp.eq.s32 %p1, 1, 1; setp.eq.and.s32 %p0, 2, 2, %p1;", true),
        ("setp.eq.s32 %p1, 1, 1; setp.eq.and.s32 %p0, 2, 2, !%p1;", false),
        ("setp.eq.s32 %p1, 1, 1; setp.eq.or.s32 %p0, 2, 3, %p1;", true),
        ("setp.eq.s32 %p1, 1, 1; setp.eq.xor.s32 %p0, 2, 2, %p1;", false),
        // The second one is the complement, combined as well.
        ("setp.eq.s32 %p1, 1, 1; setp.eq.and.s32 %p2|%p0, 2, 3, %p1;", true),
        ("setp.eq.s32 %p1, 1, 2; setp.eq.and.s32 %p2|%p0, 2, 3, %p1;", false),
        ("setp.eq.s32 %p1, 1, 1; setp.eq.s32 %p2, 1, 2; and.pred %p0, %p1, %p2;", false),
        ("setp.eq.s32 %p1, 1, 1; setp.eq.s32 %p2, 1, 2; or.pred %p0, %p1, %p2;", true),
        ("setp.eq.s32 %p1, 1, 1; setp.eq.s32 %p2, 1, 2; xor.pred %p0, %p1, %p2;", true),
        ("setp.eq.s32 %p1, 1, 1; not.pred %p0, %p1;", false),
        ("setp.eq.s32 %p1, 1, 1; mov.pred %p0, %p1;", true),
        ("testp.finite.f32 %p0, 0f7f800000;", false),
        ("testp.infinite.f32 %p0, 0fff800000;", true),
        ("testp.notanumber.f32 %p0, 0f7fffffff;", true),
        ("testp.number.f32 %p0, 0f7fffffff;", false),
        ("testp.subnormal.f32 %p0, 0f00000001;", true),
        ("testp.normal.f32 %p0, 0f00000001;", false),
    ]);
}

#[test]
fn selections() {
    words(&[
        ("setp.eq.s32 %p1, 1, 2; selp.b32 %r0, 10, 20, %p1;", 20),
        ("slct.u32.s32 %r0, 10, 20, -1;", 20),
        ("slct.u32.s32 %r0, 10, 20, 0;", 10),
        ("slct.u32.f32 %r0, 10, 20, 0f80000000;", 10),
        ("slct.u32.f32 %r0, 10, 20, 0f7fffffff;", 20),
        ("set.lt.u32.s32 %r0, -1, 0;", u32::MAX),
        ("set.lt.u32.u32 %r0, 0xffffffff, 0;", 0),
        ("set.gt.f32.f32 %f0, 0f40000000, 0f3f800000; mov.b32 %r0, %f0;", 0x3f80_0000),
        ("mov.u32 %r0, 1; setp.eq.s32 %p1, 1, 2; @%p1 mov.u32 %r0, 2;", 1),
        ("mov.u32 %r0, 1; setp.eq.s32 %p1, 1, 2; @!%p1 mov.u32 %r0, 2;", 2),
    ]);
}
