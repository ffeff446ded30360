//! Loop kernels: structured loops around scalar SSA.
//!
//! Values ([`Var`]) are scalars of one element type; indices ([`IndexVar`]) are integers that address.
//! Both are assigned once and visible in the statements that follow in the same block and in blocks
//! nested there. A value defined inside a loop leaves it only through a [`Carry`].
//!
//! Meaning of a lanes loop: as if its iterations ran one after the other, except that carries of kind
//! sum, product, max and min may combine in any *fixed* order that depends on the extents alone. Loops
//! nested inside a lanes loop have bounds that do not depend on its variable.

use crate::{Affine, IndexVar};
use dlc_types::{DType, define_index, named_enum};

define_index!(
    /// A scalar value of a kernel body.
    Var,
    "v"
);

/// The body of a loop kernel: run once for each point of the kernel's parallel space.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoopBody {
    /// The coordinates of the parallel space, in the order of [`crate::Kernel::space`].
    pub coordinates: Vec<IndexVar>,
    /// Statements in order.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// A scalar operation.
    Let {
        /// The value.
        result: Var,
        /// Its element type.
        dtype: DType,
        /// The operation.
        op: ScalarOp,
        /// Operands, as many as the operation has.
        args: Vec<Var>,
    },
    /// Reads one element.
    Load {
        /// The value; its type is the operand's.
        result: Var,
        /// Number of the kernel's operand.
        operand: usize,
        /// Element index.
        index: Affine,
        /// Where the element exists; elsewhere the value is the guard's fill and memory is not read.
        guard: Option<Guard>,
    },
    /// Writes one element.
    Store {
        /// Number of the kernel's operand.
        operand: usize,
        /// Element index.
        index: Affine,
        /// The value, of the operand's type.
        value: Var,
    },
    /// Computes an index.
    Index {
        /// The index.
        result: IndexVar,
        /// What it is.
        expr: IndexExpr,
    },
    /// A loop.
    For(Loop),
}

/// Scalar operations. Semantics are those of the graph's ops of the same names (`dlc_ir::op`), on every
/// back end: comparisons with NaN are false but for `ne`, max and min hand NaN on, integer division by
/// zero gives zero, conversion from float to integer truncates and saturates.
///
/// A value may be of any type, but there is arithmetic on those of 32 bits and more alone
/// ([`DType::computed_in`]): an element of a narrow type is loaded, selected, converted and stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScalarOp {
    /// A number, rounded to the result's type. No operand.
    Constant(f64),
    /// An integer of 64 bits, of `u64` its bits. No operand.
    Integer(i64),
    /// The run-time size of an extent, converted to the result's type. No operand.
    Extent(dlc_types::Dim),
    /// An index variable, converted to the result's type. No operand.
    Index(IndexVar),
    /// One operand, result of the same type.
    Unary(Unary),
    /// Two operands of the result's type.
    Binary(Binary),
    /// `a * b + c` rounded once. Three operands of the result's type.
    FusedMultiplyAdd,
    /// Two operands of one type, result `bool`.
    Compare(Comparison),
    /// Condition (`bool`) and two operands of the result's type.
    Select,
    /// Conversion from the operand's type.
    Cast,
    /// The operand's bits as those of a number type of the same size.
    Bitcast,
    /// `unit(random_bits(seed, stream, step, index))` of `dlc_types::random`, result `f32`. Operands:
    /// seed (`i64`), step (`i32`), index (`i64`).
    Random {
        /// The stream.
        stream: u32,
    },
}

named_enum! {
    /// Scalar functions of one operand.
    #[allow(missing_docs, reason = "the names are those of dlc_ir::Unary")]
    Unary {
        Negate = "neg", Abs = "abs", Sign = "sign", Exp = "exp", Log = "log", LogOnePlus = "log1p",
        Sqrt = "sqrt", ReciprocalSqrt = "rsqrt", Tanh = "tanh", Sigmoid = "sigmoid", Erf = "erf",
        Relu = "relu", Floor = "floor", Ceil = "ceil", Round = "round", Cos = "cos", Sin = "sin",
        Not = "not",
    }
}

