//! Dimensions and shapes.
//!
//! One dimension is symbolic: the batch. Its size `n` is known only when a compiled function runs and
//! is bounded by the `n_max` it was compiled for. A dimension is either a fixed number or a multiple
//! of `n` (a reshape may merge the batch with fixed axes). Every other size is a number by the time a
//! graph exists: the frontends bind names such as `L` before they build.

use crate::DType;
use std::fmt;

/// One extent of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dim {
    /// A number.
    Fixed(usize),
    /// The batch size times a number of at least one.
    Batch(usize),
}

impl Dim {
    /// The batch itself.
    pub const N: Dim = Dim::Batch(1);

    /// The number, unless the extent depends on the batch.
    pub const fn fixed(self) -> Option<usize> {
        match self {
            Dim::Fixed(size) => Some(size),
            Dim::Batch(_) => None,
        }
    }

    /// Whether the extent depends on the batch.
    pub const fn is_batch(self) -> bool {
        matches!(self, Dim::Batch(_))
    }

    /// The extent for a batch of `n`.
    pub const fn at(self, n: usize) -> usize {
        match self {
            Dim::Fixed(size) => size,
            Dim::Batch(scale) => scale * n,
        }
    }

    /// The product of two extents; `None` for the square of the batch or on overflow.
    pub const fn times(self, other: Dim) -> Option<Dim> {
        match (self, other) {
            (Dim::Fixed(0), _) | (_, Dim::Fixed(0)) => Some(Dim::Fixed(0)),
            (Dim::Fixed(a), Dim::Fixed(b)) => match a.checked_mul(b) {
                Some(size) => Some(Dim::Fixed(size)),
                None => None,
            },
            (Dim::Batch(a), Dim::Fixed(b)) | (Dim::Fixed(a), Dim::Batch(b)) => match a.checked_mul(b) {
                Some(scale) => Some(Dim::Batch(scale)),
                None => None,
            },
            (Dim::Batch(_), Dim::Batch(_)) => None,
        }
    }
}

impl From<usize> for Dim {
    fn from(size: usize) -> Self {
        Dim::Fixed(size)
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Fixed(size) => write!(f, "{size}"),
            Dim::Batch(1) => f.write_str("N"),
            Dim::Batch(scale) => write!(f, "{scale}N"),
        }
    }
}

/// The extents of a tensor, outermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shape(pub Vec<Dim>);

impl Shape {
    /// The shape of a scalar.
    pub const fn scalar() -> Shape {
        Shape(Vec::new())
    }

    /// A shape of fixed extents.
    pub fn fixed(sizes: &[usize]) -> Shape {
        Shape(sizes.iter().map(|&size| Dim::Fixed(size)).collect())
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The extents.
    pub fn dims(&self) -> &[Dim] {
        &self.0
    }

    /// The product of all extents; `None` where it would need the square of the batch or overflow.
    pub fn elements(&self) -> Option<Dim> {
        self.0.iter().try_fold(Dim::Fixed(1), |product, &dim| product.times(dim))
    }

    /// The extents for a batch of `n`.
    pub fn at(&self, n: usize) -> Vec<usize> {
        self.0.iter().map(|dim| dim.at(n)).collect()
    }

    /// The extents as numbers, unless one depends on the batch.
    pub fn as_fixed(&self) -> Option<Vec<usize>> {
        self.0.iter().map(|dim| dim.fixed()).collect()
    }

    /// Whether any extent depends on the batch.
    pub fn has_batch(&self) -> bool {
        self.0.iter().any(|dim| dim.is_batch())
    }
}

impl From<Vec<Dim>> for Shape {
    fn from(dims: Vec<Dim>) -> Self {
        Shape(dims)
    }
}

impl std::ops::Index<usize> for Shape {
    type Output = Dim;

    fn index(&self, axis: usize) -> &Dim {
        &self.0[axis]
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (axis, dim) in self.0.iter().enumerate() {
            if axis > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{dim}")?;
        }
        f.write_str("]")
    }
}

/// An element type and a shape: `f32[N, 64, 32, 32]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TensorType {
    /// Element type.
    pub dtype: DType,
    /// Extents.
    pub shape: Shape,
}

impl TensorType {
    /// A type from its parts.
    pub fn new(dtype: DType, shape: Shape) -> Self {
        TensorType { dtype, shape }
    }

    /// A type with no axes.
    pub fn scalar(dtype: DType) -> Self {
        TensorType { dtype, shape: Shape::scalar() }
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, self.shape)
    }
}
