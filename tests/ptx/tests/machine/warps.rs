//! What lanes do together, and how they part and meet again.

use super::harness::{each_thread, run};

/// Values of `%r0` in the lanes of a warp.
fn warp(body: &str) -> Vec<u32> {
    each_thread(body, 32, &[0; 32]).unwrap()
}

fn lanes(value: impl Fn(u32) -> u32) -> Vec<u32> {
    (0..32).map(value).collect()
}

#[test]
fn shuffles_over_the_whole_warp() {
    assert_eq!(warp("shfl.sync.up.b32 %r0, %me, 3, 0, -1;"), lanes(|l| if l < 3 { l } else { l - 3 }));
    assert_eq!(warp("shfl.sync.down.b32 %r0, %me, 3, 31, -1;"), lanes(|l| if l > 28 { l } else { l + 3 }));
    assert_eq!(warp("shfl.sync.bfly.b32 %r0, %me, 5, 31, -1;"), lanes(|l| l ^ 5));
    assert_eq!(warp("shfl.sync.idx.b32 %r0, %me, 7, 31, -1;"), lanes(|_| 7));
    // Only the low five bits of the source lane count.
    assert_eq!(warp("shfl.sync.idx.b32 %r0, %me, 39, 31, -1;"), lanes(|_| 7));
}

#[test]
fn shuffles_stay_in_their_segments() {
    // Segments of eight lanes: 0x18 << 8, and the clamp below it.
    let inside = |mode: &str| {
        format!(
            "shfl.sync.{mode}, -1;
    selp.u32 %r2, 256, 0, %p0;
    or.b32 %r0, %r0, %r2;"
        )
    };
    assert_eq!(
        warp(&inside("up.b32 %r0|%p0, %me, 2, 0x1800")),
        lanes(|l| if l % 8 < 2 { l } else { l - 2 + 256 })
    );
    assert_eq!(
        warp(&inside("down.b32 %r0|%p0, %me, 2, 0x181f")),
        lanes(|l| if l % 8 > 5 { l } else { l + 2 + 256 })
    );
    assert_eq!(
        warp(&inside("bfly.b32 %r0|%p0, %me, 8, 0x181f")),
        // The lower segment of a pair would read past its end, the upper one reads below.
        lanes(|l| if l / 8 % 2 == 0 { l } else { (l ^ 8) + 256 })
    );
    assert_eq!(warp(&inside("idx.b32 %r0|%p0, %me, 9, 0x181f")), lanes(|l| l / 8 * 8 + 1 + 256));
}

#[test]
fn votes_and_reductions() {
    let odd = "and.b32 %r1, %me, 1;\n    setp.eq.u32 %p0, %r1, 1;\n    ";
    assert_eq!(warp(&format!("{odd}vote.sync.ballot.b32 %r0, %p0, -1;")), lanes(|_| 0xaaaa_aaaa));
    assert_eq!(warp(&format!("{odd}vote.sync.ballot.b32 %r0, !%p0, -1;")), lanes(|_| 0x5555_5555));
    for (vote, truth) in [("any", 1), ("all", 0), ("uni", 0)] {
        let body = format!("{odd}vote.sync.{vote}.pred %p1, %p0, -1;\n    selp.u32 %r0, 1, 0, %p1;");
        assert_eq!(warp(&body), lanes(|_| truth), "{vote}");
    }
    assert_eq!(warp("redux.sync.add.u32 %r0, %me, -1;"), lanes(|_| 31 * 16));
    assert_eq!(warp("sub.s32 %r1, %me, 5; redux.sync.min.s32 %r0, %r1, -1;"), lanes(|_| (-5i32) as u32));
    assert_eq!(warp("sub.s32 %r1, %me, 5; redux.sync.max.u32 %r0, %r1, -1;"), lanes(|_| u32::MAX));
    assert_eq!(warp("or.b32 %r1, %me, 64; redux.sync.and.b32 %r0, %r1, -1;"), lanes(|_| 64));
    assert_eq!(warp("redux.sync.xor.b32 %r0, %me, -1;"), lanes(|_| 0));
}

#[test]
fn special_registers() {
    assert_eq!(warp("mov.u32 %r0, %lanemask_lt;"), lanes(|l| (1u32 << l) - 1));
    assert_eq!(warp("mov.u32 %r0, %lanemask_ge;"), lanes(|l| u32::MAX << l));
    let body = "
    mov.u32 %r1, %warpid;
    mov.u32 %r2, %laneid;
    mad.lo.u32 %r0, %r1, 1000, %r2;";
    let expected: Vec<u32> = (0..80).map(|thread| thread / 32 * 1000 + thread % 32).collect();
    assert_eq!(each_thread(body, 80, &[0; 80]).unwrap(), expected);
}

