//! Arithmetic of dims: counts, strides, axes, broadcasting, and walks over strided places.
//!
//! All counts are checked against [`MAX_ELEMENTS`], so that later products of dims and strides cannot overflow.

use crate::error::{HostError, Result, invalid};

/// More elements than this are refused for any tensor that is computed here.
pub const MAX_ELEMENTS: usize = 1 << 31;

/// The product of dims, at most [`MAX_ELEMENTS`]. The dims beside a zero are bounded, too.
pub(crate) fn count(dims: &[usize]) -> Result<usize> {
    let too_large = || HostError::TooLarge { dims: dims.to_vec() };
    let product = dims.iter().filter(|&&dim| dim != 0).try_fold(1usize, |product, &dim| {
        product.checked_mul(dim).filter(|&product| product <= MAX_ELEMENTS)
    });
    let product = product.ok_or_else(too_large)?;
    Ok(if dims.contains(&0) { 0 } else { product })
}

/// Elements from one index to the next along each axis, in row-major order.
pub(crate) fn strides(dims: &[usize]) -> Vec<isize> {
    let mut strides = vec![1isize; dims.len()];
    for axis in (0..dims.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * dims[axis + 1].max(1) as isize;
    }
    strides
}

/// An axis that may count from the end, as an index below `rank`.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize> {
    let counted = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    usize::try_from(counted)
        .ok()
        .filter(|&counted| counted < rank)
        .ok_or_else(|| invalid(format!("axis {axis} is outside of rank {rank}")))
}

/// Axes in the order given, each once.
pub(crate) fn axes(given: &[i64], rank: usize) -> Result<Vec<usize>> {
    let mut axes = Vec::with_capacity(given.len());
    for &one in given {
        let one = axis(one, rank)?;
        if axes.contains(&one) {
            return Err(invalid(format!("axis {one} is named twice")));
        }
        axes.push(one);
    }
    Ok(axes)
}

/// A dimension from a number of the model.
pub(crate) fn dim(number: i64) -> Result<usize> {
    usize::try_from(number).map_err(|_| invalid(format!("a dimension is {number}")))
}

/// The dims that two tensors broadcast to.
pub(crate) fn broadcast(left: &[usize], right: &[usize]) -> Result<Vec<usize>> {
    let rank = left.len().max(right.len());
    let at = |dims: &[usize], axis: usize| (axis + dims.len()).checked_sub(rank).map_or(1, |axis| dims[axis]);
    (0..rank)
        .map(|axis| match (at(left, axis), at(right, axis)) {
            (1, dim) | (dim, 1) => Ok(dim),
            (one, other) if one == other => Ok(one),
            _ => Err(invalid(format!("dims {left:?} and {right:?} do not broadcast"))),
        })
        .collect()
}

/// Strides by which a tensor of `dims` is read as one of `to`.
pub(crate) fn broadcast_strides(dims: &[usize], to: &[usize]) -> Result<Vec<isize>> {
    let own = strides(dims);
    let lead = to.len().checked_sub(dims.len());
    let lead = lead.ok_or_else(|| invalid(format!("dims {dims:?} do not broadcast to {to:?}")))?;
    let mut wide = vec![0isize; to.len()];
    for (axis, &dim) in dims.iter().enumerate() {
        if dim == to[lead + axis] {
            wide[lead + axis] = own[axis];
        } else if dim != 1 {
            return Err(invalid(format!("dims {dims:?} do not broadcast to {to:?}")));
        }
    }
    Ok(wide)
}

/// The places of a strided view in row-major order of its dims.
pub(crate) struct Walk<'a> {
    dims: &'a [usize],
    strides: &'a [isize],
    index: Vec<usize>,
    place: isize,
    left: usize,
}

impl<'a> Walk<'a> {
    /// Starts at `offset`; `strides` has as many entries as `dims`.
    pub(crate) fn new(dims: &'a [usize], strides: &'a [isize], offset: isize) -> Result<Walk<'a>> {
        Ok(Walk { dims, strides, index: vec![0; dims.len()], place: offset, left: count(dims)? })
    }
}

impl Iterator for Walk<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let here = self.place;
        for axis in (0..self.dims.len()).rev() {
            self.index[axis] += 1;
            self.place += self.strides[axis];
            if self.index[axis] < self.dims[axis] {
                break;
            }
            self.place -= self.strides[axis] * self.dims[axis] as isize;
            self.index[axis] = 0;
        }
        // A place before the start is as wrong as one behind the end; the reader of the place refuses both.
        Some(usize::try_from(here).unwrap_or(usize::MAX))
    }
}

/// Dims cut at an axis: elements before it, along it, and behind it.
pub(crate) fn around(dims: &[usize], axis: usize) -> (usize, usize, usize) {
    (dims[..axis].iter().product(), dims[axis], dims[axis + 1..].iter().product())
}
