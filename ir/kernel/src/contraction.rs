//! Contraction kernels: a batch-reduce matrix product over strided dimensions.
//!
//! Operands: 0 `lanes` (read as vectors along the lanes dimension), 1 `rows` (read one element at a
//! time along the rows dimension and repeated over the lanes; where the lanes dimension is *paired*, at
//! stride 1 in this operand as well, read as vectors too), 2 the result; more where an epilogue reads or
//! writes them. Paired lanes are those of products without a free axis: the channels of a depthwise
//! convolution. With `index(x)` the sum of each dimension's coordinate times its stride in `x`:
//!
//! ```text
//! result[index(result)] (+)= sum over reduced coordinates and taps t of
//!     lanes[index(lanes) + t.lanes] * rows[index(rows) + t.rows]
//! ```
//!
//! Each product-sum is a fused multiply-add of the operands' float type, taken in the order reduced
//! dimensions (outermost first), taps innermost but one, last reduced dimension innermost.
//!
//! Small integers are multiplied in *words* of 32 bits: four `i8` or `u8`, or two `i16`. An element of the
//! operands `lanes` and `rows` is such a word then, in all strides, offsets and taps; the product of two words is the
//! sum of the products of their parts, and sums are `i32`, which wrap. Parts have their own operand's sign; where
//! [`Contraction::turns_rows`] holds, those of `rows` have their highest bit turned first, so that an `i8` of value
//! `x` counts as the `u8` of value `x + 128` and a `u8` as the `i8` of value `x - 128`: machines multiply bytes of
//! one signedness with bytes of the other.
//! Loop order
//! within one point of the parallel space, from the outside: `ReduceOuter` dimensions, `Sequential`
//! dimensions, lanes tiles, rows tiles, `Reduce` dimensions. A `ReduceOuter` dimension lets operands
//! stay in a near cache: the result is stored and loaded again between its steps.
//!
//! Invariants (see [`crate::verify`]): exactly one `Lanes` and one `Rows` dimension; strides of reduced
//! dimensions in the result are 0; those of all others address each result element once.

use crate::{Affine, IndexVar, Operand, Statement, Var};
use dlc_types::{DType, Dim};

/// The body of a contraction kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Contraction {
    /// All dimensions. Those of one role are nested in this order, outermost first.
    pub dims: Vec<ContractionDim>,
    /// Constant element offsets of the three operands.
    pub offsets: [i64; 3],
    /// Pairs of offsets that the reduction visits; one tap of zeros for a plain product.
    pub taps: Vec<Tap>,
    /// Whether the sums are added to what the result holds, instead of replacing it.
    pub accumulate: bool,
    /// Whether the bytes of the rows operand are taken with the highest bit turned, and so with the other sign.
    pub turns_rows: bool,
    /// Register tile.
    pub tile: Tile,
    /// What is done with each element of the result, in place of storing it.
    pub epilogue: Option<Epilogue>,
}

/// One dimension of a contraction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractionDim {
    /// Its name in texts: `n`, `p`, `oc`, ….
    pub name: String,
    /// Its length.
    pub extent: Dim,
    /// How it is looped.
    pub role: Role,
    /// Element strides in lanes operand, rows operand and result.
    pub strides: [i64; 3],
    /// Division of the dimension among points of the parallel space.
    pub split: Option<Split>,
}

/// How a dimension is looped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Every coordinate is a point of the parallel space.
    Parallel,
    /// Reduced, outside the tiles.
    ReduceOuter,
    /// Kept, outside the tiles, one coordinate after the other.
    Sequential,
    /// Kept, in vectors of the lanes operand.
    Lanes,
    /// Kept, in repeated elements of the rows operand.
    Rows,
    /// Reduced, inside the tiles.
    Reduce,
}

/// Division of a dimension of extent `e` into `chunks` pieces, each a point of the parallel space:
/// piece `c` is `e * c / chunks .. e * (c + 1) / chunks`, with both ends rounded down to a multiple of
/// `align` (the last end is `e`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// How many pieces, at least one.
    pub chunks: usize,
    /// Boundaries are multiples of it, at least one.
    pub align: usize,
    /// Element stride of the result between pieces: where a reduced dimension is split, every piece
    /// has a result of its own; 0 for others.
    pub result_stride: i64,
}

/// One pair of offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tap {
    /// Element offset in the lanes operand.
    pub lanes: i64,
    /// Element offset in the rows operand.
    pub rows: i64,
}

/// The register tile, a wish that a code generator may cut down: `vectors` vectors of lanes times
/// `rows` rows of accumulators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Vectors along the lanes.
    pub vectors: usize,
    /// Rows.
    pub rows: usize,
}

/// What is done with each element of the result once its sum is complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Epilogue {
    /// The coordinates of all dimensions, in the order of [`Contraction::dims`]; the one of the lanes
    /// dimension runs in lanes. Coordinates of reduced dimensions must not be used.
    pub coordinates: Vec<IndexVar>,
    /// The sum.
    pub value: Var,
    /// Statements without loops; they store what is to be kept.
    pub statements: Vec<Statement>,
    /// What is summed over the elements of a point.
    pub sums: Vec<EpilogueSum>,
}

