//! The instruction sets that code is made for.

/// An instruction set, named by its widest vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// AVX2 and FMA: 16 registers of 256 bits.
    Avx2,
    /// AVX-512 F, DQ, BW and VL: 32 registers of 512 bits.
    Avx512,
}

/// What code is made for: vectors, and whether they multiply small integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The vectors.
    pub level: Level,
    /// VNNI for them: AVX512_VNNI, or AVX-VNNI.
    pub vnni: bool,
}

impl From<Level> for Machine {
    fn from(level: Level) -> Machine {
        Machine { level, vnni: false }
    }
}

impl Level {
    /// Whether the machine that this process runs on has VNNI for vectors of this level.
    pub fn detect_vnni(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return match self {
            Level::Avx2 => is_x86_feature_detected!("avxvnni"),
            Level::Avx512 => is_x86_feature_detected!("avx512vnni"),
        };
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    /// The widest level of the machine that this process runs on, if it has one.
    pub fn detect() -> Option<Level> {
        #[cfg(target_arch = "x86_64")]
        {
            let wide = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl");
            if wide {
                return Some(Level::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Some(Level::Avx2);
            }
        }
        None
    }

    /// How many `f32` a vector holds.
    pub const fn lanes_f32(self) -> usize {
        match self {
            Level::Avx2 => 8,
            Level::Avx512 => 16,
        }
    }

    /// How many vector registers there are.
    pub(crate) const fn registers(self) -> usize {
        match self {
            Level::Avx2 => 16,
            Level::Avx512 => 32,
        }
    }

    /// Vector registers that no tile may have: for the mask of a tail, where masks have no registers of
    /// their own, and for the lanes' offsets and a second mask where lanes lie apart.
    pub(crate) const fn reserved(self, gathers: bool) -> usize {
        match (self, gathers) {
            (Level::Avx2, false) => 1,
            (Level::Avx2, true) => 3,
            (Level::Avx512, false) => 0,
            (Level::Avx512, true) => 1,
        }
    }
}
