//! Loads and stores of every space and width, generic addresses, atomics, asynchronous copies.

use super::harness::{each_thread, keep, run, words};
use dlc_ptx_machine::{Argument, Launch, Memory, Module};

#[test]
fn narrow_loads_extend_by_their_type() {
    let body = "
    ld.global.s8 %r1, [%in];
    st.global.b32 [%out], %r1;
    ld.global.u8 %r1, [%in];
    st.global.b32 [%out+4], %r1;
    ld.global.s16 %r1, [%in];
    st.global.b32 [%out+8], %r1;
    ld.global.b16 %h1, [%in];
    cvt.u32.u16 %r1, %h1;
    st.global.b32 [%out+12], %r1;
    ld.global.s8 %h1, [%in];
    cvt.u32.u16 %r1, %h1;
    st.global.b32 [%out+16], %r1;
    ld.global.s32 %d1, [%in];
    shr.u64 %d1, %d1, 32;
    cvt.u32.u64 %r1, %d1;
    st.global.b32 [%out+20], %r1;
    st.global.b32 [%out+24], 0;
    st.global.u8 [%out+25], %r1;";
    let found = run("", body, 1, 1, 7, &[0xffff_fe80]).unwrap().words;
    assert_eq!(found, [0xffff_ff80, 0x80, 0xffff_fe80, 0xfe80, 0xff80, u32::MAX, 0xff00]);
}

#[test]
fn vectors_move_whole() {
    let body = "
    ld.global.nc.L1::no_allocate.v4.f32 {%f0, %f1, %f2, %f3}, [%in];
    st.global.v2.f32 [%out], {%f3, %f2};
    st.global.v2.f32 [%out+8], {%f1, %f0};
    ld.global.v2.u64 {%d0, %d1}, [%in];
    st.global.u64 [%out+16], %d1;
    ld.volatile.global.u32 %r1, [%in];
    st.relaxed.gpu.global.u32 [%out+24], %r1;";
    assert_eq!(run("", body, 1, 1, 7, &[1, 2, 3, 4]).unwrap().words, [4, 3, 2, 1, 3, 4, 1]);
}

#[test]
fn constants_are_initialised_and_padded() {
    let outside = ".const .align 4 .f32 table[3] = {0f3F800000, -2.5};
.const .b8 bytes[4] = {1, 2, 255, 0x7f};
.const .s32 pair[2] = {-1, 7};";
    let body = "
    ld.const.b32 %r1, [table+4];
    st.global.b32 [%out], %r1;
    ld.const.b32 %r1, [table+8];
    st.global.b32 [%out+4], %r1;
    mov.u64 %d1, bytes;
    ld.const.b32 %r1, [%d1];
    st.global.b32 [%out+8], %r1;
    cvta.const.u64 %d2, %d1;
    ld.u8 %r1, [%d2+2];
    st.global.b32 [%out+12], %r1;
    ld.const.s32 %r1, [pair];
    st.global.b32 [%out+16], %r1;";
    let found = run(outside, body, 1, 1, 5, &[]).unwrap().words;
    assert_eq!(found, [(-2.5f32).to_bits(), 0, 0x7fff_0201, 255, u32::MAX]);
}

#[test]
fn local_and_shared_memory_have_generic_addresses() {
    let body = "
    .local .align 8 .b8 own[16];
    .shared .align 8 .b8 tile[256];
    mov.u64 %d1, own;
    st.local.u32 [%d1+8], %me;
    cvta.local.u64 %d2, %d1;
    ld.u32 %r1, [%d2+8];
    mov.u64 %d3, tile;
    mul.wide.u32 %d4, %me, 4;
    add.u64 %d4, %d3, %d4;
    cvta.shared.u64 %d5, %d4;
    st.u32 [%d5], %r1;
    bar.sync 0;
    ld.shared.u32 %r2, [%d4];
    cvta.to.shared.u64 %d6, %d5;
    ld.shared.u32 %r3, [%d6];
    add.u32 %r0, %r2, %r3;";
    assert_eq!(each_thread(body, 64, &[0; 64]).unwrap(), (0..64).map(|at| 2 * at).collect::<Vec<_>>());
}

