//! `wgmma` of each type and layout of its factors, laid out by the formulas of the PTX manual, and what must not be done
//! around it.

use super::harness::{keep, module};
use dlc_ptx_machine::{Argument, Fault, Launch, Memory, Module};

/// Bytes of A and of B in shared memory.
const PART: usize = 16384;

/// How a factor lies in shared memory.
#[derive(Clone, Copy, Debug)]
struct Matrix {
    /// Units of 16 bytes that change places: 1, 2, 4 or 8.
    units: usize,
    /// Rows or columns are contiguous rather than steps of K.
    transposed: bool,
    /// Leading and stride byte offsets.
    leading: usize,
    stride: usize,
}

impl Matrix {
    /// The byte of an element, by the table of canonical layouts; `unit` is T, the elements of 16 bytes.
    fn byte(self, unit: usize, size: usize, i: usize, k: usize) -> usize {
        let Matrix { units, transposed, leading, stride } = self;
        let elements = units * unit;
        let byte = match (transposed, units) {
            (false, 1) => (i % 8 * unit + k % unit) * size + i / 8 * stride + k / unit * leading,
            (false, _) => (i % 8 * elements + k) * size + i / 8 * stride,
            (true, 1) => (i % unit + k % 8 * unit) * size + i / unit * stride + k / 8 * leading,
            (true, _) => (i % elements + k % 8 * elements) * size + i / elements * leading + k / 8 * stride,
        };
        let turned = [0, 0, 1, 0, 3, 0, 0, 0, 7][units];
        byte ^ (byte >> 7 & turned) << 4
    }

    fn descriptor(self, start: usize) -> u64 {
        let mode = [0, 0, 3, 0, 2, 0, 0, 0, 1][self.units];
        mode << 62 | (self.stride as u64 >> 4) << 32 | (self.leading as u64 >> 4) << 16 | start as u64 >> 4
    }

    /// Without gaps, for rows or columns up to a count.
    fn packed(units: usize, transposed: bool, count: usize) -> Matrix {
        let pattern = 128 * units;
        let (leading, stride) = match (transposed, units) {
            (_, 1) => (count.div_ceil(8) * 128, 128),
            (false, _) => (16, pattern),
            (true, _) => (2 * pattern, pattern),
        };
        Matrix { units, transposed, leading, stride }
    }
}

struct Case {
    types: &'static str,
    depth: usize,
    columns: usize,
    a: Option<Matrix>,
    b: Matrix,
    /// Operands behind the descriptors.
    scales: &'static str,
}

fn element(types: &str, value: i32) -> Vec<u8> {
    let bits = (value as f32).to_bits();
    match types {
        // The low 13 bits take no part.
        "tf32" => (bits | if value == 0 { 0 } else { 0x1FFF }).to_le_bytes().to_vec(),
        "bf16" => ((bits >> 16) as u16).to_le_bytes().to_vec(),
        _ if value == 0 => vec![0, 0],
        _ => ((bits >> 16 & 0x8000 | ((bits >> 23 & 0xFF) + 15 - 127) << 10 | bits >> 13 & 0x3FF) as u16)
            .to_le_bytes()
            .to_vec(),
    }
}

fn a(row: usize, k: usize) -> i32 {
    (row * 5 + k * 3) as i32 % 7 - 3
}

fn b(k: usize, column: usize) -> i32 {
    (k * 2 + column * 3 + column / 8) as i32 % 5 - 2
}

fn registers(prefix: &str, count: usize) -> String {
    (0..count).map(|at| format!("{prefix}{at}")).collect::<Vec<_>>().join(", ")
}

