//! `mma` of each shape, with fragments laid out by the formulas of the PTX manual, and `ldmatrix`.

use super::harness::run;

/// Row and column of element `i` of a lane's A fragment, by the manual's table for the shape.
fn a_place(shape: &str, bits: u32, group: usize, lane: usize, i: usize) -> (usize, usize) {
    let lower = |lower: bool| group + if lower { 8 } else { 0 };
    match (shape, bits) {
        ("m16n8k4", 32) => (lower(i == 1), lane),
        ("m16n8k8", 32) => (lower(i == 1 || i == 3), if i < 2 { lane } else { lane + 4 }),
        ("m16n8k8", 16) => (lower(i >= 2), lane * 2 + (i & 1)),
        ("m16n8k16", 16) => {
            (lower(!(i < 2 || (4..6).contains(&i))), lane * 2 + (i & 1) + if i < 4 { 0 } else { 8 })
        }
        ("m16n8k16", 8) => (lower(i >= 4), lane * 4 + (i & 3)),
        _ => (lower(!(i < 4 || (8..12).contains(&i))), lane * 4 + (i & 3) + if i < 8 { 0 } else { 16 }),
    }
}

/// Row of element `i` of a lane's B fragment; its column is the group.
fn b_row(shape: &str, bits: u32, lane: usize, i: usize) -> usize {
    match (shape, bits) {
        ("m16n8k4", 32) => lane,
        ("m16n8k8", 32) => lane + 4 * i,
        ("m16n8k8", 16) => lane * 2 + (i & 1),
        ("m16n8k16", 16) => lane * 2 + (i & 1) + if i < 2 { 0 } else { 8 },
        ("m16n8k16", 8) => lane * 4 + (i & 3),
        _ => lane * 4 + (i & 3) + if i < 4 { 0 } else { 16 },
    }
}

struct Case {
    shape: &'static str,
    /// Types of D, A, B and C.
    types: &'static str,
    depth: usize,
    bits: u32,
    /// An element's bits from a small integer.
    encode: fn(i32) -> u32,
    signed: bool,
}

fn names(letter: char, from: usize, count: usize) -> String {
    (from..from + count).map(|at| format!("%{letter}{at}")).collect::<Vec<_>>().join(", ")
}

fn check(case: &Case) {
    let Case { shape, types, depth, bits, encode, signed } = *case;
    let low = if signed { -3 } else { 0 };
    let a = |row: usize, k: usize| (row * 5 + k * 3) as i32 % 7 + low;
    let b = |k: usize, column: usize| (k * 2 + column * 3) as i32 % 5 + low;
    let c = |row: usize, column: usize| row as i32 * 10 + column as i32;
    let per = 32 / bits as usize;
    let (a_count, b_count) = (depth / 2 / per, depth / 4 / per);
    // For each lane its words of A, of B and of C.
    let each = a_count + b_count + 4;
    let mut input = vec![0u32; 32 * each];
    for (number, words) in input.chunks_exact_mut(each).enumerate() {
        let (group, lane) = (number / 4, number % 4);
        for i in 0..a_count * per {
            let (row, k) = a_place(shape, bits, group, lane, i);
            words[i / per] |= encode(a(row, k)) << (bits as usize * (i % per));
        }
        for i in 0..b_count * per {
            let k = b_row(shape, bits, lane, i);
            words[a_count + i / per] |= encode(b(k, group)) << (bits as usize * (i % per));
        }
        for i in 0..4 {
            let value = c(group + 8 * (i / 2), lane * 2 + (i & 1));
            words[a_count + b_count + i] =
                if types.starts_with("f32") { (value as f32).to_bits() } else { value as u32 };
        }
    }
    let letter = if types.starts_with("f32") { 'f' } else { 'r' };
    let mut body = format!("mul.wide.u32 %at, %me, {};\n    add.s64 %in, %in, %at;\n", each * 4);
    for at in 0..a_count + b_count {
        body += &format!("    ld.global.b32 %r{at}, [%in+{}];\n", at * 4);
    }
    for at in 0..4 {
        body += &format!("    ld.global.b32 %{letter}{}, [%in+{}];\n", 20 + at, (a_count + b_count + at) * 4);
    }
    body += &format!(
        "    mma.sync.aligned.{shape}.row.col.{types} {{{}}}, {{{}}}, {{{}}}, {{{}}};
    mul.wide.u32 %at, %me, 16;
    add.s64 %out, %out, %at;
    st.global.v4.b32 [%out], {{{}}};",
        names(letter, 30, 4),
        names('r', 0, a_count),
        names('r', a_count, b_count),
        names(letter, 20, 4),
        names(letter, 30, 4),
    );
    let found = run("", &body, 1, 32, 128, &input).unwrap().words;
    for (number, words) in found.chunks_exact(4).enumerate() {
        for (i, word) in words.iter().enumerate() {
            let (row, column) = (number / 4 + 8 * (i / 2), number % 4 * 2 + (i & 1));
            let expected: i32 = (0..depth).map(|k| a(row, k) * b(k, column)).sum::<i32>() + c(row, column);
            let value = if letter == 'f' { f32::from_bits(*word) as i32 } else { *word as i32 };
            assert_eq!(value, expected, "{shape} {types}, row {row}, column {column}");
        }
    }
}

