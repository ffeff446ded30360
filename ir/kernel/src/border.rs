//! Zeros around a tensor in its buffer.
//!
//! A convolution that reads past the edge of its input finds the padding there. Nobody writes a border: the
//! arena is zero when a function is first called, and bytes under a border are under no other buffer, but
//! under those with the very same border. [`crate::check`] proves the latter; the former is proven by
//! counting the stores of every kernel.

/// Which elements of a buffer are the tensor's own. The rest is border.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Border {
    /// Axes from the outermost in memory to the innermost; together they are the whole buffer.
    pub axes: Vec<BorderAxis>,
}

/// One axis, in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BorderAxis {
    /// Border in front.
    pub low: usize,
    /// The tensor's own, for the greatest batch.
    pub length: usize,
    /// Border behind.
    pub high: usize,
}

impl BorderAxis {
    fn whole(self) -> Option<usize> {
        self.low.checked_add(self.length)?.checked_add(self.high)
    }
}

impl Border {
    /// Elements of the whole buffer, if they can be counted.
    pub fn elements(&self) -> Option<usize> {
        self.axes.iter().try_fold(1_usize, |product, axis| product.checked_mul(axis.whole()?))
    }

    /// Whether an element is part of the border.
    pub fn contains(&self, element: usize) -> bool {
        let mut rest = element;
        self.axes.iter().rev().any(|axis| {
            let whole = axis.whole().unwrap_or(usize::MAX).max(1);
            let place = rest % whole;
            rest /= whole;
            !(axis.low..axis.low + axis.length).contains(&place)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_one() {
        let axis = |low, length, high| BorderAxis { low, length, high };
        let border = Border { axes: vec![axis(0, 2, 0), axis(1, 2, 1), axis(0, 3, 2)] };
        assert_eq!(border.elements(), Some(2 * 4 * 5));
        let own: Vec<usize> = (0..20).filter(|&element| !border.contains(element)).collect();
        assert_eq!(own, [5, 6, 7, 10, 11, 12]);
        assert!(border.contains(20) && !border.contains(25));
    }
}
