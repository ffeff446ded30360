//! What it takes to launch a kernel on a device with blocks of threads, such as a GPU.

use crate::Extent;
use alloc::string::String;
use alloc::vec::Vec;

/// Most shared memory of a block that a module can declare.
pub const DECLARED_SHARED_BYTES: u32 = 48 << 10;

/// A kernel of a device module. Its parameters are the size of the batch, in 64 bits, and a pointer for each operand,
/// in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceKernel {
    /// The entry's name in the module.
    pub name: String,
    /// Threads of a block, along its first direction.
    pub threads: u32,
    /// Bytes of shared memory of a block. Up to [`DECLARED_SHARED_BYTES`] the module declares them; a kernel with more
    /// has none declared and is given all of them with the launch (`.extern .shared`).
    pub shared_bytes: u32,
    /// Blocks are numbered along one direction; there are as many as the product of these counts.
    pub grid: Vec<Tiles>,
    /// Number of operands.
    pub operands: usize,
}

/// Work that is cut into pieces of one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// The work is the product of these.
    pub extents: Vec<Extent>,
    /// The work of one block; the last one may have less.
    pub per_block: usize,
}

impl Tiles {
    /// Blocks for a batch of `n`; `None` where the number is too large for a machine word.
    pub fn count(&self, n: usize) -> Option<usize> {
        let sizes = self.extents.iter().map(|extent| match extent.batch {
            true => extent.scale.checked_mul(n),
            false => Some(extent.scale),
        });
        let work = sizes.into_iter().try_fold(1_usize, |product, size| product.checked_mul(size?));
        // A factor of none leaves no work, however large the others are.
        let none = self.extents.iter().any(|extent| extent.scale == 0 || (extent.batch && n == 0));
        if none { Some(0) } else { Some(work?.div_ceil(self.per_block.max(1))) }
    }
}

impl DeviceKernel {
    /// Blocks for a batch of `n`; nothing is launched where there are none. `None` where the number is too large for a
    /// machine word.
    pub fn blocks(&self, n: usize) -> Option<usize> {
        self.grid.iter().try_fold(1_usize, |product, tiles| product.checked_mul(tiles.count(n)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn blocks_follow_from_the_batch() {
        let batch = Extent { scale: 3, batch: true };
        let fixed = |scale| Extent { scale, batch: false };
        let grid = vec![
            Tiles { extents: vec![batch, fixed(10)], per_block: 64 },
            Tiles { extents: vec![fixed(5)], per_block: 2 },
        ];
        let kernel = DeviceKernel { name: "k".into(), threads: 64, shared_bytes: 0, grid, operands: 1 };
        assert_eq!([0, 1, 3].map(|n| kernel.blocks(n)), [Some(0), Some(3), Some(6)]);
        assert_eq!(kernel.blocks(usize::MAX), None);
        let point = Tiles { extents: vec![], per_block: 8 };
        assert_eq!(point.count(0), Some(1));
        let huge = Tiles { extents: vec![fixed(usize::MAX), fixed(2)], per_block: 1 };
        assert_eq!(huge.count(1), None);
    }
}
