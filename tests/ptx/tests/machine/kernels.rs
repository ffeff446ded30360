//! Whole kernels against the host's own arithmetic.

use super::harness::{keep, run};
use dlc_ptx_machine::{Access, Argument, Checks, Fault, Launch, Memory, Module};

const SUM: &str = include_str!("../kernels/sum.ptx");
const MATMUL: &str = include_str!("../kernels/matmul.ptx");
const TENSOR: &str = include_str!("../kernels/tensor.ptx");

/// Small integers, so that sums are exact in any order.
fn values(count: usize) -> Vec<f32> {
    (0..count).map(|at| ((at * 7 + at / 3) % 11) as f32 - 5.0).collect()
}

#[test]
fn vectors_add_over_a_grid_with_a_tail() {
    let body = "
    mov.u32 %r1, %ctaid.x;
    mov.u32 %r2, %ntid.x;
    mad.lo.u32 %r3, %r1, %r2, %me;
    setp.ge.u32 %p0, %r3, 100;
    @%p0 ret;
    mul.wide.u32 %at, %r3, 4;
    add.s64 %in, %in, %at;
    add.s64 %out, %out, %at;
    ld.global.u32 %r4, [%in];
    ld.global.u32 %r5, [%in+400];
    add.u32 %r4, %r4, %r5;
    st.global.u32 [%out], %r4;";
    let input: Vec<u32> = (0..200).map(|at| at * at).collect();
    let outcome = run("", body, 4, 32, 100, &input).unwrap();
    let expected: Vec<u32> = (0..100).map(|at| input[at] + input[at + 100]).collect();
    assert_eq!(outcome.words, expected);
    let statistics = outcome.statistics;
    assert_eq!((statistics.blocks, statistics.threads), (4, 128));
    assert_eq!((statistics.global_read_bytes, statistics.global_written_bytes), (800, 400));
}

fn sum(text: &str, checks: Checks) -> Result<Vec<f32>, Fault> {
    let mut memory = Memory::new();
    let input = values(1000);
    let (out, address) = (memory.allocate(12), memory.store_f32(&input));
    let parameters = [Argument::U64(out), Argument::U64(address), Argument::U32(1000)];
    let launch =
        Launch { grid: [3, 1, 1], block: [256, 1, 1], parameters: &parameters, checks, ..Launch::default() };
    Module::parse(text)?.launch("sum", &launch, &mut memory)?;
    memory.read_f32(out, 3)
}

#[test]
fn blocks_sum() {
    keep(SUM);
    let shares = sum(SUM, Checks::default()).unwrap();
    let input = values(1000);
    let share = |block: usize| -> f32 {
        input.iter().enumerate().filter(|(at, _)| at / 256 % 3 == block).map(|(_, value)| value).sum()
    };
    assert_eq!(shares, [share(0), share(1), share(2)]);
}

#[test]
fn a_sum_without_its_barrier_is_a_race() {
    let text = SUM.replace("    bar.sync 0;\n", "");
    // Warps run in turn, so the first reads what the others did not write yet.
    let fault = sum(&text, Checks::default()).unwrap_err();
    let Fault::Uninitialised { place, .. } = &fault else { panic!("{fault}") };
    assert_eq!(place.text, "ld.shared.f32 %f3, [%r9];");
    // Without that check the second warp's write meets the read.
    let checks = Checks { uninitialised: false, ..Checks::default() };
    let fault = sum(&text, checks).unwrap_err();
    let Fault::Race { place, space, access, other, .. } = &fault else { panic!("{fault}") };
    assert_eq!((*space, *access, other.access), ("shared", Access::Write, Access::Read));
    assert_eq!((place.thread, other.thread, other.another_block), ([32, 0, 0], Some(0), false));
}

