//! Walks over row-major tensors: the one place that turns coordinates into offsets.

/// Offsets of the elements of a walk over `dims` in row-major order, where one step along an axis moves
/// by that axis's stride, negative for a walk backwards. Arithmetic wraps: a stride too large to be taken
/// (an axis of one element has it) must not matter.
pub(crate) struct Offsets {
    dims: Vec<usize>,
    strides: Vec<isize>,
    coordinates: Vec<usize>,
    next: isize,
    left: usize,
}

impl Offsets {
    pub(crate) fn new(dims: &[usize], strides: Vec<isize>, start: isize) -> Offsets {
        Offsets {
            left: dims.iter().product(),
            coordinates: vec![0; dims.len()],
            dims: dims.to_vec(),
            strides,
            next: start,
        }
    }
}

impl Iterator for Offsets {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let current = self.next;
        for axis in (0..self.dims.len()).rev() {
            self.coordinates[axis] += 1;
            self.next = self.next.wrapping_add(self.strides[axis]);
            if self.coordinates[axis] < self.dims[axis] {
                break;
            }
            let line = self.strides[axis].wrapping_mul(self.dims[axis] as isize);
            self.next = self.next.wrapping_sub(line);
            self.coordinates[axis] = 0;
        }
        Some(current as usize)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

/// Distance in elements between neighbours along each axis.
pub(crate) fn row_major(dims: &[usize]) -> Vec<isize> {
    let mut strides = vec![1; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis] * dims[axis] as isize;
    }
    strides
}

/// Elements before, along and after an axis: offset `(outer * length + position) * inner + rest`.
pub(crate) struct Split {
    pub(crate) outer: usize,
    pub(crate) length: usize,
    pub(crate) inner: usize,
}

impl Split {
    pub(crate) fn at(dims: &[usize], axis: usize) -> Split {
        Split {
            outer: dims[..axis].iter().product(),
            length: dims[axis],
            inner: dims[axis + 1..].iter().product(),
        }
    }

    /// Offset of the first element of each line along the axis.
    pub(crate) fn lines(&self) -> impl Iterator<Item = usize> + use<> {
        let (outer, length, inner) = (self.outer, self.length, self.inner);
        (0..outer).flat_map(move |block| (0..inner).map(move |rest| block * length * inner + rest))
    }
}