#[test]
fn parameters_have_their_own_space_and_dynamic_shared_memory_its_size() {
    let text = "
.version 8.0
.target sm_80
.address_size 64
.extern .shared .align 16 .b8 dynamic[];
.visible .entry kernel(.param .u64 .ptr .global .align 16 out, .param .u8 small, .param .f32 x,
    .param .align 8 .b8 record[12])
.maxntid 128
{
    .reg .b64 %d<3>;
    .reg .b32 %r<6>;
    .reg .f32 %f1;
    .shared .b32 fixed;
    ld.param.u64 %d0, [out];
    ld.param.u8 %r0, [small];
    st.global.u32 [%d0], %r0;
    ld.param.f32 %f1, [x];
    st.global.f32 [%d0+4], %f1;
    mov.b64 %d1, record;
    ld.param.u32 %r1, [%d1+8];
    st.global.u32 [%d0+8], %r1;
    mov.u32 %r2, dynamic;
    st.global.u32 [%d0+12], %r2;
    st.shared.u32 [fixed], 5;
    st.shared.u32 [dynamic+60], 6;
    mov.u32 %r3, %dynamic_smem_size;
    st.global.u32 [%d0+16], %r3;
    ld.shared.u32 %r4, [%r2+60];
    st.global.u32 [%d0+20], %r4;
}";
    keep(text);
    let mut memory = Memory::new();
    let out = memory.allocate(24);
    let record = (0..12).collect();
    let parameters = [Argument::U64(out), Argument::U8(200), Argument::F32(1.5), Argument::Bytes(record)];
    let launch = Launch { block: [1, 1, 1], shared_bytes: 64, parameters: &parameters, ..Launch::default() };
    let module = Module::parse(text).unwrap();
    module.launch("kernel", &launch, &mut memory).unwrap();
    let expected = [200, 1.5f32.to_bits(), 0x0b0a_0908, 16, 64, 6];
    assert_eq!(memory.read_u32(out, 6).unwrap(), expected);
    assert_eq!((module.shared_bytes("kernel"), module.target()), (Some(16), "sm_80"));
}

#[test]
fn atomics_of_all_threads_arrive() {
    let body = "
    atom.global.add.u32 %r1, [%in], 1;
    red.global.add.f32 [%in+4], 0f3f800000;
    red.global.max.s32 [%in+8], %me;
    atom.global.cas.b32 %r2, [%in+12], 0, 7;
    red.global.add.u64 [%in+16], 4294967296;
    red.global.or.b32 [%in+24], %me;
    atom.global.exch.b32 %r3, [%in+28], 9;
    mov.u32 %r0, %r1;";
    let body = format!(
        "{body}\n    mul.wide.u32 %at, %me, 4;\n    add.s64 %out, %out, %at;
    st.global.u32 [%out], %r0;"
    );
    let text = super::harness::module("", &body);
    let mut memory = Memory::new();
    let out = memory.allocate(4 * 64);
    let input = memory.store_u32(&[0; 8]);
    let parameters = [Argument::U64(out), Argument::U64(input)];
    let launch = Launch { block: [64, 1, 1], parameters: &parameters, ..Launch::default() };
    Module::parse(&text).unwrap().launch("kernel", &launch, &mut memory).unwrap();
    assert_eq!(memory.read_u32(out, 64).unwrap(), (0..64).collect::<Vec<_>>());
    let expected = [64, 64f32.to_bits(), 63, 7, 0, 64, 63, 9];
    assert_eq!(memory.read_u32(input, 8).unwrap(), expected);
}

#[test]
fn atomic_sums_of_singles_flush_in_global_memory_alone() {
    let body = "
    .shared .b32 word;
    st.shared.b32 [word], 0;
    red.shared.add.f32 [word], 0f00000003;
    ld.shared.b32 %r1, [word];
    st.global.b32 [%out], %r1;
    st.global.b32 [%out+4], 0;
    red.global.add.f32 [%out+4], 0f00000003;";
    assert_eq!(run("", body, 1, 1, 2, &[]).unwrap().words, [3, 0]);
}

#[test]
fn copies_fill_with_zeros_and_land_group_by_group() {
    let body = "
    .shared .align 16 .b8 tile[48];
    mov.u32 %r1, tile;
    mov.u32 %r2, 6;
    mov.u32 %r3, 0;
    cp.async.ca.shared.global [%r1], [%in], 8, %r2;
    cp.async.ca.shared.global [%r1+8], [%in], 4, %r3;
    cp.async.commit_group;
    cp.async.cg.shared.global.L2::128B [%r1+16], [%in], 16;
    cp.async.commit_group;
    cp.async.wait_group 1;
    ld.shared.v2.u32 {%r4, %r5}, [tile];
    ld.shared.u32 %r6, [tile+8];
    st.global.v2.u32 [%out], {%r4, %r5};
    st.global.u32 [%out+8], %r6;
    cp.async.wait_group 0;
    ld.shared.u32 %r4, [tile+28];
    st.global.u32 [%out+12], %r4;
    cp.async.ca.shared.global [%r1+32], [%in], 4;
    cp.async.wait_all;
    ld.shared.u32 %r4, [tile+32];
    st.global.u32 [%out+16], %r4;";
    let found = run("", body, 1, 1, 5, &[0x0403_0201, 0x0807_0605, 3, 4]).unwrap().words;
    assert_eq!(found, [0x0403_0201, 0x0605, 0, 4, 0x0403_0201]);
}

#[test]
fn scopes_shadow_names() {
    words(&[("mov.u32 %r0, 1; { .reg .b32 %r0; mov.u32 %r0, 2; }", 1)]);
}
