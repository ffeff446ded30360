//! The nearest orthogonal matrix by Newton-Schulz steps: products of matrices alone, no decomposition.
//!
//! For `X = U S V^T` a step with the coefficients `a, b, c` gives `U (a S + b S^3 + c S^5) V^T`, so that
//! repeated steps bring all singular values near 1 while the singular vectors stay. The first argument is
//! divided by its norm, which brings them to at most 1.
//!
//! Higham, "Computing the Polar Decomposition - with Applications", SIAM J. Sci. Stat. Comput. 1986;
//! coefficients of the steep step: Jordan et al., "Muon", 2024.

use super::arithmetic::{norm, times};
use dlc_ir::{Binary, Builder, InferError, NodeId};
use dlc_types::{DType, Dim, Shape};

/// Triples small singular values; keeps large ones within 0.68 to 1.14.
pub(super) const STEEP: [f64; 3] = [3.4445, -4.7750, 2.0315];
/// Converges to 1 quadratically from nearby.
pub(super) const FINE: [f64; 3] = [1.5, -0.5, 0.0];
/// Least norm that is divided by.
const LEAST_NORM: f64 = 1e-7;

/// A tensor of rank 2 or more as its first axis against all others.
pub(super) fn as_matrix(b: &mut Builder, x: NodeId) -> Result<NodeId, InferError> {
    let sizes = b.shape(x).as_fixed().unwrap_or_default();
    let [rows, rest @ ..] = sizes.as_slice() else {
        return Err(InferError::new("a scalar is no matrix"));
    };
    let columns = rest.iter().product();
    b.reshape(x, Shape(vec![Dim::Fixed(*rows), Dim::Fixed(columns)]))
}

/// One step per triple of coefficients, on a matrix.
pub(super) fn newton_schulz(
    b: &mut Builder,
    matrix: NodeId,
    steps: impl IntoIterator<Item = [f64; 3]>,
) -> Result<NodeId, InferError> {
    let tall = match b.shape(matrix).as_fixed().unwrap_or_default().as_slice() {
        [rows, columns] => rows > columns,
        _ => return Err(InferError::new("Newton-Schulz steps need a matrix of fixed size")),
    };
    let size = norm(b, matrix)?;
    let least = b.scalar(DType::F32, LEAST_NORM)?;
    let size = b.binary(Binary::Max, size, least)?;
    let one = b.scalar(DType::F32, 1.0)?;
    let inverse = b.div(one, size)?;
    let mut x = times(b, inverse, matrix)?;
    for [first, third, fifth] in steps {
        // The smaller of X^T X and X X^T.
        let summed = if tall { (0, 0) } else { (1, 1) };
        let gram = b.contract(x, x, &[], &[summed])?;
        let mut factor = b.scale(gram, third)?;
        if fifth != 0.0 {
            let square = b.matmul(gram, gram)?;
            let square = b.scale(square, fifth)?;
            factor = b.add(factor, square)?;
        }
        let moved = if tall { b.matmul(x, factor)? } else { b.matmul(factor, x)? };
        let kept = b.scale(x, first)?;
        x = b.add(kept, moved)?;
    }
    Ok(x)
}
