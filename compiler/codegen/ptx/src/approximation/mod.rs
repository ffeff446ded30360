//! Elementary functions built from additions, multiplications and bit operations, one file per function.
//!
//! Each file states its bound in units in the last place (ulp) of the result. Expansions are those of the other
//! code generators, operation by operation with fused multiply-adds, so that a GPU's results are a CPU's.

mod erf;
mod exp;
mod log;
mod power;
mod sigmoid;
mod tanh;
mod trigonometry;

pub(crate) use erf::erf;
pub(crate) use exp::exp;
pub(crate) use log::{log, log_one_plus};
pub(crate) use power::power;
pub(crate) use sigmoid::sigmoid;
pub(crate) use tanh::tanh;
pub(crate) use trigonometry::{cos, sin};
