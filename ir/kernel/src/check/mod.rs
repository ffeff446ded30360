//! Independent checkers: of a program's memory plan and schedule ([`check_plan`]), and of what a kernel
//! stores ([`check_coverage`]).
//!
//! They know the meaning of programs and kernels, not how lowering arrived at them, so that a mistake
//! there does not hide here. Values are never computed.

mod coverage;
mod plan;
mod repetitions;
mod sequences;
mod stores;

pub use coverage::{Coverage, CoverageError, check_coverage};
pub use plan::{Place, PlanError, check_plan};
pub use stores::{StoreCounts, store_counts};