named_enum! {
    /// Scalar functions of two operands.
    #[allow(missing_docs, reason = "the names are those of dlc_ir::Binary")]
    Binary {
        Add = "add", Subtract = "sub", Multiply = "mul", Divide = "div", Max = "max", Min = "min",
        Power = "pow", And = "and", Or = "or", Xor = "xor", ShiftLeft = "shl", ShiftRight = "shr",
        Remainder = "rem",
    }
}

named_enum! {
    /// Comparisons.
    #[allow(missing_docs, reason = "the names are those of dlc_ir::Comparison")]
    Comparison {
        Equal = "eq", NotEqual = "ne", Less = "lt", LessEqual = "le", Greater = "gt",
        GreaterEqual = "ge",
    }
}

/// The condition under which a load reads memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// All of `low <= form < high` hold where the element exists.
    pub ranges: Vec<(Affine, i64, i64)>,
    /// The value elsewhere.
    pub fill: f64,
}

/// Index computations beyond integer-linear forms.
#[derive(Clone, Debug, PartialEq)]
pub enum IndexExpr {
    /// The form itself; gives a scalar operation an index to convert.
    Form(Affine),
    /// `form / divisor`, for a form that is never negative and a divisor of at least 1.
    Quotient(Affine, i64),
    /// `form % divisor`, likewise.
    Remainder(Affine, i64),
    /// `form * chunk / chunks`: where the `chunk`-th of `chunks` equal pieces of `0..form` begins.
    ChunkStart {
        /// The whole length.
        form: Affine,
        /// Which piece; the number of pieces gives the end of the last.
        chunk: Affine,
        /// How many pieces.
        chunks: i64,
    },
    /// The value (`i32` or `i64`), clamped to `0..=form - 1`.
    Clamped(Var, Affine),
}

/// A counted loop. Runs for `start <= variable < end`, not at all where that is empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Loop {
    /// The loop variable.
    pub var: IndexVar,
    /// First value.
    pub start: Affine,
    /// One past the last value.
    pub end: Affine,
    /// Whether iterations may run side by side in lanes.
    pub lanes: bool,
    /// Values that go from one iteration to the next.
    pub carries: Vec<Carry>,
    /// Statements in order.
    pub body: Vec<Statement>,
}

/// A value that a loop carries.
#[derive(Clone, Debug, PartialEq)]
pub struct Carry {
    /// Element type.
    pub dtype: DType,
    /// Value before the first iteration, defined outside.
    pub initial: Var,
    /// The value within an iteration.
    pub current: Var,
    /// The value that an iteration hands on, defined in the body.
    pub next: Var,
    /// The value after the last iteration.
    pub result: Var,
    /// For a lanes loop: how partial results combine; `next` then is `combine(current, x)` for an `x`
    /// that does not depend on `current`. `None` in other loops.
    pub combine: Option<Combine>,
}

/// How partial results of lanes combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// `a + b`
    Sum,
    /// `a * b`
    Product,
    /// `max(a, b)`, NaN if either is
    Max,
    /// `min(a, b)`, NaN if either is
    Min,
}

impl Combine {
    /// Every way, in the order of declaration.
    pub const ALL: [Combine; 4] = [Combine::Sum, Combine::Product, Combine::Max, Combine::Min];

    /// The name in the text form.
    pub const fn name(self) -> &'static str {
        match self {
            Combine::Sum => "sum",
            Combine::Product => "product",
            Combine::Max => "max",
            Combine::Min => "min",
        }
    }
}

impl ScalarOp {
    /// The name in the text form.
    pub const fn name(self) -> &'static str {
        match self {
            ScalarOp::Constant(_) => "const",
            ScalarOp::Integer(_) => "int",
            ScalarOp::Extent(_) => "extent",
            ScalarOp::Index(_) => "index",
            ScalarOp::Unary(function) => function.name(),
            ScalarOp::Binary(function) => function.name(),
            ScalarOp::FusedMultiplyAdd => "fma",
            ScalarOp::Compare(comparison) => comparison.name(),
            ScalarOp::Select => "select",
            ScalarOp::Cast => "cast",
            ScalarOp::Bitcast => "bitcast",
            ScalarOp::Random { .. } => "random",
        }
    }
}