fn half(value: i32) -> u32 {
    // Small integers have short mantissas.
    let bits = (value as f32).to_bits();
    if value == 0 {
        0
    } else {
        (bits >> 16 & 0x8000) | (((bits >> 23 & 0xff) + 15 - 127) << 10) | (bits >> 13 & 0x3ff)
    }
}

#[test]
fn products_of_every_shape() {
    let brain: fn(i32) -> u32 = |value| (value as f32).to_bits() >> 16;
    let tensor: fn(i32) -> u32 = |value| (value as f32).to_bits();
    let byte: fn(i32) -> u32 = |value| u32::from(value as u8);
    for (shape, types, depth, bits, encode, signed) in [
        ("m16n8k4", "f32.tf32.tf32.f32", 4, 32, tensor, true),
        ("m16n8k8", "f32.tf32.tf32.f32", 8, 32, tensor, true),
        ("m16n8k8", "f32.f16.f16.f32", 8, 16, half as fn(i32) -> u32, true),
        ("m16n8k16", "f32.f16.f16.f32", 16, 16, half, true),
        ("m16n8k8", "f32.bf16.bf16.f32", 8, 16, brain, true),
        ("m16n8k16", "f32.bf16.bf16.f32", 16, 16, brain, true),
        ("m16n8k16", "s32.s8.s8.s32", 16, 8, byte, true),
        ("m16n8k32", "s32.s8.s8.s32", 32, 8, byte, true),
        ("m16n8k32", "s32.u8.u8.s32", 32, 8, byte, false),
    ] {
        check(&Case { shape, types, depth, bits, encode, signed });
    }
}

#[test]
fn the_low_bits_of_a_tf32_operand_take_no_part() {
    let body = "
    mov.b32 %r1, 0x3f801fff;
    mov.b32 %r2, 0x3f800000;
    mov.f32 %f0, 0f00000000;
    mma.sync.aligned.m16n8k4.row.col.f32.tf32.tf32.f32 {%f1, %f2, %f3, %f4}, {%r1, %r1}, {%r2},
        {%f0, %f0, %f0, %f0};
    mul.wide.u32 %at, %me, 4;
    add.s64 %out, %out, %at;
    st.global.f32 [%out], %f1;";
    assert_eq!(run("", body, 1, 32, 32, &[]).unwrap().words, [4f32.to_bits(); 32]);
}

#[test]
fn integer_products_saturate_where_asked() {
    for (modifier, expected) in [("", 0x8000_0001u32), (".satfinite", 0x7fff_ffff)] {
        let body = format!(
            "
    mov.b32 %r1, 1;
    mov.b32 %r2, 2;
    mov.b32 %r3, 0x7fffffff;
    mma.sync.aligned.m16n8k16.row.col{modifier}.s32.s8.s8.s32 {{%r4, %r5, %r6, %r7}}, {{%r1, %r1}}, {{%r2}},
        {{%r3, %r3, %r3, %r3}};
    sub.u32 %r4, %r4, 6;
    mul.wide.u32 %at, %me, 4;
    add.s64 %out, %out, %at;
    st.global.b32 [%out], %r4;"
        );
        // Each group of four lanes has one product of 1 and 2 in each lane.
        let expected = if modifier.is_empty() { expected } else { expected - 6 };
        assert_eq!(run("", &body, 1, 32, 32, &[]).unwrap().words, [expected; 32]);
    }
}

#[test]
fn matrices_load_straight_and_transposed() {
    // Row r of matrix n is 16 bytes at 128 n + 16 r; element c holds 256 n + 16 r + c.
    let fill = "
    mov.u32 %r1, tile;
    mad.lo.u32 %r2, %me, 16, %r1;
    shr.u32 %r3, %me, 3;
    and.b32 %r4, %me, 7;
    shl.b32 %r3, %r3, 8;
    mad.lo.u32 %r3, %r4, 16, %r3;
    mad.lo.u32 %r3, %r3, 65537, 65536;
    st.shared.v2.b32 [%r2], {%r3, %r3};
    add.u32 %r4, %r3, 131074;
    st.shared.b32 [%r2+4], %r4;
    add.u32 %r4, %r3, 262148;
    add.u32 %r5, %r3, 393222;
    st.shared.v2.b32 [%r2+8], {%r4, %r5};
    bar.warp.sync -1;";
    let store = "
    mul.wide.u32 %at, %me, 16;
    add.s64 %out, %out, %at;
    st.global.v4.b32 [%out], {%r10, %r11, %r12, %r13};";
    for (modifier, transposed) in [("", false), (".trans", true)] {
        let load =
            format!("ldmatrix.sync.aligned.m8n8.x4{modifier}.shared.b16 {{%r10, %r11, %r12, %r13}}, [%r2];");
        let body = format!("{fill}\n    {load}{store}");
        let found = run(".shared .align 16 .b8 tile[512];", &body, 1, 32, 128, &[]).unwrap().words;
        for (lane, words) in found.chunks_exact(4).enumerate() {
            for (matrix, word) in words.iter().enumerate() {
                let element = |row: usize, column: usize| (256 * matrix + 16 * row + column) as u32;
                let (line, first) = (lane / 4, lane % 4 * 2);
                let expected = match transposed {
                    false => element(line, first) | element(line, first + 1) << 16,
                    true => element(first, line) | element(first + 1, line) << 16,
                };
                assert_eq!(*word, expected, "lane {lane}, matrix {matrix}");
            }
        }
    }
}
