//! What a thread can do wrong beside races, and how it is told.

use super::harness::{module, run};
use dlc_ptx_machine::{Argument, Checks, Fault, Launch, Memory, Module};

fn fault(body: &str, block: u32) -> Fault {
    match run("", body, 1, block, 4, &[0; 4]) {
        Ok(_) => panic!("no fault in {body}"),
        Err(fault) => fault,
    }
}

#[test]
fn bounds() {
    let past = fault("ld.global.u32 %r1, [%in+16];", 1);
    assert_eq!(
        past.to_string(),
        "kernel, line 20, block (0, 0, 0), thread (0, 0, 0), at `ld.global.u32 %r1, [%in+16];`: \
         4 bytes at global address 0x700000001110 are at offset 16 of allocation 1 of 16 bytes"
    );
    let before = fault("st.global.u32 [%in+-4], %r1;", 1).to_string();
    assert!(before.ends_with("4 bytes before the start of allocation 1 of 16 bytes"), "{before}");
    // The whole vector has to fit.
    assert!(matches!(fault("ld.global.v2.u64 {%d0, %d1}, [%in+16];", 1), Fault::OutOfBounds { .. }));
    let nowhere = fault("mov.u64 %d1, 0; ld.global.u32 %r1, [%d1];", 1).to_string();
    assert!(nowhere.ends_with("far from every allocation"), "{nowhere}");
    let shared = ".shared .b8 tile[8];\n    st.shared.u32 [tile+8], 0;";
    assert!(matches!(fault(shared, 1), Fault::OutOfBounds { space: "shared", address: 8, .. }));
    let local = ".local .b8 own[16];\n    st.local.u32 [own+16], 0;";
    assert!(matches!(fault(local, 1), Fault::OutOfBounds { space: "local", .. }));
    let never_written = "ld.global.u32 %r1, [%d7];";
    assert!(matches!(fault(never_written, 1), Fault::Misaligned { .. } | Fault::OutOfBounds { .. }));
}

#[test]
fn alignment() {
    assert!(matches!(fault("ld.global.u32 %r1, [%in+2];", 1), Fault::Misaligned { bytes: 4, .. }));
    let vector = fault("ld.global.v4.f32 {%f0, %f1, %f2, %f3}, [%in+8];", 1);
    assert!(matches!(vector, Fault::Misaligned { bytes: 16, .. }));
    let copy = ".shared .align 16 .b8 tile[32];\n    mov.u32 %r1, tile;
    cp.async.cg.shared.global [%r1+8], [%in], 16;";
    assert!(matches!(fault(copy, 1), Fault::Misaligned { space: "shared", .. }));
}

#[test]
fn unwritten_bytes() {
    assert!(matches!(fault("ld.global.u32 %r1, [%out];", 1), Fault::Uninitialised { space: "global", .. }));
    let shared = ".shared .align 4 .b8 tile[8];\n    st.shared.u8 [tile+1], %h1;
    ld.shared.u32 %r1, [tile];";
    assert!(matches!(fault(shared, 1), Fault::Uninitialised { space: "shared", address: 0, .. }));
    // It can be allowed.
    let text = module("", "ld.global.u32 %r1, [%out];");
    let mut memory = Memory::new();
    let out = memory.allocate(4);
    let checks = Checks { uninitialised: false, ..Checks::default() };
    let parameters = [Argument::U64(out), Argument::U64(out)];
    let launch = Launch { block: [1, 1, 1], parameters: &parameters, checks, ..Launch::default() };
    Module::parse(&text).unwrap().launch("kernel", &launch, &mut memory).unwrap();
}

