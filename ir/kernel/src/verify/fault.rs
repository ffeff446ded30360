//! What the verifier finds.

use crate::{Affine, BufferId, IndexVar, Kernel, KernelId, Var};
use dlc_types::{DType, Shape};
use thiserror::Error;

/// A rule of the kernel IR that is broken: always a bug in dlc, never the user's mistake.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("bug in dlc: {place}: {fault}")]
pub struct VerifyError {
    /// The kernel or launch.
    pub place: String,
    /// The rule.
    pub fault: Box<Fault>,
}

pub(super) fn kernel_place(kernel: &Kernel) -> String {
    format!("kernel `{}`", kernel.name)
}

/// The broken rule. The rules are explained in [`crate::verify`].
#[derive(Clone, Debug, PartialEq, Error)]
#[allow(missing_docs, reason = "each variant's message says what it is")]
pub enum Fault {
    #[error("{0} is assigned twice")]
    VarAssignedTwice(Var),
    #[error("{0} is assigned twice")]
    IndexAssignedTwice(IndexVar),
    #[error("{0} is used where it is not defined")]
    VarNotVisible(Var),
    #[error("{0} is used where it is not defined")]
    IndexNotVisible(IndexVar),
    #[error("`{op}` takes {expected} operands, not {found}")]
    Arity { op: String, expected: usize, found: usize },
    #[error("`{op}` takes {expected} as operand {position}, not {found}")]
    OperandType { op: String, position: usize, expected: String, found: DType },
    #[error("`{op}` gives {expected}, not {found}")]
    ResultType { op: String, expected: String, found: DType },
    #[error("operand {found} of {count} is accessed")]
    NoSuchOperand { found: usize, count: usize },
    #[error("a load from operand `{0}`, which the kernel does not read")]
    NotRead(String),
    #[error("a store to operand `{0}`, which the kernel does not write")]
    NotWritten(String),
    #[error("{value} of type {found} is stored to operand `{operand}` of type {expected}")]
    StoreType { operand: String, expected: DType, value: Var, found: DType },
    #[error("the form {0} is not canonical")]
    NotCanonical(Affine),
    #[error("{0} divides by {1}")]
    Divisor(IndexVar, i64),
    #[error("{0} starts a chunk of {1}")]
    Chunks(IndexVar, i64),
    #[error("{result} clamps {value} of type {found}; only i32 and i64 are clamped")]
    ClampedType { result: IndexVar, value: Var, found: DType },
    #[error("the lanes loop over {inner} stands inside the one over {outer}")]
    LanesInLanes { inner: IndexVar, outer: IndexVar },
    #[error("the bounds of the loop over {inner} depend on the lanes loop over {lanes}")]
    LanesBound { inner: IndexVar, lanes: IndexVar },
    #[error("a store to `{operand}[{index}]` does not depend on the lanes loop over {lanes} around it")]
    LanesStore { operand: String, index: Affine, lanes: IndexVar },
    #[error("{value} of type {found} is carried as {expected}")]
    CarryType { value: Var, expected: DType, found: DType },
    #[error("the carry {0} of a lanes loop has no way to combine")]
    CarryWithoutCombine(Var),
    #[error("the carry {0} combines, but its loop is not in lanes")]
    CarryWithCombine(Var),
    #[error("{next} is not `{combine}` of {current} and something that does not depend on {current}")]
    CarryCombine { next: Var, combine: &'static str, current: Var },
    #[error("{0} is handed to the next iteration, but defined outside of the loop")]
    CarryNextOutside(Var),
    #[error("{found} coordinates for a space of rank {expected}")]
    CoordinateCount { found: usize, expected: usize },
    #[error("{found} dimensions are {role}; exactly one is")]
    RoleCount { role: &'static str, found: usize },
    #[error("a contraction has at least 3 operands, not {0}")]
    TooFewOperands(usize),
    #[error(
        "a contraction's first operands have one float type, or are bytes or i16 with sums of i32, not {0}, {1} and {2}"
    )]
    ContractionTypes(DType, DType, DType),
    #[error("rows of {0} are turned; only bytes are")]
    TurnedRows(DType),
    #[error("lanes are paired with rows of {0}; only floats are")]
    PairedWords(DType),
    #[error("the space is {found}, that of the contraction {expected}")]
    Space { found: Shape, expected: Shape },
    #[error("reduced dimension `{dim}` has stride {stride} in the result")]
    ReducedStride { dim: String, stride: i64 },
    #[error("dimension `{0}` is kept, but has stride 0 in the result")]
    KeptStride(String),
    #[error("lanes dimension `{dim}` has stride {stride} in the rows operand")]
    RowsStride { dim: String, stride: i64 },
    #[error("parallel dimension `{0}` is split")]
    ParallelSplit(String),
    #[error("dimension `{dim}` is split into {chunks} chunks aligned to {align}")]
    ZeroSplit { dim: String, chunks: usize, align: usize },
    #[error("kept dimension `{dim}` is split with a stride of {stride} between results")]
    KeptSplitStride { dim: String, stride: i64 },
    #[error("reduced dimension `{0}` is split, but all chunks have one result")]
    ReducedSplitStride(String),
    #[error("a contraction without taps")]
    NoTap,
    #[error("a tile of {vectors} vectors and {rows} rows")]
    ZeroTile { vectors: usize, rows: usize },
    #[error("{found} epilogue coordinates for {expected} dimensions")]
    EpilogueCoordinates { found: usize, expected: usize },
    #[error("the epilogue uses {index}, a coordinate of reduced dimension `{dim}`")]
    EpilogueReduced { index: IndexVar, dim: String },
    #[error("a loop over {0} in an epilogue")]
    EpilogueLoop(IndexVar),
    #[error("an epilogue beside the outer reduction `{0}`")]
    EpilogueReduceOuter(String),
    #[error("a sum of an epilogue beside the split dimension `{0}`")]
    SumSplit(String),
    #[error("the sum at [{index}] of an epilogue does not fit dimension `{dim}`")]
    SumIndex { index: Affine, dim: String },
    #[error("an epilogue beside the split reduction `{0}`")]
    EpilogueReduceSplit(String),
    #[error("another kernel has the same name")]
    DuplicateKernel,
    #[error("{0} is no kernel of the program")]
    NoSuchKernel(KernelId),
    #[error("{0} is no buffer of the program")]
    NoSuchBuffer(BufferId),
    #[error("kernel `{kernel}` takes {expected} arguments, not {found}")]
    ArgumentCount { kernel: String, expected: usize, found: usize },
    #[error("operand `{operand}` of type {expected} is given {buffer} of type {found}")]
    ArgumentType { operand: String, expected: DType, buffer: BufferId, found: DType },
    #[error(
        "{access} of `{operand}[{index}]` may reach elements {low} to {high} of {elements}, for a batch of {batch}"
    )]
    OutOfBounds {
        access: &'static str,
        operand: String,
        index: String,
        low: i128,
        high: i128,
        elements: usize,
        batch: usize,
    },
    #[error("{result} divides {form}, which may be {low} for a batch of {batch}")]
    Negative { result: IndexVar, form: Affine, low: i128, batch: usize },
    #[error("{result} is clamped below {form}, which may be {low} for a batch of {batch}")]
    EmptyClamp { result: IndexVar, form: Affine, low: i128, batch: usize },
    #[error("two coordinates of the contraction address one result element, for a batch of {batch}")]
    ResultOverlap { batch: usize },
}