/// A sum over all elements of one point of the parallel space that share their lanes coordinate: over the
/// rows and the sequential dimensions, none of which is split. The order of the sum depends on extents
/// alone.
#[derive(Clone, Debug, PartialEq)]
pub struct EpilogueSum {
    /// Number of the kernel's operand that gets the sums; nothing else writes or reads it.
    pub operand: usize,
    /// Element index: coordinates of parallel dimensions, and the lanes coordinate once.
    pub index: Affine,
    /// What is summed, a value of the epilogue.
    pub value: Var,
}

impl Split {
    /// Piece `chunk` of a dimension of extent `extent`; empty for a chunk that does not exist.
    pub fn piece(&self, extent: usize, chunk: usize) -> std::ops::Range<usize> {
        let bound = |chunk: usize| {
            if chunk >= self.chunks {
                return extent;
            }
            let exact = (extent as u128 * chunk as u128 / self.chunks as u128) as usize;
            exact - exact % self.align.max(1)
        };
        bound(chunk)..bound(chunk + 1)
    }
}

impl Role {
    /// Every role, in the order of declaration.
    pub const ALL: [Role; 6] =
        [Role::Parallel, Role::ReduceOuter, Role::Sequential, Role::Lanes, Role::Rows, Role::Reduce];

    /// The name in the text form.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Parallel => "parallel",
            Role::ReduceOuter => "reduce_outer",
            Role::Sequential => "sequential",
            Role::Lanes => "lanes",
            Role::Rows => "rows",
            Role::Reduce => "reduce",
        }
    }
}

impl ContractionDim {
    /// Whether these lanes are paired: each multiplies an element of the rows operand of its own.
    pub fn is_paired(&self) -> bool {
        self.role == Role::Lanes && self.strides[1] != 0 && !matches!(self.extent, Dim::Fixed(0 | 1))
    }

    /// Whether the result has no such dimension.
    pub fn is_reduced(&self) -> bool {
        matches!(self.role, Role::ReduceOuter | Role::Reduce)
    }
}

/// What the sums of a contraction are, and what one element of each factor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factors {
    /// Type of the sums.
    pub sum: DType,
    /// Parts of one element of `lanes` or `rows`: 1 for floats, 4 for bytes, 2 for `i16`.
    pub parts: usize,
}

/// What an element of a contraction's factors is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// One float.
    Float,
    /// Four bytes.
    Bytes {
        /// Whether those of `lanes` have a sign.
        lanes_signed: bool,
        /// Whether those of `rows` have one as they are multiplied.
        rows_signed: bool,
        /// Whether the highest bit of those of `rows` is turned before.
        turns: bool,
    },
    /// Two `i16`.
    Halves,
}

impl Factors {
    /// The factors for operands of these types; nothing where there is no contraction of them.
    pub fn of(lanes: DType, rows: DType) -> Option<Factors> {
        let byte = |dtype| matches!(dtype, DType::I8 | DType::U8);
        match (lanes, rows) {
            _ if byte(lanes) && byte(rows) => Some(Factors { sum: DType::I32, parts: 4 }),
            (DType::I16, DType::I16) => Some(Factors { sum: DType::I32, parts: 2 }),
            _ if lanes == rows && lanes.is_float() => Some(Factors { sum: lanes, parts: 1 }),
            _ => None,
        }
    }

    /// Elements of `bytes` bytes of the factor of this type.
    pub fn elements(&self, dtype: DType, bytes: usize) -> usize {
        bytes / (dtype.size() * self.parts)
    }
}

impl Contraction {
    /// What a kernel with these operands multiplies; nothing where it cannot be a contraction.
    pub fn factors(operands: &[Operand]) -> Option<Factors> {
        let [lanes, rows, ..] = operands else { return None };
        Factors::of(lanes.dtype, rows.dtype)
    }

    /// What elements of the factors of a verified kernel with these operands are made of.
    pub fn parts(&self, operands: &[Operand]) -> Parts {
        let turns = self.turns_rows;
        match operands {
            [lanes, rows, ..] if matches!(lanes.dtype, DType::I8 | DType::U8) => Parts::Bytes {
                lanes_signed: lanes.dtype == DType::I8,
                rows_signed: (rows.dtype == DType::I8) != turns,
                turns,
            },
            [lanes, ..] if lanes.dtype == DType::I16 => Parts::Halves,
            _ => Parts::Float,
        }
    }

    /// The parallel space: `Parallel` dimensions in order, then the pieces of split ones in order.
    pub fn space(&self) -> Vec<Dim> {
        let parallel = self.dims.iter().filter(|dim| dim.role == Role::Parallel).map(|dim| dim.extent);
        let splits = self.dims.iter().filter_map(|dim| dim.split).map(|split| Dim::Fixed(split.chunks));
        parallel.chain(splits).collect()
    }
}
