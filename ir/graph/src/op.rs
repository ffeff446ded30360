//! The op table: every operation a graph node can carry, with its attributes and its meaning.
//!
//! The set is small and closed under differentiation. Elementwise ops take operands of equal shape
//! (broadcasting is an op of its own, so that it has a derivative of its own). Shapes are never
//! attributes where they follow from operands; ops whose result shape is a free choice (`input`,
//! `broadcast`, `reshape`, …) take it from the node's declared type.
//!
//! *Composite* ops (batch-norm, softmax, log-softmax) stay whole through autodiff, because their
//! derivatives are better than those of their parts; `dlc-compiler` expands them before lowering.

use crate::{Literal, Scan};
use dlc_types::{DType, named_enum};

/// What a node computes.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// A tensor that the caller feeds. No operands.
    Input {
        /// Unique among the function's inputs.
        name: String,
    },
    /// A trainable tensor of the model. No operands.
    Parameter {
        /// Path of the parameter, such as `stem.weight`.
        name: String,
    },
    /// A tensor that lives between calls but is not trained by gradient. No operands.
    State {
        /// Path of the state, such as `stem_bn.mean` or `train.step`.
        name: String,
    },
    /// A known value. No operands.
    Constant(Literal),
    /// The coordinate along `axis` of each element; integer or float type. No operands.
    Iota {
        /// The axis that counts.
        axis: usize,
    },
    /// Size of an extent at run time, as a scalar of the node's type. No operands.
    Extent(dlc_types::Dim),
    /// Uniform numbers in [0, 1), `f32`, one Philox draw per element: element `i` (row-major) is
    /// `unit(random_bits(seed, stream, step, i))`. Operands: seed (`i64` scalar), step (`i32` scalar).
    Random {
        /// Number of this op among the model's random ops, so that no two share draws.
        stream: u32,
    },

    /// Elementwise function of one operand.
    Unary(Unary),
    /// Elementwise function of two operands of one type.
    Binary(Binary),
    /// Elementwise comparison of two operands of one type; the result is `bool`.
    Compare(Comparison),
    /// `select(condition, a, b)`: `a` where the condition holds, else `b`.
    Select,
    /// Conversion to the node's element type. Floats to integers truncate towards zero; anything to
    /// bool is `x != 0`.
    Cast(DType),
    /// The same bits as another number type of the same size; of a NaN of 16 bits no more than that it is one.
    Bitcast(DType),

    /// Repeats the operand along new or size-1 axes: operand axis `i` becomes result axis `axes[i]`
    /// (strictly increasing); an operand axis of size 1 may stretch.
    Broadcast {
        /// For each operand axis, the result axis.
        axes: Vec<usize>,
    },
    /// The same elements, row-major, in another shape.
    Reshape,
    /// Result axis `i` is operand axis `permutation[i]`.
    Transpose {
        /// A permutation of the axes.
        permutation: Vec<usize>,
    },
    /// Elements `start`, `start + stride`, … below `limit` of every axis. An axis of batch size is
    /// taken whole: start 0, limit `usize::MAX`, stride 1.
    Slice {
        /// First element per axis.
        starts: Vec<usize>,
        /// One past the last element per axis; `usize::MAX` for the whole axis.
        limits: Vec<usize>,
        /// Step per axis, at least one.
        strides: Vec<usize>,
    },
    /// Adds elements equal to the scalar second operand before and after each axis.
    Pad {
        /// Elements added in front, per axis.
        low: Vec<usize>,
        /// Elements added behind, per axis.
        high: Vec<usize>,
    },
    /// Puts `factor - 1` zeros between neighbours of each axis.
    Dilate {
        /// Factor per axis, at least one.
        factors: Vec<usize>,
    },
    /// Reverses the order of elements along the axes.
    Reverse {
        /// Axes, ascending.
        axes: Vec<usize>,
    },
    /// Joins operands (one or more) along an axis.
    Concat {
        /// The axis.
        axis: usize,
    },

    /// Combines all elements along the axes, which vanish.
    Reduce {
        /// How elements combine.
        kind: Reduction,
        /// Axes, ascending.
        axes: Vec<usize>,
    },
    /// Position (`i32`) of the first largest or smallest element along an axis, which vanishes.
    ArgReduce {
        /// Largest or smallest.
        kind: ArgReduction,
        /// The axis.
        axis: usize,
    },
    /// What the elements up to each one combine to along an axis, that one included.
    Cumulative {
        /// How elements combine.
        kind: Reduction,
        /// The axis.
        axis: usize,
        /// Whether to run from the last element to the first.
        reverse: bool,
    },

    /// General dot product of two operands.
    Contract(Contraction),
    /// General convolution: operands are input `[N, C, spatial…]` and kernel `[O, C/groups, spatial…]`,
    /// the result is `[N, O, spatial…]`.
    Convolve(Convolution),
    /// Combines the elements under a window that slides over the axes. Padding counts as the
    /// identity of the reduction.
    ReduceWindow {
        /// Maximum or sum.
        kind: WindowKind,
        /// Window over all axes of the operand.
        window: Window,
    },
    /// For each window the number (`i32`, row-major among the window's taps) of its first largest
    /// element.
    WindowArgMax {
        /// Window over all axes of the operand.
        window: Window,
    },
    /// Adjoint of a window reduction: every window's value is added to the elements it was made of.
    /// One operand (per-window values): added to all elements under the window. A second operand
    /// (tap numbers of [`Op::WindowArgMax`]): added to that element only. The node's type is that of
    /// the operand of the reduction.
    WindowScatter {
        /// The window of the reduction.
        window: Window,
    },

    /// `result[i…, j…, k…] = data[i…, indices[j…], k…]`, with `axis` axes in `i…`. Operands: data,
    /// indices (`i32`). Indices out of range are clamped to it.
    Gather {
        /// The axis of `data` that the indices select from.
        axis: usize,
    },
    /// `result[i…, j, k…] = data[i…, indices[i…, j, k…], k…]`, with `axis` axes in `i…`. Operands: data, indices
    /// (`i32`) of the data's rank, which differ from it along `axis` alone. Indices out of range are clamped
    /// to it.
    GatherAlong {
        /// The axis of `data` that the indices select from.
        axis: usize,
    },
    /// The data, into which each slice of the updates is put at its index. Operands: data, indices (`i32`),
    /// updates, of the type that [`Op::Gather`] would give. Indices out of range are clamped to it; updates of
    /// one element combine in the order of the indices.
    Scatter {
        /// The axis of the data that the indices select from.
        axis: usize,
        /// What becomes of an element that an update meets.
        kind: ScatterKind,
    },
    /// Positions (`i32`) along an axis in the order of the elements there; equal ones keep theirs. NaN is larger
    /// than any number.
    ArgSort {
        /// The axis.
        axis: usize,
        /// Whether the largest comes first.
        descending: bool,
    },

    /// Batch normalisation with statistics of this batch. Operands: x, scale `[C]`, shift `[C]`. The
    /// result is a tuple: normalised x, mean `[C]`, biased variance `[C]`, the latter two over all axes
    /// but `axis`. Ioffe, Szegedy, "Batch Normalization", ICML 2015.
    BatchNorm {
        /// The channel axis.
        axis: usize,
        /// Added to the variance before the root.
        epsilon: f64,
    },
    /// `exp(x - max) / sum(exp(x - max))` along an axis.
    Softmax {
        /// The axis.
        axis: usize,
    },
    /// `x - max - log(sum(exp(x - max)))` along an axis.
    LogSoftmax {
        /// The axis.
        axis: usize,
    },
    /// Element `i` of the operand, a tuple.
    Project(usize),
    /// A function of its own, done step by step. The result is a tuple: the carries behind the last step, then
    /// what the steps gave, stacked.
    Scan(Box<Scan>),
}

