//! How many instructions of threads the machine executes in a second, on two of the tests' kernels.

#![allow(clippy::unwrap_used, reason = "an example")]

use dlc_ptx_machine::{Argument, Checks, Launch, Memory, Module};
use std::time::Instant;

fn main() {
    for (label, races) in [("all checks", true), ("races unchecked", false)] {
        let checks = Checks { races, ..Checks::default() };
        let module = Module::parse(include_str!("../tests/kernels/matmul.ptx")).unwrap();
        let size = 128usize;
        let mut memory = Memory::new();
        let [a, b] = [0; 2].map(|_| memory.store_f32(&vec![1.0; size * size]));
        let c = memory.allocate(size * size * 4);
        let sizes = [Argument::U32(size as u32), Argument::U32(size as u32), Argument::U32(size as u32)];
        let parameters: Vec<Argument> = [a, b, c].into_iter().map(Argument::U64).chain(sizes).collect();
        let grid = [size as u32 / 16, size as u32 / 16, 1];
        let launch =
            Launch { grid, block: [16, 16, 1], parameters: &parameters, checks, ..Launch::default() };
        let start = Instant::now();
        let statistics = module.launch("matmul", &launch, &mut memory).unwrap();
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "matmul of {size}, {label}: {} instructions in {seconds:.2} s, {:.0} million a second",
            statistics.instructions,
            statistics.instructions as f64 / seconds / 1e6
        );
    }
}
