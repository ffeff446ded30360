//! Accesses that nothing orders, and those that something does.

use super::harness::run;
use dlc_ptx_machine::{Access, Fault};

const TILE: &str = ".shared .align 16 .b8 tile[512];";

fn shared(body: &str, block: u32) -> Result<(), Fault> {
    let start = "
    mov.u32 %r1, tile;
    shl.b32 %r2, %me, 2;
    add.u32 %r2, %r1, %r2;
    ";
    run(TILE, &format!("{start}{body}"), 1, block, 1, &[]).map(|_| ())
}

/// The later and the earlier access of a race.
fn race(result: Result<(), Fault>) -> (Access, Access, bool) {
    match result {
        Err(Fault::Race { access, other, .. }) => (access, other.access, other.another_block),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_write_read_by_another_thread_needs_a_barrier() {
    let body = |barrier: &str| {
        format!(
            "st.shared.u32 [%r2], %me;
    {barrier}
    xor.b32 %r3, %r2, 4;
    ld.shared.u32 %r4, [%r3];"
        )
    };
    assert_eq!(race(shared(&body(""), 32)), (Access::Read, Access::Write, false));
    shared(&body("bar.sync 0;"), 64).unwrap();
    shared(&body("barrier.sync 1;"), 64).unwrap();
    // Within a warp its own barrier is enough, and a fence alone is not.
    shared(&body("bar.warp.sync -1;"), 32).unwrap();
    shared(&body("bar.warp.sync -1;"), 64).unwrap();
    assert_eq!(race(shared(&body("membar.cta;"), 32)), (Access::Read, Access::Write, false));
}

#[test]
fn a_warps_barrier_orders_only_its_lanes() {
    let body = "
    st.shared.u32 [%r2], %me;
    setp.lt.u32 %p0, %me, 16;
    selp.b32 %r5, 0x0000ffff, 0xffff0000, %p0;
    bar.warp.sync %r5;
    xor.b32 %r3, %r2, 16;
    ld.shared.u32 %r4, [%r3];";
    // A neighbour in the half is ordered, one in the other half is not.
    shared(body, 32).unwrap();
    let across = body.replace("%r2, 16", "%r2, 64");
    assert_eq!(race(shared(&across, 32)), (Access::Read, Access::Write, false));
    // Order carries over: each half's barrier, then one of all.
    let carried = across.replace("%r5;", "%r5;\n    bar.warp.sync -1;");
    shared(&carried, 32).unwrap();
    let other_warp = body
        .replace("%r2, 16", "%r2, 128")
        .replace("selp.b32 %r5, 0x0000ffff, 0xffff0000, %p0;", "mov.b32 %r5, -1;")
        .replace("ld.shared", "setp.ge.u32 %p1, %me, 32;\n    @%p1 ld.shared");
    assert_eq!(race(shared(&other_warp, 64)), (Access::Read, Access::Write, false));
}

#[test]
fn a_read_overwritten_by_another_thread_needs_a_barrier() {
    let body = |barrier: &str| {
        format!(
            "st.shared.u32 [%r2], %me;
    bar.sync 0;
    ld.shared.u32 %r4, [tile];
    {barrier}
    setp.eq.u32 %p0, %me, 40;
    @%p0 st.shared.u32 [tile], %me;"
        )
    };
    assert_eq!(race(shared(&body(""), 64)), (Access::Write, Access::Read, false));
    shared(&body("bar.sync 0;"), 64).unwrap();
    // Its warp's barrier orders lanes 32 and up alone.
    assert_eq!(race(shared(&body("bar.warp.sync -1;"), 64)), (Access::Write, Access::Read, false));
    let alone = body("bar.warp.sync -1;").replace("%me, 40", "%me, 5");
    shared(&alone, 32).unwrap();
}

#[test]
fn neighbours_in_a_word_are_apart() {
    let bytes = "
    add.u32 %r3, %r1, %me;
    cvt.u16.u32 %h1, %me;
    st.shared.u8 [%r3], %h1;";
    shared(bytes, 64).unwrap();
    let twice = bytes.replace("%r1, %me;", "%r1, %me;\n    and.b32 %r3, %r3, -2;");
    assert_eq!(race(shared(&twice, 64)), (Access::Write, Access::Write, false));
    // A word written whole meets bytes that were written one by one.
    let word = format!("{bytes}\n    st.shared.u32 [%r2+64], 0;");
    assert_eq!(race(shared(&word.replace("+64", "+0"), 64)), (Access::Write, Access::Write, false));
    shared(&word, 64).unwrap();
}

#[test]
fn the_same_value_twice_is_a_race_too() {
    assert_eq!(race(shared("st.shared.u32 [tile], 1;", 2)), (Access::Write, Access::Write, false));
    shared("st.shared.u32 [tile], 1;", 1).unwrap();
}

fn global(body: &str, grid: u32, block: u32) -> Result<(), Fault> {
    run("", body, grid, block, 64, &[0; 64]).map(|_| ())
}

#[test]
fn blocks_are_never_ordered() {
    let own = "
    mov.u32 %r1, %ctaid.x;
    mul.wide.u32 %at, %r1, 4;
    add.s64 %d1, %out, %at;
    st.global.u32 [%d1], %r1;";
    global(own, 4, 1).unwrap();
    assert_eq!(race(global("st.global.u32 [%out], 1;", 2, 1)), (Access::Write, Access::Write, true));
    // A barrier changes nothing between blocks.
    let barrier = "st.global.u32 [%out], 1;\n    bar.sync 0;";
    assert_eq!(race(global(barrier, 2, 1)), (Access::Write, Access::Write, true));
    let reads_other = format!("{own}\n    bar.sync 0;\n    ld.global.u32 %r2, [%out];");
    assert_eq!(race(global(&reads_other, 2, 1)), (Access::Read, Access::Write, true));
    let written_after_read = "
    ld.global.u32 %r2, [%in];
    mov.u32 %r1, %ctaid.x;
    setp.eq.u32 %p0, %r1, 3;
    bar.sync 0;
    @%p0 st.global.u32 [%in], 1;";
    assert_eq!(race(global(written_after_read, 4, 1)), (Access::Write, Access::Read, true));
    global(written_after_read, 3, 1).unwrap();
}

#[test]
fn threads_of_a_block_are_ordered_by_barriers_in_global_memory() {
    let body = |barrier: &str| {
        format!(
            "mul.wide.u32 %at, %me, 4;
    add.s64 %d1, %out, %at;
    st.global.u32 [%d1], %me;
    {barrier}
    xor.b32 %r1, %me, 1;
    mul.wide.u32 %at, %r1, 4;
    add.s64 %d2, %out, %at;
    ld.global.u32 %r2, [%d2];"
        )
    };
    assert_eq!(race(global(&body(""), 1, 64)), (Access::Read, Access::Write, false));
    global(&body("bar.sync 0;"), 1, 64).unwrap();
}

#[test]
fn atomics_race_with_plain_accesses_alone() {
    global("red.global.add.u32 [%in], 1;", 4, 64).unwrap();
    let read = "red.global.add.u32 [%in], 1;\n    ld.global.u32 %r1, [%in];";
    assert_eq!(race(global(read, 1, 2)), (Access::Read, Access::Atomic, false));
    let before = "ld.global.u32 %r1, [%in];\n    red.global.add.u32 [%in], 1;";
    assert_eq!(race(global(before, 2, 1)), (Access::Read, Access::Atomic, true));
    assert_eq!(race(global(before, 1, 2)), (Access::Atomic, Access::Read, false));
}

#[test]
fn a_second_launch_starts_anew() {
    use dlc_ptx_machine::{Argument, Launch, Memory, Module};
    let body = "
    mov.u32 %r1, %ctaid.x;
    mul.wide.u32 %at, %r1, 4;
    add.s64 %d1, %in, %at;
    ld.global.u32 %r2, [%d1];
    add.u32 %r2, %r2, 1;
    add.s64 %d2, %out, %at;
    st.global.u32 [%d2], %r2;";
    let module = Module::parse(&super::harness::module("", body)).unwrap();
    let mut memory = Memory::new();
    let (one, two) = (memory.store_u32(&[0; 4]), memory.store_u32(&[5; 4]));
    for (out, input) in [(one, two), (two, one), (one, two)] {
        let parameters = [Argument::U64(out), Argument::U64(input)];
        let launch =
            Launch { grid: [4, 1, 1], block: [1, 1, 1], parameters: &parameters, ..Launch::default() };
        module.launch("kernel", &launch, &mut memory).unwrap();
    }
    assert_eq!(memory.read_u32(one, 4).unwrap(), [8; 4]);
}

#[test]
fn what_a_launch_writes_is_not_read_by_nc() {
    let reads = "ld.global.nc.u32 %r1, [%in];\n    ld.global.u32 %r2, [%in];";
    global(reads, 4, 32).unwrap();
    for (body, lines) in [
        ("ld.global.nc.u32 %r1, [%in];\n    st.global.u32 [%in], %r1;", (20, 21)),
        ("st.global.u32 [%in], %me;\n    ld.global.nc.u32 %r1, [%in];", (21, 20)),
    ] {
        // Not even where it is the same thread.
        let Err(Fault::Unchanging { read, written, .. }) = global(body, 1, 1) else { panic!("{body}") };
        assert_eq!((read, written), lines);
    }
    assert!(global("ld.global.u32 %r1, [%in];\n    st.global.u32 [%in], %r1;", 1, 1).is_ok());
}
