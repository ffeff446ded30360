//! Sparse tensors as dense ones.

use crate::{Array, SparseArray};

/// Bytes that a dense form may have.
const BYTES_LIMIT: usize = 1 << 28;

impl SparseArray {
    /// The tensor with all its elements, zeros where none is told.
    ///
    /// # Errors
    /// Places outside of the tensor, or element types that take no whole bytes.
    pub fn dense(&self) -> Result<Array, String> {
        let element = self.values.element();
        let size = element.bits() / 8;
        if size == 0 {
            return Err(format!("a sparse tensor of {element} is not supported"));
        }
        let count = self.dims.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim));
        let total = count.and_then(|count| count.checked_mul(size)).filter(|&total| total <= BYTES_LIMIT);
        let total = total.ok_or_else(|| format!("a sparse tensor of {:?} is too large", self.dims))?;
        let places = self.indices.ints().ok_or("the indices of a sparse tensor are no integers")?;
        let places = match self.indices.dims() {
            [_] => places,
            [_, rank] if *rank == self.dims.len() && *rank > 0 => {
                places.chunks(*rank).map(|place| self.position(place)).collect::<Result<_, _>>()?
            }
            other => return Err(format!("a sparse tensor of {:?} has indices of {other:?}", self.dims)),
        };
        let mut bytes = vec![0; total];
        for (place, value) in places.iter().zip(self.values.bytes().chunks(size)) {
            let start = usize::try_from(*place).ok().and_then(|place| place.checked_mul(size));
            let slot = start.and_then(|start| bytes.get_mut(start..start.checked_add(size)?));
            slot.ok_or_else(|| format!("the index {place} of a sparse tensor is outside of it"))?
                .copy_from_slice(value);
        }
        Array::new(element, self.dims.clone(), bytes)
    }

    fn position(&self, place: &[i64]) -> Result<i64, String> {
        place.iter().zip(&self.dims).try_fold(0_i64, |position, (&index, &dim)| {
            let dim = i64::try_from(dim).unwrap_or(i64::MAX);
            let next = position.checked_mul(dim).and_then(|position| position.checked_add(index));
            next.filter(|_| (0..dim).contains(&index))
                .ok_or_else(|| format!("the index {place:?} of a sparse tensor is outside of it"))
        })
    }
}