#[test]
fn copies_in_flight() {
    let body = |wait: &str, after: &str| {
        format!(
            ".shared .align 16 .b8 tile[16];
    mov.u32 %r1, tile;
    cp.async.ca.shared.global [%r1], [%in], 4;
    {wait}
    {after}"
        )
    };
    let read = "ld.shared.u32 %r2, [tile];";
    for wait in ["", "cp.async.commit_group;", "cp.async.wait_group 0;"] {
        let found = fault(&body(wait, read), 1);
        assert!(matches!(found, Fault::InFlight { address: 0, .. }), "{wait}: {found}");
    }
    assert!(matches!(fault(&body("", "st.shared.u8 [tile+2], %h1;"), 1), Fault::InFlight { .. }));
    let again = "cp.async.ca.shared.global [%r1], [%in], 8;";
    assert!(matches!(fault(&body("", again), 1), Fault::InFlight { .. }));
    for wait in ["cp.async.wait_all;", "cp.async.commit_group;\n    cp.async.wait_group 0;"] {
        run("", &body(wait, read), 1, 1, 4, &[0; 4]).unwrap();
    }
    // Whoever waited knows; another thread needs a barrier as well.
    let other = "setp.eq.u32 %p0, %me, 0;
    @!%p0 bra joined;
    mov.u32 %r1, tile;
    cp.async.ca.shared.global [%r1], [%in], 4;
    cp.async.wait_all;
joined:
    BARRIER
    ld.shared.u32 %r2, [tile];";
    let other = format!(".shared .align 16 .b8 tile[16];\n    {other}");
    assert!(matches!(fault(&other.replace("BARRIER", ""), 2), Fault::Race { .. }));
    run("", &other.replace("BARRIER", "bar.sync 0;"), 1, 2, 4, &[0; 4]).unwrap();
}

#[test]
fn barriers_that_not_all_reach() {
    let returned = "
    setp.ge.u32 %p0, %me, 40;
    @%p0 ret;
    bar.sync 0;";
    let found = fault(returned, 64);
    let Fault::Deadlock { place, waiting: 40, threads: 64, missing } = &found else { panic!("{found}") };
    assert_eq!(place.text, "bar.sync 0;");
    assert_eq!(missing, "thread [40, 0, 0] has returned");
    let apart = "
    setp.ge.u32 %p0, %me, 32;
    @%p0 bra upper;
    bar.sync 0;
    ret;
upper:
    bar.sync 1;";
    assert!(matches!(fault(apart, 64), Fault::Deadlock { .. }));
    // Warps may come to different instructions of one barrier, lanes of a warp may not.
    let places = apart.replace("bar.sync 1;", "bar.sync 0;");
    run("", &places, 1, 64, 4, &[]).unwrap();
    let lanes = places.replace("%me, 32", "%me, 16");
    assert!(matches!(fault(&lanes, 32), Fault::Mask { .. }));
    run("", &lanes.replace("bar.sync", "barrier.sync"), 1, 32, 4, &[]).unwrap();
    run("", "bar.sync 0, 64;", 1, 64, 4, &[]).unwrap();
    assert!(matches!(fault("bar.sync 0, 32;", 64), Fault::NotExecuted { .. }));
    assert!(matches!(fault("add.u32 %r1, %me, 16;\n    barrier.sync %r1;", 32), Fault::NotExecuted { .. }));
}

#[test]
fn masks_that_do_not_fit() {
    let missing = "
    setp.lt.u32 %p0, %me, 16;
    @%p0 shfl.sync.idx.b32 %r0, %me, 0, 31, -1;";
    let found = fault(missing, 32);
    let Fault::Mask { mask: u32::MAX, lanes: 0xffff, .. } = &found else { panic!("{found}") };
    assert!(found.to_string().contains("never come here"), "{found}");
    // A lane that its own mask leaves out.
    assert!(matches!(fault("shfl.sync.idx.b32 %r0, %me, 0, 31, 1;", 32), Fault::Mask { mask: 1, .. }));
    // A source that takes no part.
    let source = "
    setp.lt.u32 %p0, %me, 16;
    @%p0 shfl.sync.idx.b32 %r0, %me, 20, 31, 0xffff;";
    assert!(fault(source, 32).to_string().contains("reads from lane 20, which takes no part"));
    let upper = "shfl.sync.bfly.b32 %r0, %me, 16, 31, -1;";
    assert!(matches!(fault(upper, 24), Fault::Mask { .. }));
    let behind_barrier = "
    setp.lt.u32 %p0, %me, 16;
    @%p0 bra low;
    barrier.sync 0;
low:
    bar.warp.sync -1;";
    assert!(matches!(fault(behind_barrier, 32), Fault::Mask { lanes: 0xffff, .. }));
    let product = "
    mov.b32 %r1, 0;
    setp.lt.u32 %p0, %me, 16;
    @%p0 mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%r2, %r3, %r4, %r5}, {%r1, %r1}, {%r1},
        {%r1, %r1, %r1, %r1};";
    assert!(matches!(fault(product, 32), Fault::Mask { .. }));
    assert!(matches!(fault(product, 16), Fault::Mask { .. }));
}