named_enum! {
    /// Elementwise functions of one operand.
    Unary {
        /// `-x`
        Negate = "neg",
        /// `|x|`
        Abs = "abs",
        /// -1, 0 or 1 with the sign of x; NaN stays NaN.
        Sign = "sign",
        /// `e^x`
        Exp = "exp",
        /// Natural logarithm.
        Log = "log",
        /// `log(1 + x)`, exact for small x.
        LogOnePlus = "log1p",
        /// Square root.
        Sqrt = "sqrt",
        /// `1 / sqrt(x)`
        ReciprocalSqrt = "rsqrt",
        /// Hyperbolic tangent.
        Tanh = "tanh",
        /// `1 / (1 + e^-x)`
        Sigmoid = "sigmoid",
        /// The error function.
        Erf = "erf",
        /// `max(x, 0)`; the derivative at 0 is 0; NaN stays NaN.
        Relu = "relu",
        /// Largest integer not above x.
        Floor = "floor",
        /// Smallest integer not below x.
        Ceil = "ceil",
        /// Nearest integer, ties to even.
        Round = "round",
        /// Cosine.
        Cos = "cos",
        /// Sine.
        Sin = "sin",
        /// Logical not of `bool`, all bits of an integer.
        Not = "not",
        /// Tangent.
        Tan = "tan",
        /// Inverse of the sine, in -π/2 … π/2.
        Asin = "asin",
        /// Inverse of the cosine, in 0 … π.
        Acos = "acos",
        /// Inverse of the tangent, in -π/2 … π/2.
        Atan = "atan",
        /// Hyperbolic sine.
        Sinh = "sinh",
        /// Hyperbolic cosine.
        Cosh = "cosh",
        /// Inverse of the hyperbolic sine.
        Asinh = "asinh",
        /// Inverse of the hyperbolic cosine, not negative.
        Acosh = "acosh",
        /// Inverse of the hyperbolic tangent.
        Atanh = "atanh",
    }
}

