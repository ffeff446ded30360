//! Kernels, launches and bytes that a program moves per call, for comparing compilations.

use dlc_compiler::lower::Lowered;
use dlc_ir::Op;
use dlc_kernel::{Body, launch_traffic};
use serde::Serialize;

/// What one call of a function takes. Bytes are estimated from addresses ([`dlc_kernel::traffic`]): distinct
/// elements per launch, so what stays in a cache between two launches counts twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Movement {
    /// Different kernels.
    pub kernels: usize,
    /// Kernel runs.
    pub launches: usize,
    /// Bytes read and written by contractions and convolutions, in as many kernels as each takes, with all that is
    /// fused into them.
    pub contraction_bytes: u64,
    /// Bytes read and written by all other kernels.
    pub other_bytes: u64,
}

impl Movement {
    /// All bytes.
    pub fn bytes(&self) -> u64 {
        self.contraction_bytes.saturating_add(self.other_bytes)
    }
}

/// What a function takes for a batch of `batch`.
pub fn movement(lowered: &Lowered, batch: usize) -> Movement {
    let program = &lowered.program;
    let mut found =
        Movement { kernels: program.kernels.len(), launches: program.launches.len(), ..Movement::default() };
    for (launch, &purpose) in program.launches.iter().zip(&lowered.purposes) {
        let contracts = matches!(lowered.function.nodes[purpose].op, Op::Contract(_) | Op::Convolve(_));
        let bytes = launch_traffic(program, launch, batch).total();
        let sum = match program.kernels[launch.kernel].body {
            Body::Contraction(_) => &mut found.contraction_bytes,
            Body::Loop(_) if contracts => &mut found.contraction_bytes,
            Body::Loop(_) => &mut found.other_bytes,
        };
        *sum = sum.saturating_add(bytes);
    }
    found
}