/// The kernel's body: shared memory filled from the input, one product added to small integers, and its result.
fn body(case: &Case) -> String {
    let Case { types, depth, columns, a, b, scales } = case;
    let count = columns / 2;
    let mut body = format!(
        ".reg .f32 %x<{count}>;\n    mov.u32 %r1, tile;\n    mad.lo.u32 %r1, %me, 16, %r1;\n    \
         mul.wide.u32 %at, %me, 16;\n    add.s64 %d1, %in, %at;\n"
    );
    for round in 0..2 * PART / 2048 {
        body += &format!(
            "    ld.global.v4.b32 {{%r2, %r3, %r4, %r5}}, [%d1+{0}];\n    st.shared.v4.b32 [%r1+{0}], {{%r2, %r3, %r4, %r5}};\n",
            round * 2048
        );
    }
    body += &format!(
        "    mad.lo.u32 %r6, %me, 16, {};\n    cvt.u64.u32 %d2, %r6;\n    add.s64 %d2, %in, %d2;\n",
        2 * PART
    );
    body += "    ld.global.v4.b32 {%r10, %r11, %r12, %r13}, [%d2];\n";
    // Row and first column of the lane.
    body += "    shr.u32 %r7, %me, 5;\n    and.b32 %r8, %me, 31;\n    shr.u32 %r9, %r8, 2;\n    mad.lo.u32 %r7, %r7, 16, %r9;\n    and.b32 %r8, %r8, 3;\n    shl.b32 %r8, %r8, 1;\n";
    body += &format!("    mad.lo.u32 %r9, %r7, {columns}, %r8;\n");
    for at in 0..count {
        let place = at / 2 % 2 * 8 * columns + at / 4 * 8 + at % 2;
        body += &format!("    add.u32 %r14, %r9, {place};\n    cvt.rn.f32.u32 %x{at}, %r14;\n");
    }
    let left = match a {
        None => "{%r10, %r11, %r12, %r13}".to_owned(),
        Some(a) => {
            body += &format!("    mov.b64 %d3, {};\n", a.descriptor(0));
            "%d3".to_owned()
        }
    };
    body += &format!("    mov.b64 %d4, {};\n", b.descriptor(PART));
    body += &format!(
        "    fence.proxy.async.shared::cta;
    bar.sync 0;
    setp.ne.u32 %p0, %me, 1000;
    wgmma.fence.sync.aligned;
    wgmma.mma_async.sync.aligned.m64n{columns}k{depth}.f32.{types}.{types} {{{}}}, {left}, %d4, {scales};
    wgmma.commit_group.sync.aligned;
    wgmma.wait_group.sync.aligned 0;
    mul.wide.u32 %at, %r9, 4;
    add.s64 %out, %out, %at;
",
        registers("%x", count)
    );
    for at in 0..count {
        let place = 4 * (at / 2 % 2 * 8 * columns + at / 4 * 8 + at % 2);
        body += &format!("    st.global.f32 [%out+{place}], %x{at};\n");
    }
    body
}

fn execute(case: &Case, change: impl Fn(String) -> String) -> Result<Vec<f32>, Fault> {
    let Case { types, depth, columns, .. } = *case;
    let size = if types == "tf32" { 4 } else { 2 };
    let unit = 16 / size;
    let mut image = vec![0; 2 * PART + 128 * 16];
    let mut put = |at: usize, value: i32| image[at..at + size].copy_from_slice(&element(types, value));
    for k in 0..depth {
        for row in 0..64 {
            match case.a {
                Some(matrix) => put(matrix.byte(unit, size, row, k), a(row, k)),
                None => {
                    // As for `mma`: registers go through rows of eight first, then halves of K.
                    let lane = row % 8 * 4 + k % (depth / 2) / (4 / size);
                    let register = row % 16 / 8 + k / (depth / 2) * 2;
                    let thread = row / 16 * 32 + lane;
                    put(2 * PART + thread * 16 + register * 4 + k % (4 / size) * size, a(row, k));
                }
            }
        }
        for column in 0..columns {
            put(PART + case.b.byte(unit, size, column, k), b(k, column));
        }
    }
    let outside = format!(".shared .align 1024 .b8 tile[{}];", 2 * PART);
    let text = change(module(&outside, &body(case)).replace("sm_80", "sm_90a"));
    keep(&text);
    let module = Module::parse(&text)?;
    let mut memory = Memory::new();
    let out = memory.allocate(64 * columns * 4);
    let parameters = [Argument::U64(out), Argument::U64(memory.store(&image))];
    let launch = Launch { block: [128, 1, 1], parameters: &parameters, ..Launch::default() };
    module.launch("kernel", &launch, &mut memory)?;
    memory.read_f32(out, 64 * columns)
}