fn matmul(text: &str, [m, n, k]: [usize; 3]) -> Result<(Vec<f32>, Vec<f32>), Fault> {
    let (a, b) = (values(m * k), values(k * n));
    let mut memory = Memory::new();
    let (a_at, b_at, c_at) = (memory.store_f32(&a), memory.store_f32(&b), memory.allocate(m * n * 4));
    let sizes = [m, n, k].map(|size| Argument::U32(size as u32));
    let parameters: Vec<Argument> = [a_at, b_at, c_at].into_iter().map(Argument::U64).chain(sizes).collect();
    let grid = [n.div_ceil(16) as u32, m.div_ceil(16) as u32, 1];
    let launch = Launch { grid, block: [16, 16, 1], parameters: &parameters, ..Launch::default() };
    Module::parse(text)?.launch("matmul", &launch, &mut memory)?;
    let element = |at: usize| (0..k).map(|l| a[at / n * k + l] * b[l * n + at % n]).sum();
    Ok((memory.read_f32(c_at, m * n)?, (0..m * n).map(element).collect()))
}

#[test]
fn matrices_multiply_in_double_buffered_tiles() {
    keep(MATMUL);
    for sizes in [[16, 16, 16], [20, 24, 40], [33, 7, 5], [16, 16, 128]] {
        let (found, expected) = matmul(MATMUL, sizes).unwrap();
        assert_eq!(found, expected, "{sizes:?}");
    }
}

#[test]
fn a_tile_that_is_waited_for_too_little_is_in_flight() {
    let text = MATMUL.replace("wait_group 1", "wait_group 2");
    let fault = matmul(&text, [16, 16, 64]).unwrap_err();
    let Fault::InFlight { place, .. } = &fault else { panic!("{fault}") };
    assert_eq!(place.text, "ld.shared.f32 %f1, [%r20];");
}

#[test]
fn a_stage_overwritten_while_it_is_read_is_a_race() {
    let text = MATMUL.replace("    bar.sync 0;                         // the stage is free again\n", "");
    let fault = matmul(&text, [16, 16, 64]).unwrap_err();
    let Fault::Race { place, other, .. } = &fault else { panic!("{fault}") };
    assert!(place.text.starts_with("cp.async.ca"), "{fault}");
    assert_eq!(other.access, Access::Read);
}

fn tensor(text: &str) -> Result<(Vec<f32>, Vec<f32>), Fault> {
    let k = 48;
    let (a, b) = (values(16 * k), values(k * 8));
    let brain = |values: &[f32]| -> Vec<u8> {
        values.iter().flat_map(|value| ((value.to_bits() >> 16) as u16).to_le_bytes()).collect()
    };
    let mut memory = Memory::new();
    let (a_at, b_at) = (memory.store(&brain(&a)), memory.store(&brain(&b)));
    let c_at = memory.allocate(16 * 8 * 4);
    let parameters = [Argument::U64(a_at), Argument::U64(b_at), Argument::U64(c_at), Argument::U32(k as u32)];
    let launch = Launch { parameters: &parameters, ..Launch::default() };
    let statistics = Module::parse(text)?.launch("tensor", &launch, &mut memory)?;
    assert_eq!(statistics.matrix_products, 3);
    // Rows of A's tile are 32 bytes apart, so that two of eight meet in each bank.
    assert_eq!(
        (statistics.shared_phases, statistics.shared_wavefronts),
        (3 * 12, 3 * (4 * 2 + 2 + 4 * 2 + 2))
    );
    let element = |at: usize| (0..k).map(|l| a[at / 8 * k + l] * b[l * 8 + at % 8]).sum();
    Ok((memory.read_f32(c_at, 128)?, (0..128).map(element).collect()))
}

#[test]
fn a_warp_multiplies_matrices() {
    keep(TENSOR);
    let (found, expected) = tensor(TENSOR).unwrap();
    assert_eq!(found, expected);
}

#[test]
fn a_warp_that_does_not_wait_for_its_lanes_is_a_race() {
    // Without the barrier at the loop's end the next copies meet the reads of this step.
    let at = TENSOR.rfind("    bar.warp.sync").unwrap();
    let text = format!("{}{}", &TENSOR[..at], &TENSOR[at..].split_once('\n').unwrap().1);
    // And where lanes read the rows of A that others copied, nothing holds those copies back.
    let text = text
        .replace("[%r6];\n    ldmatrix", "[%r16];\n    ldmatrix")
        .replace("    mov.f32 %f1, %f0;\n", "    mov.f32 %f1, %f0;\n    xor.b32 %r16, %r6, 32;\n");
    keep(&text);
    let fault = tensor(&text).unwrap_err();
    assert!(matches!(&fault, Fault::Race { space: "shared", .. }), "{fault}");
}