named_enum! {
    /// Elementwise functions of two operands.
    Binary {
        /// Sum.
        Add = "add",
        /// Difference.
        Subtract = "sub",
        /// Product.
        Multiply = "mul",
        /// Quotient; integers truncate towards zero, and division by 0 gives 0.
        Divide = "div",
        /// Larger; NaN if either is NaN.
        Max = "max",
        /// Smaller; NaN if either is NaN.
        Min = "min",
        /// `a^b`; a negative power of an integer is its reciprocal's, truncated, and 0 for 0.
        Power = "pow",
        /// Logical and of `bool`, bit by bit of integers.
        And = "and",
        /// Logical or of `bool`, bit by bit of integers.
        Or = "or",
        /// Whether two `bool` differ, bit by bit of integers.
        Xor = "xor",
        /// `a * 2^b` of integers; 0 where `b` is negative or not below the number of bits.
        ShiftLeft = "shl",
        /// `floor(a / 2^b)` of integers; where `b` is negative or not below the number of bits, what is left of
        /// all shifts: -1 of negative numbers, else 0.
        ShiftRight = "shr",
        /// What is left of `a` when multiples of `b` are taken away towards zero, with the sign of `a`; of
        /// integers 0 for `b = 0`. Of floats exact where the target multiplies and adds in one rounding.
        Remainder = "rem",
    }
}

named_enum! {
    /// Comparisons; all but `ne` are false where an operand is NaN.
    Comparison {
        /// `a == b`
        Equal = "eq",
        /// `a != b`
        NotEqual = "ne",
        /// `a < b`
        Less = "lt",
        /// `a <= b`
        LessEqual = "le",
        /// `a > b`
        Greater = "gt",
        /// `a >= b`
        GreaterEqual = "ge",
    }
}

named_enum! {
    /// Ways to combine elements.
    Reduction {
        /// Sum; 0 for no element.
        Sum = "sum",
        /// Largest; -inf (or the type's least value) for no element; NaN if any is NaN.
        Max = "max",
        /// Smallest; +inf (or the type's greatest value) for no element; NaN if any is NaN.
        Min = "min",
        /// Product; 1 for no element.
        Product = "prod",
    }
}

named_enum! {
    /// What becomes of an element where an update meets it.
    ScatterKind {
        /// The update; of several, the last one.
        Set = "set",
        /// Their sum.
        Add = "add",
        /// Their product.
        Multiply = "mul",
        /// The larger; NaN if either is NaN.
        Max = "max",
        /// The smaller; NaN if either is NaN.
        Min = "min",
    }
}

named_enum! {
    /// Which extreme an arg-reduction finds.
    ArgReduction {
        /// The largest.
        Max = "argmax",
        /// The smallest.
        Min = "argmin",
    }
}

/// What computing a function of one operand takes, from cheap to dear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// An instruction or two.
    Instruction,
    /// A root, which processors have an instruction for, but a slow one.
    Root,
    /// A polynomial behind a reduction of the argument.
    Polynomial,
    /// A formula of several such functions.
    Formula,
}

impl Unary {
    /// What computing one element takes.
    pub const fn effort(self) -> Effort {
        match self {
            Unary::Negate
            | Unary::Abs
            | Unary::Sign
            | Unary::Relu
            | Unary::Floor
            | Unary::Ceil
            | Unary::Round
            | Unary::Not => Effort::Instruction,
            Unary::Sqrt | Unary::ReciprocalSqrt => Effort::Root,
            Unary::Exp
            | Unary::Log
            | Unary::LogOnePlus
            | Unary::Tanh
            | Unary::Sigmoid
            | Unary::Erf
            | Unary::Cos
            | Unary::Sin => Effort::Polynomial,
            Unary::Tan
            | Unary::Asin
            | Unary::Acos
            | Unary::Atan
            | Unary::Sinh
            | Unary::Cosh
            | Unary::Asinh
            | Unary::Acosh
            | Unary::Atanh => Effort::Formula,
        }
    }
}

named_enum! {
    /// Ways to combine the elements under a window.
    WindowKind {
        /// Sum; padding counts as 0.
        Sum = "sum",
        /// Largest; padding counts as -inf.
        Max = "max",
    }
}

/// Axes of a general dot product. Result axes: batch axes, then the free axes of the left operand,
/// then those of the right, each in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contraction {
    /// Pairs (left axis, right axis) that run together and stay.
    pub batch: Vec<(usize, usize)>,
    /// Pairs (left axis, right axis) that are summed over.
    pub contract: Vec<(usize, usize)>,
}