fn check(case: &Case, sign: i32, adds: bool) {
    let found = execute(case, |text| text).unwrap_or_else(|fault| panic!("{fault}"));
    for (at, found) in found.into_iter().enumerate() {
        let (row, column) = (at / case.columns, at % case.columns);
        let sum: i32 = (0..case.depth).map(|k| a(row, k) * b(k, column)).sum();
        let exact = sign * sum + if adds { at as i32 } else { 0 };
        // Factors of tf32 are cut off, so that they are the integers again.
        assert_eq!(
            found, exact as f32,
            "{} row {row}, column {column}, {:?} {:?}",
            case.types, case.a, case.b
        );
    }
}

#[test]
fn products_of_every_layout() {
    for units in [1, 2, 4, 8] {
        for columns in [8, 24, 64, 128] {
            let [along, across] =
                [false, true].map(|way| [64, columns].map(|n| Matrix::packed(units, way, n)));
            let tf32 =
                Case { types: "tf32", depth: 8, columns, a: Some(along[0]), b: along[1], scales: "1, 1, 1" };
            check(&tf32, 1, true);
            check(&Case { a: None, scales: "0, 1, -1", ..tf32 }, -1, false);
            let halves = Case { types: "bf16", depth: 16, scales: "%p0, 1, 1, 0, 0", ..tf32 };
            check(&halves, 1, true);
            check(&Case { types: "f16", scales: "!%p0, 1, 1, 0, 0", ..halves }, 1, false);
            check(&Case { a: Some(across[0]), scales: "1, -1, 1, 1, 0", ..halves }, -1, true);
            check(&Case { b: across[1], scales: "1, -1, -1, 0, 1", ..halves }, 1, true);
            check(&Case { a: Some(across[0]), b: across[1], scales: "1, 1, 1, 1, 1", ..halves }, 1, true);
            check(&Case { a: None, b: across[1], scales: "1, 1, 1, 1", ..halves }, 1, true);
        }
    }
}

const PLAIN: Case = Case {
    types: "tf32",
    depth: 8,
    columns: 16,
    a: Some(Matrix { units: 8, transposed: false, leading: 16, stride: 1024 }),
    b: Matrix { units: 8, transposed: false, leading: 16, stride: 1024 },
    scales: "1, 1, 1",
};

fn fault(from: &str, to: &str) -> Fault {
    fault_of(&PLAIN, from, to)
}

fn fault_of(case: &Case, from: &str, to: &str) -> Fault {
    let changed = |text: String| {
        assert!(text.contains(from), "{from} in {text}");
        text.replace(from, to)
    };
    execute(case, changed).expect_err(to)
}

#[test]
fn shared_memory_needs_a_fence_of_proxies_and_a_barrier() {
    let fence = "fence.proxy.async.shared::cta;";
    assert!(matches!(fault(fence, ""), Fault::Unfenced { .. }));
    assert!(matches!(fault(fence, "membar.cta;"), Fault::Unfenced { .. }));
    // A fence in front of a write does nothing for it, and one behind the barrier is not the writers'.
    let early = format!("{fence}\n    st.shared.u32 [%r1], 0;");
    assert!(matches!(fault(fence, &early), Fault::Unfenced { .. }));
    let late = format!("bar.sync 0;\n    {fence}");
    assert!(matches!(fault(&format!("{fence}\n    bar.sync 0;"), &late), Fault::Unfenced { .. }));
    assert!(matches!(fault("bar.sync 0;", ""), Fault::Race { .. }));
    assert!(execute(&PLAIN, |text| text.replace(fence, "fence.proxy.async;")).is_ok());
}