#[test]
fn the_rest() {
    let place = |fault: Fault| match fault {
        Fault::Trap { place } | Fault::DivisionByZero { place } => (place.thread, place.text),
        other => panic!("{other}"),
    };
    let trap = "setp.eq.u32 %p0, %me, 33;\n    @%p0 trap;";
    assert_eq!(place(fault(trap, 64)), ([33, 0, 0], "@%p0 trap;".to_owned()));
    let division = "sub.u32 %r1, 3, %me;\n    div.u32 %r0, 7, %r1;";
    assert_eq!(place(fault(division, 8)).0, [3, 0, 0]);
    let text = module("", "forever: bra forever;");
    let checks = Checks { instructions: 10_000, ..Checks::default() };
    let parameters = [Argument::U64(0), Argument::U64(0)];
    let launch = Launch { parameters: &parameters, checks, ..Launch::default() };
    let found = Module::parse(&text).unwrap().launch("kernel", &launch, &mut Memory::new()).unwrap_err();
    assert!(matches!(found, Fault::Endless { instructions: 10_000, .. }), "{found}");
    let bulk = "cp.async.bulk.commit_group;";
    let text = module("", bulk).replace("sm_80", "sm_90a");
    let launch = Launch { parameters: &parameters, ..Launch::default() };
    let found = Module::parse(&text).unwrap().launch("kernel", &launch, &mut Memory::new()).unwrap_err();
    assert!(found.to_string().ends_with("cp.async.bulk.commit_group is not executed by this machine"));
}

#[test]
fn launches_that_do_not_fit() {
    let text = module("", "")
        .replace(
            "out_parameter, .param .u64 in_parameter)",
            "out_parameter, .param .f32 in_parameter)\n.reqntid 64, 1, 1",
        )
        .replace("ld.param.u64 %in, [in_parameter];", "mov.u64 %in, 0;");
    let module = Module::parse(&text).unwrap();
    let told = |entry: &str, launch: &Launch<'_>| {
        module.launch(entry, launch, &mut Memory::new()).unwrap_err().to_string()
    };
    let fits = Launch {
        block: [64, 1, 1],
        parameters: &[Argument::U64(0), Argument::F32(1.0)],
        ..Launch::default()
    };
    module.launch("kernel", &fits, &mut Memory::new()).unwrap();
    for (launch, message) in [
        (Launch { block: [32, 1, 1], ..fits.clone() }, "where .reqntid is"),
        (Launch { block: [64, 32, 1], ..fits.clone() }, "it has 1 to 1024"),
        (Launch { grid: [1, 0, 1], ..fits.clone() }, "a grid of [1, 0, 1]"),
        (Launch { grid: [1, 70_000, 1], ..fits.clone() }, "1 to 65535"),
        (Launch { shared_bytes: 1 << 20, ..fits.clone() }, "bytes of shared memory"),
        (Launch { parameters: &[], ..fits.clone() }, "2 parameters are needed, 0 are given"),
        (
            Launch { parameters: &[Argument::U64(0), Argument::U32(1)], ..fits.clone() },
            "parameter in_parameter is .f32 of 4 bytes, given is U32(1)",
        ),
    ] {
        let found = told("kernel", &launch);
        assert!(found.contains(message), "{found}");
    }
    assert!(told("colonel", &fits).contains("no such entry, but kernel"));
}
