#![allow(missing_docs, clippy::all, clippy::unwrap_used)]
use dlc_kernel::parse_program;
fn main() {
    for file in std::env::args().skip(1) {
        let program = parse_program(&std::fs::read_to_string(&file).unwrap()).unwrap();
        for kernel in program.kernels.values() {
            for level in [dlc_codegen_x86::Level::Avx512, dlc_codegen_x86::Level::Avx2] {
                if dlc_codegen_x86::build_kernel(kernel, level).unwrap().is_none() {
                    let runs = program
                        .launches
                        .iter()
                        .filter(|l| program.kernels[l.kernel].name == kernel.name)
                        .count();
                    println!(
                        "{level:?} {} x{runs} {}",
                        kernel.name,
                        matches!(kernel.body, dlc_kernel::Body::Contraction(_))
                    );
                }
            }
        }
    }
}
