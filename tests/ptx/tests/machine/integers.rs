//! Integer arithmetic, its wrap-around and saturation.

use super::harness::{doubles, words};

#[test]
fn sums_and_products_wrap() {
    words(&[
        ("add.s32 %r0, 2147483647, 1;", 0x8000_0000),
        ("sub.u32 %r0, 0, 1;", u32::MAX),
        ("add.sat.s32 %r0, 2147483647, 1;", 0x7fff_ffff),
        ("sub.sat.s32 %r0, -2147483648, 1;", 0x8000_0000),
        ("mul.lo.u32 %r0, 65537, 65537;", 131_073),
        ("mul.hi.u32 %r0, 0xffffffff, 0xffffffff;", 0xffff_fffe),
        ("mul.hi.s32 %r0, -1, 2;", u32::MAX),
        ("mul.hi.s32 %r0, -2147483648, -2147483648;", 0x4000_0000),
        ("mad.lo.s32 %r0, -3, 7, 1;", (-20i32) as u32),
        ("mad.hi.u32 %r0, 0x80000000, 6, 5;", 8),
        ("mul.wide.s16 %r0, -32768, 2;", 0xffff_0000),
        ("mul.wide.u16 %r0, 65535, 65535;", 0xfffe_0001),
        ("mad.wide.u16 %r0, 65535, 2, 5;", 131_075),
        ("neg.s32 %r0, -2147483648;", 0x8000_0000),
        ("abs.s32 %r0, -5;", 5),
        ("abs.s32 %r0, -2147483648;", 0x8000_0000),
        ("sad.s32 %r0, -5, 3, 10;", 18),
        ("sad.u32 %r0, 3, 5, 10;", 12),
    ]);
    doubles(&[
        ("mul.wide.s32 %d0, -1, 3;", (-3i64) as u64),
        ("mul.wide.u32 %d0, 0xffffffff, 3;", 0x2_ffff_fffd),
        ("mad.wide.s32 %d0, -2, 3, 100;", 94),
        ("mad.wide.u32 %d0, 4294967295, 2, 4;", 0x2_0000_0002),
        ("mul.hi.u64 %d0, 0xffffffffffffffff, 0xffffffffffffffff;", 0xffff_ffff_ffff_fffe),
        ("mul.hi.s64 %d0, -1, 1;", u64::MAX),
        ("mul.lo.s64 %d0, 4294967296, 4294967296;", 0),
        ("mad.lo.s64 %d0, -4, 5, 1;", (-19i64) as u64),
        ("add.u64 %d0, 0xffffffffffffffff, 2;", 1),
    ]);
}

#[test]
fn sixteen_bits_stay_sixteen() {
    words(&[
        ("mov.u16 %h1, 0xffff; add.u16 %h0, %h1, 2; cvt.u32.u16 %r0, %h0;", 1),
        ("mov.u16 %h1, 300; mul.lo.u16 %h0, %h1, %h1; cvt.u32.u16 %r0, %h0;", 90_000 - 65_536),
        ("mov.s16 %h1, -1; max.s16 %h0, %h1, 3; cvt.u32.u16 %r0, %h0;", 3),
        ("mov.s16 %h1, -1; shr.s16 %h0, %h1, 20; cvt.u32.u16 %r0, %h0;", 0xffff),
        ("mov.b16 %h1, 1; shl.b16 %h0, %h1, 16; cvt.u32.u16 %r0, %h0;", 0),
    ]);
}

#[test]
fn order_depends_on_the_sign() {
    words(&[
        ("min.s32 %r0, -1, 1;", u32::MAX),
        ("min.u32 %r0, 0xffffffff, 1;", 1),
        ("max.s32 %r0, -1, 1;", 1),
        ("max.u32 %r0, 0xffffffff, 1;", u32::MAX),
        ("div.s32 %r0, -7, 2;", (-3i32) as u32),
        ("rem.s32 %r0, -7, 2;", u32::MAX),
        ("div.u32 %r0, 0xfffffff9, 2;", 0x7fff_fffc),
        ("rem.u32 %r0, 17, 5;", 2),
        ("div.s32 %r0, -2147483648, -1;", 0x8000_0000),
    ]);
    doubles(&[("div.s64 %d0, -9, 2;", (-4i64) as u64), ("rem.u64 %d0, 1000000000000, 7;", 1)]);
}

#[test]
fn dot_products_take_bytes_by_their_signs() {
    words(&[
        ("dp4a.s32.s32 %r0, 0xff01027f, 0x01010101, 10;", 10 - 1 + 1 + 2 + 127),
        ("dp4a.u32.u32 %r0, 0xff01027f, 0x01010101, 10;", 10 + 255 + 1 + 2 + 127),
        ("dp4a.u32.s32 %r0, 0xff000000, 0xff000000, 0;", (-255i32) as u32),
        ("dp2a.lo.s32.s32 %r0, 0xffff0002, 0x04030201, 0;", 0),
        ("dp2a.hi.s32.s32 %r0, 0xffff0002, 0x04030201, 0;", 2),
    ]);
}
