//! Elementary functions built from additions, multiplications and bit operations, one file per function, and their
//! coefficients in `f32`. Polynomials have their highest coefficient first.
//!
//! Code generators that can emit [`Arithmetic`] have the expansions from here, so that results are the same on all of them;
//! one that keeps values in registers of its own choice takes the coefficients alone. The same expansion serves scalars
//! and vectors.
//!
//! Bounds in units in the last place (ulp), with fused multiply-adds and without: `exp`, `log`, `log1p` 2; `tanh`, `sigmoid`,
//! `erf` 3; `sin`, `cos` one ulp of 1 for arguments up to 8192. The tests of the code generators hold every function
//! against its own.

mod arithmetic;
mod erf;
mod exp;
mod log;
mod power;
mod sigmoid;
mod tanh;
mod trigonometry;

pub use arithmetic::{Arithmetic, Condition};
pub use erf::erf;
pub use exp::exp;
pub use log::{log, log_one_plus};
pub use power::power;
pub use sigmoid::sigmoid;
pub use tanh::tanh;
pub use trigonometry::{cos, sin};

/// `e^x`: `x = n ln 2 + r` with `|r| <= ln 2 / 2`; `ln 2` in two parts so that `r` is exact to the last place
/// (W. J. Cody, W. Waite, "Software Manual for the Elementary Functions", 1980).
#[derive(Clone, Copy, Debug)]
pub struct Exp {
    /// Arguments below are taken for it.
    pub low: f64,
    /// Arguments above are taken for it.
    pub high: f64,
    /// The leading part of `ln 2`.
    pub ln2_high: f64,
    /// The rest of `ln 2`.
    pub ln2_low: f64,
    /// Of `(e^r - 1 - r) / r^2`.
    pub polynomial: [f64; 6],
}

/// From S. Moshier's Cephes library.
pub const EXP: Exp = Exp {
    low: -104.5,
    high: 89.0,
    ln2_high: 0.693_359_375,
    ln2_low: -2.121_944_4e-4,
    polynomial: [
        1.987_569_15e-4,
        1.398_199_950_7e-3,
        8.333_451_907_3e-3,
        4.166_579_589_4e-2,
        1.666_666_545_9e-1,
        5.000_000_120_1e-1,
    ],
};

/// `log x`: `x = 2^k m` with `sqrt(1/2) < m < sqrt(2)`, `s = f / (2 + f)` for `f = m - 1`, and
/// `log m = f - f^2/2 + s (f^2/2 + R(s^2))`.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// The least normal number.
    pub least_normal: f64,
    /// Number of doublings that makes any subnormal number normal.
    pub doublings: i32,
    /// Bits of 1.
    pub one: u32,
    /// Bits of about `sqrt(1/2)`.
    pub root_half: u32,
    /// The leading part of `ln 2`.
    pub ln2_high: f64,
    /// The rest of `ln 2`.
    pub ln2_low: f64,
    /// Of `R(z) / z`.
    pub series: [f64; 4],
}

/// From FreeBSD's msun (`e_logf.c`; Copyright 1993 Sun Microsystems, freely distributable with this notice).
pub const LOG: Log = Log {
    least_normal: 1.175_494_350_822_287_5e-38,
    doublings: 25,
    one: 0x3F80_0000,
    root_half: 0x3F35_04F3,
    ln2_high: 0.693_138_12,
    ln2_low: 9.058_000_6e-6,
    series: [0.242_790_788_41, 0.284_987_866_88, 0.400_009_721_52, 0.666_666_626_93],
};

/// `(tanh x - x) / x^3` in `x^2`, below 5/8; from S. Moshier's Cephes library.
pub const TANH: [f64; 5] = [
    -5.704_988_727_45e-3,
    2.063_908_879_54e-2,
    -5.373_971_555_31e-2,
    1.333_144_220_36e-1,
    -3.333_328_194_22e-1,
];

/// `erf x` in two ranges.
#[derive(Clone, Copy, Debug)]
pub struct Erf {
    /// Where the ranges meet.
    pub border: f64,
    /// Of `erf x / x - 1` in `x^2`.
    pub inner: [f64; 6],
    /// Of `-log(1 - erf x) / x - 1` in `|x|`.
    pub outer: [f64; 7],
}

/// N. Juffa's approximation.
pub const ERF: Erf = Erf {
    border: 475.0 / 512.0,
    inner: [
        -5.991_049_69e-4,
        4.993_395_88e-3,
        -2.676_673_42e-2,
        1.128_180_25e-1,
        -3.761_248_59e-1,
        1.283_791_51e-1,
    ],
    outer: [
        1.729_489_3e-5,
        -3.832_086_8e-4,
        3.883_934_35e-3,
        -2.425_455_45e-2,
        1.067_778_47e-1,
        6.348_466_87e-1,
        1.287_175_12e-1,
    ],
};

/// `sin x` and `cos x`: `x = n pi/2 + r` with `pi/2` in three parts whose products with `n` are exact.
#[derive(Clone, Copy, Debug)]
pub struct Trigonometry {
    /// Parts of `pi/2`.
    pub half_pi: [f64; 3],
    /// Of `(sin r / r - 1) / r^2` in `r^2`.
    pub sine: [f64; 3],
    /// Of `(cos r - 1 + r^2 / 2) / r^4` in `r^2`.
    pub cosine: [f64; 3],
}

/// From S. Moshier's Cephes library.
pub const TRIGONOMETRY: Trigonometry = Trigonometry {
    half_pi: [1.570_312_5, 4.837_512_969_970_703e-4, 7.549_789_954_891_882e-8],
    sine: [-1.951_529_589_1e-4, 8.332_160_873_6e-3, -1.666_665_461_1e-1],
    cosine: [2.443_315_711_809_948e-5, -1.388_731_625_493_765e-3, 4.166_664_568_298_827e-2],
};
