//! What a GPU could do at best, by its clocks and widths: roofs to hold measured times against.
//!
//! The driver tells clocks, multiprocessors and the memory's bus; how many operations a multiprocessor starts in a clock
//! follows from its generation. Clocks are the highest that a GPU may take, so that it stays below these figures.

use crate::info::DeviceInfo;

/// Clocks and widths, as the driver tells them; 0 where it does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// How many multiprocessors there are.
    pub multiprocessors: u32,
    /// The multiprocessors' highest clock, in kHz.
    pub clock_khz: u32,
    /// The memory's highest clock, in kHz; it moves data twice in a clock.
    pub memory_clock_khz: u32,
    /// Bits that move at a time.
    pub memory_bus_bits: u32,
}

/// What numbers are multiplied in; all of them are added in `f32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// Plain `f32`.
    F32,
    /// `tf32` of tensor cores.
    Tf32,
    /// `bf16` of tensor cores.
    Bf16,
}

/// Operations that a multiprocessor starts in a clock, additions and multiplications counted, without sparsity. Where
/// GPUs of one generation differ it is the most.
///
/// From NVIDIA's "Turing GPU Architecture" (2018), "A100 Tensor Core GPU Architecture" (2020), "Ampere GA102 GPU
/// Architecture" (2021), "H100 Tensor Core GPU Architecture" (2022) and "Ada GPU Architecture" (2022); for generations
/// behind these as for the last one that is like them.
fn per_clock(major: u32, minor: u32, arithmetic: Arithmetic) -> u32 {
    let [plain, tf32, bf16] = match (major, minor) {
        (..=7, _) => [128, 0, 0],
        (8, 0) => [128, 1024, 2048],
        // Orin's have the tensor cores of the A100's.
        (8, 7) => [256, 1024, 2048],
        (8, _) | (12.., _) => [256, 512, 1024],
        (10, _) => [256, 4096, 8192],
        (9.., _) => [256, 2048, 4096],
    };
    match arithmetic {
        Arithmetic::F32 => plain,
        Arithmetic::Tf32 => tf32,
        Arithmetic::Bf16 => bf16,
    }
}

impl DeviceInfo {
    /// Operations per second of multiply-adds; 0 where the driver does not tell its clock.
    pub fn peak_operations(&self, arithmetic: Arithmetic) -> f64 {
        let Rates { multiprocessors, clock_khz, .. } = self.rates;
        let each = per_clock(self.major, self.minor, arithmetic);
        f64::from(multiprocessors) * f64::from(each) * f64::from(clock_khz) * 1e3
    }

    /// Bytes per second to and from its memory; 0 where the driver does not tell its clock.
    pub fn memory_bandwidth(&self) -> f64 {
        let Rates { memory_clock_khz, memory_bus_bits, .. } = self.rates;
        2.0 * f64::from(memory_bus_bits) / 8.0 * f64::from(memory_clock_khz) * 1e3
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DriverVersion;

    fn gpu((major, minor): (u32, u32), rates: [u32; 4]) -> DeviceInfo {
        let [multiprocessors, clock_khz, memory_clock_khz, memory_bus_bits] = rates;
        DeviceInfo {
            ordinal: 0,
            name: String::new(),
            major,
            minor,
            total_bytes: 0,
            driver: DriverVersion { major: 12, minor: 9 },
            rates: Rates { multiprocessors, clock_khz, memory_clock_khz, memory_bus_bits },
        }
    }

    /// The datasheets' figures, in units of 10^12 operations and 10^9 bytes a second, from boards' own clocks.
    #[test]
    fn roofs_are_those_of_the_datasheets() {
        let a100 = gpu((8, 0), [108, 1_410_000, 1_215_000, 5120]);
        let told = |gpu: &DeviceInfo| {
            [Arithmetic::F32, Arithmetic::Tf32, Arithmetic::Bf16].map(|one| gpu.peak_operations(one) / 1e12)
        };
        let near = |found: f64, stated: f64| assert!((found / stated - 1.0).abs() < 0.01, "{found} {stated}");
        told(&a100).into_iter().zip([19.5, 156.0, 312.0]).for_each(|(found, stated)| near(found, stated));
        near(a100.memory_bandwidth() / 1e9, 1555.0);
        // Tensor cores' figures of the SXM board are given at 1,830 MHz.
        let h100 = gpu((9, 0), [132, 1_830_000, 2_619_000, 5120]);
        told(&h100)[1..].iter().zip([494.7, 989.4]).for_each(|(&found, stated)| near(found, stated));
        near(h100.memory_bandwidth() / 1e9, 3352.0);
        let turing = gpu((7, 5), [40, 1_590_000, 5_001_000, 256]);
        near(told(&turing)[0], 8.1);
        assert_eq!(gpu((9, 0), [0; 4]).memory_bandwidth(), 0.0);
    }
}