/// Attributes of a general convolution, one entry per spatial axis.
///
/// With `X` the input after `input_dilation - 1` zeros between neighbours and `padding` zeros at its
/// ends (negative padding cuts off), and `T = (kernel - 1) * kernel_dilation + 1`:
/// `result[n, o, p] = sum over c, t of X[n, c, p * stride + t * kernel_dilation] * kernel[o, c, t]`, for
/// `p` in `0 ..= (len(X) - T) / stride`; channels are summed within the output's group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Step of the output over the padded input.
    pub strides: Vec<usize>,
    /// Zeros in front and behind.
    pub padding: Vec<(i64, i64)>,
    /// Distance between neighbours of the input; 1 for the plain input.
    pub input_dilation: Vec<usize>,
    /// Distance between neighbours of the kernel; 1 for the plain kernel.
    pub kernel_dilation: Vec<usize>,
    /// Number of channel groups.
    pub groups: usize,
}

/// A window that slides over all axes of an operand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Elements under the window, per axis.
    pub sizes: Vec<usize>,
    /// Step, per axis.
    pub strides: Vec<usize>,
    /// Distance between elements under the window, per axis.
    pub dilations: Vec<usize>,
    /// Padding in front and behind, per axis.
    pub padding: Vec<(usize, usize)>,
}

impl Op {
    /// The name in the text form and in messages.
    pub const fn name(&self) -> &'static str {
        match self {
            Op::Input { .. } => "input",
            Op::Parameter { .. } => "parameter",
            Op::State { .. } => "state",
            Op::Constant(_) => "constant",
            Op::Iota { .. } => "iota",
            Op::Extent(_) => "extent",
            Op::Random { .. } => "random",
            Op::Unary(function) => function.name(),
            Op::Binary(function) => function.name(),
            Op::Compare(comparison) => comparison.name(),
            Op::Select => "select",
            Op::Cast(_) => "cast",
            Op::Bitcast(_) => "bitcast",
            Op::Broadcast { .. } => "broadcast",
            Op::Reshape => "reshape",
            Op::Transpose { .. } => "transpose",
            Op::Slice { .. } => "slice",
            Op::Pad { .. } => "pad",
            Op::Dilate { .. } => "dilate",
            Op::Reverse { .. } => "reverse",
            Op::Concat { .. } => "concat",
            Op::Reduce { .. } => "reduce",
            Op::ArgReduce { kind, .. } => kind.name(),
            Op::Cumulative { .. } => "cumulative",
            Op::Contract(_) => "contract",
            Op::Convolve(_) => "convolve",
            Op::ReduceWindow { .. } => "reduce_window",
            Op::WindowArgMax { .. } => "window_argmax",
            Op::WindowScatter { .. } => "window_scatter",
            Op::Gather { .. } => "gather",
            Op::GatherAlong { .. } => "gather_along",
            Op::Scatter { .. } => "scatter",
            Op::ArgSort { .. } => "argsort",
            Op::BatchNorm { .. } => "batch_norm",
            Op::Softmax { .. } => "softmax",
            Op::LogSoftmax { .. } => "log_softmax",
            Op::Project(_) => "project",
            Op::Scan(_) => "scan",
        }
    }

    /// Whether the op has no operands and stands for a value from outside the function.
    pub fn is_external(&self) -> bool {
        matches!(self, Op::Input { .. } | Op::Parameter { .. } | Op::State { .. })
    }

    /// Whether each result element depends on the operand elements at its own place alone.
    pub fn is_elementwise(&self) -> bool {
        matches!(
            self,
            Op::Unary(_) | Op::Binary(_) | Op::Compare(_) | Op::Select | Op::Cast(_) | Op::Bitcast(_)
        )
    }

    /// Whether an element of the result is made of many elements, or the result of several operands, so that the op
    /// has a kernel of its own and is not computed again where it is read.
    pub fn is_collective(&self) -> bool {
        matches!(
            self,
            Op::Reduce { .. }
                | Op::ArgReduce { .. }
                | Op::Cumulative { .. }
                | Op::ArgSort { .. }
                | Op::Contract(_)
                | Op::Convolve(_)
                | Op::ReduceWindow { .. }
                | Op::WindowArgMax { .. }
                | Op::WindowScatter { .. }
                | Op::Scatter { .. }
                | Op::Concat { .. }
        )
    }

    /// Whether lowering expects the op to be expanded before it.
    pub fn is_composite(&self) -> bool {
        matches!(self, Op::BatchNorm { .. } | Op::Softmax { .. } | Op::LogSoftmax { .. })
    }
}
