//! Matrices in shared memory as `wgmma`'s descriptors tell them, by the canonical layouts of the PTX manual.
//!
//! A matrix is made of units of 16 bytes, which lie along K or along rows (A) or columns (B): its *lines*. Eight lines
//! are a pattern, in which units change places by exclusive or: bits 4 and up of an address with bits 7 and up, as many
//! as the mode has. Patterns begin where their bytes divide the address; with a base offset they would begin elsewhere,
//! which is not executed.

use super::stop::{Stop, Trouble};

/// A descriptor taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Descriptor {
    start: u64,
    leading: u64,
    stride: u64,
    /// Bytes of a line within a pattern: 16 where units stay in place.
    line: u64,
}

/// Bits that no field of a descriptor has.
const UNNAMED: u64 = 0x3FF1_C000_C000_C000;

impl Descriptor {
    pub(super) fn new(bits: u64, transposed: bool) -> Result<Self, Stop> {
        let refuse = |what: &str| {
            let message = format!("a matrix of the descriptor {bits:#x}, {what},");
            Err(Stop::new(0, Trouble::NotExecuted(message)))
        };
        let field = |first: u32| (bits >> first & 0x3FFF) << 4;
        let line = [16, 128, 64, 32][(bits >> 62) as usize];
        let descriptor = Self { start: field(0), leading: field(16), stride: field(32), line };
        if bits & UNNAMED != 0 {
            return refuse("which has bits that the manual does not name");
        }
        if bits >> 49 & 7 != 0 {
            return refuse("which has a base offset");
        }
        let within = descriptor.start % (8 * line);
        // Along K a product may begin at any unit of the first line.
        let begins = line == 16 || if transposed { within == 0 } else { within < line };
        match begins {
            true => Ok(descriptor),
            false => refuse("which begins within a pattern"),
        }
    }

    fn swizzled(self, address: u64) -> u64 {
        address ^ (address >> 7 & (self.line / 16 - 1)) << 4
    }

    /// Address of a unit of a K-major matrix: of a row or column, and of units of K.
    pub(super) fn along_depth(self, line: usize, unit: usize) -> u64 {
        let (line, unit) = (line as u64, unit as u64);
        let next = if self.line == 16 { self.leading } else { 16 };
        self.swizzled(self.start + line / 8 * self.stride + line % 8 * self.line + unit * next)
    }

    /// Address of a unit of an MN-major matrix: of units of rows or columns, and of a step of K.
    pub(super) fn across(self, unit: usize, step: usize) -> u64 {
        let (unit, step) = (unit as u64, step as u64);
        let units = self.line / 16;
        let (units_apart, steps_apart) =
            if units == 1 { (self.stride, self.leading) } else { (self.leading, self.stride) };
        let across = unit % units * 16 + unit / units * units_apart;
        self.swizzled(self.start + across + step % 8 * self.line + step / 8 * steps_apart)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::Descriptor;

    fn descriptor(mode: u64, leading: u64, stride: u64, transposed: bool) -> Descriptor {
        Descriptor::new(mode << 62 | (stride >> 4) << 32 | (leading >> 4) << 16, transposed).unwrap()
    }

    /// The examples of the manual with their strides in elements: "K-Major, no-swizzling and tf32 type" and those that
    /// follow.
    #[test]
    fn examples_of_the_manual() {
        // ((8,2),(4,4)):((4,32),(1,64)) of words.
        let plain = descriptor(0, 64 * 4, 32 * 4, false);
        assert_eq!(plain.along_depth(8 + 3, 2) / 4, 32 + 3 * 4 + 2 * 64);
        // Swizzle<1,4,3> o ((8,2),(4,4)):((8,64),(1,4)) of words: bit 4 of the address turns with bit 7.
        let swizzled = descriptor(3, 16, 64 * 4, false);
        assert_eq!(swizzled.along_depth(8 + 3, 1) / 4, 64 + 3 * 8 + 4);
        assert_eq!(swizzled.along_depth(8 + 5, 1) / 4, 64 + 5 * 8);
        // ((8,1,2),(8,2)):((1,8,64),(8,128)) of halves.
        let plain = descriptor(0, 128 * 2, 64 * 2, true);
        assert_eq!(plain.across(1, 8 + 5) / 2, 64 + 5 * 8 + 128);
        // Swizzle<2,4,3> o ((8,4,2),(8,2)):((1,8,256),(32,512)) of halves.
        let swizzled = descriptor(2, 256 * 2, 512 * 2, true);
        assert_eq!(swizzled.across(4 + 1, 8 + 1) / 2, 256 + 8 + 32 + 512);
        assert_eq!(swizzled.across(4 + 1, 8 + 2) / 2, 256 + 64 + 512);
        // Swizzle<3,4,3>: eight lines of 128 bytes have their first units in different banks.
        let whole = descriptor(1, 16, 1024, false);
        assert_eq!(whole.along_depth(8 + 5, 3), 1024 + 5 * 128 + (3 ^ 5) * 16);
    }

    #[test]
    fn what_is_refused() {
        for bits in [1 << 14, 1 << 46, 1 << 52, 1 << 49, 1 << 62 | 128 >> 4, 2 << 62 | 64 >> 4] {
            assert!(Descriptor::new(bits, false).is_err(), "{bits:#x}");
        }
        assert!(Descriptor::new(1 << 62 | 96 >> 4, false).is_ok());
        assert!(Descriptor::new(1 << 62 | 96 >> 4, true).is_err());
    }
}
