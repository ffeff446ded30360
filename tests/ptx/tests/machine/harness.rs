//! Kernels from a few lines of PTX.

use dlc_ptx_machine::{Argument, Fault, Launch, Memory, Module, Statistics};
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

const REGISTERS: &str = "
    .reg .pred %p<10>;
    .reg .b16 %h<10>;
    .reg .b32 %r<40>;
    .reg .f32 %f<40>;
    .reg .b64 %d<20>;
    .reg .f64 %g<10>;
    .reg .b64 %out, %in, %at;
    .reg .b32 %me;";

/// A module of one entry `kernel(out, in)`, whose body finds the parameters in `%out` and `%in`, and
/// `%tid.x` in `%me`. Lines of `outside` stand before the entry.
pub(crate) fn module(outside: &str, body: &str) -> String {
    format!(
        ".version 8.0\n.target sm_80\n.address_size 64\n{outside}\n\
         .visible .entry kernel(.param .u64 out_parameter, .param .u64 in_parameter)\n{{{REGISTERS}
    ld.param.u64 %out, [out_parameter];
    ld.param.u64 %in, [in_parameter];
    cvta.to.global.u64 %out, %out;
    cvta.to.global.u64 %in, %in;
    mov.u32 %me, %tid.x;
    {body}
    ret;
}}\n"
    )
}

/// Writes a text for `ptxas`, where a folder is named for that.
pub(crate) fn keep(text: &str) {
    if let Ok(folder) = std::env::var("DLC_PTX_TEXTS") {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        std::fs::write(format!("{folder}/{:016x}.ptx", hasher.finish()), text).unwrap();
    }
}

/// Output words of a kernel, with what it did.
pub(crate) struct Outcome {
    pub(crate) words: Vec<u32>,
    pub(crate) statistics: Statistics,
}

/// Runs `module(outside, body)` over a grid; `out` has so many words, unwritten ones read as zero.
pub(crate) fn run(
    outside: &str,
    body: &str,
    grid: u32,
    block: u32,
    words: usize,
    input: &[u32],
) -> Result<Outcome, Fault> {
    let text = module(outside, body);
    keep(&text);
    let module = Module::parse(&text)?;
    let mut memory = Memory::new();
    let out = memory.allocate(words * 4);
    let input = memory.store_u32(input);
    let parameters = [Argument::U64(out), Argument::U64(input)];
    let launch =
        Launch { grid: [grid, 1, 1], block: [block, 1, 1], parameters: &parameters, ..Launch::default() };
    let statistics = module.launch("kernel", &launch, &mut memory)?;
    Ok(Outcome { words: memory.read_u32(out, words)?, statistics })
}

/// One word of output for each thread of a block: the body leaves it in `%r0`.
pub(crate) fn each_thread(body: &str, block: u32, input: &[u32]) -> Result<Vec<u32>, Fault> {
    let body = format!(
        "mul.wide.u32 %at, %me, 4;
    add.s64 %in, %in, %at;
    {body}
    add.s64 %out, %out, %at;
    st.global.b32 [%out], %r0;"
    );
    Ok(run("", &body, 1, block, block as usize, input)?.words)
}

/// Each line leaves its result in `%r0`.
pub(crate) fn words(cases: &[(&str, u32)]) {
    let mut body = String::new();
    for (at, (line, _)) in cases.iter().enumerate() {
        body += &format!("{line}\n    st.global.b32 [%out+{}], %r0;\n    ", at * 4);
    }
    let found = run("", &body, 1, 1, cases.len(), &[]).unwrap().words;
    for ((line, expected), found) in cases.iter().zip(found) {
        assert_eq!(found, *expected, "{line} gives {found:#x}, expected {expected:#x}");
    }
}

/// Each line leaves its result in `%f0`.
pub(crate) fn singles(cases: &[(&str, f32)]) {
    let with: Vec<_> =
        cases.iter().map(|(line, value)| (format!("{line} mov.b32 %r0, %f0;"), value)).collect();
    words(&with.iter().map(|(line, value)| (line.as_str(), value.to_bits())).collect::<Vec<_>>());
}

/// Each line leaves its result in `%d0`.
pub(crate) fn doubles(cases: &[(&str, u64)]) {
    let mut body = String::new();
    for (at, (line, _)) in cases.iter().enumerate() {
        body += &format!("{line}\n    st.global.b64 [%out+{}], %d0;\n    ", at * 8);
    }
    let found = run("", &body, 1, 1, cases.len() * 2, &[]).unwrap().words;
    for ((line, expected), found) in cases.iter().zip(found.chunks_exact(2)) {
        let found = u64::from(found[0]) | u64::from(found[1]) << 32;
        assert_eq!(found, *expected, "{line} gives {found:#x}, expected {expected:#x}");
    }
}

/// Each line leaves its truth in `%p0`.
pub(crate) fn truths(cases: &[(&str, bool)]) {
    let with: Vec<_> =
        cases.iter().map(|(line, truth)| (format!("{line} selp.u32 %r0, 1, 0, %p0;"), *truth)).collect();
    words(&with.iter().map(|(line, truth)| (line.as_str(), u32::from(*truth))).collect::<Vec<_>>());
}