#[test]
fn lanes_part_and_meet_again() {
    // Each lane counts down from its own number, and all meet for the shuffle after the loop.
    let body = "
    mov.u32 %r1, %me;
    mov.u32 %r2, 0;
count:
    setp.eq.u32 %p0, %r1, 0;
    @%p0 bra counted;
    add.u32 %r2, %r2, %r1;
    sub.u32 %r1, %r1, 1;
    bra count;
counted:
    shfl.sync.idx.b32 %r0, %r2, 31, 31, -1;
    add.u32 %r0, %r0, %r2;";
    assert_eq!(warp(body), lanes(|l| l * (l + 1) / 2 + 31 * 16));
    let outcome = run("", &body.replace("%me", "%laneid"), 1, 32, 1, &[]).unwrap();
    assert_eq!(outcome.statistics.divergent_branches, 31);
}

#[test]
fn halves_of_a_warp_work_apart() {
    let body = "
    setp.lt.u32 %p0, %me, 16;
    @%p0 bra low;
    shfl.sync.idx.b32 %r0, %me, 20, 31, 0xffff0000;
    activemask.b32 %r1;
    bra join;
low:
    shfl.sync.idx.b32 %r0, %me, 3, 31, 0x0000ffff;
    activemask.b32 %r1;
join:
    shr.u32 %r1, %r1, 16;
    setp.eq.u32 %p1, %r1, 0xffff;
    selp.u32 %r1, 100, 0, %p1;
    add.u32 %r0, %r0, %r1;";
    assert_eq!(warp(body), lanes(|l| if l < 16 { 3 } else { 120 }));
}

#[test]
fn one_instruction_serves_several_masks() {
    let body = "
    setp.lt.u32 %p0, %me, 16;
    selp.b32 %r1, 0x0000ffff, 0xffff0000, %p0;
    redux.sync.add.u32 %r0, %me, %r1;";
    assert_eq!(warp(body), lanes(|l| if l < 16 { 120 } else { 376 }));
}

#[test]
fn lanes_that_come_by_a_detour_are_waited_for() {
    // The upper lanes reach the shuffle by a branch back to it, from text that stands behind.
    let body = "
    mov.u32 %r2, %me;
    setp.ge.u32 %p0, %me, 16;
    @%p0 bra detour;
together:
    shfl.sync.bfly.b32 %r0, %r2, 16, 31, -1;
    bra done;
detour:
    add.u32 %r2, %r2, 1000;
    bra together;
done:";
    assert_eq!(warp(body), lanes(|l| if l < 16 { l + 1016 } else { l - 16 }));
}

/// Phases, wavefronts and sectors of a body that finds its lane in `%me`.
fn traffic(body: &str) -> (u64, u64, u64) {
    let outside = ".shared .align 16 .b8 tile[4224];";
    let start = "mov.u32 %r1, tile;";
    let outcome = run(outside, &format!("{start}\n    {body}"), 1, 32, 4096, &[0; 1024]).unwrap();
    let statistics = outcome.statistics;
    (statistics.shared_phases, statistics.shared_wavefronts, statistics.global_sectors)
}

#[test]
fn bank_conflicts_are_counted() {
    let store = |stride: u32, what: &str| {
        traffic(&format!("mad.lo.u32 %r2, %me, {stride}, %r1;\n    st.shared.{what};"))
    };
    assert_eq!(store(4, "b32 [%r2], %me"), (1, 1, 0));
    assert_eq!(store(8, "b32 [%r2], %me"), (1, 2, 0));
    assert_eq!(store(128, "b32 [%r2], %me"), (1, 32, 0));
    // A column of rows that are one word longer.
    assert_eq!(store(132, "b32 [%r2], %me"), (1, 1, 0));
    // Wide elements go by half and quarter warps.
    assert_eq!(store(8, "v2.b32 [%r2], {%me, %me}"), (2, 2, 0));
    assert_eq!(store(16, "v4.b32 [%r2], {%me, %me, %me, %me}"), (4, 4, 0));
    assert_eq!(store(32, "v4.b32 [%r2], {%me, %me, %me, %me}"), (4, 8, 0));
    // Bytes of one word are one access, and so is a word that all read.
    assert_eq!(store(1, "u8 [%r2], %h1"), (1, 1, 0));
    let same = "setp.eq.u32 %p0, %me, 0;
    @%p0 st.shared.b32 [tile], %me;
    bar.sync 0;
    ld.shared.b32 %r3, [tile];";
    assert_eq!(traffic(same), (2, 2, 0));
}

#[test]
fn sectors_are_counted() {
    let store = |stride: u32| {
        traffic(&format!(
            "mul.wide.u32 %at, %me, {stride};\n    add.s64 %at, %out, %at;\n    st.global.b32 [%at], %me;"
        ))
    };
    assert_eq!(store(4), (0, 0, 4));
    assert_eq!(store(8), (0, 0, 8));
    assert_eq!(store(512), (0, 0, 32));
    assert_eq!(traffic("ld.global.b32 %r3, [%in];"), (0, 0, 1));
}
