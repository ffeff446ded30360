//! One small kernel for each form of code.

use dlc_codegen_ptx::{Architecture, Math, Module, Options, Source, emit_module};
use dlc_kernel::{Kernel, parse_kernel, verify_kernel};

/// The greatest batch of the cases.
pub(crate) const BATCH: usize = 64;

/// A kernel from its text, verified.
pub(crate) fn kernel(name: &str, text: &str) -> Kernel {
    let kernel = parse_kernel(text).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    verify_kernel(&kernel).unwrap_or_else(|error| panic!("{name}: {error}"));
    kernel
}

/// The module of a kernel's text alone.
pub(crate) fn module(name: &str, text: &str, architecture: Architecture) -> Module {
    module_with(name, text, architecture, Math::F32)
}

/// The same with a choice of how contractions are multiplied. Operands begin where blocks of memory do.
pub(crate) fn module_with(name: &str, text: &str, architecture: Architecture, math: Math) -> Module {
    let kernel = kernel(name, text);
    let alignments = vec![64; kernel.operands.len()];
    let source = Source { name, kernel: &kernel, alignments: &alignments };
    emit_module(name, &[source], Options { architecture, math, batch_max: BATCH }).unwrap()
}

/// Names of kernels, each with the text of its file.
macro_rules! texts {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("kernels/", $name, ".txt")))),*]
    };
}

/// Names and texts.
pub(crate) const CASES: &[(&str, &str)] = texts![
    "thread_per_point",
    "elementwise",
    "chunks",
    "narrow_lanes",
    "guarded_window",
    "softmax_of_a_few",
    "layer_norm",
    "gathered",
    "wide_indices",
    "neighbours",
    "dense",
    "convolution",
    "split_reduction",
    "depthwise",
    "ragged_taps",
    "bytes",
    "epilogue_sums",
    "one_row",
];

/// Names and texts of kernels with tiles that are too long to read: the same code as of the small ones, in more copies.
pub(crate) const LARGE: &[(&str, &str)] = texts![
    "wide_convolution",
    "large_dense",
    "weight_gradient",
    "summed_convolution",
    "batched_product",
    "first_layer",
    "transposed",
];
