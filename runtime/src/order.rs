//! Moving a tensor between the plain row-major order and the order its strides tell.

/// Bytes from the first to behind the last element of a strided tensor; `None` on overflow. Zero for a
/// tensor without elements.
pub(crate) fn span(dims: &[usize], strides: &[usize], size: usize) -> Option<usize> {
    if dims.contains(&0) {
        return Some(0);
    }
    let mut last = 0usize;
    for (&dim, &stride) in dims.iter().zip(strides) {
        last = last.checked_add((dim - 1).checked_mul(stride)?)?;
    }
    last.checked_add(1)?.checked_mul(size)
}

/// Whether the strides are those of the plain order.
pub(crate) fn is_plain(dims: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1usize;
    for (&dim, &stride) in dims.iter().zip(strides).rev() {
        if dim != 1 && stride != expected {
            return false;
        }
        expected = expected.saturating_mul(dim);
    }
    true
}

/// Calls `visit(plain, strided)` with the element numbers of every element, in the plain order.
fn each_element(dims: &[usize], strides: &[usize], mut visit: impl FnMut(usize, usize)) {
    if dims.contains(&0) {
        return;
    }
    let mut index = vec![0usize; dims.len()];
    let (mut plain, mut strided) = (0, 0);
    loop {
        visit(plain, strided);
        plain += 1;
        let mut axis = dims.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            strided += strides[axis];
            if index[axis] < dims[axis] {
                break;
            }
            strided -= strides[axis] * dims[axis];
            index[axis] = 0;
        }
    }
}

/// Copies a strided tensor out into the plain order.
pub(crate) fn gather(dims: &[usize], strides: &[usize], size: usize, strided: &[u8], plain: &mut [u8]) {
    if is_plain(dims, strides) {
        plain.copy_from_slice(&strided[..plain.len()]);
        return;
    }
    each_element(dims, strides, |to, from| {
        plain[to * size..][..size].copy_from_slice(&strided[from * size..][..size]);
    });
}

/// Copies a plain tensor into its strided place; what lies between the elements stays.
pub(crate) fn scatter(dims: &[usize], strides: &[usize], size: usize, plain: &[u8], strided: &mut [u8]) {
    if is_plain(dims, strides) {
        strided[..plain.len()].copy_from_slice(plain);
        return;
    }
    each_element(dims, strides, |from, to| {
        strided[to * size..][..size].copy_from_slice(&plain[from * size..][..size]);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_padded_transpose_goes_out_and_back() {
        let (dims, strides) = ([2, 3], [1, 4]);
        assert_eq!(span(&dims, &strides, 1), Some(10));
        let mut strided = [9u8; 10];
        scatter(&dims, &strides, 1, &[1, 2, 3, 4, 5, 6], &mut strided);
        assert_eq!(strided, [1, 4, 9, 9, 2, 5, 9, 9, 3, 6]);
        let mut plain = [0u8; 6];
        gather(&dims, &strides, 1, &strided, &mut plain);
        assert_eq!(plain, [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn scalars_units_and_empty_tensors() {
        assert_eq!(span(&[], &[], 8), Some(8));
        assert_eq!(span(&[0, 3], &[3, 1], 4), Some(0));
        assert_eq!(span(&[usize::MAX, 2], &[2, 1], 4), None);
        assert!(is_plain(&[1, 3, 1], &[77, 1, 5]));
        assert!(!is_plain(&[2, 3], &[4, 1]));
        let mut plain = [0u8; 4];
        gather(&[], &[], 4, &[1, 2, 3, 4, 5], &mut plain);
        assert_eq!(plain, [1, 2, 3, 4]);
        gather(&[0, 2], &[1, 5], 4, &[], &mut []);
    }
}
