//! What a compilation may choose by, and which functions it makes.

use crate::composite::Statistics;
use crate::lower::{Threads, Winograd};
use crate::rewrite::{RewriteOptions, RuleSelection};

/// What a compilation may choose by.
#[derive(Clone, Debug)]
pub struct CompileOptions {
    /// Greatest batch that the functions can be called with.
    pub batch_max: usize,
    /// Pieces that long reductions are split into at most, whatever the number of threads.
    pub max_parallel: usize,
    /// What runs the functions: a processor, or a device.
    pub threads: Threads,
    /// Which rewrite rules are used, and their bounds.
    pub rewrite: RewriteOptions,
    /// Whether values are grouped into kernels beyond elementwise chains.
    pub fuse_epilogues: bool,
    /// Whether convolutions may be computed by Winograd's tiles, and of what size.
    pub winograd: Winograd,
    /// Computes all convolutions by tiles that can be, whether or not that is faster (for tests).
    pub winograd_always: bool,
    /// Whether the machine multiplies bytes ([`crate::emit::Target::multiplies_bytes`]); where it does not, products of
    /// small integers are made of 16-bit ones.
    pub byte_products: bool,
    /// Bytes of scratch that a function should do with: where it needs more, the backward pass computes values again
    /// instead of keeping them, no more than that takes. What does not fit even so has the least arena that was found.
    pub max_arena: Option<usize>,
    /// Keeps every intermediate value in a place of its own (for `dlc compare`).
    pub keep_all: bool,
    /// Which functions are wanted; those that a model has no sections for are left out.
    pub functions: Vec<FunctionKind>,
    /// Leaves out parameters and states that none of these functions uses.
    pub only_used: bool,
}

impl CompileOptions {
    /// The defaults for a greatest batch: predict, evaluate, train and initialize.
    pub fn new(batch_max: usize) -> CompileOptions {
        CompileOptions {
            batch_max,
            max_parallel: 16,
            threads: Threads::Few,
            rewrite: RewriteOptions::default(),
            fuse_epilogues: true,
            winograd: Winograd::default(),
            winograd_always: false,
            byte_products: false,
            max_arena: None,
            keep_all: false,
            functions: FunctionKind::STANDARD.to_vec(),
            only_used: false,
        }
    }

    /// The defaults for a device with blocks of threads, such as a GPU: [`crate::emit::device`] takes no others.
    ///
    /// No convolution is computed by tiles that stay in caches. Reductions have up to 128 pieces, about as many as large
    /// GPUs have multiprocessors, since a piece is a block's work at least and the first kernel waits for nothing else;
    /// more would cost more to add up than they gain. It is a constant, so that all devices have the same bits.
    pub fn for_device(batch_max: usize) -> CompileOptions {
        CompileOptions {
            max_parallel: 128,
            threads: Threads::Many,
            winograd: Winograd::Off,
            ..CompileOptions::new(batch_max)
        }
    }

    /// How batch-norms take their statistics.
    pub fn statistics(&self) -> Statistics {
        if self.rewrite.rules == RuleSelection::Off { Statistics::Centred } else { Statistics::Shifted }
    }
}

/// The functions that can be made of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FunctionKind {
    /// Seed -> first values of parameters and states.
    Initialize,
    /// Inputs -> outputs.
    Predict,
    /// Inputs, targets -> loss and metrics, in inference mode.
    Evaluate,
    /// Inputs, targets -> loss, metrics; parameters and states move on.
    Train,
    /// Inputs, targets -> loss, metrics, gradients; nothing moves on.
    Gradients,
    /// Inputs, targets -> loss, values of layers, gradients; nothing moves on.
    Inspect,
}

impl FunctionKind {
    /// What a session needs to train and predict.
    pub const STANDARD: [FunctionKind; 4] =
        [FunctionKind::Initialize, FunctionKind::Predict, FunctionKind::Evaluate, FunctionKind::Train];
}