#[test]
fn shared_memory_is_not_written_before_the_wait() {
    let wait = "wgmma.wait_group.sync.aligned 0;";
    let write = "st.shared.u32 [%r1], 0;";
    assert!(matches!(fault(wait, &format!("{write}\n    {wait}")), Fault::Multiplied { .. }));
    // Not even behind a barrier.
    assert!(matches!(
        fault(wait, &format!("bar.sync 0;\n    {write}\n    {wait}")),
        Fault::Multiplied { .. }
    ));
    // Nor by a copy, nor where a group may still be on its way.
    let copy = "cp.async.ca.shared.global [%r1], [%in], 16;";
    assert!(matches!(fault(wait, &format!("bar.sync 0;\n    {copy}\n    {wait}")), Fault::Multiplied { .. }));
    let pending = wait.replace('0', "1");
    assert!(matches!(
        fault(wait, &format!("{pending}\n    bar.sync 0;\n    {write}")),
        Fault::Multiplied { .. }
    ));
    // The other warps may not have waited yet.
    assert!(matches!(
        fault(wait, &format!("{wait}\n    {write}")),
        Fault::Race { .. } | Fault::Multiplied { .. }
    ));
    assert!(
        execute(&PLAIN, |text| text.replace(wait, &format!("{wait}\n    bar.sync 0;\n    {write}"))).is_ok()
    );
}

#[test]
fn registers_are_not_touched_before_the_wait() {
    let wait = "wgmma.wait_group.sync.aligned 0;";
    for touch in ["add.f32 %f0, %x3, %x3;", "mov.f32 %x7, 0f00000000;"] {
        assert!(matches!(fault(wait, &format!("{touch}\n    {wait}")), Fault::Fragment { .. }));
    }
    assert!(matches!(fault(wait, ""), Fault::Fragment { .. }));
    let in_registers = Case { a: None, ..PLAIN };
    let touch = format!("mov.b32 %r11, 0;\n    {wait}");
    assert!(matches!(fault_of(&in_registers, wait, &touch), Fault::Fragment { .. }));
    execute(&in_registers, |text| text.replace(wait, &format!("mov.b32 %r14, 0;\n    {wait}"))).unwrap();
}

#[test]
fn registers_need_a_fence() {
    let fence = "wgmma.fence.sync.aligned;";
    assert!(matches!(fault(fence, ""), Fault::Fragment { .. }));
    let late = format!("{fence}\n    mov.f32 %x7, 0f00000000;");
    assert!(matches!(fault(fence, &late), Fault::Fragment { .. }));
    let in_registers = Case { a: None, ..PLAIN };
    let late = format!("{fence}\n    mov.b32 %r10, 0;");
    assert!(matches!(fault_of(&in_registers, fence, &late), Fault::Fragment { .. }));
    // A second product of the same shape needs none, one with other columns has other registers.
    let commit = "wgmma.commit_group.sync.aligned;";
    let again = |columns: usize| {
        let product = "wgmma.mma_async.sync.aligned.m64n";
        let accumulator = registers("%x", columns / 2);
        format!("{product}{columns}k8.f32.tf32.tf32 {{{accumulator}}}, %d3, %d4, 1, 1, 1;\n    {commit}")
    };
    execute(&PLAIN, |text| text.replace(commit, &again(16))).unwrap();
    assert!(matches!(fault(commit, &again(8)), Fault::Fragment { .. }));
}

#[test]
fn what_a_warpgroup_does_not_do() {
    let differs = "and.b32 %r14, %me, 32;\n    shl.b32 %r14, %r14, 1;\n    cvt.u64.u32 %d5, %r14;\n    add.u64 %d4, %d4, %d5;\n    bar.sync 0;";
    assert!(matches!(fault("bar.sync 0;", differs), Fault::Fragment { .. }));
    let lanes = differs.replace("%me, 32", "%me, 1");
    assert!(matches!(fault("bar.sync 0;", &lanes), Fault::NotExecuted { .. }));
    let inside = "add.u64 %d4, %d4, 8;\n    bar.sync 0;";
    assert!(matches!(fault("bar.sync 0;", inside), Fault::NotExecuted { .. }));
    assert!(matches!(fault("m64n16k8", "m64n12k8"), Fault::Malformed { .. }));
    assert!(matches!(fault("m64n16k8", "m64n16k16"), Fault::Malformed { .. }));
    assert!(matches!(fault(", 1, 1, 1;", ", 1, 1, 1, 0, 1;"), Fault::Malformed { .. }));
    assert!(matches!(fault(", 1, 1, 1;", ", 1, 2, 1;"), Fault::Malformed { .. }));
    let outside = format!("mov.b64 %d4, {};\n    bar.sync 0;", PLAIN.b.descriptor(2 * PART));
    assert!(matches!(fault("bar.sync 0;", &outside), Fault::OutOfBounds { .. }));
}
